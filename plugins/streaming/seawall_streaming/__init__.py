"""Streams large calls on the wire, whatever their caller asked for, and cuts connections that fall silent.

A non-streaming call of more than some minutes dies with its connection, and everything generated is gone.
Over a stream the same answer arrives piece by piece, so that a break can be seen and the message continued.
"""

import time
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat

from seawall import Amend, Call, Chunk, Cut, hookimpl


class StreamingSettings(BaseModel):
    """Options of the streaming plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    enforce_above: NonNegativeInt = 4096
    """Tokens: a call with a larger `max_tokens` is streamed on the wire."""
    enforce_thinking_above: NonNegativeInt = 4096
    """Tokens: a call with a larger `thinking.budget_tokens` is streamed on the wire. Adaptive thinking counts
    as larger than any."""
    idle_timeout: PositiveFloat = 120.0
    """Seconds without a byte, pings included, after which a stream is cut; a timeout of the caller's own goes
    before."""
    content_timeout: PositiveFloat | None = None
    """Seconds with nothing but pings after which a stream is cut. Off by default: long silent thinking is
    normal."""


class Streaming:
    """Answers `pre_request` with a stream for large calls, and `on_chunk` with a cut when one stalls."""

    Settings = StreamingSettings

    def __init__(
        self, settings: StreamingSettings | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings or StreamingSettings()
        self._clock = clock

    @hookimpl
    def pre_request(self, call: Call) -> Amend | None:
        call.state.pop(self, None)  # when content last came, in an earlier attempt
        stream = self._is_large(call)
        if not (stream or call.stream):
            return None
        return Amend(
            stream=True if stream else None,
            timeout=self._settings.idle_timeout if call.timeout is None else None,
        )

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Cut | None:
        limit = self._settings.content_timeout
        if limit is None:
            return None
        now = self._clock()
        if chunk.type != "ping":
            call.state[self] = now
        elif now - call.state.setdefault(self, now) > limit:
            del call.state[self]
            return Cut(f"nothing but pings for content_timeout = {limit} s")
        return None

    def _is_large(self, call: Call) -> bool:
        if call.max_tokens > self._settings.enforce_above:
            return True
        thinking = call.params.get("thinking")
        if not isinstance(thinking, Mapping):
            return False
        kind, budget = thinking.get("type"), thinking.get("budget_tokens")
        is_budget_large = isinstance(budget, int) and budget > self._settings.enforce_thinking_above
        return kind == "adaptive" or (kind == "enabled" and is_budget_large)
