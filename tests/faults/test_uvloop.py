"""Async calls on uvloop, whose sockets have no methods of their own."""

import asyncio
import sys

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall_testkit import Fault, Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for this system"),
]


@pytest.fixture
def anyio_backend():
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def stalled():
    with Simulator(faults=[Fault("stall", event=40, times=99)], answer_tokens=300) as simulator:
        yield simulator


@pytest.fixture
async def client(stalled, witness):
    async with anthropic.AsyncAnthropic(base_url=stalled.base_url, api_key="test") as bare:
        yield seawall.protect(bare, plugins=[*plugins(), witness])


async def test_a_stream_that_another_task_closes_ends(client, stalled, witness):
    events = await client.messages.create(stream=True, **LARGE)
    begun = asyncio.Event()

    async def read():
        async for _ in events:
            begun.set()

    reading = asyncio.create_task(read())
    await begun.wait()
    await events.close()
    with pytest.raises(anthropic.APIConnectionError):
        await reading
    await asyncio.to_thread(stalled.wait_until, lambda: stalled.active_responses == 0)
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]


async def test_a_deadline_ends_a_call_with_what_had_come(client):
    with seawall.deadline(0.5), pytest.raises(seawall.DeadlineExceededError) as raised:
        await client.messages.create(**LARGE)
    assert raised.value.partial_message.content[0].text
