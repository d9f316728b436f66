"""Every way the SDK offers to ask for a message, over real sockets with a stream that breaks.

A surface is written once, for sync and async clients: `said`, `items` and `entered` take what either returns.
"""

import asyncio
import inspect
import json
from contextlib import asynccontextmanager

import anthropic
import pydantic
import pytest
from anthropic.types import Message, ParsedMessage
from anthropic.types.beta import BetaMessage
from anthropic.types.beta.parsed_beta_message import ParsedBetaMessage

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall_testkit import Fault, Simulator
from seawall_testkit.grammar import violations

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}
HAIKU = {"model": "claude-haiku-4-5"}
CLIENTS = {"sync": anthropic.Anthropic, "async": anthropic.AsyncAnthropic}
KINDS = ("reset", "eof")
MIDWAY = 40
"""Events after which an answer of some hundred breaks."""


class City(pydantic.BaseModel):
    name: str
    people: int


FORMAT = {
    "format": {"type": "json_schema", "schema": {**City.model_json_schema(), "additionalProperties": False}}
}


async def said(value):
    return await value if inspect.isawaitable(value) else value


async def items(iterable):
    return [item async for item in iterable] if hasattr(iterable, "__aiter__") else list(iterable)


@asynccontextmanager
async def entered(manager):
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def text_in(events):
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")


def events_in(lines):
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


# -- surfaces of text: from `messages` of a client to the text, the message if there is one, the events if any


async def create(messages):
    message = await said(messages.create(**LARGE))
    return text_of(message), message, []


async def create_stream(messages):
    stream = await said(messages.create(stream=True, **LARGE))
    events = [event.to_dict() for event in await items(stream)]
    return text_in(events), None, events


async def text_stream(messages):
    async with entered(messages.stream(**LARGE)) as stream:
        text = "".join(await items(stream.text_stream))
        assert await said(stream.get_final_text()) == text
        return text, await said(stream.get_final_message()), []


async def stream_events(messages):
    async with entered(messages.stream(**LARGE)) as stream:
        events = await items(stream)
        text = "".join(event.text for event in events if event.type == "text")
        (stop,) = (event for event in events if event.type == "message_stop")
        return text, stop.message, []


async def parse_without_format(messages):
    message = await said(messages.parse(**LARGE))
    return text_of(message), message, []


async def raw_create(messages):
    raw = await said(messages.with_raw_response.create(**LARGE))
    message = await said(raw.parse())
    assert (raw.status_code, raw.headers["content-type"]) == (200, "application/json")
    return text_of(message), message, []


async def raw_create_stream(messages):
    raw = await said(messages.with_raw_response.create(stream=True, **LARGE))
    events = [event.to_dict() for event in await items(await said(raw.parse()))]
    return text_in(events), None, events


async def streaming_parse(messages):
    async with entered(messages.with_streaming_response.create(**LARGE)) as response:
        message = await said(response.parse())
        return text_of(message), message, []


async def streaming_json(messages):
    async with entered(messages.with_streaming_response.create(**LARGE)) as response:
        message = await said(response.json())
        return message["content"][0]["text"], None, []


async def streaming_read(messages):
    async with entered(messages.with_streaming_response.create(**LARGE)) as response:
        message = json.loads(await said(response.read()))
        return message["content"][0]["text"], None, []


async def streaming_bytes(messages):
    async with entered(messages.with_streaming_response.create(**LARGE)) as response:
        message = json.loads(b"".join(await items(response.iter_bytes(100))))
        return message["content"][0]["text"], None, []


async def streaming_events(messages):
    async with entered(messages.with_streaming_response.create(stream=True, **LARGE)) as response:
        events = [event.to_dict() for event in await items(await said(response.parse()))]
        return text_in(events), None, events


async def streaming_event_bytes(messages):
    async with entered(messages.with_streaming_response.create(stream=True, **LARGE)) as response:
        events = events_in(b"".join(await items(response.iter_bytes())).decode().splitlines())
        return text_in(events), None, events


async def streaming_event_lines(messages):
    async with entered(messages.with_streaming_response.create(stream=True, **LARGE)) as response:
        events = events_in(await items(response.iter_lines()))
        return text_in(events), None, events


async def streaming_event_text(messages):
    async with entered(messages.with_streaming_response.create(stream=True, **LARGE)) as response:
        events = events_in("".join(await items(response.iter_text(7))).splitlines())
        return text_in(events), None, events


async def streaming_event_read(messages):
    async with entered(messages.with_streaming_response.create(stream=True, **LARGE)) as response:
        events = events_in((await said(response.read())).decode().splitlines())
        return text_in(events), None, events


TEXT = [
    create,
    create_stream,
    text_stream,
    stream_events,
    parse_without_format,
    raw_create,
    raw_create_stream,
    streaming_parse,
    streaming_json,
    streaming_read,
    streaming_bytes,
    streaming_events,
    streaming_event_bytes,
    streaming_event_lines,
    streaming_event_text,
    streaming_event_read,
]
TYPES = {
    ("messages", create): Message,
    ("messages", text_stream): ParsedMessage,
    ("messages", stream_events): ParsedMessage,
    ("messages", parse_without_format): ParsedMessage,
    ("messages", raw_create): Message,
    ("messages", streaming_parse): Message,
    ("beta.messages", create): BetaMessage,
    ("beta.messages", text_stream): ParsedBetaMessage,
    ("beta.messages", stream_events): ParsedBetaMessage,
    ("beta.messages", parse_without_format): ParsedBetaMessage,
    ("beta.messages", raw_create): BetaMessage,
    ("beta.messages", streaming_parse): BetaMessage,
}


