"""Takes in the stream of one attempt: the path of a chunk. Sans-I/O.

Bytes come in as the network cut them, frames are parsed, shown to the hooks, joined to what was delivered
before, and go out as they came, byte for byte, unless they had to be changed.
"""

from typing import Any

from seawall import wire_errors
from seawall.assembly import Assembly, merged_usage
from seawall.call import Attempt, Call, Chunk, Usage
from seawall.decisions import Cut, Stop
from seawall.errors import ConfigError, PluginError, StreamStoppedError
from seawall.frames import Event, FrameBuffer, frame_of, parse
from seawall.hooks import CallHooks, Implementation
from seawall.seam import Diverged
from seawall.splice import Splice, summed

_CARRY_USAGE = frozenset({"message_start", "message_delta"})
_STOP = {"type": "message_stop"}
_DECIDED = (StreamStoppedError, PluginError, ConfigError)
"""Failures that count even when the message is whole."""


class Reception:
    """Takes in one attempt's stream.

    Args:
        response: The `httpx2.Response`, for the errors.
        so_far: The message as the caller has it; grows with what is delivered.
    """

    def __init__(self, call: Call, hooks: CallHooks, so_far: Assembly, response: Any) -> None:
        self._call = call
        self._hooks = hooks
        self._so_far = so_far
        self._response = response
        self._splice = Splice(so_far) if so_far.head is not None else None
        self._frames = FrameBuffer()
        self._events = 0
        self._usage: dict[str, Any] = {}
        self._delivered: list[bytes] = []
        self.failure: Exception | None = None
        """Why the attempt failed; nothing more is to be fed then."""

    def take(self, data: bytes) -> bytes:
        """Return what is delivered for the next bytes of the body."""
        for frame in self._frames.feed(data):
            failure = self._take_frame(frame)
            # a failure after the `stop_reason` is none: nothing of the message is missing
            if failure is not None and (isinstance(failure, _DECIDED) or not self._so_far.complete):
                self.failure = failure
                break
        return self._deliver()

    def end(self, error: Exception | None) -> bytes:
        """Return what is delivered when the body ended, or reading it failed with `error`."""
        if self.failure is None and self._so_far.complete:
            if rest := self._frames.rest:
                # some servers leave out the last blank line; a last frame that is cut is left out instead
                self._take_frame(rest)
            if not self._so_far.has_stopped:
                self._so_far.add(_STOP)
                self._delivered.append(frame_of(_STOP))
        elif self.failure is None:
            self.failure = error or wire_errors.TruncatedStreamError(
                self._response, events=self._events, rest=self._frames.rest
            )
        return self._deliver()

    def _deliver(self) -> bytes:
        delivered, self._delivered = self._delivered, []
        return b"".join(delivered) if self._call.stream else b""

    def _take_frame(self, frame: bytes) -> Exception | None:
        """Take one frame; returns the failure it is."""
        try:
            kind, event = parse(frame)
            if self._hooks.on_chunk:
                stop = self._show(Chunk(kind, event or {}, frame))
                if stop is not None:
                    return stop
            if kind == "error":
                return wire_errors.error_event(self._response, event or {})
            self._events += 1
            if event is None or (self._splice is None and event.get("type") not in _CARRY_USAGE):
                self._pass(event, frame)
            else:
                self._join(event, frame)
        except (PluginError, ConfigError) as error:
            return error
        except Diverged:
            return wire_errors.ContinuationMismatchError(self._response)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return wire_errors.malformed_frame(self._response, error)
        return None

    def _show(self, chunk: Chunk) -> Exception | None:
        """Show an event to the hooks, all of them; the first `Stop` or `Cut` counts."""
        call, stopped = self._call, None
        for hook in self._hooks.on_chunk:
            try:
                stop = hook.function(call, chunk)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                self._hooks.isolate(hook, "on_chunk", error)
                continue
            if stop is not None and stopped is None:
                stopped = self._stopped_by(hook, self._hooks.checked(hook, "on_chunk", stop))
        return stopped

    def _stopped_by(self, hook: Implementation, decision: Stop | Cut | None) -> Exception | None:
        match decision:
            case Stop(reason):
                return StreamStoppedError(hook.plugin, reason)
            case Cut(reason):
                return wire_errors.StreamCutError(self._response, plugin=hook.plugin, reason=reason)
        return None

    def _pass(self, event: Event | None, frame: bytes) -> None:
        """Pass an event on as it came."""
        if event is not None:
            self._so_far.add(event)
        self._delivered.append(frame)

    def _join(self, event: Event, frame: bytes) -> None:
        kind = event.get("type")
        if kind == "message_start":
            self._note_usage(event["message"].get("usage"))
            self._attempt.model = event["message"].get("model")
        elif kind == "message_delta":
            self._note_usage(event.get("usage"))
        for joined in self._splice.feed(event) if self._splice is not None else (event,):
            event_out = (
                summed(joined, self._so_far, self._call.attempts)
                if joined.get("type") == "message_delta"
                else joined
            )
            self._so_far.add(event_out)
            self._delivered.append(frame if event_out is event else frame_of(event_out))

    @property
    def _attempt(self) -> Attempt:
        return self._call.attempts[-1]

    def _note_usage(self, usage: dict[str, Any] | None) -> None:
        self._usage = merged_usage(self._usage, usage or {})
        self._attempt.usage = Usage.of(self._usage)
