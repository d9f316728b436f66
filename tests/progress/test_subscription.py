"""What subscriptions give, and what slow, raising and never-reading takers do to a call: nothing."""

import asyncio
import logging
import threading
from functools import partial
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, plugins
from progress.followed import Followed
from seawall_progress import Advanced, Dropped, Ended, Progress, Started, Told, follow, subscribe
from seawall_progress.running import Running
from seawall_progress.subscription import Subscription
from seawall_testkit import Simulator


def said(told: Any) -> str:
    return (
        f"dropped {told.count}"
        if isinstance(told, Dropped)
        else f"{told.progress.call} {told.progress.phase}"
    )


def run(followed: Followed, *, words: int = 1) -> None:
    followed.attempt()
    followed.block("text")
    for _ in range(words):
        followed.delta("a ")
    followed.end()


WHOLE = ["c queued", "c connecting", "c writing", "c done"]


def test_a_callback_has_got_every_event_in_order_when_its_block_ends():
    call, got = Followed(), []
    with subscribe(lambda event: got.append(said(event)), running=call.running):
        run(call)
    assert got == WHOLE
    run(Followed(call))
    assert got == WHOLE, "it is closed"


def test_a_subscription_is_iterated_over_to_its_end():
    call = Followed()
    subscription = subscribe(running=call.running)
    run(call)
    subscription.close()
    subscription.close()
    assert [said(event) for event in subscription] == WHOLE
    assert list(subscription) == []


def test_one_who_waits_for_events_gets_them_from_another_thread():
    call, got = Followed(), []
    subscription = subscribe(running=call.running)
    taking = threading.Thread(target=lambda: got.extend(said(event) for event in subscription))
    taking.start()
    run(call)
    assert subscription.settle(10)
    subscription.close()
    taking.join(10)
    assert got == WHOLE


def test_one_who_waits_for_events_on_windows_can_be_interrupted(monkeypatch):
    class Waiting(threading.Condition):
        """Ctrl-C is pressed in the first wait, and heard after it, if that ends."""

        waits = 0

        def wait(self, timeout=None):
            assert timeout is not None
            if self.waits:
                raise KeyboardInterrupt
            self.waits += 1
            return super().wait(timeout)

    monkeypatch.setattr("seawall_progress.subscription._LONGEST_WAIT", 0.001)
    subscription = subscribe(running=Followed().running)
    subscription._changed = Waiting()
    with pytest.raises(KeyboardInterrupt):
        next(iter(subscription))
    subscription.close()


def test_a_task_that_waits_for_events_gets_them_from_another_thread():
    call = Followed()

    async def take() -> list[str]:
        got = []
        with subscribe(running=call.running) as subscription:
            running = asyncio.get_running_loop().run_in_executor(None, run, call)
            async for event in subscription:
                got.append(said(event))
                if isinstance(event, Ended):
                    subscription.close()
            await running
        return got

    assert asyncio.run(take()) == WHOLE


def test_a_loop_that_has_ended_is_woken_in_vain():
    call = Followed()
    subscription = subscribe(running=call.running)

    async def wait_a_moment() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(subscription), 0.01)

    asyncio.run(wait_a_moment())
    run(call)
    subscription.close()
    assert [said(event) for event in subscription] == WHOLE


def test_only_the_calls_made_inside_are_followed():
    inside, got = Followed(), []
    outside, later = Followed(inside, call_id="outside"), Followed(inside, call_id="later")
    outside.attempt()
    with follow(got.append) as subscription:
        run(inside)
        outside.end()
    run(later)
    assert [said(event) for event in got] == WHOLE
    assert not subscription.is_open


def test_of_a_full_queue_the_oldest_are_dropped_counted_and_told():
    call = Followed()
    subscription = subscribe(size=2, running=call.running)
    run(call)
    assert subscription.dropped == 2
    events = iter(subscription)
    assert [said(next(events)) for _ in range(3)] == ["dropped 2", "c writing", "c done"]
    run(Followed(call, call_id="d"))
    subscription.close()
    assert [said(event) for event in events] == ["dropped 2", "d writing", "d done"]
    assert subscription.dropped == 4


