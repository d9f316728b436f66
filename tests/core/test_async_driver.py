"""What only the async driver has to see to."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import anyio.to_thread
import pytest

import seawall
from calls import MESSAGES, MODEL
from seawall.async_driver import AsyncDriver
from seawall.call import Call
from seawall.driver import running
from seawall_testkit import Simulator


async def turns():
    for _ in range(100):
        await asyncio.sleep(0)


def test_work_in_a_thread_is_over_before_a_cancelled_call_ends():
    begun, released, seen = threading.Event(), threading.Event(), []

    def work():
        begun.set()
        assert released.wait(60)
        seen.append("worked")

    class Slow:
        @seawall.hookimpl
        def pre_request(self, call):
            return seawall.Offload(work)

        @seawall.hookimpl
        def post_response(self, call):
            seen.append("ended")

    async def cancelled(url):
        async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[Slow()])
            task = asyncio.create_task(client.messages.create(model=MODEL, max_tokens=10, messages=MESSAGES))
            await asyncio.to_thread(begun.wait, 60)
            task.cancel()
            await turns()
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    with Simulator() as simulator:
        asyncio.run(cancelled(simulator.base_url))
    assert seen == ["worked", "ended"]


class Ending:
    """A plugin whose work at the end of a call begins, and waits until it may go on."""

    def __init__(self, name, seen, *, waits=False):
        self.name = name
        self.begun, self.released = threading.Event(), threading.Event()
        self._seen = seen
        if not waits:
            self.released.set()

    def _work(self):
        self.begun.set()
        assert self.released.wait(60)
        self._seen.append(self.name)

    @seawall.hookimpl
    def post_response(self, call):
        return seawall.Offload(self._work)


async def cancelled_as_it_ends(url, plugins, *, times):
    """Cancel a call while the first of `plugins` that is asked at its end is at work."""
    slow = plugins[-1]
    async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=plugins)
        task = asyncio.create_task(client.messages.create(model=MODEL, max_tokens=10, messages=MESSAGES))
        await asyncio.to_thread(slow.begun.wait, 60)
        for _ in range(times):
            task.cancel()
            await turns()
        slow.released.set()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("times", [1, 3])
def test_a_call_that_is_cancelled_as_it_ends_ends_for_every_plugin(times):
    seen = []
    plugins = [Ending("first", seen), Ending("second", seen), Ending("slow", seen, waits=True)]
    with Simulator() as simulator:
        asyncio.run(cancelled_as_it_ends(simulator.base_url, plugins, times=times))
    assert seen == ["slow", "second", "first"]


def test_work_at_the_end_is_done_though_the_call_is_cancelled_before_a_thread_is_free():
    seen, released = [], threading.Event()
    plugin = Ending("ended", seen)

    async def cancelled(url):
        limiter = anyio.to_thread.current_default_thread_limiter()
        async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[plugin])
            stream = await client.messages.create(model=MODEL, max_tokens=10, messages=MESSAGES, stream=True)
            limiter.total_tokens = 1
            blocking = asyncio.create_task(anyio.to_thread.run_sync(released.wait, 60))
            await turns()
            task = asyncio.create_task(_drained(stream))
            while not limiter.statistics().tasks_waiting:  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(0)
            task.cancel()
            await turns()
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await blocking

    with Simulator() as simulator:
        asyncio.run(cancelled(simulator.base_url))
    assert seen == ["ended"]


async def _drained(stream):
    async for _ in stream:
        pass


def test_a_first_call_in_a_loop_may_begin_while_one_in_another_loop_does():
    drivers = []

    async def begin(engine):
        drivers.append(AsyncDriver(engine, None, None))

    class Engine:
        def run(self):
            return iter(())

        @property
        def call(self):
            return Call("1", {}, stream=False)

    class Beside(Engine):
        @property
        def call(self):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, begin(Engine())).result()
            return super().call

    try:
        asyncio.run(begin(Beside()))
    finally:
        running.difference_update(drivers)
    assert len(drivers) == 2
