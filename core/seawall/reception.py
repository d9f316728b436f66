"""Takes in the stream of one attempt: the path of a chunk. Sans-I/O.

Bytes come in as the network cut them, frames are parsed, shown to the hooks, joined to what was delivered
before, and go out as they came, byte for byte, unless they had to be changed.
"""

from typing import Any

from seawall import wire_errors
from seawall.assembly import Assembly, merged_usage
from seawall.call import Attempt, Call, Chunk, Usage
from seawall.decisions import Cut, Stop
from seawall.errors import StreamStoppedError
from seawall.frames import Event, FrameBuffer, frame_of, parse
from seawall.hooks import CallHooks, Implementation
from seawall.seam import Diverged
from seawall.splice import Splice, summed

Taken = tuple[bytes, Exception | None]
"""What is delivered, and why the attempt failed, if it did."""

_STOP = {"type": "message_stop"}


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

    def take(self, data: bytes) -> Taken:
        """Take the next bytes of the body."""
        delivered: list[bytes] = []
        failure = None
        for frame in self._frames.feed(data):
            failure = self._take_frame(frame, delivered)
            if failure is not None:
                break
        return b"".join(delivered), self._unless_complete(failure)

    def end(self, error: Exception | None) -> Taken:
        """The body ended, or reading it failed with `error`."""
        delivered: list[bytes] = []
        if self._so_far.complete and self._frames.rest:
            # some servers leave out the last blank line; a last frame that is cut is left out instead
            self._take_frame(self._frames.rest, delivered)
        if self._so_far.complete:
            if not self._so_far.has_stopped:
                self._so_far.add(_STOP)
                delivered.append(frame_of(_STOP))
            return b"".join(delivered), None
        if error is None:
            error = wire_errors.TruncatedStreamError(
                self._response, events=self._events, rest=self._frames.rest
            )
        return b"", error

    def _unless_complete(self, failure: Exception | None) -> Exception | None:
        """A failure after the `stop_reason` is none: nothing of the message is missing."""
        return None if self._so_far.complete and not isinstance(failure, StreamStoppedError) else failure

    def _take_frame(self, frame: bytes, delivered: list[bytes]) -> Exception | None:
        """Append what is delivered for `frame` to `delivered`; returns the failure it is."""
        try:
            kind, event = parse(frame)
            stop = self._show(Chunk(kind, event or {}, frame))
            if stop is not None:
                return stop
            if kind == "error":
                return wire_errors.error_event(self._response, event or {})
            if event is None:
                delivered.append(frame)
            else:
                self._events += 1
                self._join(event, frame, delivered)
        except Diverged:
            return wire_errors.ContinuationMismatchError(self._response)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return wire_errors.malformed_frame(self._response, error)
        return None

    def _show(self, chunk: Chunk) -> Exception | None:
        """Show an event to the hooks, all of them; the first `Stop` or `Cut` counts."""
        stopped: Exception | None = None
        for hook in self._hooks.on_chunk:
            try:
                stop = hook.function(self._call, chunk)
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

    def _join(self, event: Event, frame: bytes, delivered: list[bytes]) -> None:
        kind = event.get("type")
        if kind == "message_start":
            self._note_usage(event["message"].get("usage"))
            self._attempt.model = event["message"].get("model")
        elif kind == "message_delta":
            self._note_usage(event.get("usage"))
        if self._splice is None and not (kind == "message_delta" and len(self._call.attempts) > 1):
            self._so_far.add(event)
            delivered.append(frame)
            return
        for joined in self._splice.feed(event) if self._splice is not None else (event,):
            event_out = (
                summed(joined, self._so_far, self._call.attempts)
                if joined.get("type") == "message_delta"
                else joined
            )
            self._so_far.add(event_out)
            delivered.append(frame if event_out is event else frame_of(event_out))

    @property
    def _attempt(self) -> Attempt:
        return self._call.attempts[-1]

    def _note_usage(self, usage: dict[str, Any] | None) -> None:
        self._usage = merged_usage(self._usage, usage or {})
        self._attempt.usage = Usage.of(self._usage)
