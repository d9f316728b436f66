"""Says in the log what a long call is doing: when its phase changes, and every `interval` seconds in between.

Loggers are `seawall.progress`; a line holds counts and names, never content.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, PositiveFloat

from seawall import Call, Chunk, Outcome, hookimpl
from seawall_progress.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_log = logging.getLogger("seawall.progress")

_PHASES: Final = {
    "text": "writing",
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "tool_use": "writing tool input",
    "server_tool_use": "writing tool input",
    "mcp_tool_use": "writing tool input",
}
_GENERATED: Final = ("text", "thinking", "partial_json")
"""What a delta holds that counts as output."""


class ProgressSettings(BaseModel):
    """Options of the progress plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: PositiveFloat = 10.0
    """Seconds between two lines about a call whose phase does not change."""
    metrics: bool = True
    """Calls are told to OpenTelemetry, where the application has set it up."""


@dataclass(slots=True)
class _Track:
    """What is known of one call."""

    began: float
    said: float
    phase: str = "connecting"
    characters: int = 0


class Progress:
    """Follows every call and logs what it does."""

    Settings = ProgressSettings
    seawall_api = 1
    required = False

    def __init__(
        self,
        settings: ProgressSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        meter_provider: "MeterProvider | None" = None,
    ) -> None:
        settings = settings or ProgressSettings()
        self._interval = settings.interval
        self._clock = clock
        self._metrics = Metrics(meter_provider, clock=clock, is_on=settings.metrics)

    @hookimpl
    def pre_request(self, call: Call) -> None:
        self._metrics.sending(call)
        track = call.state.get(self)
        if track is None:
            now = self._clock()
            call.state[self] = _Track(now, now)
        elif track.phase != "connecting":
            self._enter(call, track, "connecting")

    @hookimpl
    def on_wait(self, call: Call) -> None:
        self._metrics.waiting(call)

    @hookimpl
    def on_accept(self, call: Call) -> None:
        self._metrics.answered(call)

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> None:
        self._metrics.chunk(call, chunk)
        if not _log.isEnabledFor(logging.INFO):
            return
        track: _Track = call.state[self]
        if chunk.type == "content_block_delta":
            track.characters += _generated(chunk.event.get("delta"))
        elif chunk.type == "content_block_start":
            phase = _phase(chunk.event.get("content_block"))
            if phase != track.phase:
                self._enter(call, track, phase)
        now = self._clock()
        if now - track.said >= self._interval:
            self._say(call, track, now)

    @hookimpl
    def on_error(self, call: Call, error: Exception) -> None:
        self._metrics.answered(call)
        self._enter(call, call.state[self], f"attempt {call.attempt} failed: {type(error).__name__}")

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> None:
        self._metrics.ended(call, outcome)
        track: _Track | None = call.state.get(self)
        if track is not None:
            seconds = self._clock() - track.began
            tokens = outcome.usage.output_tokens
            _log.info("call %s: %s, %d tokens in %.1f s", call.id, outcome.status, tokens, seconds)

    def _enter(self, call: Call, track: _Track, phase: str) -> None:
        track.phase = phase
        self._say(call, track, self._clock())

    def _say(self, call: Call, track: _Track, now: float) -> None:
        track.said = now
        # four characters are about a token; the exact count comes with the end
        _log.info(
            "call %s: %s, about %d tokens, %.1f s",
            call.id,
            track.phase,
            track.characters // 4,
            now - track.began,
        )


def _phase(block: Any) -> str:
    """Return what the API does while it sends a content block."""
    kind = block.get("type") if isinstance(block, dict) else None
    if not (isinstance(kind, str) and kind.isidentifier()):
        # it might be anything, content too
        return "receiving"
    return _PHASES.get(kind, f"receiving {kind}")


def _generated(delta: Any) -> int:
    """Return the characters of output in a delta."""
    if not isinstance(delta, dict):
        return 0
    return sum(len(value) for key in _GENERATED if isinstance(value := delta.get(key), str))
