"""What an attempt may cost, and what it did."""

from datetime import UTC, datetime

import pytest

from seawall_tokens.prices import ModelPrice, Prices
from seawall_tokens.tariff import spent, tariff, writes_of

AT = datetime(2026, 11, 25, tzinfo=UTC)
PRICES = Prices({"m": ModelPrice(input=1, output=10, cache_read=0.1, cache_write=1.25)})
EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def of(params=None, unit="dollars", output_tokens=64_000, prices=PRICES):
    return tariff(
        unit,
        {"model": "m", **(params or {})},
        input_tokens=1_000_000,
        output_tokens=output_tokens,
        prices=prices,
        at=AT,
    )


def cost(unit="dollars", params=None, served=None, **usage):
    return spent(unit, {"model": "m", **(params or {})}, usage, prices=PRICES, at=AT, served=served)


def test_dollars_go_by_the_prices_of_the_model():
    found = of()
    assert found.input == pytest.approx(1)
    assert found.per_token == pytest.approx(10 / 1e6)
    assert found.cost(500_000) == pytest.approx(6)


def test_tokens_are_input_and_output_whatever_the_model():
    found = of({"model": "nobody-knows"}, "tokens")
    assert (found.input, found.per_token) == (1_000_000, 1)


def test_the_price_of_a_token_is_known_also_of_a_request_that_wants_none():
    assert of(output_tokens=0).per_token == pytest.approx(10 / 1e6)


def test_a_model_without_a_price_has_no_tariff():
    assert of({"model": "nobody-knows"}) is None
    assert cost(params={"model": "nobody-knows"}, output_tokens=5) is None


def test_what_may_be_written_to_the_prompt_cache_may_cost_that():
    assert of({"cache_control": EPHEMERAL}).input == pytest.approx(1.25)
    assert of({"cache_control": HOUR}).input == pytest.approx(2)


def test_parameters_that_prices_depend_on_count():
    plain = of({"model": "claude-opus-5-5"}, prices=Prices())
    fast = of({"model": "claude-opus-5-5", "speed": "fast"}, prices=Prices())
    there = of({"model": "claude-opus-5-5", "inference_geo": "us"}, prices=Prices())
    assert fast.per_token > plain.per_token
    assert there.input == pytest.approx(1.1 * plain.input)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ""),
        ({"cache_control": EPHEMERAL}, "5m"),
        ({"system": [{"type": "text", "text": "x", "cache_control": HOUR}]}, "1h"),
        ({"tools": [{"name": "f"}, {"name": "g", "cache_control": EPHEMERAL}]}, "5m"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "cache_control": HOUR}]}]}, "1h"),
        ({"messages": [{"content": [{"content": [{"cache_control": EPHEMERAL}]}]}]}, "5m"),
        ({"cache_control": EPHEMERAL, "system": [{"cache_control": HOUR}]}, "1h"),
        ({"cache_control": None, "system": "text", "messages": None, "tools": 5}, ""),
        ({"tools": [{"input_schema": {"properties": {"cache_control": EPHEMERAL}}}]}, ""),
    ],
)
def test_a_request_says_where_it_marks_the_prompt_cache(params, expected):
    assert writes_of(params) == expected


def test_what_was_spent_goes_by_the_counts():
    usage = {
        "input_tokens": 1_000_000,
        "output_tokens": 100_000,
        "cache_read_input_tokens": 1_000_000,
        "cache_creation_input_tokens": 1_000_000,
    }
    assert cost(**usage) == pytest.approx(1 + 1 + 0.1 + 1.25)
    assert cost(params={"cache_control": HOUR}, **usage) == pytest.approx(1 + 1 + 0.1 + 2)
    assert cost("tokens", **usage) == 3_100_000


def test_what_an_answer_tells_goes_before_what_its_request_asked_for():
    writes = {"cache_creation_input_tokens": 1_000_000}
    told = {**writes, "cache_creation": {"ephemeral_1h_input_tokens": 400_000}}
    marked = {"cache_control": HOUR}
    assert cost(params=marked, **told) == pytest.approx(0.6 * 1.25 + 0.4 * 2)
    assert cost(params=marked, **writes, cache_creation=None) == pytest.approx(2)


def test_the_price_of_the_model_that_served_counts():
    opus, haiku = (
        spent(
            "dollars",
            {"model": "claude-opus-5-5"},
            {"output_tokens": 1_000},
            prices=Prices(),
            at=AT,
            served=served,
        )
        for served in (None, "claude-haiku-4-5")
    )
    assert haiku < opus
