"""Another model is asked while the one that was asked for is down."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from pydantic import ValidationError

import seawall
from backoff.virtual import FINE, Sent, answered
from seawall import RequestRejectedError
from seawall.state import READ, leases
from seawall_backoff import Backoff, BackoffSettings
from seawall_testkit import Simulator

if TYPE_CHECKING:
    from seawall.call import Attempt

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
DOWN = answered(529, "overloaded_error")
WITH_ONE = {"fallbacks": [SONNET], "fallback_after": 30.0}


class Down:
    """An API at which some models are down until some seconds have passed."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, sent: Sent) -> Any:
        line = sent.send.params["model"].split("-")[1]
        return DOWN if sent.at - 1_000_000.0 < self.seconds.get(line, 0.0) else FINE


def models(world: Any) -> list[str]:
    return [sent.send.params["model"] for sent in world.sent]


def test_a_model_that_is_down_for_long_is_replaced(make_world: Any) -> None:
    world = make_world(api=Down(opus=600.0), settings=WITH_ONE)
    ended = world.call()
    assert ended["error"] is None
    assert models(world)[-1] == SONNET
    assert set(models(world)[:-1]) == {OPUS}
    # it opened a little later than the call began
    assert 30.0 <= ended["at"] - 1_000_000.0 <= 40.0


def test_one_that_comes_back_before_is_not(make_world: Any) -> None:
    world = make_world(api=Down(opus=20.0), settings=WITH_ONE)
    assert world.call()["error"] is None
    assert set(models(world)) == {OPUS}


def test_without_fallbacks_nobody_else_is_asked(make_world: Any) -> None:
    world = make_world(api=Down(opus=100.0))
    assert world.call()["error"] is None
    assert set(models(world)) == {OPUS}


def test_calls_that_come_later_need_not_wait_and_one_at_a_time_still_probes(make_world: Any) -> None:
    world = make_world(api=Down(opus=300.0), settings=WITH_ONE)
    world.start()
    world.run(60.0)
    later = [world.start(number * 1.0) for number in range(100)]
    began = world.now
    world.run(180.0)
    waited = [ended["at"] - began - number for number, ended in enumerate(later)]
    assert sorted(waited)[50] == 0
    assert max(waited) <= 1.0
    probes = [sent for sent in world.sent if sent.at >= began and sent.send.params["model"] == OPUS]
    assert 5 <= len(probes) <= 15


def test_when_the_model_is_back_new_calls_ask_it_again(make_world: Any) -> None:
    world = make_world(api=Down(opus=100.0), settings=WITH_ONE)
    for number in range(200):
        world.start(number * 1.0)
    world.run()
    assert set(models(world)[-50:]) == {OPUS}


def test_fallbacks_are_asked_in_their_order_and_one_that_is_down_is_passed_over(make_world: Any) -> None:
    settings = {"fallbacks": [SONNET, HAIKU], "fallback_after": 10.0}
    world = make_world(api=Down(opus=900.0, sonnet=900.0), settings=settings)
    ended = [world.start(number * 0.1) for number in range(40)]
    world.run(300.0)
    assert [end["error"] for end in ended] == [None] * 40
    assert models(world)[-1] == HAIKU


