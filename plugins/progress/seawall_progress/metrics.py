"""OpenTelemetry metrics of calls; without an SDK in the application nothing of it is imported or done.

Sums are those of the ledger. Everything is told when it is known: a retry when its attempt is answered or
fails, tokens when the call has ended. Attributes hold names, never content, and a bounded number of them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seawall import Attempt, Call, Chunk, Outcome, Panel, wasted_output
from seawall_progress.instruments import OTHER, Instruments, instruments_of, provider_in_use

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    Attributes = Mapping[str, str | int]


@dataclass(slots=True)
class _Memory:
    """What is remembered of one call."""

    instruments: Instruments
    began: float
    attributes: "Attributes" = field(default_factory=dict)
    """Of the attempt whose chunks come."""
    last_chunk: float | None = None
    waits_since: float | None = None
    waits_for: str = ""
    counted: int = 0
    """The number of the last attempt that was answered or failed."""


class Metrics:
    """Told what becomes of calls, in the words of the hooks; threads may share it.

    Args:
        provider: Takes the metrics; `None` is the one that the application has set, if it has.
        clock: Seconds that never go back.
        is_on: Whether anything is told at all.
    """

    def __init__(
        self,
        provider: "MeterProvider | None" = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        is_on: bool = True,
    ) -> None:
        self._provider = provider
        self._is_on = is_on
        self._clock = clock
        self._made: tuple[MeterProvider, Instruments] | None = None
        self.describe: Callable[[float], Sequence[Panel]] = lambda _: ()
        """Of the last call, for the levels of what calls share."""

    def sending(self, call: Call) -> None:
        """An attempt is about to be sent; whatever the call waited for is over."""
        memory = self._memory(call)
        if memory is not None:
            self._end_wait(call, memory)

    def waiting(self, call: Call) -> None:
        """The call is about to wait."""
        memory = self._memory(call)
        if memory is None:
            return
        why = "admission" if not call.attempts or call.attempts[-1].error is None else "retry"
        if memory.waits_since is None or memory.waits_for != why:
            self._end_wait(call, memory)
            memory.waits_since, memory.waits_for = self._clock(), why

    def answered(self, call: Call) -> None:
        """The current attempt was accepted, or it failed; may be said again."""
        memory: _Memory | None = call.state.get(self)
        if memory is None or memory.counted >= call.attempt:
            return
        memory.counted, attempt = call.attempt, call.attempts[-1]
        told = memory.instruments
        memory.attributes = _attributes(told, call, [attempt])
        if call.attempt > 1:
            failed = told.errors(type(call.attempts[-2].error).__name__)
            told.retries.add(1, {**memory.attributes, "error.type": failed})
        if attempt.continues:
            way = {"seawall.continuation.way": attempt.way}
            told.continuations.add(1, {**memory.attributes, **way})

    def chunk(self, call: Call, chunk: Chunk) -> None:
        """An event arrived; for each, so 0.1 us where no metrics are taken."""
        memory: _Memory | None = call.state.get(self)
        if memory is None or chunk.type != "content_block_delta":
            return
        now, before, told = self._clock(), memory.last_chunk, memory.instruments
        memory.last_chunk = now
        if before is None:
            told.first_chunk.record(now - memory.began, memory.attributes)
        else:
            told.next_chunk.record(now - before, memory.attributes)

    def ended(self, call: Call, outcome: Outcome) -> None:
        """The call ended."""
        memory: _Memory | None = call.state.pop(self, None)
        if memory is None:
            return
        self._end_wait(call, memory)
        told = memory.instruments
        attributes = _attributes(told, call, outcome.attempts)
        if outcome.status != "completed":
            error = OTHER if outcome.error is None else told.errors(type(outcome.error).__name__)
            ended = {"failed": error, "stopped": error, "abandoned": "abandoned"}[outcome.status]
            attributes = {**attributes, "error.type": ended}
        told.duration.record(self._clock() - memory.began, attributes)
        wasted = wasted_output(call, outcome)
        for _, attempts in groupby(outcome.attempts, key=lambda attempt: attempt.asked):
            self._tell_tokens(call, list(attempts), told, wasted)

    def _tell_tokens(
        self, call: Call, attempts: list[Attempt], told: Instruments, wasted: Mapping[int, int]
    ) -> None:
        """Tell the tokens of attempts that asked the same model."""
        attributes = _attributes(told, call, attempts)
        usages = [attempt.usage for attempt in attempts]
        read = sum(usage.cache_read_input_tokens for usage in usages)
        written = sum(usage.cache_creation_input_tokens for usage in usages)
        for kind, tokens in (
            ("input", sum(usage.input_tokens for usage in usages) + read + written),
            ("output", sum(usage.output_tokens for usage in usages)),
        ):
            if tokens:
                told.token_usage.record(tokens, {**attributes, "gen_ai.token.type": kind})
        for kind, tokens in (("read", read), ("write", written)):
            if tokens:
                told.cached.add(tokens, {**attributes, "seawall.cache.operation": kind})
        for counter, tokens in (
            (told.thinking, sum(map(_thinking, attempts))),
            (told.wasted, sum(wasted[attempt.number] for attempt in attempts)),
        ):
            if tokens:
                counter.add(tokens, attributes)

    def _memory(self, call: Call) -> _Memory | None:
        if self not in call.state:
            instruments = self._instruments()
            # noted too where there are none: of a call whose begin was not seen no time would be right
            call.state[self] = None if instruments is None else _Memory(instruments, self._clock())
            if instruments is not None:
                self.describe = call.describe
        memory: _Memory | None = call.state[self]
        return memory

    def _instruments(self) -> Instruments | None:
        provider = (self._provider or provider_in_use()) if self._is_on else None
        if provider is None:
            return None
        if self._made is None or self._made[0] is not provider:
            self._made = provider, instruments_of(provider)
            self._made[1].levels.add(self)
        return self._made[1]

    def _end_wait(self, call: Call, memory: _Memory) -> None:
        since, memory.waits_since = memory.waits_since, None
        if since is not None:
            told = memory.instruments
            attributes = {**_attributes(told, call, ()), "seawall.wait.kind": memory.waits_for}
            told.waits.record(self._clock() - since, attributes)


def _attributes(told: Instruments, call: Call, attempts: Sequence[Attempt]) -> dict[str, str | int]:
    """Return what is told of attempts that asked one model, or of the call as far as there are none."""
    asked = next((attempt.asked for attempt in attempts if attempt.asked), call.model)
    served = next((attempt.model for attempt in reversed(attempts) if attempt.model), None)
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": told.models(asked),
    }
    if served:
        attributes["gen_ai.response.model"] = told.models(served)
    host = told.hosts(call.host)
    place = urlsplit(f"//{host}")
    if place.hostname:
        # that of a place is in small letters
        attributes["server.address"] = OTHER if host == OTHER else place.hostname
    if place.port is not None:
        attributes["server.port"] = place.port
    return attributes


def _thinking(attempt: Attempt) -> int:
    """Return the output tokens that the API has told to be thinking."""
    details = attempt.raw_usage.get("output_tokens_details")
    told = details.get("thinking_tokens") if isinstance(details, dict) else None
    return min(told, attempt.usage.output_tokens) if isinstance(told, int) and told > 0 else 0
