"""`seawall.deadline`: what it ends, at once where nothing can come of waiting, and what the error holds."""

import asyncio
import gc
import math
import pickle
import socket
import threading

import anthropic
import pytest

import seawall
from calls import ASYNC, MESSAGES, MODEL, SURFACES, SYNC, Witness, call, plugins
from seawall.deadline import remaining_time
from seawall_testkit import Fault, Simulator

FOR_EVER = 99
HOUR = 3600.0
SHORT = 0.3
"""Seconds within which a read is interrupted."""


class Waiting:
    """Wants to wait before anything is sent."""

    name = "waiting"

    def __init__(self, seconds):
        self.seconds = seconds

    @seawall.hookimpl
    def pre_request(self):
        return seawall.Wait(self.seconds, "the tide")


class Retrying:
    """Wants to retry, after so many seconds."""

    name = "retrying"

    def __init__(self, delay):
        self.delay = delay

    @seawall.hookimpl
    def on_error(self):
        return seawall.Retry(self.delay)


def refused(mode, surface, enabled, simulator, *, seconds, max_tokens=64_000):
    """The error in which a call ends that is given so many seconds; making the client does not count."""
    options = {"base_url": simulator.base_url, "api_key": "test"}
    params = {"model": MODEL, "messages": MESSAGES, "max_tokens": max_tokens}

    async def run():
        async with anthropic.AsyncAnthropic(**options) as bare:
            client = seawall.protect(bare, plugins=enabled)
            with seawall.deadline(seconds):
                await ASYNC[surface](client, **params)

    def wait():
        with anthropic.Anthropic(**options) as bare:
            client = seawall.protect(bare, plugins=enabled)
            with seawall.deadline(seconds):
                SYNC[surface](client, **params)

    with pytest.raises(seawall.DeadlineExceededError) as raised:
        asyncio.run(run()) if mode == "async" else wait()
    return raised.value


# -- waits


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_wait_beyond_the_deadline_is_refused_at_once_and_nothing_is_sent(mode, surface, witness):
    with Simulator() as simulator:
        enabled = [*plugins(), Waiting(1000.0), witness]
        error = refused(mode, surface, enabled, simulator, seconds=HOUR / 6)
        assert simulator.requests == []
    assert "the wait (the tide) takes 1000.0 s" in str(error)
    assert error.partial_message is None
    assert error.usage.output_tokens == 0
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]
    assert witness.outcomes[0].error is error


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_keeps_the_deadline_is_not_disturbed_by_it(mode, witness):
    with Simulator(faults=[Fault("reset", event=40)]) as simulator, seawall.deadline(HOUR):
        got = call(simulator, mode, "messages.stream()", [*plugins(), witness])
        assert got.text == simulator.text_for(MESSAGES)
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_deadline_later_than_a_thread_can_wait_disturbs_nothing(mode):
    # an error in a thread of its own fails this test
    with Simulator() as simulator, seawall.deadline(2 * threading.TIMEOUT_MAX):
        got = call(simulator, mode, "messages.stream()", plugins())
        assert got.text == simulator.text_for(MESSAGES)


# -- retries


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_retry_beyond_the_deadline_is_not_waited_for(mode, surface, witness):
    with Simulator(faults=[Fault("status", status=529)]) as simulator:
        enabled = [*plugins(), Retrying(10 * HOUR), witness]
        error = refused(mode, surface, enabled, simulator, seconds=HOUR)
        assert [request.status for request in simulator.requests] == [529]
    assert "the wait before another attempt takes 36000.0 s" in str(error)
    assert isinstance(error.__cause__, anthropic.OverloadedError)
    assert error.partial_message is None
    assert witness.outcomes[0].attempts[0].error is error.__cause__


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_retry_beyond_the_deadline_leaves_what_had_come(mode, surface):
    with Simulator(faults=[Fault("reset", event=40)]) as simulator:
        error = refused(mode, surface, [*plugins(), Retrying(10 * HOUR)], simulator, seconds=HOUR)
        text = simulator.text_for(MESSAGES)
    assert isinstance(error.__cause__, anthropic.APIConnectionError)
    partial = error.partial_message.content[0].text
    assert partial
    assert text.startswith(partial)
    assert error.usage.output_tokens > 0


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_retries_end_with_the_deadline(mode, witness):
    # with no delay between them, the attempts themselves use the time up
    with Simulator(faults=[Fault("status", status=529, times=100_000)]) as simulator:
        error = refused(mode, "create", [Retrying(0.0), witness], simulator, seconds=SHORT)
        assert {request.status for request in simulator.requests} <= {529, None}
    assert len(witness.outcomes[0].attempts) > 1
    assert isinstance(error, TimeoutError)


# -- reads


@pytest.mark.parametrize("kind", ["stall", "stall_with_pings"])
@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_stream_that_would_go_on_for_ever_ends_at_the_deadline(mode, surface, kind, witness):
    with Simulator(faults=[Fault(kind, event=40, seconds=None, times=FOR_EVER)]) as simulator:
        enabled = [*plugins(idle_timeout=600.0), witness]
        error = refused(mode, surface, enabled, simulator, seconds=SHORT)
        gc.collect()
        simulator.wait_until(lambda: simulator.active_responses == 0)
        assert [request.ended for request in simulator.requests] == ["client_closed"]
        text = simulator.text_for(MESSAGES)
    partial = error.partial_message.content[0].text
    assert partial
    assert text.startswith(partial)
    assert error.partial_message.usage.output_tokens == error.usage.output_tokens > 0
    assert isinstance(error.__cause__, anthropic.APIConnectionError)
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]


