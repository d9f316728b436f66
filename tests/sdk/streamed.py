"""The answer of a mock that does not look at `stream`, as the API would have given it: a stream of events."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx2

Event = dict[str, Any]


def is_json(response: httpx2.Response) -> bool:
    """Whether a response is a success in JSON; its body need not have been read."""
    return response.is_success and "json" in response.headers.get("content-type", "")


def as_stream(response: httpx2.Response, *, is_aws: bool) -> httpx2.Response:
    """Answer the message of a response, which was read, as a stream; other JSON comes back as it is.

    Bedrock has events in AWS's binary frames in the place of server-sent events.
    """
    message = response.json()
    if not isinstance(message, dict):
        return response
    headers = response.headers.copy()
    headers["content-type"] = "application/vnd.amazon.eventstream" if is_aws else "text/event-stream"
    headers.pop("content-length", None)
    frame = _aws_frame if is_aws else _sse_frame
    streamed = httpx2.Response(
        response.status_code,
        headers=headers,
        content=b"".join(frame(event) for event in _events(message)),
        request=response.request,
        extensions=response.extensions,
        history=response.history,
    )
    streamed.elapsed = timedelta()
    return streamed


def _sse_frame(event: Event) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _aws_frame(event: Event) -> bytes:
    """Lengths, their checksum, headers, payload, checksum: the encoding `botocore.eventstream` reads."""
    values = {":message-type": "event", ":event-type": "chunk", ":content-type": "application/json"}
    headers = b"".join(
        struct.pack(f">B{len(name)}sBH", len(name), name.encode(), 7, len(value)) + value.encode()
        for name, value in values.items()
    )
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _events(message: Mapping[str, Any]) -> Iterator[Event]:
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message.get("content", [])):
        start, deltas = _parts(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {name: message[name] for name in ("stop_sequence", "stop_details", "container") if name in message}
    end["stop_reason"] = message.get("stop_reason") or "end_turn"
    yield {"type": "message_delta", "delta": end, "usage": message.get("usage", {})}
    yield {"type": "message_stop"}


def _parts(block: Event) -> tuple[Event, list[Event]]:
    match block:
        case {"type": "text", "text": text}:
            return {**block, "text": ""}, [{"type": "text_delta", "text": text}]
        case {"type": "tool_use", "input": arguments}:
            delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
            return {**block, "input": {}}, [delta]
        case {"type": "thinking", "thinking": thinking, "signature": signature}:
            thought = {"type": "thinking_delta", "thinking": thinking}
            signed = {"type": "signature_delta", "signature": signature}
            return {**block, "thinking": "", "signature": ""}, [thought, signed]
    return block, []
