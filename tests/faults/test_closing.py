"""A stream that is closed from elsewhere while its call is at something else than reading."""

import asyncio
import contextlib
import threading

import anthropic
import httpx2
import pytest

import seawall
from calls import MESSAGES, MODEL, Witness, plugins
from seawall_testkit import Fault, Simulator

ASK = {"model": MODEL, "max_tokens": 1000, "messages": MESSAGES, "stream": True}
CLOSED = (anthropic.APIConnectionError, httpx2.StreamClosed)
LONG = 20.0


class Waiting(Witness):
    """Waits long after each failure, and does something as the wait begins."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.at_wait = lambda: None

    @seawall.hookimpl
    def pre_request(self, call):
        self.asked.append(call.attempt)

    @seawall.hookimpl
    def on_error(self, call, error):
        return seawall.Retry(LONG if call.attempt > 1 else 0.0)

    @seawall.hookimpl
    def on_wait(self, call, wait):
        if wait.seconds:
            self.at_wait()


class Last(anthropic.Middleware):
    """The user's own, around each attempt; does something when the second has been answered."""

    def __init__(self):
        self.sent = 0
        self.at_answer = lambda: None

    def handle(self, request, call_next):
        self.sent += 1
        answer = call_next(request)
        if self.sent == 2:
            self.at_answer()
        return answer

    async def handle_async(self, request, call_next):
        self.sent += 1
        answer = await call_next(request)
        if self.sent == 2:
            await self.at_answer()
        return answer


def elsewhere(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def read(stream):
    """Read to the end; return whether that was the end of the message."""
    kinds = []
    with contextlib.suppress(*CLOSED):
        kinds.extend(event.type for event in stream)
    return "message_stop" in kinds


async def aread(stream):
    kinds = []
    with contextlib.suppress(*CLOSED):
        async for event in stream:
            kinds += [event.type]
    return "message_stop" in kinds


@pytest.fixture
def broken():
    """A simulator whose first answer to a conversation breaks, and which is busy for the second."""
    faults = [Fault("reset", event=20), Fault("status", status=529, attempt=2)]
    with Simulator(faults=faults) as simulator:
        yield simulator


def test_a_call_that_is_closed_while_it_waits_does_no_more(broken):
    waiting = Waiting()
    with anthropic.Anthropic(base_url=broken.base_url, api_key="test") as bare:
        stream = seawall.protect(bare, plugins=[waiting]).messages.create(**ASK)
        waiting.at_wait = lambda: elsewhere(stream.close)
        assert not read(stream)
    assert waiting.asked == [1, 2]
    assert [outcome.status for outcome in waiting.outcomes] == ["abandoned"]


@pytest.mark.anyio
async def test_an_async_call_that_is_closed_while_it_waits_does_no_more(broken):
    waiting, tasks = Waiting(), []
    async with anthropic.AsyncAnthropic(base_url=broken.base_url, api_key="test") as bare:
        stream = await seawall.protect(bare, plugins=[waiting]).messages.create(**ASK)
        waiting.at_wait = lambda: tasks.append(asyncio.create_task(stream.close()))
        assert not await aread(stream)
    assert waiting.asked == [1, 2]
    assert [outcome.status for outcome in waiting.outcomes] == ["abandoned"]


def test_a_call_that_is_closed_while_it_is_sent_again_reads_no_more(witness):
    last = Last()
    with (
        Simulator(faults=[Fault("reset", event=20)]) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test", middleware=[last]) as bare,
    ):
        stream = seawall.protect(bare, plugins=[*plugins(), witness]).messages.create(**ASK)
        last.at_answer = lambda: elsewhere(stream.close)
        assert not read(stream)
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]


@pytest.mark.anyio
async def test_an_async_call_that_is_closed_while_it_is_sent_again_reads_no_more(witness):
    last = Last()
    with Simulator(faults=[Fault("reset", event=20)]) as simulator:
        url = simulator.base_url
        async with anthropic.AsyncAnthropic(base_url=url, api_key="test", middleware=[last]) as bare:
            stream = await seawall.protect(bare, plugins=[*plugins(), witness]).messages.create(**ASK)
            last.at_answer = stream.close
            assert not await aread(stream)
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]


def test_closing_a_call_that_waits_leaves_the_connection_to_who_has_it_now():
    """The refused attempt gave its connection back, and another call took it."""
    faults = [Fault("reset", event=20, attempt=2), Fault("status", status=529, attempt=3)]
    others = [{"role": "user", "content": "And another one."}]
    with Simulator(faults=faults) as simulator:
        limits = httpx2.Limits(max_connections=1)
        http = anthropic.DefaultHttpxClient(limits=limits)
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test", http_client=http) as bare:
            assert read(bare.messages.create(**ASK))
            waiting = Waiting()
            stream = seawall.protect(bare, plugins=[waiting]).messages.create(**ASK)
            got = []

            def hand_over():
                other = bare.messages.create(**{**ASK, "messages": others})
                elsewhere(stream.close)
                got.append(read(other))

            waiting.at_wait = hand_over
            assert not read(stream)
            assert got == [True]


@pytest.mark.parametrize("kind", ["stall", "stall_with_pings"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_whole_message_is_there_though_the_server_does_not_end_its_body(kind, is_async, monkeypatch):
    monkeypatch.setattr(f"seawall.{'async' if is_async else 'sync'}_driver.PATIENCE", 0.01)
    ask = {**ASK, "max_tokens": 8000, "stream": False}
    with (
        Simulator(answer="Hi") as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
    ):
        assert read(bare.messages.create(**ASK))
        events = simulator.requests[0].events_sent
    with Simulator(answer="Hi", faults=[Fault(kind, event=events, seconds=600)]) as simulator:
        made = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
        bare = made(base_url=simulator.base_url, api_key="test")
        client = seawall.protect(bare, plugins=plugins(idle_timeout=60.0))
        asked = client.messages.create(**ask)
        message = asyncio.run(asked) if is_async else asked
    assert message.content[0].text == "Hi"
