"""Takes in the stream of one attempt: the path of a chunk. Sans-I/O.

Bytes come in as the network cut them, frames are parsed, shown to the hooks, joined to what was delivered
before, and go out as they came, byte for byte, unless they had to be changed or are held back.
"""

from typing import Any

from seawall import wire_errors
from seawall.assembly import Assembly, Text, merged_usage
from seawall.call import Attempt, Call, Chunk, Usage
from seawall.decisions import Cut, Resume, Stop
from seawall.errors import ConfigError, PluginError, StreamStoppedError
from seawall.frames import Event, FrameBuffer, frame_of, is_stop, readable
from seawall.hooks import CallHooks, Implementation
from seawall.models import named
from seawall.seam import Diverged
from seawall.splice import Splice, summed

_CARRY_USAGE = frozenset({"message_start", "message_delta"})
_STOP = {"type": "message_stop"}
_DECIDED = (StreamStoppedError, PluginError, ConfigError)
"""Failures that count even when the message is whole."""
_MOST_WITHHELD = 4000
"""Bytes of text that are kept only to be counted."""


class Reception:
    """Takes in one attempt's stream.

    Args:
        so_far: The message as the caller has it and what is held back; grows with what is received.
        response: The `httpx2.Response`, for the errors.
        attempt: The attempt, if it is not the current one of the call.
    """

    def __init__(
        self,
        call: Call,
        hooks: CallHooks,
        so_far: Assembly,
        response: Any,
        resume: Resume | None = None,
        *,
        attempt: Attempt | None = None,
    ) -> None:
        self._call = call
        self._hooks = hooks
        self._so_far = so_far
        self._response = response
        self._holds_tools = resume is not None and resume.hold == "blocks"
        self._attempt: Attempt = call.attempts[-1] if attempt is None else attempt
        self._splice: Splice | None = None
        if so_far.head is not None:
            stops = call.params.get("stop_sequences") or ()
            self._splice = Splice(so_far, self._attempt.way, stop_sequences=stops)
        self._frames = FrameBuffer()
        self._events = 0
        self._is_counted = False
        """The API has told what the attempt cost."""
        self._written_before = so_far.written
        self._spoken_before = len(so_far.spoken())
        self._tokens_withheld = 0
        """Estimated tokens of what was withheld of a further attempt and is not kept any more."""
        self._delivered: list[bytes] = []
        self._held: list[bytes] = []
        self._held_kind = ""
        self.held_from: int | None = None
        """The first block of the message that is held back; `None` when nothing is."""
        self.failure: Exception | None = None
        """Why the attempt failed."""
        self._is_cut = False
        self.is_over = False
        """The attempt failed or is cut, and nothing more is to be fed, or its message `is_whole`."""

    def take(self, data: bytes) -> bytes:
        """Return what is delivered for the next bytes of the body."""
        whole = self._frames.whole(data)
        for frame in self._frames.feed(data) if whole is None else (data,):
            failure = self._take_frame(frame, whole)
            # a failure after the `stop_reason` is none: nothing of the message is missing
            if failure is not None and (isinstance(failure, _DECIDED) or not self._so_far.complete):
                self.failure = failure
                self._is_cut = True
            if self._is_cut:
                break
        self.is_over = self._is_cut or self._so_far.has_stopped
        self._attempt.events = self._events
        self._note_written()
        return self._deliver()

    def end(self, error: Exception | None) -> bytes:
        """Return what is delivered when the body ended, or reading it failed with `error`."""
        if self.failure is None and self._so_far.complete:
            if is_stop(self._frames.rest):
                # without its blank line it passes as it came, as the SDK's tests have it; no other rest does
                self._take_frame(self._frames.rest)
            if not self._so_far.has_stopped:
                self._pass(_STOP, frame_of(_STOP))
        elif self.failure is None:
            self.failure = error or wire_errors.TruncatedStreamError(
                self._response, events=self._events, rest=self._frames.rest
            )
        self._attempt.added = self._so_far.written - self._written_before
        if self._splice is not None:
            self._attempt.seam, self._attempt.overlap = self._splice.seam.decision, self._splice.seam.overlap
        return self._deliver()

    def _deliver(self) -> bytes:
        delivered = b"".join(self._delivered) if self._call.stream else b""
        self._delivered.clear()
        return delivered

    @property
    def is_whole(self) -> bool:
        """Whether what may still come is none of the message's; it is passed on."""
        return self._so_far.has_stopped and not self._is_cut

    @property
    def added_nothing(self) -> bool:
        """Whether the message is what it was before."""
        return len(self._so_far.spoken()) == self._spoken_before

    def estimate_output(self) -> None:
        """Estimate what an attempt without its final usage generated: the API tells only at the end."""
        attempt = self._attempt
        if self._is_counted:
            return
        withheld, place = "", self._spoken_before
        if self._splice is not None:
            withheld, place = self._splice.withheld.joined(), place + self._splice.changed
        tokens = self._tokens_withheld + self._call.estimate(withheld + self._so_far.spoken()[place:])
        counts = attempt.usage.counts()
        counts["output_tokens"] = max(tokens, counts["output_tokens"])
        attempt.usage = Usage(**counts, is_estimated=True)

    def _note_written(self) -> None:
        written = self._so_far.written - self._written_before
        self._attempt.written = written if self._splice is None else written + self._splice.unseen

    def _take_frame(self, frame: bytes, parsed: tuple[str, Event] | None = None) -> Exception | None:
        """Take one frame; returns the failure it is."""
        try:
            if parsed is None:
                kind, event, frame = readable(frame)
            else:
                kind, event = parsed
            if self._hooks.on_chunk:
                stop = self._show(Chunk(kind, event or {}, frame))
                if stop is not None:
                    return stop
            if kind == "error":
                return wire_errors.error_event(self._response, event or {})
            self._events += 1
            if event is None:
                self._delivered.append(frame)
            elif self._splice is not None or event.get("type") in _CARRY_USAGE:
                self._join(event, frame)
            else:
                self._pass(event, frame)
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
        if self._events != self._attempt.events:
            # others came at once with it
            self._note_written()
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

    def _join(self, event: Event, frame: bytes) -> None:
        """Pass on what becomes of an event that joins what was delivered, or counts tokens."""
        kind = event.get("type")
        if kind == "message_start":
            self._note_usage(event["message"].get("usage"))
            self._attempt.model = named(event["message"])
        elif kind == "message_delta":
            self._note_usage(event.get("usage"))
            self._is_counted = True
        if self._splice is None:
            self._pass(self._with_sums(event), frame, was=event)
            return
        for joined in self._splice.feed(event):
            if self._splice.is_over:
                self.estimate_output()
            self._pass(self._with_sums(joined), frame, was=event)
        if self._splice.withheld.size > _MOST_WITHHELD:
            # thinking and an answer from the start are long
            self._tokens_withheld += self._call.estimate(self._splice.withheld.joined())
            self._splice.withheld = Text()
        self._is_cut = self._splice.is_over

    def _with_sums(self, event: Event) -> Event:
        """The event with the usage of all attempts, if it tells the usage."""
        if event.get("type") != "message_delta":
            return event
        return summed(event, self._so_far, (*self._call.earlier, *self._call.attempts))

    def _pass(self, event: Event, frame: bytes, was: Event | None = None) -> None:
        """Add an event to the message and its frame to what is delivered; `was` it another when it came?"""
        self._so_far.add(event)
        if was is not None and event is not was:
            frame = frame_of(event)
        if self._held or event.get("type") == "content_block_start":
            self._hold(event, frame)
        else:
            self._delivered.append(frame)

    def _hold(self, event: Event, frame: bytes) -> None:
        """Hold back thinking of which there is nothing to see yet, and tool calls if that is asked for.

        What the caller was not shown can be generated again.
        """
        kind = event.get("type")
        if not self._held:
            self._held_kind = event["content_block"].get("type")
            if self._held_kind == "thinking" or (self._holds_tools and self._held_kind == "tool_use"):
                self.held_from = len(self._so_far.whole)
                self._held.append(frame)
            else:
                self._delivered.append(frame)
            return
        self._held.append(frame)
        is_shown = kind == "content_block_stop" or bool(event.get("delta", {}).get("thinking"))
        if kind in ("message_delta", "message_stop") or (self._held_kind == "thinking" and is_shown):
            self._delivered += self._held
            self._held, self.held_from = [], None

    def _note_usage(self, usage: dict[str, Any] | None) -> None:
        attempt = self._attempt
        attempt.raw_usage = merged_usage(attempt.raw_usage, usage or {})
        attempt.usage = Usage.of(attempt.raw_usage)
