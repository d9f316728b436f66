"""What tokens cost: the table of API.md, section 8, and what is not in it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from seawall import Usage
from seawall_tokens.prices import Counts, ModelPrice, Prices

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TABLE = {  # dollars per million: input, output, written for five minutes, for an hour, read
    "claude-fable-5-2": (8, 40, 10, 16, 0.20),
    "claude-mythos-5-2": (8, 40, 10, 16, 0.20),
    "claude-fable-5-1": (10, 50, 12.5, 20, 0.25),
    "claude-mythos-5-1": (10, 50, 12.5, 20, 0.25),
    "claude-fable-5": (10, 50, 12.5, 20, 1),
    "claude-mythos-5": (10, 50, 12.5, 20, 1),
    "claude-opus-5-5": (4, 20, 5, 8, 0.20),
    "claude-opus-5": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-8": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-7": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-6": (5, 25, 6.25, 10, 0.50),
    "claude-opus-4-5": (5, 25, 6.25, 10, 0.50),
    "claude-sonnet-5-5": (2, 10, 2.5, 4, 0.10),
    "claude-sonnet-5": (2, 10, 2.5, 4, 0.20),
    "claude-sonnet-4-6": (3, 15, 3.75, 6, 0.30),
    "claude-sonnet-4-5": (3, 15, 3.75, 6, 0.30),
    "claude-haiku-5-5": (0.10, 0.50, 0.125, 0.20, 0.01),
    "claude-haiku-4-5": (1, 5, 1.25, 2, 0.10),
}
M = 10_000
"""Tokens; below the length at which a prompt becomes dearer."""


def dollars(model: str, usage: dict[str, object] | Usage, at: datetime = NOW) -> float:
    found = Prices().dollars(model, usage, at)
    assert found is not None
    return found * 1_000_000 / M


@pytest.mark.parametrize("model", TABLE)
def test_the_table_holds(model):
    hour = {"cache_creation_input_tokens": M, "cache_creation": {"ephemeral_1h_input_tokens": M}}
    kinds = [
        dollars(model, {"input_tokens": M}),
        dollars(model, {"output_tokens": M}),
        dollars(model, {"cache_creation_input_tokens": M}),
        dollars(model, hour),
        dollars(model, {"cache_read_input_tokens": M}),
    ]
    assert kinds == pytest.approx(TABLE[model])


def test_the_cache_is_counted_beside_the_input_and_not_within_it():
    usage = Usage(M, M, M, M)
    assert dollars("claude-opus-5-5", usage) == pytest.approx(4 + 20 + 5 + 0.2)


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("claude-opus-5-5-20261001", 4),
        ("CLAUDE-OPUS-5-5", 4),
        ("claude-opus-5-5@20261001", 4),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", 1),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 1.1),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0", 1.1),
        ("anthropic.claude-mythos-5-v1:0", 10),
        ("claude-mythos-5-1-20260901", 10),
        ("anthropic/claude-opus-5-5", 4),
    ],
)
def test_the_names_of_platforms_and_snapshots_are_known(name, price):
    assert dollars(name, {"input_tokens": M}) == pytest.approx(price)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-9",
        "claude",
        "claude-opus-9",
        "claude-opus-5-9",
        "claude-mythos-6",
        "claude-mythos-5-9",
        "my-own",
    ],
)
def test_a_model_nobody_knows_has_no_price(name):
    assert Prices().dollars(name, Usage(1, 1), NOW) is None
    assert Prices().dollars(name, Usage(), NOW) is None


def test_a_long_prompt_is_dearer_where_it_is_on_every_token_the_cache_included():
    found = Prices().dollars("claude-haiku-5-5", Usage(50_000, 1000, 0, 60_000), NOW)
    assert found == pytest.approx(5 * (50_000 * 0.1 + 60_000 * 0.01 + 1000 * 0.5) / 1e6)


def test_the_price_is_that_of_the_day():
    usage = Usage(300_000)
    old, new = (
        Prices().dollars("claude-opus-4-6", usage, datetime(2026, month, 1, tzinfo=UTC)) for month in (3, 10)
    )
    assert old
    assert old == pytest.approx(2 * new)


def test_searches_and_places_cost_too():
    searched = dollars("claude-opus-5-5", {"server_tool_use": {"web_search_requests": 1000}})
    assert searched == pytest.approx(10 * 1_000_000 / M)
    at_home = dollars("claude-opus-5-5", {"input_tokens": M, "inference_geo": "us"})
    assert at_home == pytest.approx(4.4)
    # a search costs the same wherever the model runs
    both = {"input_tokens": M, "server_tool_use": {"web_search_requests": 1000}, "inference_geo": "us"}
    assert dollars("claude-opus-5-5", both) == pytest.approx(at_home + searched)


def test_a_search_costs_the_same_where_a_setting_tells_the_price_of_tokens():
    usage = {"server_tool_use": {"web_search_requests": 1000}}
    mine = Prices({"claude-opus-5-5": ModelPrice(input=1, output=2)})
    assert mine.dollars("claude-opus-5-5", usage, NOW) == Prices().dollars("claude-opus-5-5", usage, NOW)


def test_settings_come_first():
    mine = ModelPrice.model_validate({"input": 1, "output": 2, "cache_read": 0.5, "cache_write": 3})
    prices = Prices({"my-model": mine, "claude-opus-5-5": mine})
    hour = {"cache_creation_input_tokens": M, "cache_creation": {"ephemeral_1h_input_tokens": M}}
    for model in ("my-model", "claude-opus-5-5"):
        assert prices.dollars(model, Usage(M, M, M, M), NOW) == pytest.approx((1 + 2 + 0.5 + 3) * M / 1e6)
        assert prices.dollars(model, hour, NOW) == pytest.approx(3 * 1.6 * M / 1e6)


def test_what_a_setting_leaves_out_is_never_too_cheap():
    prices = Prices({"mine": ModelPrice(input=4, output=20)})
    assert prices.dollars("mine", Usage(0, 0, M, M), NOW) == pytest.approx((4 * 1.25 + 4) * M / 1e6)


@pytest.mark.parametrize(
    "wrong", [{"input": -1, "output": 1}, {"input": 1}, {"input": 1, "output": float("nan")}, {"inptu": 1}]
)
def test_a_price_that_is_none_is_refused(wrong):
    with pytest.raises(ValidationError):
        ModelPrice.model_validate(wrong)


def test_the_model_that_served_counts_unless_the_one_asked_for_is_overridden():
    usage = Usage(M)
    mine = Prices({"deployment": ModelPrice(input=7, output=7)})
    for prices, asked, served, price in [
        (Prices(), "claude-opus-5-5", "claude-haiku-4-5", 1),
        (Prices(), "claude-opus-5-5", None, 4),
        (Prices(), "claude-opus-5-5", "who-knows", 4),
        (mine, "deployment", "claude-haiku-4-5", 7),
        (mine, "claude-haiku-4-5", "deployment", 7),
    ]:
        assert prices.dollars(asked, usage, NOW, served=served) == pytest.approx(price * M / 1e6)
    assert Prices().dollars("deployment", usage, NOW) is None


def test_counts_that_are_none_are_0():
    told = {
        "input_tokens": -1,
        "output_tokens": float("nan"),
        "cache_creation": 7,
        "cache_read_input_tokens": "9",
    }
    assert Counts.of(told) == Counts(0, 0, 0, 0, 0, 0, 0)


FORKS = """
import os, signal, sys, threading
from datetime import UTC, datetime
from seawall_tokens.prices import Prices

def price():
    return Prices().dollars("claude-opus-5-5", {"input_tokens": 1}, datetime.now(UTC))

thread = threading.Thread(target=price)
thread.start()
while "genai_prices.data" not in sys.modules:
    pass
if (child := os.fork()) == 0:
    signal.alarm(60)
    os._exit(price() is None)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_while_prices_are_loaded_has_them():
    done = subprocess.run([sys.executable, "-c", FORKS], check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


def test_what_was_warmed_has_the_table():
    code = (
        "import sys, seawall_tokens.prices as it; it.Prices.warm(); assert 'genai_prices.data' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
