"""The governor: each attempt waits until the rate limits leave room for it, in all processes that share them.

What is shared is one document for each organization and model class (`admission`). Nothing is counted on the
path of a chunk: `Attempt.written` tells what streams have brought, and a thread reports it every second while
any run. Sources of the rules: GOVERNOR.md, decisions 1 to 6, section 4.
"""

import hashlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from seawall import Call, Reject, RequestRejectedError, Wait
from seawall.state import Store, StoreError, call_after_fork, owners
from seawall_tokens.admission import GOVERN, Report, Request, Verdict
from seawall_tokens.callers import Caller
from seawall_tokens.organizations import Organizations
from seawall_tokens.outputs import Outputs
from seawall_tokens.pulse import Pulse
from seawall_tokens.rate_headers import reading
from seawall_tokens.settings import TokensSettings
from seawall_tokens.turn import Turn

_log = logging.getLogger("seawall.tokens.governor")

_CHARACTERS: Final = 3.5
"""Characters of an output token; what is wrong with it is put right when the attempt ends."""
_PREFIXES: Final = 256
"""Prefixes of which it is known what the cache gives."""
_JITTER: Final = (0.2, 0.7)
"""Seconds added to the wait after a 429."""


@dataclass(eq=False)
class _Class:
    """What this process has to do with one model class."""

    store: Store
    key: str
    limits: dict[str, float]
    """Those that are configured."""
    owner: str = field(default_factory=owners.new_owner)
    running: set[Turn] = field(default_factory=set)
    report: dict[str, Any] = field(default_factory=dict)
    """What happened since the last report, but for what runs."""


