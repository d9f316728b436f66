"""What is known of one call: noted by the hooks, and worked out when somebody looks."""

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from seawall import Attempt, Call, Outcome, SeawallError, Wait
from seawall_progress.counting import Count
from seawall_progress.markup import Markup
from seawall_progress.pace import Pace
from seawall_progress.usual import Totals, expected
from seawall_progress.values import GENERATING, CallProgress, Expected, Phase

_PHASES: Final[dict[str, Phase]] = {
    "text": "writing",
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "tool_use": "tool input",
    "server_tool_use": "tool input",
    "mcp_tool_use": "tool input",
}
_MOST_RUNNING: Final = 99.0
"""Percent of a call that runs: it may be longer than expected."""


class _Stage(NamedTuple):
    """What a call does, since when."""

    phase: Phase
    since: float
    reason: str = ""
    until: float | None = None
    """The end of a wait."""


class Track:
    """One call. The hooks write from its own thread or task, any thread may look.

    Args:
        clock: Seconds that never go back.
        stalled_after: Seconds without a byte after which an answer is said to stall.
        said: Tokens that the caller expects.
    """

    __slots__ = (
        "_attempt",
        "_base",
        "_continuations",
        "_count",
        "_exact",
        "_first",
        "_hides_thinking",
        "_is_answering",
        "_lock",
        "_markup",
        "_outcome",
        "_pace",
        "_percent",
        "_said",
        "_stage",
        "_stalled_after",
        "_thinking_from",
        "began",
        "clock",
        "gather",
        "is_metered",
        "key",
        "last",
        "longest_gap",
        "recent",
        "take",
        "usual",
    )

    def __init__(
        self, call: Call, clock: Callable[[], float], *, stalled_after: float, said: int | None = None
    ) -> None:
        self.clock = clock
        self.began = self.last = clock()
        """When the last event came is written on the chunk path, as are the next two."""
        self.longest_gap = 0.0
        self.is_metered = False
        """Whether metrics are taken of its chunks."""
        self.usual: Totals = ()
        """What calls like it took before."""
        self._stalled_after = stalled_after
        self._said = said
        self._lock = threading.Lock()
        self._stage = _Stage("queued", self.began)
        self._pace = Pace()
        self._first: float | None = None
        self._continuations = 0
        self._percent: float | None = None
        self._outcome: Outcome | None = None
        self._begin(call, None)

    def _begin(self, call: Call, attempt: Attempt | None) -> None:
        self._attempt = attempt
        self._markup = Markup(call.params)
        self._count = Count(call.estimate, self._markup)
        count = self._count
        self.key, self.recent, self.gather, self.take = count.key, count.recent, count.gather, count.take
        self._exact: int | None = None
        self._base = (0, True)
        """Tokens of the attempts that this one goes on with, and whether they are exact."""
        self._is_answering = False
        self._hides_thinking = False
        self._thinking_from: int | None = None
        """Characters that the attempt had when the thinking block began that is open."""

    # -- what the hooks tell

    def waiting(self, call: Call, wait: Wait) -> None:
        """The call is about to wait."""
        now = self.clock()
        is_sent = bool(call.attempts) and call.attempts[-1].error is not None
        with self._lock:
            self._end_attempt(now)
        self._stage = _Stage("waiting" if is_sent else "queued", now, wait.reason, now + wait.seconds)

    def sending(self, call: Call) -> None:
        """An attempt is sent, unless who is asked after this plugin has it wait; may be said again for it."""
        attempt, now = call.attempts[-1], self.clock()
        with self._lock:
            if attempt is not self._attempt:
                self._end_attempt(now)
                self._begin(call, attempt)
                if attempt.continues:
                    self._continuations += 1
                    self._base = _generated(call.attempts[:-1])
        self._stage = _Stage("resuming" if attempt.continues else "connecting", now)

    def event(self, kind: str, event: Any, now: float) -> None:
        """An event came that is no delta of a block."""
        self.gather()
        if self._is_answering:
            self.longest_gap = max(self.longest_gap, now - self.last)
        self.last, self._is_answering = now, True
        if kind == "content_block_start":
            block = event.get("content_block")
            block = block if isinstance(block, dict) else {}
            said = block.get("type")
            # it might be anything, content too
            kind = said if isinstance(said, str) and said.isidentifier() else ""
            self._begin_block(kind, event.get("index"), now, self._markup.begin(kind, block))
        elif kind == "content_block_stop":
            self._markup.end()
            self._end_thinking()
        elif kind == "message_delta":
            usage = event.get("usage")
            tokens = usage.get("output_tokens") if isinstance(usage, dict) else None
            self._exact = tokens if isinstance(tokens, int) and tokens >= 0 else self._exact

    def ended(self, outcome: Outcome) -> None:
        """The call ended."""
        now = self.clock()
        error = "" if outcome.error is None else type(outcome.error).__name__
        with self._lock:
            self._end_attempt(now)
            self._outcome = outcome
            self._stage = _Stage("done", now, error)

    def _begin_block(self, block: str, index: object, now: float, name: str) -> None:
        written = self._attempt.written if self._attempt is not None else 0
        self._end_thinking()
        phase = _PHASES.get(block, "writing")
        if phase == "thinking":
            self._thinking_from = written
        self._count.begin(block, index, written, name)
        self.key = self._count.key
        self._pace.begin(now)
        if self._first is None:
            self._first = now
        reason = "" if block in _PHASES else block
        if (phase, reason) != (self._stage.phase, self._stage.reason):
            self._stage = _Stage(phase, now, reason)

    def _end_thinking(self) -> None:
        if self._thinking_from is not None and self._attempt is not None:
            self._hides_thinking |= self._attempt.written == self._thinking_from
        self._thinking_from = None

    def _end_attempt(self, now: float) -> None:
        if self._attempt is not None:
            self._pace.end(min(self.last, now), self._attempt.usage.output_tokens)

    # -- what those who look are told

    def look(self, call: Call, *, counts: bool = True) -> CallProgress:
        """Return what the call is doing.

        Args:
            call: It.
            counts: Whether what has come since somebody looked is counted, which may take milliseconds; else
                its tokens are taken from its length.
        """
        with self._lock:
            return self._look(call, self.clock(), counts=counts)

    def _look(self, call: Call, now: float, *, counts: bool) -> CallProgress:
        stage, answering = self._stage, self._is_answering and self._outcome is None
        silent = now - self.last if answering and stage.phase not in ("queued", "waiting") else None
        phase: Phase = stage.phase
        if silent is not None and silent >= self._stalled_after:
            phase = "stalled"
        tokens, new, is_exact = self._tokens(call, counts=counts)
        expected = self._expected(call, tokens)
        rate = self._pace.lately(now, new) if answering else None
        overall = self._pace.overall(self.last, new)
        return CallProgress(
            call=call.id,
            model=call.model,
            caller=call.caller,
            phase=phase,
            reason=stage.reason,
            status="" if self._outcome is None else self._outcome.status,
            elapsed=(stage.since if phase == "done" else now) - self.began,
            in_phase=now - (self.last if phase == "stalled" else stage.since),
            wait_left=None if stage.until is None else max(stage.until - now, 0.0),
            tokens=tokens,
            is_exact=is_exact,
            hides_thinking=self._is_thinking_hidden(),
            rate=rate,
            overall_rate=overall,
            first_token=None if self._first is None else self._first - self.began,
            longest_gap=max(self.longest_gap, silent or 0.0),
            silent=silent,
            percent=self._percent_of(tokens, expected),
            eta=_eta(phase, tokens, expected, rate or overall),
            expected=expected,
            attempts=call.attempt,
            continuations=self._continuations,
        )

    def _tokens(self, call: Call, *, counts: bool) -> tuple[int, int, bool]:
        """Return the tokens of the message, those of them that are of this attempt, and are they exact?"""
        if self._outcome is not None:
            tokens, is_exact = _generated(self._outcome.attempts)
            return tokens, 0, is_exact
        before, is_exact = self._base
        if self._exact is not None:
            return before + self._exact, self._exact, is_exact
        written = self._attempt.written if self._attempt is not None else 0
        try:
            new = self._count.tokens(written, counts=counts)
        except SeawallError:
            # another plugin failed in its estimate; the call will hear of it by itself
            new = written // 4
        if most := call.max_tokens:
            new = min(new, max(most - before, 0))
        return before + new, new, is_exact and not new

    def _is_thinking_hidden(self) -> bool:
        start, attempt = self._thinking_from, self._attempt
        return self._hides_thinking or (
            start is not None and attempt is not None and attempt.written == start
        )

    def _expected(self, call: Call, tokens: int) -> Expected | None:
        most = call.max_tokens
        if self._said is not None:
            return Expected(self._said, "said")
        return expected(self.usual, tokens, most) or (Expected(most, "ceiling") if most else None)

    def _percent_of(self, tokens: int, expected: Expected | None) -> float | None:
        if self._outcome is not None and self._outcome.status == "completed":
            self._percent = 100.0
        elif expected is not None:
            reached = min(100.0 * tokens / expected.tokens, _MOST_RUNNING)
            self._percent = max(reached, self._percent or 0.0)
        return self._percent


def total(outcome: Outcome) -> int:
    """Return the output tokens of a message that is whole and was counted; else 0."""
    tokens, is_exact = _generated(outcome.attempts)
    return tokens if outcome.status == "completed" and is_exact else 0


def _generated(attempts: Any) -> tuple[int, bool]:
    """Return the output tokens of the attempts that made the message, and whether they are exact."""
    tokens, is_exact = 0, True
    for attempt in reversed(attempts):
        tokens += attempt.usage.output_tokens
        is_exact &= not attempt.usage.is_estimated
        if not attempt.continues:
            break
    return tokens, is_exact


def _eta(phase: Phase, tokens: int, expected: Expected | None, rate: float | None) -> float | None:
    if phase not in GENERATING or expected is None or not rate or tokens >= expected.tokens:
        return None
    return (expected.tokens - tokens) / rate
