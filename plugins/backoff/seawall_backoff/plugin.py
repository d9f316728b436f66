"""The plugin: what follows a failure, and after which delay."""

import random
import time
from collections.abc import Callable

from seawall import Amend, Call, GiveUp, Offload, Reject, Retry, Wait, hookimpl
from seawall.state import reach
from seawall_backoff.breaker import Breaker
from seawall_backoff.classification import CUT, Failure, Row, Verdict, failure_of, row_of
from seawall_backoff.delays import delay
from seawall_backoff.memory import Memory
from seawall_backoff.retry_after import retry_after
from seawall_backoff.settings import BackoffSettings


class Backoff:
    """Answers `on_error` with `Retry` while attempts and time are left; holds calls while the API is down.

    Args:
        settings: Options.
        rng: Draws the delays.
        clock: Seconds that never go back.
        wall_clock: That of all processes that share the store.
    """

    Settings = BackoffSettings

    def __init__(
        self,
        settings: BackoffSettings | None = None,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,  # noqa: TID251 - the default of the argument
    ) -> None:
        self._settings = settings = settings or BackoffSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._clock = clock
        self._breaker: Breaker | None = None
        if settings.mode != "off":
            self._breaker = Breaker(
                mode=settings.mode,
                max_elapsed=settings.max_elapsed,
                max_attempts=settings.max_attempts,
                clock=clock,
                wall_clock=wall_clock,
                rng=self._rng,
            )

    @hookimpl
    def pre_request(self, call: Call) -> Amend | Wait | Reject | Offload | None:
        return self._breaker.admit(call, self._memory(call)) if self._breaker else None

    @hookimpl
    def on_accept(self, call: Call) -> Offload | None:
        work = self._breaker.accepted(call, self._memory(call)) if self._breaker else None
        return None if work is None else reach(call.store, work)

    @hookimpl
    def on_error(self, call: Call, error: Exception) -> Retry | GiveUp | Offload | None:
        memory, failure = self._memory(call), failure_of(error, call.attempts[-1])
        row = row_of(failure)
        work = self._report(call, memory, error, failure)
        if work is None:
            return self._follow(call, memory, error, row)

        def report_and_follow() -> Retry | GiveUp | None:
            work()
            return self._follow(call, memory, error, row)

        decision: Retry | GiveUp | Offload | None = reach(call.store, report_and_follow)
        return decision

    @hookimpl
    def post_response(self, call: Call) -> Offload | None:
        work = self._breaker.untold(call, self._memory(call)) if self._breaker and call.attempts else None
        return None if work is None else reach(call.store, work)

    def _memory(self, call: Call) -> Memory:
        memory: Memory | None = call.state.get(self)
        if memory is None:
            memory = call.state[self] = Memory()
        return memory

    def _report(
        self, call: Call, memory: Memory, error: Exception, failure: Failure
    ) -> Callable[[], None] | None:
        """Return what is left to do to tell the circuit of a failure."""
        if self._breaker is None:
            return None
        if row_of(failure).verdict is Verdict.HOLD:
            asked = min(retry_after(error), self._settings.max_retry_after)
            return self._breaker.failed(call, memory, cause=_said(error), asked=asked)
        if failure.status is not None or failure.transport == CUT:
            return self._breaker.answered(call, memory)
        return self._breaker.untold(call, memory)

    def _follow(self, call: Call, memory: Memory, error: Exception, row: Row) -> Retry | GiveUp | None:
        """Return what follows a failure."""
        if row.verdict is Verdict.NEVER:
            return None
        settings, failures, now = self._settings, call.failures, self._clock()
        if memory.since is None or call.attempts[-1].written:
            memory.since = now
        asked, elapsed = retry_after(error), now - memory.since
        if failures >= settings.max_attempts:
            return GiveUp(f"max_attempts = {settings.max_attempts} is used up")
        if asked > settings.max_retry_after:
            longest = settings.max_retry_after
            return GiveUp(f"the server asks to wait {asked:g} s, more than max_retry_after = {longest:g} s")
        left = settings.max_elapsed - elapsed
        if left <= 0 or asked > left:
            wish = f", and the server asks to wait {asked:g} s more" if asked else ""
            return GiveUp(f"max_elapsed = {settings.max_elapsed:g} s: {elapsed:.0f} s have passed{wish}")
        is_held = row.verdict is Verdict.HOLD and self._breaker is not None and self._breaker.is_open(memory)
        if is_held and settings.mode == "fail":
            return GiveUp("the API is down, and mode = 'fail'")
        own = (
            0.0
            if is_held or (row.verdict is Verdict.NOW and failures == 1)
            else self._delay(memory, failures)
        )
        why = f"{_said(error)}, attempt {failures} of {settings.max_attempts}"
        return Retry(max(min(own, left), asked), why)

    def _delay(self, memory: Memory, failures: int) -> float:
        """Return a delay of its own making."""
        settings = self._settings
        memory.delay = delay(
            settings.jitter,
            failures,
            base=settings.base,
            cap=settings.cap,
            before=None if failures == 1 else memory.delay,
            rng=self._rng,
        )
        return memory.delay


def _said(error: Exception) -> str:
    """Return a failure in a word or two."""
    status = getattr(error, "status_code", None)
    return type(error).__name__ if status is None else f"{type(error).__name__} ({status})"
