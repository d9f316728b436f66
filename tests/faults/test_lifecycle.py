"""Many calls at once, and every way a caller may leave one: connections are freed and each call ends once."""

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import anthropic
import httpx2
import pytest
from anyio.lowlevel import checkpoint

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall_testkit import Fault, Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000}


def messages_of(number):
    return [{"role": "user", "content": f"Report number {number}."}]


def test_forty_threads_each_with_a_reset_all_get_the_exact_text(witness):
    with Simulator(faults=[Fault("reset", event=60)], answer_tokens=300) as simulator:
        bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test")
        client = seawall.protect(bare, plugins=[*plugins(idle_timeout=60.0), witness])

        def one(number):
            with client.messages.stream(messages=messages_of(number), **LARGE) as stream:
                return "".join(stream.text_stream)

        with bare, ThreadPoolExecutor(40) as pool:
            texts = list(pool.map(one, range(40)))
        assert texts == [simulator.text_for(messages_of(number)) for number in range(40)]
        assert len(simulator.requests) == 80
        simulator.wait_until(lambda: simulator.open_connections == 0)
    assert [outcome.status for outcome in witness.outcomes] == ["completed"] * 40


@pytest.mark.anyio
async def test_two_hundred_tasks_each_with_a_reset_all_get_the_exact_text(witness):
    with Simulator(faults=[Fault("reset", event=60)], answer_tokens=300) as simulator:
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[*plugins(idle_timeout=60.0), witness])
            calls = (client.messages.create(messages=messages_of(number), **LARGE) for number in range(200))
            messages = await asyncio.gather(*calls)
        texts = [message.content[0].text for message in messages]
        assert texts == [simulator.text_for(messages_of(number)) for number in range(200)]
        assert len(simulator.requests) == 400
        simulator.wait_until(lambda: simulator.open_connections == 0)
    assert [outcome.status for outcome in witness.outcomes] == ["completed"] * 200


class Watching(anthropic.Middleware):
    """Knows the responses of a call as long as anybody else does."""

    def __init__(self):
        self.responses = []
        self.options = []
        self.events = 0

    def handle(self, request, call_next):
        result = call_next(request)
        self.responses.append(weakref.ref(result.http_response))
        self.options.append(weakref.ref(request.options))
        return result

    async def handle_async(self, request, call_next):
        result = await call_next(request)
        self.responses.append(weakref.ref(result.http_response))
        self.options.append(weakref.ref(request.options))
        return result

    def assert_little_is_held(self, raw):
        """Of two attempts, the second of which runs: the caller of the stream still sees its own request.

        Looks at the first of its events and at every hundredth: a collection takes its time.
        """
        self.events += 1
        if self.events % 100 != 1:
            return
        gc.collect()
        gone, current = (response() for response in self.responses)
        assert gone is None
        assert [options() for options in self.options] == [None, None]
        with pytest.raises(httpx2.RequestNotRead):
            current.request.content  # noqa: B018 - it raises
        assert list(current.request.stream) == [b""]
        assert b"Write" in raw.http_request.content


BROKEN_AND_STALLED = [Fault("reset", event=40), Fault("stall", attempt=2, event=20, seconds=0.2)]


def test_a_continued_stream_holds_neither_what_broke_nor_the_request_that_continued_it(witness):
    watching = Watching()
    with Simulator(faults=BROKEN_AND_STALLED) as simulator:
        bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test", middleware=[watching])
        with bare:
            client = seawall.protect(bare, plugins=[*plugins(), witness])
            raw = client.messages.with_raw_response.create(messages=MESSAGES, stream=True, **LARGE)
            texts = []
            for event in raw.parse():
                texts += [event.delta.text] if event.type == "content_block_delta" else []
                if len(watching.responses) == 2:
                    watching.assert_little_is_held(raw)
            assert "".join(texts) == simulator.text_for(MESSAGES)
    assert [attempt.way for attempt in witness.outcomes[0].attempts] == ["send", "user_turn"]


@pytest.mark.anyio
async def test_a_continued_async_stream_holds_neither_what_broke_nor_the_request_that_continued_it(witness):
    watching = Watching()
    with Simulator(faults=BROKEN_AND_STALLED) as simulator:
        bare = anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test", middleware=[watching])
        async with bare:
            client = seawall.protect(bare, plugins=[*plugins(), witness])
            raw = await client.messages.with_raw_response.create(messages=MESSAGES, stream=True, **LARGE)
            texts = []
            async for event in await raw.parse():
                texts += [event.delta.text] if event.type == "content_block_delta" else []
                if len(watching.responses) == 2:
                    watching.assert_little_is_held(raw)
            assert "".join(texts) == simulator.text_for(MESSAGES)
    assert [attempt.way for attempt in witness.outcomes[0].attempts] == ["send", "user_turn"]


def test_the_request_of_a_whole_answer_can_be_read_and_those_that_failed_are_let_go():
    watching = Watching()
    with Simulator(faults=[Fault("reset", event=200)], answer_tokens=1200) as simulator:
        bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test", middleware=[watching])
        with bare:
            client = seawall.protect(bare, plugins=plugins())
            raw = client.messages.with_raw_response.create(messages=MESSAGES, **LARGE)
            assert b"Write" in raw.http_request.content
            gc.collect()
            assert watching.responses[0]() is None
            assert raw.parse().content[0].text == simulator.text_for(MESSAGES)


@pytest.fixture
def stalled():
    """A simulator whose streams stop half-way and stay open."""
    with Simulator(faults=[Fault("stall", event=40, times=99)]) as simulator:
        yield simulator


