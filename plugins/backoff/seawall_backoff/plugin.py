"""The plugin: what follows a failure, and after which delay."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from seawall import Call, GiveUp, Retry, hookimpl
from seawall_backoff.classification import Row, Verdict, failure_of, row_of
from seawall_backoff.delays import delay
from seawall_backoff.retry_after import retry_after
from seawall_backoff.settings import BackoffSettings


@dataclass(slots=True)
class _Memory:
    """What is remembered of one call."""

    since: float
    """When the current row of failures began."""
    delay: float | None = None
    """The last delay of its own making in that row."""


class Backoff:
    """Answers `on_error` with `Retry` while attempts and time are left.

    Args:
        settings: Options.
        rng: Draws the delays.
        clock: Seconds that never go back.
    """

    Settings = BackoffSettings

    def __init__(
        self,
        settings: BackoffSettings | None = None,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or BackoffSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._clock = clock

    @hookimpl
    def on_error(self, call: Call, error: Exception) -> Retry | GiveUp | None:
        row = row_of(failure_of(error, call.attempts[-1]))
        if row.verdict is Verdict.NEVER:
            return None
        return self._retry(call, error, row)

    def _retry(self, call: Call, error: Exception, row: Row) -> Retry | GiveUp:
        settings, failures, now = self._settings, call.failures, self._clock()
        memory = self._memory(call, now)
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
        if row.verdict is Verdict.NOW and failures == 1:
            own = 0.0
        else:
            own = memory.delay = delay(
                settings.jitter,
                failures,
                base=settings.base,
                cap=settings.cap,
                before=memory.delay,
                rng=self._rng,
            )
        return Retry(
            max(min(own, left), asked), f"{_said(error)}, attempt {failures} of {settings.max_attempts}"
        )

    def _memory(self, call: Call, now: float) -> _Memory:
        """Return what is remembered of a call whose attempt failed."""
        memory: _Memory | None = call.state.get(self)
        if memory is None or (call.failures == 1 and call.attempt > 1):
            memory = call.state[self] = _Memory(now)
        return memory


def _said(error: Exception) -> str:
    """Return a failure in a word or two."""
    status = getattr(error, "status_code", None)
    return type(error).__name__ if status is None else f"{type(error).__name__} ({status})"