def test_who_is_always_too_slow_gets_an_event_every_other_time():
    call, got = Followed(), []
    subscription = subscribe(size=1, running=call.running)
    run(call)
    for event in subscription:
        got.append(type(event))
        if len(got) == 4:
            break
        run(Followed(call))
    assert got == [Dropped, Ended, Dropped, Ended]


def test_a_callback_that_raises_is_told_once_and_called_again(caplog):
    call, got = Followed(), []

    def fail(event: Any) -> None:
        got.append(said(event))
        raise ValueError("what it held")

    with caplog.at_level(logging.WARNING), subscribe(fail, running=call.running):
        run(call)
    assert got == WHOLE
    (record,) = caplog.records
    assert "fail raised ValueError" in record.getMessage()
    assert "what it held" not in caplog.text


def test_the_last_of_its_own_callbacks_may_close_it():
    call, got = Followed(), []

    def take(event: Any) -> None:
        got.append(said(event))
        if isinstance(event, Ended):
            with subscription:
                pass

    subscription = subscribe(take, running=call.running)
    run(call)
    assert subscription.settle(10)
    assert not any(subscription is listener for listener in call.running._listeners) or subscription.settle(
        10
    )


async def show(event: Told) -> None:
    pytest.fail(f"no event loop runs this: {event}")


class Shows:
    async def __call__(self, event: Told) -> None:
        await show(event)


@pytest.mark.parametrize("callback", [show, Shows(), partial(show), Shows().__call__])
def test_an_async_callback_is_refused_with_what_to_do_instead(callback):
    call = Followed()
    with pytest.raises(TypeError, match="`async for event in subscription`"):
        subscribe(callback, running=call.running)
    with pytest.raises(TypeError, match="is async"), follow(callback):
        pytest.fail("it was taken")
    assert call.running._listeners == ()


def test_a_callback_that_is_no_function_is_refused_at_once():
    call = Followed()
    with pytest.raises(TypeError, match=r"callback 'show' cannot be called: a function of one event"):
        subscribe("show", running=call.running)  # type: ignore[arg-type]
    assert call.running._listeners == ()


def test_an_event_loop_does_not_stand_still_for_a_callback(monkeypatch):
    monkeypatch.setattr("seawall_progress.subscription._PATIENCE", 600)
    call, goes_on, got = Followed(), threading.Event(), []

    def take(event: Told) -> None:
        got.append(goes_on.wait(20))

    async def watch() -> None:
        with subscribe(take, running=call.running) as subscription:
            run(call)
        goes_on.set()
        assert subscription.settle(60)

    asyncio.run(watch())
    assert got == [True] * len(WHOLE)


@pytest.mark.parametrize(("every", "size"), [(0, 9), (-1, 9), (float("nan"), 9), (1, 0), (1, 2.5)])
def test_a_queue_holds_something_and_time_goes_on(every, size):
    with pytest.raises(ValueError, match="above 0"):
        Subscription(every=every, size=size)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("kind", ["sleeps", "raises", "never reads"])
def test_no_taker_holds_up_or_breaks_a_stream(kind, mode):
    release, progress = threading.Event(), Running()

    def callback(event: Any) -> None:
        if kind == "raises":
            raise KeyError("x")
        release.wait(30)

    subscription = subscribe(
        None if kind == "never reads" else callback, every=0.01, size=3, running=progress
    )
    try:
        with Simulator(answer_tokens=2000) as simulator:
            text = stream(simulator, mode, Progress(running=progress))
        # the callback still sleeps, and the call is over
        assert len(text) > 4000
        if kind != "raises":
            assert subscription.dropped >= 1
    finally:
        release.set()
        subscription.close()
    kinds = {type(event) for event in subscription} if kind == "never reads" else {Dropped, Ended}
    assert Dropped in kinds
    assert kinds & {Ended, Advanced, Started}


def stream(simulator: Simulator, mode: str, plugin: Progress) -> str:
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 8000, "messages": MESSAGES, "stream": True}
    client: Any
    if mode == "sync":
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as client:
            events = seawall.protect(client, plugins=[*plugins(), plugin]).messages.create(**asked)
            return "".join(getattr(getattr(event, "delta", None), "text", "") for event in events)

    async def once() -> str:
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as client:
            events = await seawall.protect(client, plugins=[*plugins(), plugin]).messages.create(**asked)
            return "".join([getattr(getattr(event, "delta", None), "text", "") async for event in events])

    return asyncio.run(once())
