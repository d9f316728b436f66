"""What a row says of an attempt: while it runs, after it failed, and when its call has ended."""

from datetime import UTC, datetime

import httpx2
import pytest

from seawall import Attempt, Call, Outcome, Usage
from seawall_tokens.prices import ModelPrice, Prices
from seawall_tokens.rows import Track

MODEL = "claude-opus-5-5"
RESPONSE = httpx2.Response(200, request=httpx2.Request("POST", "http://127.0.0.1"))
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CHEAP = Prices({MODEL: ModelPrice(input=1, output=10)})


def track(prices=CHEAP, caller="tests", estimated=77):
    return Track(caller, prices, lambda params: estimated, {1: NOW})


TRACK = track()


def a_call(*attempts, model=MODEL, stream=True):
    return Call(id="c" * 12, params={"model": model}, stream=stream, attempts=list(attempts))


def attempt(number=1, way="send", output=10, error=None, **given):
    usage = Usage(100, output)
    return Attempt(number, way, **{"status": 200, "usage": usage, "error": error, **given})


def ended(call, status="completed", error=None, track=TRACK):
    return track.last_rows(call, Outcome(status, tuple(call.attempts), error=error), NOW)


def test_a_row_has_the_counts_the_time_and_the_price():
    usage = Usage(100, 20, cache_creation_input_tokens=30, cache_read_input_tokens=40)
    (row,) = ended(a_call(attempt(usage=usage)))
    assert row[:5] == (NOW.timestamp(), "c" * 12, 1, "tests", MODEL)
    assert (row.input_tokens, row.cache_read_tokens, row.cache_write_tokens) == (100, 40, 30)
    assert (row.output_tokens, row.is_estimated, row.ended, row.owner) == (20, False, "ok", None)
    assert row.dollars == pytest.approx((100 + 40 + 1.25 * 30 + 10 * 20) / 1e6)


def test_what_only_the_api_tells_is_counted():
    told = {
        "cache_creation": {"ephemeral_1h_input_tokens": 1000},
        "output_tokens_details": {"thinking_tokens": 30},
    }
    usage = Usage(5, 50, cache_creation_input_tokens=1000)
    (row,) = ended(a_call(attempt(usage=usage, raw_usage=told)), track=track(Prices()))
    assert row.thinking_tokens == 30
    assert row.dollars == pytest.approx(
        (5 * 4 + 1000 * 8 + 50 * 20) / 1e6
    )  # kept for an hour: twice the input


def test_what_nobody_knows_the_price_of_has_no_dollars():
    assert ended(a_call(attempt(), model="my-model"))[0].dollars is None


def test_each_row_names_the_model_that_its_attempt_asked():
    attempts = [attempt(asked="claude-opus-4-8", error=ValueError()), attempt(2, asked=MODEL)]
    assert [row.model for row in ended(a_call(*attempts))] == ["claude-opus-4-8", MODEL]


def test_an_attempt_under_way_is_counted_by_what_it_has_written():
    call = a_call(attempt(output=1, written=400, raw_usage={"output_tokens": 1}))
    (row,) = track().rows(call, NOW, "me")
    assert row.output_tokens == pytest.approx(100, rel=0.5)
    assert (row.input_tokens, row.is_estimated, row.ended) == (100, True, None)
    assert (row.wasted_output_tokens, row.owner) == (None, "me")
    assert row.dollars == pytest.approx((100 + 10 * row.output_tokens) / 1e6)


def test_what_the_api_has_counted_already_is_no_less_than_what_was_written():
    (row,) = track().rows(a_call(attempt(output=500, written=4)), NOW, "me")
    assert row.output_tokens == 500


def test_what_was_not_sent_has_no_row():
    call = a_call(attempt(error=ValueError()), Attempt(2, "restart"))
    assert [row.attempt for row in track().rows(call, NOW, "me")] == [1]
    assert [row.attempt for row in ended(call)] == [1]


def test_an_attempt_that_was_left_before_its_answer_came_counts_by_an_estimate():
    (row,) = ended(a_call(attempt(usage=Usage(), status=None, asked=MODEL)), "abandoned")
    assert (row.input_tokens, row.output_tokens, row.is_estimated, row.ended) == (77, 0, True, "abandoned")


def test_what_a_continuation_sends_again_is_in_the_estimate():
    call = a_call(attempt(usage=Usage(), status=None, asked=MODEL, way="prefill", kept=400))
    (row,) = ended(call, track=track())
    assert row.input_tokens == 77 + 400


def test_the_input_of_an_attempt_is_estimated_once_however_often_its_row_is_written():
    estimates = iter([77])
    track = Track("tests", CHEAP, lambda params: next(estimates), {1: NOW})
    call = a_call(attempt(usage=Usage(), status=None, asked=MODEL))
    written = [*track.rows(call, NOW, "me"), *track.rows(call, NOW, "me"), *ended(call, track=track)]
    assert [row.input_tokens for row in written] == [77] * 3


def test_a_failed_attempt_says_which_error_it_was():
    call = a_call(attempt(error=ValueError(), status=None), attempt(2, "restart"))
    assert [row.ended for row in track().rows(call, NOW, "me")] == ["ValueError", None]
    assert [row.ended for row in ended(call)] == ["ValueError", "ok"]


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("failed", KeyError(), "KeyError"),
        ("stopped", KeyError(), "stopped"),
        ("abandoned", None, "abandoned"),
    ],
)
def test_a_call_that_did_not_complete_says_how_it_ended(status, error, said):
    assert ended(a_call(attempt()), status, error)[0].ended == said


@pytest.mark.parametrize(("status", "error"), [("failed", ValueError()), ("abandoned", None)])
def test_an_answer_that_ended_before_it_told_anything_counts_by_an_estimate(status, error):
    (row,) = ended(a_call(attempt(usage=Usage(), error=error)), status, error)
    assert (row.input_tokens, row.output_tokens, row.is_estimated) == (77, 0, True)


@pytest.mark.parametrize("status", [None, 429, 529])
def test_an_attempt_that_the_api_did_not_take_cost_nothing(status):
    call = a_call(attempt(usage=Usage(), status=status, error=ValueError()))
    (row,) = ended(call, "failed", ValueError())
    assert (row.input_tokens, row.output_tokens, row.is_estimated) == (0, 0, False)


def test_what_nobody_has_is_wasted():
    attempts = attempt(1, error=ValueError(), output=7), attempt(2, "restart")
    assert [row.wasted_output_tokens for row in ended(a_call(*attempts))] == [7, 0]


@pytest.mark.parametrize("wrong", [-5, float("nan"), float("inf"), "7", None, True, 10**30, {}])
def test_a_usage_that_is_none_is_0(wrong):
    usage = Usage(wrong, wrong, wrong, wrong)
    told = {"cache_creation": wrong, "output_tokens_details": wrong}
    (row,) = ended(a_call(attempt(usage=usage, raw_usage=told)), track=track(estimated=0))
    assert [row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens] == [0] * 4


def test_a_name_that_is_no_unicode_or_too_long_is_written_all_the_same():
    call = a_call(attempt(), model="model \ud800" + "x" * 1000)
    (row,) = ended(call, track=track(caller="caller \udfff"))
    assert (row.model[:8], len(row.model), row.caller) == ("model ?x", 200, "caller ?")
