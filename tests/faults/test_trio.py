"""Async calls on trio, in whose tasks asyncio does not run."""

import anthropic
import pytest
import trio

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall_progress import subscribe
from seawall_testkit import Fault, Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "trio"


@pytest.fixture
def faults():
    return [Fault("stall", event=40, times=99)]


@pytest.fixture
def simulator(faults):
    with Simulator(faults=faults, answer_tokens=300) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator, witness):
    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
        yield seawall.protect(bare, plugins=[*plugins(), "tokens", "progress", witness])


async def until(condition):
    while not condition():
        await trio.lowlevel.checkpoint()


async def assert_abandoned(simulator, witness):
    await until(lambda: witness.outcomes)
    await trio.to_thread.run_sync(simulator.wait_until, lambda: simulator.active_responses == 0)
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]
    assert [request.ended for request in simulator.requests] == ["client_closed"]


async def create(client):
    message = await client.messages.create(**LARGE)
    return message.content[0].text


async def raw_stream(client):
    events = await client.messages.create(stream=True, **LARGE)
    return "".join([event.delta.text async for event in events if event.type == "content_block_delta"])


async def stream(client):
    async with client.messages.stream(**LARGE) as events:
        return await events.get_final_text()


@pytest.mark.parametrize(
    "faults",
    [[Fault("status", status=529), Fault("reset", event=30, attempt=2), Fault("eof", event=20, attempt=3)]],
)
@pytest.mark.parametrize("surface", [create, raw_stream, stream])
async def test_a_call_gets_the_exact_text_through_faults(surface, client, simulator, witness):
    assert await surface(client) == simulator.text_for(MESSAGES)
    assert len(simulator.requests) == 4
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]


@pytest.mark.parametrize("surface", [create, raw_stream, stream])
async def test_a_call_whose_scope_is_cancelled_frees_its_connection(surface, client, simulator, witness):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(surface, client)
        await until(lambda: witness.chunks >= 40)
        nursery.cancel_scope.cancel()
    await assert_abandoned(simulator, witness)


# trio warns of every generator that nobody closes
@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_stream_that_is_dropped_frees_its_connection(client, simulator, witness):
    events = await client.messages.create(stream=True, **LARGE)
    await anext(aiter(events))
    del events
    await assert_abandoned(simulator, witness)


async def test_closing_from_another_task_wakes_the_reader(client, simulator, witness):
    events = await client.messages.create(stream=True, **LARGE)
    ended = []

    async def read():
        try:
            async for _ in events:
                pass
        except anthropic.APIConnectionError as error:
            ended.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await until(lambda: witness.chunks >= 40)
        await events.close()
    assert len(ended) == 1
    await assert_abandoned(simulator, witness)


async def test_a_deadline_ends_a_call_that_stalls(client, witness):
    with seawall.deadline(1.0), pytest.raises(seawall.DeadlineExceededError):
        await create(client)
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]


@pytest.mark.parametrize("faults", [[]])
async def test_events_are_told_to_a_task_that_waits_for_them(client):
    phases = []
    async with trio.open_nursery() as nursery:
        with subscribe() as subscription:
            nursery.start_soon(create, client)
            async for event in subscription:
                phases.append(event.progress.phase)
                if phases[-1] == "done":
                    break
    assert list(dict.fromkeys(phases)) == ["queued", "connecting", "writing", "done"]
