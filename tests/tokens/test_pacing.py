"""Paced calls over real sockets, against a simulator that enforces its limits."""

import asyncio
import threading

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall.call import Call
from seawall.registry import configured_store
from seawall.state import READ, MemoryStore, leases
from seawall_testkit import Limits, Simulator
from seawall_tokens import Tokens, TokensSettings, caller
from seawall_tokens.rate_headers import organization

SMALL = {"model": MODEL, "max_tokens": 64, "messages": MESSAGES}


def refused(simulator):
    return sum(request.status == 429 for request in simulator.requests)


async def at_once(simulator, count, enabled):
    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=enabled)
        return await asyncio.gather(*(client.messages.create(**SMALL) for _ in range(count)))


def test_many_tasks_at_once_learn_the_limit_and_keep_it():
    limits = Limits(rpm=3_000, itpm=600_000, otpm=600_000, depth=0.5)
    with Simulator(limits=limits, answer_tokens=20) as simulator:
        answers = asyncio.run(at_once(simulator, 40, [*plugins(), Tokens()]))
    assert len(answers) == len(simulator.requests) == 40
    assert refused(simulator) == 0


def test_tasks_at_once_that_are_not_paced_are_refused_by_the_server():
    with (
        Simulator(limits=Limits(rpm=60, depth=5.0), answer_tokens=20) as simulator,
        pytest.raises(anthropic.RateLimitError),
    ):
        asyncio.run(at_once(simulator, 10, [Tokens(TokensSettings(pace=False))]))


def test_threads_of_a_sync_client_share_a_limit_and_nothing_is_left_in_the_state():
    with Simulator(limits=Limits(rpm=6_000), answer_tokens=20) as simulator:
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[*plugins(), Tokens()])

            def work():
                with caller("reports", weight=2.0):
                    client.messages.create(**SMALL)

            threads = [threading.Thread(target=work) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(simulator.requests) == 16
        host, store = simulator.base_url.removeprefix("http://"), configured_store()
        served = store.step(READ, key=f"organizations:{host}")[organization_of(simulator)]
        document = store.step(READ, key=f"rate:{host}:{served}:opus-5.5")
    assert not leases.owners(document)
    assert "waiting" not in document
    assert document["limits"] == {"requests": 6_000}


def organization_of(simulator):
    with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        response = bare.messages.with_raw_response.create(**SMALL)
    return organization(response.headers)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_call_that_finds_no_room_in_time_is_refused_and_nothing_is_sent(mode):
    settings = TokensSettings(max_wait=0.5, limits={"claude": {"requests": 1}})
    tokens = Tokens(settings)
    with Simulator(answer_tokens=20) as simulator:

        async def run():
            await at_once(simulator, 1, [tokens])
            await at_once(simulator, 1, [tokens])

        def run_sync():
            with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
                client = seawall.protect(bare, plugins=[tokens])
                client.messages.create(**SMALL)
                client.messages.create(**SMALL)

        with pytest.raises(seawall.RequestRejectedError, match=r"max_wait = 0\.5 s"):
            run_sync() if mode == "sync" else asyncio.run(run())
        assert len(simulator.requests) == 1


def test_a_server_without_such_headers_is_not_paced():
    with Simulator(answer_tokens=20) as simulator:
        answers = asyncio.run(at_once(simulator, 30, [Tokens()]))
    assert len(answers) == 30


class Hanging(MemoryStore):
    """A store whose answer does not come until it is let go."""

    blocks = True

    def __init__(self):
        super().__init__()
        self.hangs = threading.Event()
        self.let_go = threading.Event()

    def step(self, step, /, *, key, **arguments):
        self.hangs.set()
        self.let_go.wait(30)
        return super().step(step, key=key, **arguments)


def test_a_store_that_hangs_delays_its_own_call_and_no_other_stream():
    store = Hanging()

    class Elsewhere:
        """Gives a call the store that hangs."""

        @seawall.hookimpl(tryfirst=True)
        def pre_request(self, call: Call) -> None:
            call.store = store

    async def run(simulator):
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            hanging = seawall.protect(bare, plugins=[Elsewhere(), *plugins(), Tokens()])
            other = seawall.protect(bare, plugins=plugins())
            delayed = asyncio.create_task(hanging.messages.create(**SMALL))
            await asyncio.to_thread(store.hangs.wait, 30)
            got = await other.messages.create(**{**SMALL, "max_tokens": 64_000})
            was_delayed = not delayed.done()
            store.let_go.set()
            return got, was_delayed, await delayed

    with Simulator() as simulator:
        got, was_delayed, last = asyncio.run(run(simulator))
    assert was_delayed
    assert got.stop_reason == "end_turn"
    assert last.content
