from __future__ import annotations

import math
import re

import anthropic
import pytest

from seawall_testkit import Fault, Limits, Simulator, Switches

MESSAGES = [{"role": "user", "content": "Tell me everything."}]
REQUEST = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": MESSAGES}
INPUT = 5
"""Input tokens of MESSAGES: 19 characters."""
PREFIX = "anthropic-ratelimit-"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def headers_of(client, **parameters):
    return client.messages.with_raw_response.create(**REQUEST | parameters).headers


def rejection(client, **parameters):
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**REQUEST | parameters)
    return caught.value


def test_an_answer_carries_all_twelve_headers(connect, clock):
    limits = Limits(rpm=50, itpm=30_000, otpm=8_000)
    with Simulator(limits=limits, clock=clock) as sim:
        headers = headers_of(connect(sim))
        shown = {
            name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)
        }
        resets = [shown.pop(name) for name in list(shown) if name.endswith("-reset")]
        assert shown == {
            "requests-limit": "50",
            "requests-remaining": "49",
            "input-tokens-limit": "30000",
            "input-tokens-remaining": "30000",
            "output-tokens-limit": "8000",
            "output-tokens-remaining": "8000",
            "tokens-limit": "38000",
            "tokens-remaining": "38000",
        }
        assert len(resets) == 4
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reset) for reset in resets)


def test_the_headers_of_a_stream_are_those_of_its_start(connect, clock):
    with Simulator(limits=Limits(otpm=8_000), clock=clock, answer_tokens=3_000) as sim:
        client = connect(sim)
        with client.messages.stream(**REQUEST | {"max_tokens": 3_000}) as stream:
            stream.until_done()
            assert stream.response.headers[f"{PREFIX}output-tokens-remaining"] == "8000"
        assert headers_of(client, max_tokens=1)[f"{PREFIX}output-tokens-remaining"] == "5000"


def test_without_limits_there_are_no_headers(connect):
    with Simulator() as sim:
        assert not [name for name in headers_of(connect(sim)) if name.startswith(PREFIX)]


def test_too_many_requests_are_rejected_until_the_time_they_are_told(connect, clock):
    with Simulator(limits=Limits(rpm=2), clock=clock) as sim:
        client = connect(sim)
        headers_of(client)
        headers_of(client)
        error = rejection(client)
        assert "2 requests per minute" in error.message
        assert error.response.headers["retry-after"] == "30"
        assert error.response.headers["x-should-retry"] == "true"
        assert error.response.headers[f"{PREFIX}requests-remaining"] == "0"
        clock.now += 29
        rejection(client)
        clock.now += 1
        assert headers_of(client)[f"{PREFIX}requests-remaining"] == "0"


@pytest.mark.parametrize(("cost", "status"), [(False, 200), (True, 429)])
def test_a_switch_says_whether_rejected_requests_cost(connect, clock, cost, status):
    switches = Switches(rejected_requests_cost=cost)
    with Simulator(limits=Limits(rpm=1), clock=clock, switches=switches) as sim:
        client = connect(sim)
        headers_of(client)
        rejection(client)
        clock.now += 60
        if status == 200:
            headers_of(client)
        else:
            rejection(client)


def test_the_depth_of_the_bucket_bounds_a_burst(connect, clock):
    with Simulator(limits=Limits(rpm=60, depth=1.0), clock=clock) as sim:
        client = connect(sim)
        headers_of(client)
        assert rejection(client).response.headers["retry-after"] == "1"
        clock.now += 1
        headers_of(client)


def test_input_tokens_are_taken_when_a_request_is_admitted(connect, clock):
    with Simulator(limits=Limits(itpm=2 * INPUT), clock=clock) as sim:
        client = connect(sim)
        headers_of(client)
        headers_of(client)
        error = rejection(client)
        assert "10 input tokens per minute" in error.message
        assert error.response.headers["retry-after"] == "30"


def test_a_request_that_never_fits_is_always_rejected(connect, clock):
    with Simulator(limits=Limits(itpm=INPUT - 1), clock=clock) as sim:
        rejection(connect(sim))
        clock.now += 1000
        rejection(connect(sim))


