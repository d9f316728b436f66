"""Budgets over real sockets: nothing is sent that does not fit, and what is stopped is kept."""

import asyncio
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, SURFACES, call, plugins
from seawall_testkit import Fault, Simulator, blocks
from seawall_tokens import Tokens, TokensSettings, caller
from seawall_tokens.prices import Prices

PRICES = {MODEL: {"input": 5, "output": 25}}
DOLLARS_A_TOKEN = 25e-6
REPORT = "There is nothing new in this line of the report. " * 2_000
LONG = [{"role": "user", "content": "word " * 4_000}]
SURFACES_OF_ALL = pytest.mark.parametrize(("mode", "surface"), SURFACES)


def tokens(*budgets, **settings):
    return Tokens(TokensSettings.model_validate({"budgets": budgets, "prices": PRICES, **settings}))


def cost(simulator):
    return price(simulator.billed)


def price(usage):
    return (5 * usage.input_tokens + 25 * usage.output_tokens) / 1e6


def own(dollars, per="call", **rest):
    """A budget that no other test shares."""
    own.serial += 1
    return {"dollars": dollars, "per": per, "name": f"sockets {own.serial}", **rest}


own.serial = 0


@SURFACES_OF_ALL
def test_what_does_not_fit_is_refused_before_anything_is_sent(mode, surface, witness):
    budget = own(1.0, "day")
    with Simulator() as simulator, pytest.raises(seawall.BudgetExceededError) as refused:
        call(
            simulator,
            mode,
            surface,
            [*plugins(), tokens(budget), witness],
            messages=[{"role": "user", "content": "word " * 200_000}],
        )
    assert simulator.requests == []
    error = refused.value
    assert (error.budget, error.unit, error.limit, error.spent) == (budget["name"], "dollars", 1.0, 0.0)
    assert error.at_most > 25 * 64_000 / 1e6
    assert error.ends > datetime.now(UTC)
    assert re.search(r"of 1\.00 dollars, 0\.00 dollars are spent; .* up to 1\.\d+ dollars", str(error))
    assert f"This day ends at {error.ends:%Y-%m-%d} 00:00 UTC" in str(error)
    assert error.partial_message is None
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]


@SURFACES_OF_ALL
def test_a_stream_that_uses_a_budget_up_is_stopped_and_what_had_come_is_kept(mode, surface):
    budget = own(0.05)
    with Simulator(answer=REPORT, tokens_per_second=5_000) as simulator:
        with pytest.raises(seawall.StreamStoppedError, match="is used up") as stopped:
            call(simulator, mode, surface, [*plugins(), tokens(budget)])
        assert simulator.wait_until(lambda: not simulator.active_responses)
        assert cost(simulator) > 0.02  # more than was received, when this machine is slow to close
    assert price(stopped.value.usage) <= 0.05
    message = stopped.value.partial_message
    assert REPORT.startswith(message.content[0].text)
    assert len(message.content[0].text) > 2_000
    assert stopped.value.usage.output_tokens > 500


@SURFACES_OF_ALL
def test_an_answer_that_fits_is_whole(mode, surface):
    with Simulator(answer_tokens=3_000) as simulator:
        got = call(simulator, mode, surface, [*plugins(), tokens(own(1.0), own(2.0, "total"))])
        assert got.text == simulator.text_for(MESSAGES, max_tokens=64_000)
        assert len(simulator.requests) == 1


def test_a_small_call_is_streamed_on_the_wire_under_a_budget_and_still_a_message():
    with Simulator(answer_tokens=50) as simulator:
        got = call(simulator, "sync", "create", [*plugins(), tokens(own(1.0))], max_tokens=100)
        assert simulator.requests[0].stream
    assert got.text == "".join(block.text for block in got.message.content)


def test_what_calls_spent_is_what_the_api_counted():
    budget = own(0.1, "total")
    with Simulator(answer_tokens=1_000) as simulator:
        enabled = [*plugins(), tokens(budget)]
        for number in range(3):
            call(simulator, "sync", "create", enabled, messages=[{"role": "user", "content": f"{number}"}])
        with pytest.raises(seawall.BudgetExceededError) as refused:
            call(simulator, "sync", "create", enabled, messages=LONG * 5)
        assert refused.value.spent == pytest.approx(cost(simulator))
        assert refused.value.held == 0


WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
MARKED = {"type": "text", "text": "word " * 3_000, "cache_control": {"type": "ephemeral"}}
FOR_AN_HOUR = {**MARKED, "cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize(
    ("answer", "params"),
    [
        ([*blocks.web_search("ships"), blocks.text("Four.")], {"tools": [WEB_SEARCH]}),
        (None, {"system": [FOR_AN_HOUR], "messages": [{"role": "user", "content": [MARKED]}]}),
    ],
    ids=["a web search", "cache writes kept for five minutes and for an hour"],
)
def test_fees_and_cache_writes_are_in_a_budget_as_they_are_billed(answer, params):
    enabled = [*plugins(), tokens(own(1.0, "total"), prices={})]
    with Simulator(answer=answer) as simulator:
        answered = call(simulator, "sync", "create", enabled, **params).message
        with pytest.raises(seawall.BudgetExceededError) as refused:
            call(simulator, "sync", "create", enabled, messages=LONG * 75)
    billed = Prices().dollars(MODEL, answered.usage.to_dict(), datetime.now(UTC))
    assert refused.value.spent == pytest.approx(billed)