class Hurried(asyncio.SelectorEventLoop):
    """Its clock is ahead of the system's, as one that looks at it but once a turn may come to be."""

    def time(self):
        return 1.5 * super().time()


def test_a_loop_that_is_ahead_of_the_deadline_ends_the_call_with_no_other_error(witness):
    with socket.create_server(("127.0.0.1", 0)) as silent, asyncio.Runner(loop_factory=Hurried) as runner:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        async def run():
            async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
                client = seawall.protect(bare, plugins=[*plugins(), witness])
                with seawall.deadline(SHORT):
                    await ASYNC["create"](client, model=MODEL, messages=MESSAGES, max_tokens=64_000)

        with pytest.raises(seawall.DeadlineExceededError):
            runner.run(run())
    assert all(isinstance(error, anthropic.APIConnectionError) for error in witness.errors)


@pytest.mark.parametrize("kind", ["stall", "stall_with_pings"])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_small_call_is_streamed_too_so_that_it_can_be_left_at_the_deadline(mode, kind, witness):
    with Simulator(faults=[Fault(kind, event=30, times=FOR_EVER)]) as simulator:
        error = refused(mode, "create", [*plugins(), witness], simulator, seconds=SHORT, max_tokens=1000)
        simulator.wait_until(lambda: simulator.active_responses == 0)
        assert [request.stream for request in simulator.requests] == [True]
    assert error.partial_message.content[0].text
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_deadline_holds_in_the_continuation_too_and_keeps_both_parts(mode):
    faults = [Fault("reset", event=40), Fault("stall_with_pings", attempt=2, event=30, times=FOR_EVER)]
    with Simulator(faults=faults) as simulator:
        error = refused(mode, "messages.stream()", plugins(), simulator, seconds=2 * SHORT)
        text = simulator.text_for(MESSAGES)
        assert len(simulator.requests) == 2
    assert text.startswith(error.partial_message.content[0].text)
    # a stream of 40 events has some 35 pieces of 4 tokens, the second one 25
    assert len(error.partial_message.content[0].text) > len(text) * 0.5


# -- deadlines within deadlines, and where they hold


@pytest.mark.parametrize(("outer", "inner"), [(1.0, HOUR), (HOUR, 1.0)])
def test_of_two_deadlines_the_earlier_one_holds(outer, inner):
    with Simulator() as simulator, seawall.deadline(outer):
        error = refused("sync", "create", [*plugins(), Waiting(100.0)], simulator, seconds=inner)
        assert simulator.requests == []
    assert "s of the deadline are left; the wait (the tide) takes 100.0 s" in str(error)


def test_after_the_inner_one_the_outer_one_holds_again():
    with seawall.deadline(HOUR):
        with seawall.deadline(1.0):
            assert remaining_time()() <= 1.0
        assert 1.0 < remaining_time()() <= HOUR
    assert remaining_time()() == math.inf


def test_it_holds_no_longer_after_an_exception():
    with pytest.raises(LookupError), seawall.deadline(1.0):
        raise LookupError
    assert remaining_time()() == math.inf


@pytest.mark.parametrize("seconds", [0, -1, -0.5, math.nan, -math.inf, None, "5"])
def test_no_deadline_without_a_positive_number_of_seconds(seconds):
    with (
        pytest.raises(ValueError, match="a positive number of seconds is expected"),
        seawall.deadline(seconds),
    ):
        pass
    assert remaining_time()() == math.inf


def test_an_infinite_deadline_is_none():
    with seawall.deadline(math.inf):
        assert remaining_time()() == math.inf


def test_a_thread_does_not_inherit_it():
    seen = []
    with seawall.deadline(1.0):
        thread = threading.Thread(target=lambda: seen.append(remaining_time()()))
        thread.start()
        thread.join()
    assert seen == [math.inf]


@pytest.mark.anyio
async def test_a_task_started_inside_inherits_it_and_one_started_before_does_not():
    go = asyncio.Event()

    async def left():
        await go.wait()
        return remaining_time()()

    before = asyncio.create_task(left())
    with seawall.deadline(1.0):
        inside = asyncio.create_task(left())
    go.set()
    assert await before == math.inf
    assert await inside <= 1.0


@pytest.mark.anyio
async def test_one_task_ends_at_its_deadline_while_the_others_go_on(witness):
    with Simulator(faults=[Fault("stall_with_pings", event=40)], answer_tokens=400) as simulator:
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[*plugins(content_timeout=0.5), witness])

            async def one(seconds):
                messages = [{"role": "user", "content": f"Report within {seconds} seconds."}]
                with seawall.deadline(seconds):
                    message = await client.messages.create(model=MODEL, max_tokens=64_000, messages=messages)
                return message.content[0].text == simulator.text_for(messages)

            results = await asyncio.gather(one(SHORT), one(HOUR), one(2 * HOUR), return_exceptions=True)
    assert isinstance(results[0], seawall.DeadlineExceededError)
    assert results[1:] == [True, True]


# -- the error


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_error_is_a_timeout_error_of_seawall_and_pickles_with_what_had_come(mode):
    with Simulator(faults=[Fault("stall", event=40)]) as simulator:
        error = refused(mode, "create", plugins(idle_timeout=600.0), simulator, seconds=SHORT)
    assert isinstance(error, seawall.SeawallError)
    assert isinstance(error, TimeoutError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), type(again)) == (str(error), type(error))
    assert again.partial_message == error.partial_message
    assert again.usage == error.usage


def test_with_a_deadline_that_is_over_before_the_call_nothing_is_sent():
    witness = Witness()
    with Simulator() as simulator:
        error = refused("sync", "create", [*plugins(), witness], simulator, seconds=1e-9)
        assert simulator.requests == []
    assert str(error) == "the deadline passed"
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]