def on(simulator, mode, surface, *, enabled=None, of=""):
    """What a surface returns for a protected client, or for the part of it that `of` names."""

    async def run():
        async with entered(CLIENTS[mode](base_url=simulator.base_url, api_key="test")) as bare:
            target = bare if enabled == [] else seawall.protect(bare, plugins=enabled or plugins())
            for name in filter(None, of.split(".")):
                target = getattr(target, name)
            return await surface(target)

    return asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", CLIENTS)
@pytest.mark.parametrize("of", ["messages", "beta.messages"])
@pytest.mark.parametrize("surface", TEXT)
def test_a_break_mid_stream_shows_on_no_surface(surface, of, mode, kind):
    with Simulator(faults=[Fault(kind, event=MIDWAY)]) as simulator:
        text, message, events = on(simulator, mode, surface, of=of)
        assert text == simulator.text_for(MESSAGES)
        assert [request.stream for request in simulator.requests] == [True, True]
    assert (message is None) == ((of, surface) not in TYPES)
    if message is not None:
        assert isinstance(message, TYPES[of, surface])
        assert (message.stop_reason, len(message.content)) == ("end_turn", 1)
    assert violations(events) == [] or not events


# -- structured output


async def parsed(messages):
    message = await said(messages.parse(output_format=City, **LARGE))
    return message.parsed_output, type(message)


async def configured(messages):
    message = await said(messages.create(output_config=FORMAT, **LARGE))
    return City.model_validate_json(text_of(message)), type(message)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", CLIENTS)
@pytest.mark.parametrize("of", ["messages", "beta.messages"])
@pytest.mark.parametrize("surface", [parsed, configured])
def test_structured_output_that_broke_is_what_it_would_have_been(surface, of, mode, kind):
    with Simulator() as simulator:
        undisturbed = on(simulator, mode, surface, of=of)
    with Simulator(faults=[Fault(kind, event=4)]) as simulator:
        broken = on(simulator, mode, surface, of=of)
        assert [request.stream for request in simulator.requests] == [True, True]
    assert broken == undisturbed
    assert isinstance(broken[0], City)


# -- agents


class Clerk:
    """Has the tool, sync and async, and counts what is looked up."""

    def __init__(self):
        self.looked_up = []

    def tool(self, mode):
        async def alook_up(name: str) -> str:
            """Look a ship up."""
            self.looked_up.append(name)
            return "A brig."

        def look_up(name: str) -> str:
            """Look a ship up."""
            self.looked_up.append(name)
            return "A brig."

        return anthropic.beta_async_tool(alook_up) if mode == "async" else anthropic.beta_tool(look_up)


def runner_of(messages, clerk, mode, **more):
    chosen = {"thread": False, "tools": [clerk.tool(mode)], "tool_choice": {"type": "any"}}
    return messages.tool_runner(**chosen, **LARGE | HAIKU, **more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", CLIENTS)
@pytest.mark.parametrize("event", [5, MIDWAY])
def test_an_agent_runs_its_tool_once_whichever_turn_breaks(event, mode, kind):
    clerk = Clerk()

    async def run(messages):
        return await said(runner_of(messages, clerk, mode).until_done())

    with Simulator(faults=[Fault(kind, event=event)]) as simulator:
        message = on(simulator, mode, run, of="beta.messages")
        turns = {request.conversation for request in simulator.requests}
    assert message.stop_reason == "end_turn"
    assert len(turns) == 2
    assert len(clerk.looked_up) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", CLIENTS)
def test_an_agent_that_streams_goes_on_in_the_turn_that_broke(mode, kind):
    clerk = Clerk()

    async def run(messages):
        turns = runner_of(messages, clerk, mode, stream=True)
        if mode == "sync":
            return ["".join(stream.text_stream) for stream in turns]
        return ["".join(await items(stream.text_stream)) async for stream in turns]

    def texts_with(faults, enabled):
        with Simulator(faults=faults) as simulator:
            return on(simulator, mode, run, enabled=enabled, of="beta.messages"), len(simulator.requests)

    # the tool call has fewer events than that, so only the answer breaks
    (undisturbed, count), (texts, more) = texts_with([], []), texts_with([Fault(kind, event=MIDWAY)], None)
    assert texts == undisturbed
    assert (more, len(clerk.looked_up)) == (count + 1, 2)


# -- what is no message


async def counted(client):
    raw = await said(client.messages.with_raw_response.count_tokens(model=MODEL, messages=MESSAGES))
    return await said(raw.read()), raw.status_code


async def beta_counted(client):
    raw = await said(client.beta.messages.with_raw_response.count_tokens(model=MODEL, messages=MESSAGES))
    return await said(raw.read()), raw.status_code


async def listed(client):
    raw = await said(client.models.with_raw_response.list())
    return await said(raw.read()), raw.status_code


def headers_of(request):
    headers = dict(request.headers)
    return headers, float(headers.pop("x-stainless-read-timeout"))


@pytest.mark.parametrize("mode", CLIENTS)
@pytest.mark.parametrize("surface", [counted, beta_counted, listed])
def test_what_is_no_message_passes_as_without_protection(surface, mode):
    with Simulator() as simulator:
        answers = [on(simulator, mode, surface, enabled=[]), on(simulator, mode, surface)]
        bare, protected = simulator.requests
    assert answers[0] == answers[1]
    assert headers_of(bare) == headers_of(protected)
    assert (bare.method, bare.path, bare.body) == (protected.method, protected.path, protected.body)