def test_when_all_are_down_calls_are_held_until_one_is_back(make_world: Any) -> None:
    settings = {"fallbacks": [SONNET, HAIKU], "fallback_after": 10.0}
    world = make_world(api=Down(opus=200.0, sonnet=120.0, haiku=300.0), settings=settings)
    ended = [world.start(number * 0.1) for number in range(40)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 40
    during = [sent for sent in world.sent if sent.at < 1_000_120.0]
    # for each model: what opens its circuit, and its probes
    assert len(during) <= 3 * (5 + 12)
    assert {sent.send.params["model"] for sent in world.sent if sent.at >= 1_000_120.0} >= {SONNET}


def test_models_of_one_class_are_down_together(make_world: Any) -> None:
    settings = {"fallbacks": ["claude-opus-4-7"], "fallback_after": 5.0}
    world = make_world(api=Down(opus=60.0), settings=settings)
    assert world.call(model="claude-opus-4-8")["error"] is None
    assert set(models(world)) == {"claude-opus-4-8"}


def test_in_mode_fail_calls_fail_until_another_model_may_be_asked(make_world: Any) -> None:
    world = make_world(api=Down(opus=600.0), settings={**WITH_ONE, "mode": "fail"})
    early = [world.start() for _ in range(9)]
    world.run(20.0)
    assert None not in [ended["error"] for ended in early]
    world.run(20.0)
    # one may be the probe
    late = [world.start() for _ in range(3)]
    world.run()
    assert [ended["error"] for ended in late].count(None) >= 2


def test_a_message_that_has_begun_is_ended_by_the_model_that_began_it(make_world: Any) -> None:
    def api(sent: Sent) -> Any:
        sent.call.attempts[0].written = 40
        return Down(opus=120.0)(sent)

    world = make_world(api=api, settings=WITH_ONE)
    world.call()
    assert set(models(world)) == {OPUS}


@pytest.mark.parametrize(("stream", "last"), [(True, OPUS), (False, SONNET)])
def test_a_caller_that_has_the_head_of_a_message_gets_no_other_model_than_it_names(
    make_world: Any, *, stream: bool, last: str
) -> None:
    def api(sent: Sent) -> Any:
        # the head, and perhaps a signature of thinking that is hidden, came before it broke
        sent.call.attempts[0].model = OPUS
        return Down(opus=120.0)(sent)

    world = make_world(api=api, settings=WITH_ONE)
    assert world.call(stream=stream)["error"] is None
    assert models(world)[-1] == last


def test_the_answer_and_the_log_say_who_served(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with Simulator() as simulator:
        simulator.begin_outage(529, model=OPUS)
        message, attempts = asked(simulator, is_async=False)
    assert message.model == SONNET
    assert {attempt.model for attempt in attempts[:-1]} == {None}
    assert attempts[-1].model == SONNET
    said = f"{SONNET} is asked instead of {OPUS}: "
    assert len([record for record in caplog.records if said in record.getMessage()]) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_over_sockets_another_model_serves_streamed_or_not(*, is_async: bool) -> None:
    for stream in (False, True):
        with Simulator() as simulator:
            simulator.begin_outage(529, model=OPUS)
            message, _ = asked(simulator, is_async=is_async, stream=stream)
            assert message.model == SONNET
            assert [received.body["model"] for received in simulator.requests].count(SONNET) == 1


def test_the_rate_limits_of_the_model_that_is_asked_are_those_that_count() -> None:
    seen: list[Any] = []

    class Books:
        @seawall.hookimpl
        def post_response(self, call: Any) -> None:
            served = call.store.step(READ, key=f"organizations:{call.host}").get(call.account, call.account)
            keys = [f"rate:{call.host}:{served}:{model}" for model in ("opus-5.5", "sonnet-5.5")]
            seen.extend(call.store.step(READ, key=key) for key in keys)

    settings = {
        "state": "memory",
        "backoff": {"base": 0.001, "fallbacks": [SONNET], "fallback_after": 0.0},
        "tokens": {"limits": {"claude": {"requests": 1_000, "output_tokens": 100_000}}},
    }
    with Simulator() as simulator:
        simulator.begin_outage(529, model=OPUS)
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, settings=settings, plugins=[Books(), "backoff", "tokens"])
            client.messages.create(model=OPUS, max_tokens=50, messages=[{"role": "user", "content": "Hi."}])
    asked = [received.body["model"] for received in simulator.requests]
    # what failed and what served, each in the books of its own; nothing is held any more
    assert asked.count(SONNET) == 1
    assert all(document["levels"] for document in seen)
    assert not any(map(leases.owners, seen))


class Witness:
    """Keeps the attempts of the last call."""

    attempts: tuple[Attempt, ...] = ()

    @seawall.hookimpl
    def post_response(self, outcome: Any) -> None:
        self.attempts = outcome.attempts


def asked(simulator: Simulator, *, is_async: bool, stream: bool = False) -> Any:
    """Return what came of a call, and its attempts."""
    kind = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
    bare: Any = kind(base_url=simulator.base_url, api_key="test")
    witness = Witness()
    plugin = Backoff(BackoffSettings(base=0.001, fallbacks=(SONNET,), fallback_after=0.0))
    client = seawall.protect(bare, plugins=[plugin, witness])
    request: Any = {"model": OPUS, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello."}]}

    async def wait() -> Any:
        async with bare:
            if not stream:
                return await client.messages.create(**request)
            async with client.messages.stream(**request) as streamed:
                return await streamed.get_final_message()

    if is_async:
        return asyncio.run(wait()), witness.attempts
    with bare:
        if not stream:
            return client.messages.create(**request), witness.attempts
        with client.messages.stream(**request) as streamed:
            return streamed.get_final_message(), witness.attempts


def test_parameters_that_a_fallback_refuses_are_an_error_before_anything_is_sent(make_world: Any) -> None:
    world = make_world(api=lambda _: FINE, settings=WITH_ONE)
    error = world.call(params={"tool_choice": {"type": "any"}}, model="claude-opus-5")["error"]
    assert isinstance(error, RequestRejectedError)
    assert str(error) == (
        "tool_choice.type = 'any' is refused by 'claude-sonnet-5-5', one of backoff.fallbacks: when "
        "'claude-opus-5' is down, this call would fail. Nothing was sent; leave the parameter out, or that "
        "model"
    )
    assert world.sent == []


def refusing(status: int) -> Any:
    """An API at which Opus is down for 100 seconds, and Sonnet refuses every request."""

    def api(sent: Sent) -> Any:
        return answered(status) if sent.send.params["model"] == SONNET else Down(opus=100.0)(sent)

    return api


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
def test_a_fallback_that_refuses_a_call_is_asked_once_and_the_model_that_was_asked_for_is_waited_for(
    make_world: Any, status: int
) -> None:
    world = make_world(api=refusing(status), settings=WITH_ONE)
    assert world.call()["error"] is None
    assert models(world).count(SONNET) == 1
    assert models(world)[-1] == OPUS


def test_the_next_fallback_is_asked_when_one_refuses_a_call(make_world: Any) -> None:
    world = make_world(api=refusing(404), settings={**WITH_ONE, "fallbacks": [SONNET, HAIKU]})
    assert world.call()["error"] is None
    assert [model for model in models(world) if model != OPUS] == [SONNET, HAIKU]


def test_a_fallback_that_refuses_the_last_attempt_ends_the_call(make_world: Any) -> None:
    settings = {"fallbacks": [SONNET, HAIKU], "fallback_after": 0.0, "max_attempts": 6}
    world = make_world(api=refusing(404), settings=settings)
    assert world.call()["error"].status_code == 404
    assert models(world) == [*[OPUS] * 5, SONNET]


@pytest.mark.parametrize(("status", "begun"), [(401, False), (402, False), (400, True)])
def test_what_every_model_refuses_and_a_message_that_has_begun_end_with_the_error_of_the_fallback(
    make_world: Any, status: int, *, begun: bool
) -> None:
    def api(sent: Sent) -> Any:
        sent.call.attempts[-1].written = 9 * (begun and sent.send.params["model"] == SONNET)
        return refusing(status)(sent)

    world = make_world(api=api, settings=WITH_ONE)
    assert world.call()["error"].status_code == status
    assert models(world)[-1] == SONNET


@pytest.mark.parametrize("fallbacks", [[""], [" "], [SONNET, HAIKU, SONNET], SONNET, [5]])
def test_fallbacks_are_different_names_of_models(fallbacks: Any) -> None:
    with pytest.raises(ValidationError):
        BackoffSettings(fallbacks=fallbacks)


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan, "x", None])
def test_the_time_until_a_fallback_is_a_number(seconds: Any) -> None:
    with pytest.raises(ValidationError):
        BackoffSettings(fallback_after=seconds)


def test_who_does_not_notice_an_outage_can_have_no_fallback() -> None:
    with pytest.raises(ValidationError, match="does not notice"):
        BackoffSettings(mode="off", fallbacks=(SONNET,))
