"""Recorded answers of the real Messages API, replayed through protected clients."""

import asyncio
import json
import random
from functools import cache
from typing import Any

import anthropic
import httpx2
import pytest

import seawall
from calls import MESSAGES, MODEL, Witness
from recordings import needs_recordings, recordings
from seawall_streaming import Streaming, StreamingSettings

PARAMS: dict[str, Any] = {"model": MODEL, "max_tokens": 1000, "messages": MESSAGES}
SAMPLE = 40
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
PARTS = 4
"""Into how many tests the recordings are dealt, so that workers share them."""

pytestmark = needs_recordings


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body as the network cuts it; it ends without an error."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self):
        return iter(self.pieces)

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece


class Wire(httpx2.MockTransport):
    """Answers every request with the body it was given last."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        super().__init__(
            lambda _: httpx2.Response(
                200, headers={"content-type": "text/event-stream"}, stream=Body(self.pieces)
            )
        )


@cache
def streams() -> tuple[dict[str, Any], ...]:
    return tuple(row for row in recordings() if row["sse"])


def frames_of(row: dict[str, Any]) -> list[bytes]:
    return [f"{frame}\n\n".encode() for frame in row["response_body"].removesuffix("\n\n").split("\n\n")]


def events_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(frame.partition(b"data: ")[2]) for frame in frames_of(row)]


def is_beta(row: dict[str, Any]) -> bool:
    """Whether it holds what only the beta surface of the SDK knows."""
    text = row["response_body"]
    marks = ('"compaction"', '"mcp_tool_use"', '"context_management"', '"iterations"')
    return "beta=true" in (row["query"] or "") or any(mark in text for mark in marks)


def cut_at_random(body: bytes, rng: random.Random) -> list[bytes]:
    longest = rng.choice([7, 100, 1500, len(body)] if len(body) > 4000 else [1, 7, 100, len(body)])
    pieces = []
    while body:
        size = rng.randint(1, longest)
        pieces.append(body[:size])
        body = body[size:]
    return pieces


def protected(bare: Any, *more: object) -> Any:
    return seawall.protect(bare, plugins=[Streaming(StreamingSettings(enforce_above=0)), *more])


def surface(client: Any, row: dict[str, Any]) -> Any:
    return client.beta.messages if is_beta(row) else client.messages


def dealt(part: int) -> tuple[dict[str, Any], ...]:
    return streams()[part::PARTS]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_recorded_stream_reaches_a_sync_caller_byte_for_byte(part):
    wire = Wire()
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=wire)) as bare:
        client = protected(bare)
        for row in dealt(part):
            body = row["response_body"].encode()
            wire.pieces = cut_at_random(body, random.Random(row["id"]))
            with surface(client, row).with_streaming_response.create(**PARAMS, stream=True) as response:
                assert b"".join(response.iter_bytes()) == body, row["id"]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_recorded_stream_reaches_an_async_caller_byte_for_byte(part):
    async def replay() -> None:
        wire = Wire()
        http = httpx2.AsyncClient(transport=wire)
        async with anthropic.AsyncAnthropic(api_key="test", http_client=http) as bare:
            client = protected(bare)
            for row in dealt(part):
                body = row["response_body"].encode()
                wire.pieces = cut_at_random(body, random.Random(row["id"]))
                async with surface(client, row).with_streaming_response.create(
                    **PARAMS, stream=True
                ) as response:
                    assert b"".join([data async for data in response.iter_bytes()]) == body, row["id"]

    asyncio.run(replay())


@pytest.mark.parametrize("part", range(PARTS))
def test_a_message_that_was_streamed_on_the_wire_is_the_one_the_sdk_accumulates(part):
    wire = Wire()
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=wire)) as bare:
        client = protected(bare)
        for row in dealt(part):
            wire.pieces = [row["response_body"].encode()]
            message = surface(client, row).create(**PARAMS).to_dict()
            with surface(bare, row).stream(**PARAMS) as stream:
                expected = stream.get_final_message().to_dict()
            if not any(
                "stop_details" in event.get("delta", event.get("message", {})) for event in events_of(row)
            ):
                # the SDK notes absent `stop_details` as null; in the API's JSON answer they are absent
                assert expected.pop("stop_details", None) is None
            assert message == expected, row["id"]


def test_the_surface_without_beta_keeps_what_the_sdk_leaves_out_there():
    """The SDK's plain surface drops these while it accumulates, although the API's JSON answer holds them."""
    wire = Wire()
    found = set()
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=wire)) as bare:
        client = protected(bare)
        for row in filter(is_beta, streams()):
            wire.pieces = [row["response_body"].encode()]
            expected = client.beta.messages.create(**PARAMS).to_dict()
            # pydantic warns of block types that this surface has no class for
            assert client.messages.create(**PARAMS).to_dict(warnings=False) == expected, row["id"]
            found |= (
                {block["type"] for block in expected["content"]} | expected.keys() | expected["usage"].keys()
            )
    assert found >= {"compaction", "mcp_tool_use", "context_management", "iterations"}


@cache
def sample() -> tuple[dict[str, Any], ...]:
    """The shortest recordings that together hold every type of block, delta and stop reason; some more."""
    chosen: list[dict[str, Any]] = []
    seen: set[str] = set()
    ordered = sorted(streams(), key=lambda row: len(row["response_body"]))
    for row in ordered:
        kinds = {json.dumps(kind) for event in events_of(row) for kind in kinds_of(event)}
        if kinds - seen:
            chosen.append(row)
            seen |= kinds
    others = [row for row in ordered if row not in chosen and len(row["response_body"]) < 20_000]
    return (*chosen, *random.Random(0).sample(others, max(0, SAMPLE - len(chosen))))


def kinds_of(event: dict[str, Any]) -> list[Any]:
    block, delta = event.get("content_block", {}), event.get("delta", {})
    return [event["type"], [block.get("type")], [[delta.get("type"), delta.get("stop_reason")]]]


def is_start_of(part: Any, whole: Any) -> bool:
    """Whether `part` is `whole` as far as it goes; `null` and the empty string are the start of anything."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_start_of(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(is_start_of(*pair) for pair in zip(part, whole, strict=False))
    return part is None or str(whole).startswith(str(part))


