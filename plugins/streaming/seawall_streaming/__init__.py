"""Streams large calls on the wire, watches their connections, and says how a broken message goes on.

A non-streaming call of more than some minutes dies with its connection, and everything generated is gone.
Over a stream the same answer arrives piece by piece, so that a break can be seen and the message continued.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seawall import Amend, Call, Chunk, Cut, GiveUp, Resume, Stop, hookimpl
from seawall_streaming.heartbeat import Heartbeat
from seawall_streaming.repetition import Repetition
from seawall_streaming.settings import ModelSettings, StreamingSettings

__all__ = ["ModelSettings", "Streaming", "StreamingSettings"]


@dataclass(slots=True)
class _Watch:
    """What is watched in the stream of one call."""

    repetition: Repetition | None
    first_ping: float | None = None
    """When the first ping since the last content was seen. When the content was says nothing: between the
    two may be a pause of the caller."""


class Streaming:
    """Amends large calls to streams, cuts those that stall and stops those that run away."""

    Settings = StreamingSettings
    seawall_api = 1

    def __init__(
        self, settings: StreamingSettings | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings or StreamingSettings()
        self._clock = clock
        interval = self._settings.heartbeat
        self._heartbeat = Heartbeat(interval, clock) if interval else None
        if self._settings.content_timeout is None and self._settings.runaway_after is None:
            # nothing to watch in the chunks: they need not pass here
            self.on_chunk = None  # type: ignore[assignment,method-assign] # a hook that is no method is none

    @hookimpl
    def pre_request(self, call: Call) -> Amend | None:
        call.state.pop(self, None)  # what was watched in an earlier attempt
        stream = self._is_large(call)
        if not (stream or call.stream):
            return None
        if self._heartbeat is not None:
            self._heartbeat.follow(call)
        chosen = self._settings.of_model(call.model)
        return Amend(
            stream=True if stream else None,
            timeout=self._settings.idle_timeout if call.timeout is None else None,
            resume=Resume(chosen.hold, chosen.continue_after_tokens, chosen.continuation_prompt),
        )

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Cut | Stop | None:
        watch: _Watch | None = call.state.get(self)
        if watch is None:
            runaway = self._settings.runaway_after
            watch = call.state[self] = _Watch(None if runaway is None else Repetition(runaway))
        limit = self._settings.content_timeout
        if chunk.type != "ping":
            watch.first_ping = None
        elif limit is not None:
            now = self._clock()
            if watch.first_ping is None:
                watch.first_ping = now
            elif now - watch.first_ping > limit:
                del call.state[self]
                return Cut(f"nothing but pings for content_timeout = {limit} s")
        if watch.repetition is not None and (text := chunk.text) and watch.repetition.is_found_with(text):
            return Stop(f"runaway_after = {self._settings.runaway_after} characters repeat one passage")
        return None

    @hookimpl
    def on_error(self, call: Call) -> GiveUp | None:
        limit = self._settings.of_model(call.model).max_continuations
        # one that was refused, or found nobody, has continued nothing
        if sum(attempt.continues and attempt.events > 0 for attempt in call.attempts) >= limit > 0:
            return GiveUp(f"max_continuations = {limit} is used up")
        return None

    @hookimpl
    def post_response(self, call: Call) -> None:
        if self._heartbeat is not None:
            self._heartbeat.leave(call)

    def _is_large(self, call: Call) -> bool:
        if call.max_tokens > self._settings.enforce_above:
            return True
        thinking = call.params.get("thinking")
        if not isinstance(thinking, Mapping):
            return False
        kind, budget = thinking.get("type"), thinking.get("budget_tokens")
        is_budget_large = isinstance(budget, int) and budget > self._settings.enforce_thinking_above
        return kind == "adaptive" or (kind == "enabled" and is_budget_large)