class Governor:
    """Decides when attempts may be sent. Threads may share it; its methods block as the store does.

    Args:
        settings: Of the plugin.
        is_open: Whether attempts are sent when the store fails; else they are refused.
        clock: Of all processes that share the store.
        rng: For the jitter.
        interval: Seconds between two reports of what runs; `None`: nobody reports who does not call `report`.
    """

    def __init__(
        self,
        settings: TokensSettings | None = None,
        *,
        is_open: bool = True,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - the default of the argument
        rng: random.Random | None = None,
        interval: float | None = 1.0,
    ) -> None:
        self._settings = settings or TokensSettings()
        self._is_open = is_open
        self._clock = clock
        self._interval = interval
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._outputs = Outputs()
        self._cached: dict[str, int] = {}
        """Tokens that the last request with a prefix read from the cache: they do not count."""
        self._organizations = Organizations()
        self._is_told = False
        """That the store fails was said."""
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Begin with nothing in flight: what runs is the parent's."""
        self._lock = threading.Lock()
        self._classes: dict[tuple[int, str], _Class] = {}
        self._pulse: Pulse | None = None
        if self._interval is not None:
            self._pulse = Pulse(self.report, self._runs, interval=self._interval, name="seawall-governor")

    # -- for the hooks

    def admit(self, call: Call, caller: Caller, *, input_tokens: int) -> Wait | Reject | None:
        """Return what keeps the current attempt from being sent; `None` when it may go.

        Args:
            call: Whose attempt is about to be sent.
            caller: On whose behalf.
            input_tokens: Those of the request, cached ones included.
        """
        try:
            turn: Turn = call.state.get(self) or self._turn(call, caller)
        except StoreError as error:
            return self._without(error)
        if turn.attempt is call.attempts[-1]:
            return None
        if turn.attempt is not None:
            self.settle(call)
        again = sum(attempt.written for attempt in call.attempts[:-1]) / _CHARACTERS
        turn.input = max(input_tokens + again - self._cached.get(turn.prefix, 0), 0.0)
        turn.output = self._expected(turn)
        try:
            verdict = self._ask(turn)
        except StoreError as error:
            return self._without(error)
        turn.waits = not verdict["is_admitted"]
        if verdict["is_admitted"]:
            with self._lock:
                turn.admit(verdict)
                self._class(turn).running.add(turn)
            if self._pulse is not None:
                self._pulse.start()
            return None
        return self._late(turn, verdict) or Wait(verdict["wait"], _said(verdict))

    def settle(self, call: Call) -> None:
        """The current attempt has ended, or the call has: give back what it did not use."""
        turn: Turn | None = call.state.get(self)
        if turn is None or (turn.attempt is None and not turn.waits):
            return
        headers: Mapping[str, str] = {}
        with self._lock:
            known, turn.waits = self._class(turn), False
            if turn.attempt is None:
                known.report.setdefault("left", []).append(turn.ticket)
            else:
                known.running.discard(turn)
                headers = turn.attempt.headers
                self._note_end(known, turn)
                turn.attempt = None
        self._tell(known)
        if headers:
            try:
                self._organizations.learn(call, headers)
            except StoreError as error:
                self._say(error)

    def report(self) -> None:
        """Tell the store how far what runs has come."""
        with self._lock:
            classes = [known for known in self._classes.values() if known.running]
        for known in classes:
            self._tell(known)

    # -- what is told

    def _runs(self) -> bool:
        with self._lock:
            return any(known.running for known in self._classes.values())

    def _tell(self, known: _Class) -> None:
        with self._lock:
            report = self._report(known)
        try:
            known.store.step(GOVERN, key=known.key, **self._arguments(known, report, None))
        except StoreError as error:
            self._say(error)

    def _ask(self, turn: Turn) -> Verdict:
        """Ask for the turn of a call."""
        with self._lock:
            known = self._class(turn)
            report = self._report(known)
        request = Request(
            ticket=turn.ticket,
            caller=turn.caller,
            weight=turn.weight,
            input=turn.input,
            output=float(turn.call.max_tokens) if self._reserves else turn.output,
            prefix=turn.prefix,
            tags=turn.tags,
        )
        verdict = known.store.step(GOVERN, key=known.key, **self._arguments(known, report, request))
        assert verdict is not None  # noqa: S101 - there was a request
        return verdict

    def _without(self, error: StoreError) -> Reject | None:
        """Return what becomes of an attempt when the store fails."""
        self._say(error)
        if self._is_open:
            return None
        return Reject(
            RequestRejectedError(
                f"the rate limit cannot be looked up: {error}; nothing was sent. With "
                'tokens.on_store_error = "open" calls go on without it'
            )
        )

    def _arguments(self, known: _Class, report: Report, request: Request | None) -> dict[str, Any]:
        return {
            "now": self._clock(),
            "limits": known.limits,
            "report": report,
            "request": request,
            "reserves": self._reserves,
            "max_concurrent": self._settings.max_concurrent,
        }

    @property
    def _reserves(self) -> bool:
        return self._settings.otpm_mode == "reserve_max_tokens"

    def _report(self, known: _Class) -> Report:
        """What is to be told now; the lock is held."""
        happened, known.report = known.report, {}
        written = happened.get("written", 0.0)
        outstanding = 0.0
        for turn in known.running:
            seen = max(_seen(turn), turn.told)
            written += seen - turn.told
            turn.told = seen
            outstanding += max(turn.output - seen, 0.0)
            self._note_answer(happened, turn)
        return Report(
            owner=known.owner,
            outstanding=outstanding,
            streams=len(known.running),
            written=written,
            unused=happened.get("unused", {}),
            said=happened.get("said"),
            is_answered=happened.get("is_answered", False),
            succeeded=happened.get("succeeded", 0),
            rejected=happened.get("rejected"),
            warm=happened.get("warm", []),
            left=happened.get("left", []),
        )

    def _note_answer(self, happened: dict[str, Any], turn: Turn) -> None:
        """Note what the answer's headers tell, once it has some; the lock is held."""
        attempt = turn.attempt
        if turn.is_synced or attempt is None or attempt.status is None:
            return
        turn.is_synced = True
        happened["is_answered"] = True
        if attempt.status < HTTPStatus.BAD_REQUEST and turn.prefix:
            happened.setdefault("warm", []).append(turn.prefix)
        told = reading(attempt.headers)
        if told is not None and turn.time >= happened.get("said", {}).get("time", 0.0):
            said = {"limits": told.limits, "remaining": told.remaining}
            happened["said"] = {**said, "time": turn.time, "taken": turn.taken}

    def _note_end(self, known: _Class, turn: Turn) -> None:
        """Note what an attempt that has ended came to; the lock is held."""
        attempt, happened = turn.attempt, known.report
        assert attempt is not None  # noqa: S101 - of a running turn
        self._note_answer(happened, turn)
        usage = attempt.usage
        written = max(float(usage.output_tokens), _seen(turn))
        happened["written"] = happened.get("written", 0.0) + written - turn.told
        unused: dict[str, float] = happened.setdefault("unused", {})
        if self._reserves:
            unused["output"] = unused.get("output", 0.0) + turn.call.max_tokens - written
        counted = max(usage.input_tokens, 0) + max(usage.cache_creation_input_tokens, 0)
        is_served = attempt.status is not None and attempt.status < HTTPStatus.BAD_REQUEST
        if attempt.status is None and attempt.error is None:
            # another plugin refused or answered the call: it was not sent
            unused["requests"] = unused.get("requests", 0.0) + 1
            unused["input"] = unused.get("input", 0.0) + turn.input
        elif counted or usage.cache_read_input_tokens or (attempt.status is not None and not is_served):
            unused["input"] = unused.get("input", 0.0) + turn.input - counted
        if is_served and turn.prefix:
            _put(self._cached, turn.prefix, usage.cache_read_input_tokens)
        if is_served and attempt.error is None:
            happened["succeeded"] = happened.get("succeeded", 0) + 1
            self._outputs.learn(
                turn.call.model, turn.caller, output=usage.output_tokens, max_tokens=turn.call.max_tokens
            )
        asked = _retry_after(attempt.headers)
        if attempt.status == HTTPStatus.TOO_MANY_REQUESTS and asked is not None:
            # a spend cap is a 429 as well, but tells no time (API.md, 3.1)
            seconds = asked + self._rng.uniform(*_JITTER)
            happened["rejected"] = max(happened.get("rejected") or 0.0, seconds)
        else:
            turn.tags = []

    # -- who asks

    def _turn(self, call: Call, caller: Caller) -> Turn:
        turn = Turn(
            call=call,
            store=call.store,
            key=self._organizations.key(call),
            caller=caller.name,
            weight=caller.weight,
            prefix=cached_prefix(call.params),
            asked=self._clock(),
        )
        call.state[self] = turn
        return turn

    def _class(self, turn: Turn) -> _Class:
        """What this process has to do with the class of a call; the lock is held."""
        name = (id(turn.store), turn.key)
        if name not in self._classes:
            limits = self._settings.limits_of(turn.call.model)
            self._classes[name] = _Class(turn.store, turn.key, limits)
        return self._classes[name]

    def _expected(self, turn: Turn) -> float:
        return self._outputs.expected(turn.call.model, turn.caller, turn.call.max_tokens)

    def _late(self, turn: Turn, verdict: Verdict) -> Reject | None:
        """Refuse a call that waits too long, or would."""
        limit = self._settings.max_wait
        waited = max(self._clock() - turn.asked, 0.0)
        if limit is None or waited + verdict["estimate"] <= limit:
            return None
        return Reject(
            RequestRejectedError(
                f"the rate limit of {turn.call.model_class} leaves no room for this call within "
                f"tokens.max_wait = {limit:g} s: it has waited {waited:.1f} s, and would for about "
                f"{verdict['estimate']:.1f} s more ({_said(verdict)}). Nothing was sent; "
                "raise max_wait, or send less at a time"
            )
        )

    def _say(self, error: StoreError) -> None:
        if not self._is_told:
            self._is_told = True
            what = "calls are sent without pacing" if self._is_open else "calls are refused"
            _log.warning("%s while this lasts: %s", what, error)


def cached_prefix(params: Mapping[str, Any]) -> str:
    """Return a digest of what a request puts into the prompt cache before its messages; empty if nothing.

    Requests that share it read it from the cache, once the answer to the first has begun.
    """
    parts = [params.get("tools"), params.get("system")]
    if not any(_is_marked(part) for part in parts):
        return ""
    text = json.dumps([params.get("model"), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _is_marked(part: object) -> bool:
    blocks = part if isinstance(part, list | tuple) else ()
    return any(isinstance(block, Mapping) and block.get("cache_control") for block in blocks)


def _put(cached: dict[str, int], prefix: str, tokens: int) -> None:
    """Set a value as the newest, and drop the oldest when there are too many."""
    cached.pop(prefix, None)
    cached[prefix] = tokens
    if len(cached) > _PREFIXES:
        del cached[next(iter(cached))]


def _seen(turn: Turn) -> float:
    """Output tokens that the attempt of a turn has brought, as far as one knows."""
    return 0.0 if turn.attempt is None else turn.attempt.written / _CHARACTERS


def _said(verdict: Verdict) -> str:
    ahead = verdict["ahead"]
    return verdict["reason"] + (f", {ahead} before it" if ahead else "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 3_600 else None  # noqa: PLR2004 - an hour