def assert_freed(simulator, witness):
    gc.collect()
    simulator.wait_until(lambda: simulator.active_responses == 0)
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]
    (request,) = simulator.requests
    assert request.ended == "client_closed"


@pytest.fixture
def client(stalled, witness):
    with anthropic.Anthropic(base_url=stalled.base_url, api_key="test") as bare:
        yield seawall.protect(bare, plugins=[*plugins(), witness])


@pytest.fixture
async def aclient(stalled, witness):
    async with anthropic.AsyncAnthropic(base_url=stalled.base_url, api_key="test") as bare:
        yield seawall.protect(bare, plugins=[*plugins(), witness])


def test_a_stream_dropped_before_it_was_iterated_frees_its_connection(client, stalled, witness):
    stream = client.messages.create(messages=MESSAGES, stream=True, **LARGE)
    del stream
    assert_freed(stalled, witness)


def test_a_stream_dropped_half_way_frees_its_connection(client, stalled, witness):
    stream = client.messages.create(messages=MESSAGES, stream=True, **LARGE)
    next(iter(stream))
    del stream
    assert_freed(stalled, witness)


def test_a_stream_left_by_break_frees_its_connection(client, stalled, witness):
    with client.messages.stream(messages=MESSAGES, **LARGE) as stream:
        for _ in stream.text_stream:
            break
    assert_freed(stalled, witness)
    assert witness.outcomes[0].message["content"][0]["text"]
    assert witness.outcomes[0].usage.is_estimated


def test_a_streaming_response_that_was_never_read_frees_its_connection(client, stalled, witness):
    create = client.messages.with_streaming_response.create
    with create(messages=MESSAGES, stream=True, **LARGE) as response:
        assert response.status_code == 200
    assert_freed(stalled, witness)


@pytest.mark.anyio
@pytest.mark.parametrize("is_iterated", [False, True])
async def test_an_async_stream_that_is_closed_frees_its_connection(aclient, stalled, witness, is_iterated):
    stream = await aclient.messages.create(messages=MESSAGES, stream=True, **LARGE)
    if is_iterated:
        await anext(aiter(stream))
    await stream.close()
    assert_freed(stalled, witness)


@pytest.mark.anyio
@pytest.mark.parametrize("is_iterated", [False, True])
async def test_an_async_stream_that_is_dropped_frees_its_connection(aclient, stalled, witness, is_iterated):
    stream = await aclient.messages.create(messages=MESSAGES, stream=True, **LARGE)
    if is_iterated:
        await anext(aiter(stream))
    del stream
    gc.collect()
    # the event loop closes dropped generators in a task of its own
    while not witness.outcomes:
        await checkpoint()
    await asyncio.to_thread(assert_freed, stalled, witness)


@pytest.mark.anyio
@pytest.mark.parametrize("surface", ["create", "stream"])
async def test_a_cancelled_task_frees_its_connection(aclient, stalled, witness, surface):

    async def work():
        if surface == "create":
            return await aclient.messages.create(messages=MESSAGES, **LARGE)
        async with aclient.messages.stream(messages=MESSAGES, **LARGE) as stream:
            return await stream.get_final_message()

    task = asyncio.create_task(work())
    while witness.chunks < 40:
        await checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(assert_freed, stalled, witness)


@pytest.mark.anyio
async def test_closing_from_another_task_wakes_the_reader_and_ends_the_call(aclient, stalled, witness):
    stream = await aclient.messages.create(messages=MESSAGES, stream=True, **LARGE)

    async def read():
        async for _ in stream:
            pass

    reader = asyncio.create_task(read())
    while witness.chunks < 40:
        await checkpoint()
    await stream.close()
    await asyncio.wait([reader], timeout=5)
    assert reader.done()
    await asyncio.to_thread(assert_freed, stalled, witness)
    with pytest.raises((anthropic.APIConnectionError, StopAsyncIteration)):
        reader.result()


# the bare SDK and asyncio warn of what is destroyed before its end
is_left = pytest.mark.filterwarnings(
    "ignore:.*:pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@contextmanager
def closed_loop(leave, stalled, witness):
    """Keeps what `leave` leaves in an event loop, with a client of its own, that is closed then."""
    bare = anthropic.AsyncAnthropic(base_url=stalled.base_url, api_key="test")
    client = seawall.protect(bare, plugins=[*plugins(), witness])
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave(client))
    loop.close()
    yield
    # now, and not in another test: it is warned of
    del bare, client, loop
    gc.collect()


@is_left
def test_an_async_stream_left_by_break_ends_its_call_though_its_loop_is_closed(stalled, witness):
    async def leave(client):
        async for _ in await client.messages.create(messages=MESSAGES, stream=True, **LARGE):
            break

    with closed_loop(leave, stalled, witness):
        assert_freed(stalled, witness)


async def called_in_another_loop():
    with Simulator() as other:
        async with anthropic.AsyncAnthropic(base_url=other.base_url, api_key="test") as bare:
            await seawall.protect(bare).messages.create(messages=MESSAGES, **LARGE)


@is_left
@pytest.mark.parametrize("surface", ["create", "stream"])
def test_a_call_that_was_left_in_a_closed_loop_ends_when_there_is_another(surface, stalled, witness):
    async def work(client):
        if surface == "create":
            return await client.messages.create(messages=MESSAGES, **LARGE)
        async with client.messages.stream(messages=MESSAGES, **LARGE) as stream:
            return await stream.get_final_message()

    async def leave(client):
        task = asyncio.create_task(work(client))
        while witness.chunks < 40:
            await checkpoint()
        return task

    with closed_loop(leave, stalled, witness):
        asyncio.run(called_in_another_loop())
        assert_freed(stalled, witness)
