"""Streams that nobody has any more and only the garbage collector finds, wherever it strikes."""

import gc
import threading
import weakref

import anthropic
import pytest
from anyio.lowlevel import checkpoint

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall_testkit import Fault, Simulator

ASK = {"model": MODEL, "max_tokens": 1000, "messages": MESSAGES, "stream": True}


class Locked:
    """Takes a lock when a call ends, as plugins do."""

    def __init__(self):
        self.lock = threading.Lock()
        self.open = weakref.WeakKeyDictionary()
        self.ended = threading.Event()
        self.said = None

    @seawall.hookimpl
    def pre_request(self, call):
        self.open[call] = call.id

    @seawall.hookimpl
    def post_response(self, call, outcome):
        if self.lock.acquire(timeout=5):
            self.said = (self.open.pop(call, None), outcome.status)
            self.lock.release()
        self.ended.set()


@pytest.fixture
def simulator():
    with Simulator(faults=[Fault("stall", event=40, times=99)]) as simulator:
        yield simulator


def lose(client):
    """Leave a stream in a circle, as an exception that is kept in the frame that caught it does."""
    stream = client.messages.create(**ASK)
    next(iter(stream))
    circle = [stream]
    circle.append(circle)


def test_a_call_that_the_collector_ends_takes_no_lock_of_the_thread_it_struck(simulator):
    locked = Locked()
    with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=[*plugins(), locked])
        gc.disable()
        try:
            lose(client)
            with locked.lock:
                gc.collect()
        finally:
            gc.enable()
        assert locked.ended.wait(30)
        called, status = locked.said
        assert called is not None
        assert status == "abandoned"
        simulator.wait_until(lambda: simulator.active_responses == 0)
    assert simulator.requests[0].ended == "client_closed"


@pytest.mark.anyio
async def test_the_plugins_still_know_an_async_call_that_the_collector_ends(simulator):
    locked = Locked()
    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=[*plugins(), locked])
        stream = await client.messages.create(**ASK)
        circle = [stream]
        circle.append(circle)
        del stream, circle
        gc.collect()
        while not locked.ended.is_set():
            await checkpoint()
    called, status = locked.said
    assert called is not None
    assert status == "abandoned"
