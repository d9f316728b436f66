"""Bytes to SSE frames, frames to events, and back. Sans-I/O.

A frame is the bytes of one server-sent event with its blank line; an event is the JSON object of its `data`
lines. Grammar: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json

Event = dict[str, Any]

_NAMES = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)
"""The events of the Messages API; others pass as they come."""

_SURE_END = rb"(?:\n|\r\n|\r(?=[^\n]))"
"""A line end; a CR that the data ends in may be half of a CRLF, so it waits for the next byte."""
_BLANK_LINE = re.compile(_SURE_END + _SURE_END)
_LONGEST_HALF = len(b"\r\n\r")
"""Bytes of a blank line that may have come without being one yet."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LINE_FEED = ord("\n")
_NAME_OF_LINE = {b"event: " + name.encode(): name for name in _NAMES}


class FrameBuffer:
    """Cuts a body into whole frames, however the network cut it."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The start of a frame that is not whole yet."""
        return bytes(self._rest)

    def whole(self, data: bytes) -> tuple[str, Event] | None:
        """Return name and object of `data` that is one frame as the API writes it, as most of a body comes.

        `None`: look closer, with `feed` and `parse`.
        """
        return None if self._rest else _quickly_parsed(data)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that `data` completes, each with its blank line, byte for byte."""
        if not self._rest and b"\r" not in data:
            *frames, rest = data.split(b"\n\n")
            if rest:
                self._rest += rest
            return [frame + b"\n\n" for frame in frames]
        # what was searched before is not searched again: a large frame in small pieces costs its size, not
        # its square
        searched = max(0, len(self._rest) - _LONGEST_HALF)
        self._rest += data
        frames = []
        start = 0
        for blank in _BLANK_LINE.finditer(self._rest, searched):
            frames.append(bytes(self._rest[start : blank.end()]))
            start = blank.end()
        del self._rest[:start]
        return frames


def parse(frame: bytes) -> tuple[str, Event | None]:
    """Return the event name of a frame and its JSON object; `None` when it has no data (comments, `retry:`).

    Raises:
        ValueError: The data is not a JSON object in UTF-8.
    """
    quickly = _quickly_parsed(frame)
    if quickly is not None:
        return quickly
    name, lines = "message", []
    for line in _LINE_END.split(frame.removeprefix(codecs.BOM_UTF8)):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value.decode()
        elif field == b"data":
            lines.append(value)
    data = b"\n".join(lines)
    try:
        return name, _object(data) if data else None
    except ValueError:
        if name in _NAMES:
            raise
        # an event that the API does not have may hold anything
        return name, None


def readable(frame: bytes) -> tuple[str, Event | None, bytes]:
    """Return what `parse` does, and the frame as the SDK can read it: with its name; empty if it cannot.

    The SDK passes over an event without a name, or whose name has a byte order mark before it, and fails with
    an error of no type on data that is no JSON and on what is no UTF-8.

    Raises:
        ValueError: The data is not a JSON object in UTF-8.
    """
    frame = frame.removeprefix(codecs.BOM_UTF8)
    name, event = parse(frame)
    if event is None:
        return name, None, frame if _is_passed_over(frame) else b""
    if name == "message" and event.get("type") in _NAMES:
        return event["type"], event, frame_of(event)
    return name, event, frame


def _is_passed_over(frame: bytes) -> bool:
    try:
        return "data" not in frame.decode()
    except UnicodeDecodeError:
        return False


def _quickly_parsed(frame: bytes) -> tuple[str, Event] | None:
    """Parse a frame as the API writes it: a known name, an object on one line, and an empty line.

    JSON takes the empty line for white space, as it does a line end of another kind.
    """
    line, _, data = frame.partition(b"\ndata: ")
    name = _NAME_OF_LINE.get(line)
    if name is None or data.find(b"\n") != len(data) - 2 or data[-1] != _LINE_FEED:
        return None
    try:
        # without "keys" the parser keeps short strings, content too, for as long as the process runs
        event = from_json(data, cache_strings="keys")
    except ValueError:
        return None
    return (name, event) if event.__class__ is dict else None


def _object(data: bytes) -> Event:
    try:
        event = from_json(data, cache_strings="keys")
    except ValueError:
        try:
            # it refuses a lone half of a surrogate pair, which the API may send and the SDK accepts
            event = json.loads(data.decode())
        except RecursionError as error:
            raise ValueError("the data of an event is nested too deeply") from error
    if not isinstance(event, dict):
        raise ValueError(f"the data of an event is a JSON object, not {type(event).__name__}")  # noqa: TRY004
    return event


def is_stop(rest: bytes) -> bool:
    """Whether the start of a frame is a whole `message_stop` that only lacks its blank line."""
    try:
        name, event = parse(rest)
    except ValueError:
        return False
    return name == "message_stop" and event is not None


def frame_of(event: Mapping[str, Any]) -> bytes:
    """Return the frame of `event`, named by its `type`, as the API writes it."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    # a lone half of a surrogate pair has no bytes in UTF-8: it is written as the escape it came as
    return f"event: {event['type']}\ndata: {data}\n\n".encode(errors="backslashreplace")


def events_of(message: Mapping[str, Any]) -> Iterator[Event]:
    """Return the events that stream `message`, a whole message in the shape of the API's JSON answer."""
    ending = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details") if key in message}
    yield {"type": "message_start", "message": {**message, "content": [], **dict.fromkeys(ending)}}
    for index, block in enumerate(message["content"]):
        start, deltas = _unfold(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": ending, "usage": message.get("usage") or {}}
    yield {"type": "message_stop"}


def events_so_far(message: Mapping[str, Any], *, is_open: bool) -> list[Event]:
    """Return the events that stream a message which goes on; `is_open`: so does its last block."""
    # without the end of the message, and that of the block
    return list(events_of(message))[: -3 if is_open else -2]


def _unfold(block: Mapping[str, Any]) -> tuple[Event, list[Event]]:
    """Return a block as its start event holds it, and the deltas that fill it, in the order of the API."""
    match block["type"]:
        case "text":
            cited = block.get("citations") or []
            deltas = [{"type": "citations_delta", "citation": citation} for citation in cited]
            if block["text"]:
                deltas.append({"type": "text_delta", "text": block["text"]})
            return {**block, "text": "", **({"citations": []} if cited else {})}, deltas
        case "thinking":
            return {**block, "thinking": "", "signature": ""}, [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block.get("signature", "")},
            ]
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            parts = ("", json.dumps(block["input"], ensure_ascii=False))
            return {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": part} for part in parts
            ]
        case "compaction":
            filled = {key: block[key] for key in ("content", "encrypted_content") if key in block}
            return {**block, **dict.fromkeys(filled)}, [{"type": "compaction_delta", **filled}]
    return dict(block), []
