"""What only the async driver has to see to."""

import asyncio
import threading

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL
from seawall_testkit import Simulator


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
            for _ in range(100):
                await asyncio.sleep(0)
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    with Simulator() as simulator:
        asyncio.run(cancelled(simulator.base_url))
    assert seen == ["worked", "ended"]
