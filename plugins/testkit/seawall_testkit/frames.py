"""The bytes of an answer: server-sent events, or one JSON document.

Imitated from recorded streams: LF only, one `event:` and one `data:` line a frame, non-ASCII characters
unescaped, 0 to 15 spaces before the last brace, a ping after the first block's start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from seawall_testkit.answers import Answer

_MOST_SPACES = 15


@dataclass(frozen=True)
class Frame:
    """The bytes of one event."""

    data: bytes
    tokens: int = 0
    """Output tokens that are generated for it."""
    kind: str = "ping"
    """The event's type."""


PING = Frame(b'event: ping\ndata: {"type": "ping"}\n\n')


def frame_of(event: dict[str, Any], *, spaces: int = 0, tokens: int = 0) -> Frame:
    """The frame of an event, its JSON padded with `spaces` before the last brace."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    lines = f"event: {event['type']}\ndata: {text[:-1]}{' ' * spaces}}}\n\n"
    return Frame(lines.encode(), tokens, event["type"])


def stream_frames(
    answer: Answer, rng: random.Random, *, padding: bool, unknown_events: bool
) -> Iterator[Frame]:
    """The frames of a whole stream, in order."""

    def frame(event: dict[str, Any], tokens: int = 0) -> Frame:
        return frame_of(event, spaces=rng.randint(0, _MOST_SPACES) if padding else 0, tokens=tokens)

    # `message_start` tells of it
    ahead = min(1, answer.output_tokens)
    yield frame({"type": "message_start", "message": _opening(answer)}, ahead)
    for index, part in enumerate(answer.parts):
        yield frame({"type": "content_block_start", "index": index, "content_block": part.start})
        if index == 0:
            yield PING
            if unknown_events:
                yield frame({"type": "seawall_unknown_event", "note": {"text": "clients pass over this"}})
        for delta in part.deltas:
            event = {"type": "content_block_delta", "index": index, "delta": delta.body}
            if unknown_events:
                event["seawall_unknown_field"] = {"index": index}
            yield frame(event, max(0, delta.tokens - ahead))
            ahead = max(0, ahead - delta.tokens)
        yield frame({"type": "content_block_stop", "index": index})
    yield frame(
        {
            "type": "message_delta",
            "delta": {
                "stop_reason": answer.stop_reason,
                "stop_sequence": answer.stop_sequence,
                "stop_details": answer.stop_details,
            },
            "usage": _final_usage(answer),
        }
    )
    yield frame({"type": "message_stop"})


def document(answer: Answer) -> bytes:
    """The JSON body of an answer that is not streamed."""
    message = _opening(answer) | {
        "content": [part.block for part in answer.parts],
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
    }
    message["usage"] |= _final_usage(answer)
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def error_frame(error_type: str, message: str, request_id: str) -> Frame:
    """An `error` event as real streams end with."""
    error = {"details": None, "type": error_type, "message": message}
    return frame_of({"type": "error", "error": error, "request_id": request_id}, spaces=8)


def _opening(answer: Answer) -> dict[str, Any]:
    """The message that `message_start` brings: empty, with the usage of the input."""
    return {
        "model": answer.model,
        "id": answer.message_id,
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _input_usage(answer)
        | {
            "cache_creation": {
                "ephemeral_5m_input_tokens": answer.usage.written_5m,
                "ephemeral_1h_input_tokens": answer.usage.written_1h,
            },
            "output_tokens": min(1, answer.output_tokens),
            "service_tier": "standard",
            "inference_geo": "global",
        },
    }


def _input_usage(answer: Answer) -> dict[str, Any]:
    return {
        "input_tokens": answer.usage.input_tokens,
        "cache_creation_input_tokens": answer.usage.cache_creation_input_tokens,
        "cache_read_input_tokens": answer.usage.cache_read_input_tokens,
    }


def _final_usage(answer: Answer) -> dict[str, Any]:
    """What `message_delta` tells in addition to `message_start`, or instead."""
    usage = _input_usage(answer) | {"output_tokens": answer.output_tokens}
    if thinking := sum(part.tokens for part in answer.parts if "thinking" in part.block["type"]):
        usage["output_tokens_details"] = {"thinking_tokens": thinking}
    used = [part.block["name"] for part in answer.parts if part.block["type"] == "server_tool_use"]
    requests = {f"{name}_requests": used.count(name) for name in ("web_search", "web_fetch")}
    return usage | ({"server_tool_use": requests} if any(requests.values()) else {})