def test_output_tokens_are_charged_as_generated_and_block_only_later_requests(connect, clock):
    with Simulator(limits=Limits(otpm=300), clock=clock) as sim:
        client = connect(sim)
        assert (
            client.messages.create(**REQUEST | {"max_tokens": 100_000}, timeout=5).stop_reason == "end_turn"
        )
        error = rejection(client)
        assert error.response.headers["retry-after"] == str(round((100 + 1) / 5 + 0.5))
        clock.now += 21
        headers_of(client, max_tokens=1)


def test_the_old_mode_reserves_max_tokens_and_gives_back(connect, clock):
    with Simulator(limits=Limits(otpm=1000), otpm_mode="reserve_max_tokens", clock=clock) as sim:
        client = connect(sim)
        rejection(client, max_tokens=1001)
        headers_of(client, max_tokens=1000)
        rejection(client, max_tokens=601)
        headers_of(client, max_tokens=600)


def test_a_request_without_an_answer_costs_nothing(connect, clock):
    limits = Limits(rpm=2, itpm=30_000, otpm=1_000)
    nothing = {"format": {"type": "json_schema", "schema": {"$ref": "#"}}}
    with Simulator(limits=limits, clock=clock, otpm_mode="reserve_max_tokens") as sim:
        client = connect(sim)
        for _ in range(3):
            with pytest.raises(anthropic.BadRequestError, match="no value fits"):
                client.messages.create(**REQUEST, output_config=nothing)
        assert headers_of(client)[f"{PREFIX}requests-remaining"] == "1"


def test_a_switch_lets_an_overrun_cut_the_running_stream(connect, clock):
    switches = Switches(overrun_cuts_stream=True)
    with Simulator(limits=Limits(otpm=100), clock=clock, switches=switches) as sim:
        with (
            pytest.raises(anthropic.APIStatusError) as caught,
            connect(sim).messages.stream(**REQUEST) as stream,
        ):
            stream.until_done()
        assert caught.value.type == "rate_limit_error"
        sim.wait_until(lambda: sim.requests[0].ended)
        assert sim.requests[0].ended == "fault:output_overrun"


def test_models_of_a_class_share_a_bucket_and_others_do_not(connect, clock):
    with Simulator(limits=Limits(rpm=1), clock=clock) as sim:
        client = connect(sim)
        headers_of(client, model="claude-opus-4-6")
        rejection(client, model="claude-opus-4-8")
        headers_of(client, model="claude-opus-5")
        headers_of(client, model="claude-haiku-4-5")


def test_a_429_may_come_without_retry_after(connect, clock):
    switches = Switches(retry_after_on_429=False)
    with Simulator(limits=Limits(rpm=1), clock=clock, switches=switches) as sim:
        client = connect(sim)
        headers_of(client)
        assert "retry-after" not in rejection(client).response.headers


def test_a_faulty_429_shows_the_limits_there_are(connect, clock):
    with Simulator(limits=Limits(rpm=7), clock=clock, faults=[Fault("status", status=429)]) as sim:
        assert rejection(connect(sim)).response.headers[f"{PREFIX}requests-limit"] == "7"


@pytest.mark.parametrize("name", ["rpm", "itpm", "otpm", "depth"])
def test_a_limit_of_nothing_is_a_value_error(name):
    with pytest.raises(ValueError, match=f"{name} must be above 0"):
        Limits(**{name: 0})
    with pytest.raises(ValueError, match=f"{name} must be above 0"):
        Limits(**{name: math.nan})


def counted(client, **parameters):
    return client.messages.count_tokens(model=REQUEST["model"], messages=MESSAGES, **parameters).input_tokens


def test_counts_have_a_limit_of_their_own_that_all_models_share(connect, clock):
    with Simulator(limits=Limits(rpm=1, count_rpm=2), clock=clock) as sim:
        client = connect(sim)
        assert counted(client) == INPUT
        client.messages.count_tokens(model="claude-haiku-5-5", messages=MESSAGES)
        with pytest.raises(anthropic.RateLimitError, match="rate limit of 2 requests per minute") as caught:
            counted(client)
        assert caught.value.response.headers["retry-after"] == "30"
        assert client.messages.create(**REQUEST).content
        clock.now += 30
        assert counted(client) == INPUT


def test_counts_are_not_limited_by_the_limits_of_messages(connect, clock):
    with Simulator(limits=Limits(rpm=1, itpm=1), clock=clock) as sim:
        client = connect(sim)
        assert [counted(client) for _ in range(3)] == [INPUT] * 3
