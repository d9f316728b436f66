"""What one process has in flight in one model class, and what it has to tell the others of it."""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from seawall import Attempt, retry_after
from seawall.state import Store, owners
from seawall_tokens.admission import GOVERN, Report, Request, Verdict
from seawall_tokens.rate_headers import reading
from seawall_tokens.turn import Turn
from seawall_tokens.untold import was_sent

CHARACTERS: Final = 3.5
"""Characters of an output token; what is wrong with it is put right when the attempt ends."""
_JITTER: Final = (0.2, 0.7)
"""Seconds added to the wait after a 429."""
_LONGEST_HOLD: Final = 3_600.0
"""Seconds that a 429 may hold a class."""


@dataclass(slots=True)
class _Happened:
    """What came of attempts since the last report, but for those that run."""

    written: float = 0.0
    unused: dict[str, float] = field(default_factory=dict)
    said: dict[str, Any] | None = None
    is_answered: bool = False
    succeeded: int = 0
    rejected: float | None = None
    warm: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def give_back(self, name: str, amount: float) -> None:
        self.unused[name] = self.unused.get(name, 0.0) + amount


class Traffic:
    """Tells the store what runs, and asks it whether one more may. Threads may share it.

    Args:
        store: Where the document of the class is.
        key: Of that document.
        asked: What every step is asked with: `limits`, `reserves`, `max_concurrent` (see `admission.GOVERN`).
        rng: For the jitter.
    """

    def __init__(self, store: Store, key: str, asked: Mapping[str, Any], rng: random.Random) -> None:
        self._store = store
        self._key = key
        self._asked = asked
        self._reserves = bool(asked["reserves"])
        self._rng = rng
        self._owner = owners.new_owner()
        self._lock = threading.Lock()
        self._step_lock = threading.Lock()
        """Held while the store is asked: a report that was made before another request of this process was
        admitted must not come after it, and take it back."""
        self._running: set[Turn] = set()
        self._happened = _Happened()

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def ask(self, turn: Turn, attempt: Attempt, now: float) -> Verdict:
        """Ask whether an attempt may be sent.

        Raises:
            StoreError: The store failed; the attempt is not known to it.
        """
        output = float(turn.max_tokens) if self._reserves else turn.output
        request = Request(
            ticket=turn.ticket,
            # half a surrogate pair is no text to Lua
            caller=turn.caller.encode(errors="backslashreplace").decode(),
            weight=turn.weight,
            input=turn.input,
            output=output,
            prefix=turn.prefix,
            tags=turn.tags,
        )
        with self._step_lock:
            verdict = self._step(now, request)
            assert verdict is not None  # noqa: S101 - there was a request
            turn.waits = not verdict["is_admitted"]
            if verdict["is_admitted"]:
                turn.admit(attempt, verdict)
                with self._lock:
                    self._running.add(turn)
        return verdict

    def tell(self, now: float) -> None:
        """Tell how far what runs has come, and what became of what ran.

        Raises:
            StoreError: The store failed; what was to be told is lost, and the next answer puts it right.
        """
        with self._step_lock:
            self._step(now, None)

    def end(self, turn: Turn, now: float) -> None:
        """Note that the attempt of a call has ended, or that the call waits no longer."""
        with self._lock:
            attempt, turn.attempt = turn.attempt, None
            if attempt is None:
                self._happened.left.append(turn.ticket)
            elif turn in self._running:
                # or it is the parent's, and this child leaves the call
                self._running.remove(turn)
                self._note_answer(turn, attempt)
                self._note_end(turn, attempt, now)
        turn.waits = False

    def _step(self, now: float, request: Request | None) -> Verdict | None:
        report = self._report()
        return self._store.step(GOVERN, key=self._key, now=now, report=report, request=request, **self._asked)

    def _report(self) -> Report:
        with self._lock:
            outstanding = 0.0
            for turn in self._running:
                assert turn.attempt is not None  # noqa: S101 - it runs
                seen = max(turn.attempt.written / CHARACTERS, turn.told)
                self._happened.written += seen - turn.told
                turn.told = seen
                outstanding += max(turn.output - seen, 0.0)
                self._note_answer(turn, turn.attempt)
            happened, self._happened = self._happened, _Happened()
            return Report(
                owner=self._owner,
                outstanding=outstanding,
                streams=len(self._running),
                written=happened.written,
                unused=happened.unused,
                said=happened.said,
                is_answered=happened.is_answered,
                succeeded=happened.succeeded,
                rejected=happened.rejected,
                warm=happened.warm,
                left=happened.left,
            )

    def _note_answer(self, turn: Turn, attempt: Attempt) -> None:
        """Note what the answer's headers tell, once it has some; the lock is held."""
        if turn.is_synced or attempt.status is None:
            return
        happened, turn.is_synced = self._happened, True
        happened.is_answered = True
        if attempt.status < HTTPStatus.BAD_REQUEST and turn.prefix:
            happened.warm.append(turn.prefix)
        told = reading(attempt.headers)
        if told is not None and (happened.said is None or turn.time >= happened.said["time"]):
            said = {"limits": told.limits, "remaining": told.remaining}
            happened.said = {**said, "time": turn.time, "taken": turn.taken}

    def _note_end(self, turn: Turn, attempt: Attempt, now: float) -> None:
        """Note what an attempt that has ended came to; the lock is held."""
        happened, usage = self._happened, attempt.usage
        written = _written(attempt)
        happened.written += written - turn.told
        if self._reserves:
            happened.give_back("output", turn.max_tokens - written)
        counted = max(usage.input_tokens, 0) + max(usage.cache_creation_input_tokens, 0)
        if not was_sent(attempt):
            happened.give_back("requests", 1.0)
            happened.give_back("input", turn.input)
        elif counted or usage.cache_read_input_tokens or _was_refused(attempt):
            happened.give_back("input", turn.input - counted)
        happened.succeeded += attempt.error is None and attempt.status is not None
        asked = retry_after(attempt.headers, now=now)
        if attempt.status == HTTPStatus.TOO_MANY_REQUESTS and asked is not None and asked <= _LONGEST_HOLD:
            # a spend cap is a 429 as well, but tells no time (API.md, 3.1)
            happened.rejected = max(happened.rejected or 0.0, asked + self._rng.uniform(*_JITTER))
        else:
            turn.tags = []


def _written(attempt: Attempt) -> float:
    """Return the output tokens of an attempt that has ended: as the API counted them, if it did."""
    counted = float(attempt.usage.output_tokens)
    if counted > 0 and attempt.error is None and not attempt.usage.is_estimated:
        return counted
    return max(counted, attempt.written / CHARACTERS)


def _was_refused(attempt: Attempt) -> bool:
    return attempt.status is not None and attempt.status >= HTTPStatus.BAD_REQUEST