def is_over(event: dict[str, Any]) -> bool:
    return event["type"] == "message_delta" and event["delta"]["stop_reason"] is not None


@pytest.mark.parametrize("part", range(PARTS))
def test_a_recorded_stream_that_ends_at_any_frame_is_whole_or_a_typed_error(part):
    wire, witness = Wire(), Witness()
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=wire)) as bare:
        client = protected(bare, witness)
        for row in sample()[part::PARTS]:
            wire.pieces = [row["response_body"].encode()]
            whole = surface(client, row).create(**PARAMS).to_dict()
            frames, events = frames_of(row), events_of(row)
            for count in range(len(frames)):
                wire.pieces = [b"".join(frames[:count])]
                witness.errors.clear()
                if any(map(is_over, events[:count])):
                    assert surface(client, row).create(**PARAMS).to_dict() == whole, (row["id"], count)
                    assert not witness.errors
                    continue
                with pytest.raises(seawall.TruncatedStreamError) as caught:
                    surface(client, row).create(**PARAMS)
                assert witness.errors == [caught.value], (row["id"], count)
                partial = caught.value.partial_message
                content = partial.to_dict()["content"] if partial is not None else []
                started = sum(event["type"] == "content_block_start" for event in events[:count])
                assert len(content) == started, (row["id"], count)
                assert is_start_of(content, whole["content"]), (row["id"], count)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_streaming_caller_gets_every_byte_up_to_the_cut_and_then_the_error(part):
    wire, witness = Wire(), Witness()
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=wire)) as bare:
        client = protected(bare, witness)
        for row in sample()[part::PARTS]:
            frames, events = frames_of(row), events_of(row)
            for count in range(1, len(frames)):
                wire.pieces = [b"".join(frames[:count])]
                witness.errors.clear()
                got, error = read(surface(client, row))
                if any(map(is_over, events[:count])):
                    # what was missing tells nothing new, and is supplied
                    assert got.startswith(b"".join(frames[:count])), (row["id"], count)
                    assert got.endswith(STOP), (row["id"], count)
                    assert (error, witness.errors) == (None, [])
                else:
                    assert got == b"".join(shown(frames[:count], events)), (row["id"], count)
                    assert witness.errors == [error], (row["id"], count)


def shown(frames: list[bytes], events: list[dict[str, Any]]) -> list[bytes]:
    """The frames without thinking that broke off before there was anything of it to see."""
    for count, event in reversed(list(enumerate(events[: len(frames)]))):
        if event["type"] == "content_block_stop" or event.get("delta", {}).get("thinking"):
            break
        if event.get("content_block", {}).get("type") == "thinking":
            return frames[:count]
    return frames


def read(messages: Any) -> tuple[bytes, Exception | None]:
    """The bytes that a streaming caller got, and the error that ended them."""
    got: list[bytes] = []
    with messages.with_streaming_response.create(**PARAMS, stream=True) as response:
        try:
            got.extend(response.iter_bytes())
        except seawall.TruncatedStreamError as error:
            return b"".join(got), error
    return b"".join(got), None


def test_the_sample_holds_every_block_type_that_was_recorded():
    def block_types(rows: tuple[dict[str, Any], ...]) -> set[str]:
        events = [event for row in rows for event in events_of(row)]
        return {event["content_block"]["type"] for event in events if event["type"] == "content_block_start"}

    assert block_types(sample()) == block_types(streams())
    assert len(sample()) >= SAMPLE
