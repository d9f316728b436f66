"""What all tests share: protected clients that wait hardly at all, and the surfaces a caller can use."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anthropic

import seawall
from seawall_backoff import Backoff, BackoffSettings
from seawall_streaming import Streaming, StreamingSettings
from seawall_testkit import Simulator

MODEL = "claude-opus-5-5"
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "Write a long report."}]


class Witness:
    """A plugin that keeps what it was told."""

    name = "witness"

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.outcomes: list[seawall.Outcome] = []
        self.chunks = 0

    @seawall.hookimpl
    def on_chunk(self, call: seawall.Call, chunk: seawall.Chunk) -> None:
        self.chunks += 1

    @seawall.hookimpl
    def on_error(self, call: seawall.Call, error: Exception) -> None:
        self.errors.append(error)

    @seawall.hookimpl
    def post_response(self, call: seawall.Call, outcome: seawall.Outcome) -> None:
        self.outcomes.append(outcome)


def plugins(*, base: float = 0.001, **streaming: Any) -> list[object]:
    """The standard protections, with a backoff of next to nothing.

    Without token management: four characters are a token to the simulator, as to the core alone.
    """
    backoff = Backoff(BackoffSettings(base=base, max_attempts=6), rng=random.Random(1))
    return [Streaming(StreamingSettings(**{"idle_timeout": 5.0, **streaming})), backoff]


@dataclass
class Got:
    """What a caller got from one call."""

    text: str
    message: Any = None
    events: list[dict[str, Any]] = field(default_factory=list)


Surface = Callable[..., Got]


def _text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _create(client: anthropic.Anthropic, **params: Any) -> Got:
    message = client.messages.create(**params)
    return Got(_text(message), message)


def _raw_stream(client: anthropic.Anthropic, **params: Any) -> Got:
    events = [event.to_dict() for event in client.messages.create(stream=True, **params)]
    return Got(_said(events), None, events)


def _stream(client: anthropic.Anthropic, **params: Any) -> Got:
    with client.messages.stream(**params) as stream:
        text = "".join(stream.text_stream)
        return Got(text, stream.get_final_message())


def _said(events: list[dict[str, Any]]) -> str:
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")


async def _acreate(client: anthropic.AsyncAnthropic, **params: Any) -> Got:
    message = await client.messages.create(**params)
    return Got(_text(message), message)


async def _araw_stream(client: anthropic.AsyncAnthropic, **params: Any) -> Got:
    events = [event.to_dict() async for event in await client.messages.create(stream=True, **params)]
    return Got(_said(events), None, events)


async def _astream(client: anthropic.AsyncAnthropic, **params: Any) -> Got:
    async with client.messages.stream(**params) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        return Got(text, await stream.get_final_message())


SYNC = {"create": _create, "stream=True": _raw_stream, "messages.stream()": _stream}
ASYNC = {"create": _acreate, "stream=True": _araw_stream, "messages.stream()": _astream}
SURFACES = [(mode, name) for mode in ("sync", "async") for name in SYNC]


def call(simulator: Simulator, mode: str, surface: str, enabled: list[object], **params: Any) -> Got:
    """Make one protected call over a real socket, by one of `SURFACES`."""
    params = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES, **params}
    if mode == "sync":
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            return SYNC[surface](seawall.protect(bare, plugins=enabled), **params)

    async def run() -> Got:
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            return await ASYNC[surface](seawall.protect(bare, plugins=enabled), **params)

    return asyncio.run(run())
