"""What only the async driver has to see to."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import anyio.lowlevel
import anyio.to_thread
import pytest

import seawall
from calls import MESSAGES, MODEL
from seawall.async_driver import AsyncDriver
from seawall.call import Call
from seawall.driver import running
from seawall_testkit import Simulator

THREADS = 40
"""Those that calls of one event loop may have at work at once."""


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
    seen, working, released, is_asked = [], [], threading.Event(), asyncio.Event()

    class Slow:
        def _work(self):
            working.append(self)
            assert released.wait(60)

        @seawall.hookimpl
        def pre_request(self, call):
            return seawall.Offload(self._work)

    class Last:
        @seawall.hookimpl
        def post_response(self, call):
            is_asked.set()
            return seawall.Offload(lambda: seen.append("ended"))

    async def cancelled(url):
        async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
            slow, client = (seawall.protect(bare, plugins=[plugin]) for plugin in (Slow(), Last()))
            params = {"model": MODEL, "max_tokens": 10, "messages": MESSAGES}
            others = [asyncio.create_task(slow.messages.create(**params)) for _ in range(THREADS)]
            stream = await client.messages.create(**params, stream=True)
            while len(working) < THREADS:  # noqa: ASYNC110 - they have no event of the loop
                await asyncio.sleep(0)
            task = asyncio.create_task(_drained(stream))
            await is_asked.wait()
            await turns()
            assert not seen
            task.cancel()
            await turns()
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.gather(*others)

    with Simulator() as simulator:
        asyncio.run(cancelled(simulator.base_url))
    assert seen == ["ended"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_calls_need_no_thread_that_the_program_may_have_taken(backend):
    class Busy:
        @seawall.hookimpl
        def pre_request(self, call):
            return seawall.Offload(lambda: None)

    async def beside(url):
        limiter, ended = anyio.to_thread.current_default_thread_limiter(), threading.Event()
        params = {"model": MODEL, "max_tokens": 10, "messages": MESSAGES}
        in_time = []

        async def wait_for_the_call():
            in_time.append(await anyio.to_thread.run_sync(ended.wait, 20))

        async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[Busy()])
            # for its first request the SDK itself asks for a thread
            await client.messages.create(**params)
            limiter.total_tokens = 1
            async with anyio.create_task_group() as group:
                group.start_soon(wait_for_the_call)
                while not limiter.borrowed_tokens:
                    await anyio.lowlevel.checkpoint()
                await client.messages.create(**params)
                ended.set()
        return in_time

    with Simulator() as simulator:
        assert anyio.run(beside, simulator.base_url, backend=backend) == [True]


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
