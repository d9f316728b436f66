"""The plugin: what follows a failure, and after which delay."""

import math
import random
import time
from collections.abc import Callable, Sequence

from seawall import (
    Amend,
    Call,
    GiveUp,
    Offload,
    Outcome,
    Panel,
    Redirect,
    Reject,
    RequestRejectedError,
    Retry,
    Wait,
    hookimpl,
    retry_after,
)
from seawall.state import Store, reach
from seawall_backoff.breaker import Breaker
from seawall_backoff.classification import CUT, Failure, Verdict, failure_of, row_of
from seawall_backoff.delays import delay
from seawall_backoff.history import said
from seawall_backoff.memory import Memory
from seawall_backoff.panels import panels
from seawall_backoff.parameters import refused
from seawall_backoff.retry_budget import RetryBudget
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
    seawall_api = 1

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
        self._wall_clock = wall_clock
        self._retries = RetryBudget()
        self._breaker: Breaker | None = None
        if settings.mode != "off":
            self._breaker = Breaker(
                mode=settings.mode,
                max_elapsed=settings.max_elapsed,
                max_attempts=settings.max_attempts,
                fallbacks=settings.fallbacks,
                fallback_after=settings.fallback_after,
                clock=clock,
                wall_clock=wall_clock,
                rng=self._rng,
            )

    @hookimpl
    def pre_request(self, call: Call) -> Amend | Redirect | Wait | Reject | Offload | None:
        memory = self._memory(call)
        if not memory.is_checked:
            if error := self._refusal(call):
                return Reject(error)
            memory.is_checked = True
        memory.history.sending(call, self._wall_clock())
        return self._breaker.admit(call, memory) if self._breaker else None

    @hookimpl
    def on_accept(self, call: Call) -> Offload | None:
        self._retries.give_back(_limits(call))
        work = self._breaker.accepted(call, self._memory(call)) if self._breaker else None
        return None if work is None else reach(call.store, work)

    @hookimpl
    def on_error(self, call: Call, error: Exception) -> Retry | GiveUp | Offload | None:
        memory, failure = self._memory(call), failure_of(error, call)
        memory.history.failed(self._wall_clock())
        work = self._report(call, memory, error, failure)
        if work is None:
            return self._follow(call, memory, error, failure)

        def report_and_follow() -> Retry | GiveUp | None:
            work()
            return self._follow(call, memory, error, failure)

        decision: Retry | GiveUp | Offload | None = reach(call.store, report_and_follow)
        return decision

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        if outcome.error is not None and (told := self._memory(call).history.told()):
            outcome.error.add_note(told)
        work = self._breaker.untold(call, self._memory(call)) if self._breaker and call.attempts else None
        return None if work is None else reach(call.store, work)

    @hookimpl
    def describe_state(self, store: Store, now: float) -> Sequence[Panel] | Offload | None:
        if self._breaker is None:
            return None
        told: Sequence[Panel] | Offload = reach(store, lambda: panels(store, now))
        return told

    def _memory(self, call: Call) -> Memory:
        memory: Memory | None = call.state.get(self)
        if memory is None:
            memory = call.state[self] = Memory()
        return memory

    def _refusal(self, call: Call) -> RequestRejectedError | None:
        """Return why a fallback could not serve a call, so that it is known before it has to."""
        for model in self._settings.fallbacks:
            if (what := refused(call.params, model)) is not None:
                return RequestRejectedError(
                    f"{what} is refused by {model!r}, one of backoff.fallbacks: when {call.model!r} is down, "
                    "this call would fail. Nothing was sent; leave the parameter out, or that model"
                )
        return None

    def _report(
        self, call: Call, memory: Memory, error: Exception, failure: Failure
    ) -> Callable[[], None] | None:
        """Return what is left to do to tell the circuit of a failure."""
        if self._breaker is None:
            return None
        if row_of(failure).verdict is Verdict.HOLD:
            asked = min(self._asked(error), self._settings.max_retry_after)
            return self._breaker.failed(call, memory, cause=said(error), asked=asked)
        if failure.status is not None or failure.transport == CUT:
            return self._breaker.answered(call, memory)
        return self._breaker.untold(call, memory)

    def _follow(
        self, call: Call, memory: Memory, error: Exception, failure: Failure
    ) -> Retry | GiveUp | None:
        """Return what follows a failure."""
        row = row_of(failure)
        if row.verdict is Verdict.NEVER:
            if self._breaker and self._breaker.turns_back(call, memory, failure.status):
                return Retry(0.0, f"{call.model}, a fallback, refuses the request: {said(error)}")
            return None
        failures, now, asked = call.failures, self._clock(), self._asked(error)
        if memory.since is None or call.attempts[-1].written:
            memory.since = now
        elapsed = now - memory.since
        is_held = row.verdict is Verdict.HOLD and self._breaker is not None and self._breaker.is_open(memory)
        if why := self._why_not(call, asked=asked, elapsed=elapsed, is_held=is_held):
            return GiveUp(why)
        own = 0.0
        if not (is_held or (row.verdict is Verdict.NOW and failures == 1)):
            own = self._delay(memory, failures)
        left = self._settings.max_elapsed - elapsed
        why = f"{said(error)}, attempt {failures} of {self._settings.max_attempts}"
        return Retry(max(min(own, left), asked), why)

    def _asked(self, error: Exception) -> float:
        """Return the seconds that the server asks to wait."""
        headers = getattr(getattr(error, "response", None), "headers", {})
        return retry_after(headers, now=self._wall_clock()) or 0.0

    def _why_not(self, call: Call, *, asked: float, elapsed: float, is_held: bool) -> str | None:
        """Return why there is no other attempt after a failure."""
        settings = self._settings
        if call.failures >= settings.max_attempts:
            return f"max_attempts = {settings.max_attempts} is used up"
        if asked > settings.max_retry_after:
            longest = settings.max_retry_after
            return f"the server asks to wait {asked:g} s, more than max_retry_after = {longest:g} s"
        left = settings.max_elapsed - elapsed
        if left <= 0 or asked > left:
            wish = f", and the server asks to wait {asked:g} s more" if asked else ""
            return f"max_elapsed = {settings.max_elapsed:g} s: {elapsed:.0f} s have passed{wish}"
        if is_held and settings.mode == "fail":
            return "the API is down, and mode = 'fail'"
        if call.remaining() < math.inf and not self._retries.take(_limits(call)):
            return "the retry budget for calls with a deadline is used up: too many of them failed"
        return None

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


def _limits(call: Call) -> str:
    """Return whose retries are counted together."""
    return f"{call.host} / {call.model_class}"
