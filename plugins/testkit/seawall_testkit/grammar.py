"""Checks event streams against the Messages API's grammar, as documented and as recorded streams show it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOOL_INPUT = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "compaction": {"compaction_delta"},
    **{kind: {"input_json_delta"} for kind in _TOOL_INPUT},
}
_FRAME = re.compile(r"event: (?P<event>.*)\ndata: (?P<data>.*)")
_KNOWN_DELTAS = frozenset().union(*_DELTAS.values())
_EMPTY_FIELDS = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
"""What a block's start shows of the fields that its deltas fill."""
_STOP_REASONS = frozenset(
    {
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
    }
)


def violations(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with a whole stream, one sentence each; an empty list if nothing is.

    Args:
        events: the decoded `data` of every event, pings included, in order. Unknown event and delta types are
            passed over, as clients must; a stream that ends in an `error` event is well-formed.
    """
    checker = _Checker()
    for position, event in enumerate(events):
        checker.event(position, event)
    checker.finish()
    return checker.found


def events_of(stream: str | bytes) -> list[dict[str, Any]]:
    """The events of an SSE body.

    Raises:
        ValueError: a frame is not an `event:` line, one `data:` line with JSON of that type, an empty line.
    """
    text = stream.decode() if isinstance(stream, bytes) else stream
    if not text.endswith("\n\n"):
        _malformed(text.rpartition("\n\n")[2], "the last frame has no empty line after it")
    events = []
    for frame in text.removesuffix("\n\n").split("\n\n"):
        match = _FRAME.fullmatch(frame.strip("\n"))
        if match is None:
            _malformed(frame, "expected one event: line and one data: line")
        event = json.loads(match["data"])
        if not isinstance(event, dict) or event.get("type") != match["event"]:
            _malformed(frame, "the event's name is not its data's type")
        events.append(event)
    return events


class _Checker:
    """The state of a stream while its events pass."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._started = False
        self._ended = ""
        self._stop_reason_seen = False
        self._next_index = 0
        self._block: dict[str, Any] | None = None
        self._deltas: list[dict[str, Any]] = []

    def event(self, position: int, event: Mapping[str, Any]) -> None:
        kind = str(event.get("type"))
        if self._ended:
            self._wrong(position, f"{kind} after {self._ended}")
        if not self._started and kind not in {"message_start", "error"}:
            self._wrong(position, f"{kind} before message_start")
        check = getattr(self, f"_{kind}", None) if kind in _EVENTS else None
        if check is not None:
            check(position, event)

    def finish(self) -> None:
        if self._ended == "error":
            return
        if not self._ended:
            self.found.append("the stream ends without message_stop")
        if self._block is not None:
            self.found.append(f"the stream ends within block {self._next_index}")

    def _message_start(self, position: int, event: Mapping[str, Any]) -> None:
        if self._started:
            self._wrong(position, "a second message_start")
        self._started = True
        message = event.get("message", {})
        if message.get("content") != [] or message.get("stop_reason") is not None:
            self._wrong(position, "message_start has content or a stop_reason")
        if not isinstance(message.get("usage", {}).get("output_tokens"), int):
            self._wrong(position, "message_start has no usage.output_tokens")

    def _content_block_start(self, position: int, event: Mapping[str, Any]) -> None:
        if self._block is not None:
            self._wrong(position, f"a block starts within block {self._next_index}")
        if self._stop_reason_seen:
            self._wrong(position, "a block starts after message_delta")
        if event.get("index") != self._next_index:
            self._wrong(position, f"block index {event.get('index')!r}, expected {self._next_index}")
        self._block = dict(event.get("content_block", {}))
        self._deltas = []
        for name, empty in _EMPTY_FIELDS.get(self._block.get("type", ""), {}).items():
            if self._block.get(name, "") != empty:
                self._wrong(
                    position, f"a {self._block['type']} block starts with {name} {self._block[name]!r}"
                )

    def _content_block_delta(self, position: int, event: Mapping[str, Any]) -> None:
        delta = dict(event.get("delta", {}))
        kind = str(delta.get("type"))
        if self._block is None:
            self._wrong(position, f"{kind} outside a block")
            return
        if event.get("index") != self._next_index:
            self._wrong(position, f"delta index {event.get('index')!r} within block {self._next_index}")
        block = str(self._block.get("type"))
        if kind in _KNOWN_DELTAS and kind not in _DELTAS.get(block, set()):
            self._wrong(position, f"{kind} in a {block} block")
        if any(earlier["type"] == "signature_delta" for earlier in self._deltas):
            self._wrong(position, f"{kind} after signature_delta")
        if kind == "text_delta" and not delta.get("text"):
            self._wrong(position, "an empty text_delta")
        if kind == "input_json_delta" and not self._deltas and delta.get("partial_json") != "":
            self._wrong(position, "the first input_json_delta is not empty")
        self._deltas.append(delta)

    def _content_block_stop(self, position: int, event: Mapping[str, Any]) -> None:
        if self._block is None or event.get("index") != self._next_index:
            self._wrong(position, f"content_block_stop of {event.get('index')!r}, which is not open")
            return
        block = self._block
        if block.get("type") == "thinking" and not any(d["type"] == "signature_delta" for d in self._deltas):
            self._wrong(position, "a thinking block without signature_delta")
        if (
            block.get("type") == "compaction"
            and sum(d["type"] == "compaction_delta" for d in self._deltas) != 1
        ):
            self._wrong(position, "a compaction block without exactly one compaction_delta")
        if block.get("type") in _TOOL_INPUT and block.get("input") and self._deltas:
            self._wrong(position, f"a {block['type']} block with input both in its start and in deltas")
        self._block = None
        self._next_index += 1

    def _message_delta(self, position: int, event: Mapping[str, Any]) -> None:
        if self._block is not None:
            self._wrong(position, f"message_delta within block {self._next_index}")
        if self._stop_reason_seen:
            self._wrong(position, "message_delta after the one with the stop_reason")
        reason = event.get("delta", {}).get("stop_reason")
        if reason is not None and reason not in _STOP_REASONS:
            self._wrong(position, f"unknown stop_reason {reason!r}")
        self._stop_reason_seen = reason is not None
        if not isinstance(event.get("usage", {}).get("output_tokens"), int):
            self._wrong(position, "message_delta has no usage.output_tokens")

    def _message_stop(self, position: int, event: Mapping[str, Any]) -> None:
        del event
        if not self._stop_reason_seen:
            self._wrong(position, "message_stop without a stop_reason before it")
        if self._block is not None:
            self._wrong(position, f"message_stop within block {self._next_index}")
        self._ended = "message_stop"

    def _error(self, position: int, event: Mapping[str, Any]) -> None:
        if not isinstance(event.get("error"), dict) or "type" not in event["error"]:
            self._wrong(position, "an error event without an error type")
        self._ended = "error"

    def _wrong(self, position: int, what: str) -> None:
        self.found.append(f"event {position}: {what}")


_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    }
)


def _malformed(frame: str, why: str) -> NoReturn:
    raise ValueError(f"malformed frame {frame[:200]!r}: {why}")