def test_attempts_of_a_call_that_broke_count_and_a_continuation_that_does_not_fit_keeps_what_came():
    fault = Fault("reset", event=150)
    with Simulator(faults=[fault], answer=REPORT, tokens_per_second=5_000) as simulator:
        with pytest.raises(seawall.BudgetExceededError) as refused:
            call(simulator, "sync", "stream=True", [*plugins(), tokens(own(0.065))], messages=LONG)
        assert len(simulator.requests) == 1
        assert cost(simulator) == pytest.approx(refused.value.spent, rel=0.1)
    assert REPORT.startswith(refused.value.partial_message.content[0].text)
    assert refused.value.usage.output_tokens > 500


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_continuation_goes_on_with_what_is_left_of_the_budget_and_is_stopped_there(mode):
    fault = Fault("reset", event=250)
    with Simulator(faults=[fault], answer=REPORT, tokens_per_second=5_000) as simulator:
        with pytest.raises(seawall.StreamStoppedError, match="is used up") as stopped:
            call(simulator, mode, "stream=True", [*plugins(), tokens(own(0.08))])
        assert simulator.wait_until(lambda: not simulator.active_responses)
        assert [seen.way for seen in simulator.requests] == ["plain", "user_turn"]
        first, second = simulator.requests
        assert first.output_tokens > 900
        assert second.output_tokens > 200
    assert price(stopped.value.usage) <= 0.08
    assert REPORT.startswith(stopped.value.partial_message.content[0].text)


def test_a_continuation_may_write_what_an_answer_before_it_that_was_dropped_had_written():
    answer = [blocks.thinking("I wonder what else is to be said of it. " * 250), blocks.text(REPORT)]
    faults = [Fault("reset", 1, event=500), Fault("reset", 2, event=1_200)]
    with Simulator(faults=faults, answer=answer, tokens_per_second=20_000) as simulator:
        with pytest.raises(seawall.StreamStoppedError, match="is used up") as stopped:
            call(
                simulator,
                "sync",
                "create",
                [*plugins(), tokens(own(0.3))],
                max_tokens=10_000,
                thinking={"type": "adaptive"},
            )
        assert [seen.way for seen in simulator.requests] == ["plain", "plain", "user_turn"]
    assert price(stopped.value.usage) <= 0.3


def test_answers_that_cost_more_than_can_be_seen_do_not_take_eight_calls_at_once_past_a_budget():
    # 0.55 tokens a character, of which 0.36 are expected: the rest might as well be thinking
    enabled = [*plugins(), tokens(own(1.2, "total"))]
    with Simulator(answer="x\n" * 6_000, tokens_per_second=2_000) as simulator:
        call(simulator, "sync", "create", enabled)

        def work(number):
            for turn in itertools.count():
                messages = [{"role": "user", "content": f"{number} {turn}"}]
                try:
                    call(simulator, "sync", "create", enabled, messages=messages)
                except seawall.BudgetExceededError:
                    return
                except seawall.StreamStoppedError:
                    pass

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert simulator.wait_until(lambda: not simulator.active_responses)
        assert 0.8 < cost(simulator) <= 1.2


def test_a_budget_of_a_caller_is_used_up_by_no_other():
    budget = own(0.05, "caller")
    enabled = [*plugins(), tokens(budget)]
    with Simulator(answer_tokens=900) as simulator:
        with caller("reports"):
            call(simulator, "sync", "create", enabled)
            with pytest.raises(seawall.BudgetExceededError, match="of caller 'reports'"):
                call(
                    simulator,
                    "sync",
                    "create",
                    enabled,
                    messages=[{"role": "user", "content": "x " * 90_000}],
                )
        with caller("chat"):
            call(simulator, "sync", "create", enabled)


def test_a_model_without_a_price_is_refused_under_a_dollar_budget_and_not_under_one_in_tokens():
    with Simulator(more_models=["claude-next-9"]) as simulator:
        with pytest.raises(
            seawall.RequestRejectedError, match=r"'claude-next-9' has no price, and is not free"
        ):
            call(simulator, "sync", "create", [*plugins(), tokens(own(1.0))], model="claude-next-9")
        assert simulator.requests == []
        in_tokens = {"tokens": 100_000, "per": "call"}
        call(simulator, "sync", "create", [*plugins(), tokens(in_tokens)], model="claude-next-9")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_store_that_is_gone_refuses_calls_or_lets_them_through_as_the_setting_says(
    mode, own_redis_server, caplog
):
    settings = {"state": own_redis_server.url, "tokens": {"budgets": [own(1.0, "day")], "prices": PRICES}}
    own_redis_server.kill()
    with Simulator() as simulator:
        for error in send(simulator, mode, settings, times=2):
            assert isinstance(error, seawall.RequestRejectedError)
            assert re.search("cannot be checked: .*Nothing was sent", str(error))
        assert simulator.requests == []
        assert caplog.text.count("budgets cannot be checked") == 1
        settings["tokens"]["on_store_error"] = "open"
        for message in send(simulator, mode, settings, times=2):
            assert message.content
    own_redis_server.start()


def send(simulator, mode, settings, *, times):
    """Make calls of one client, one after another; returns what became of them."""
    made = {"base_url": simulator.base_url, "api_key": "test"}
    params = {"model": MODEL, "max_tokens": 500, "messages": MESSAGES}
    ended = []
    if mode == "sync":
        with anthropic.Anthropic(**made) as bare:
            client = seawall.protect(bare, settings=settings, plugins=["tokens"])
            for _ in range(times):
                try:
                    ended.append(client.messages.create(**params))
                except seawall.SeawallError as error:
                    ended.append(error)
        return ended

    async def run():
        async with anthropic.AsyncAnthropic(**made) as bare:
            client = seawall.protect(bare, settings=settings, plugins=["tokens"])
            for _ in range(times):
                try:
                    ended.append(await client.messages.create(**params))
                except seawall.SeawallError as error:
                    ended.append(error)

    asyncio.run(run())
    return ended
