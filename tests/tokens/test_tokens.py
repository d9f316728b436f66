"""The plugin: it answers estimates, and learns from what the API counted."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from seawall import Amend, Attempt, Call, Offload, Outcome, Stop, Usage
from seawall.hooks import CallHooks
from seawall.registry import load
from seawall.state import READ
from seawall_tokens import InMemory, Tokens, TokensSettings, caller
from seawall_tokens.budget import Budget
from seawall_tokens.vocabulary import Vocabulary

PARAMS = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "word " * 1000}],
}
UNCORRECTED = Tokens().estimate_request(PARAMS).tokens


def call_of(plugin, *, counted=0, params=PARAMS, model=None, begin=True, **usage):
    """A call that was answered once."""
    call = Call("1", params, stream=False)
    call.attempts.append(Attempt(1, "send", model=model, usage=Usage(input_tokens=counted, **usage)))
    if begin:
        plugin.pre_request(call)
    return call


def end(plugin, call):
    return plugin.post_response(call, Outcome("completed", tuple(call.attempts)))


def taught(counted, *, plugin=None, params=PARAMS, model=None, **usage):
    plugin = plugin or Tokens()
    end(plugin, call_of(plugin, counted=counted, params=params, model=model, **usage))
    return plugin


def learned(plugin, params=PARAMS):
    return plugin.estimate_request(params).tokens != Tokens().estimate_request(params).tokens


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        ("", "claude-opus-5-5", 0),
        ("hello world!", "claude-opus-5-5", 4),
        ("hello world!", "claude-opus-4-5", 3),
    ],
)
def test_a_text_is_counted_by_the_vocabulary_times_the_family(text, model, expected):
    assert Tokens().estimate_tokens(text, model) == expected


def test_the_core_asks_the_plugin():
    assert CallHooks(load(plugins=[Tokens()])).estimate("word " * 1000, "claude-opus-5-5") == 1338


def test_before_the_first_attempt_the_vocabulary_is_loaded_where_it_may_block_and_then_no_more():
    plugin = Tokens(vocabulary=Vocabulary())
    call = Call("1", PARAMS, stream=False, attempts=[Attempt(1, "send")])
    decision = plugin.pre_request(call)
    assert isinstance(decision, Offload)
    assert decision.work() is None
    assert plugin.pre_request(call) is None


def test_a_call_that_asks_another_model_is_estimated_for_that_one():
    # 250,000 tokens of the new vocabulary, which would not fit, are fewer of the old one
    params = {**PARAMS, "messages": [{"role": "user", "content": "word " * 188_000}]}
    plugin, call = Tokens(), Call("1", params, stream=False, attempts=[Attempt(1, "send")])
    assert decided(plugin.pre_request(call)) is None
    call.params = {**params, "model": "claude-haiku-4-5"}
    assert decided(plugin.pre_request(call)) is None


def decided(decision):
    return decision.work() if isinstance(decision, Offload) else decision


def test_a_request_like_one_that_was_answered_is_estimated_as_that_was_counted():
    plugin = taught(UNCORRECTED * 1.1)
    assert not learned(plugin)  # a fraction is no count
    plugin = taught(round(UNCORRECTED * 1.1))
    estimate = plugin.estimate_request(PARAMS)
    assert estimate.tokens == pytest.approx(UNCORRECTED * 1.1, rel=0.02)
    assert estimate.upper_bound > estimate.tokens


def test_what_came_from_the_cache_or_went_there_was_input_too():
    third = round(UNCORRECTED * 1.2 / 3)
    plugin = taught(third, cache_creation_input_tokens=third, cache_read_input_tokens=third)
    assert plugin.estimate_request(PARAMS).tokens == pytest.approx(UNCORRECTED * 1.2, rel=0.02)


@pytest.mark.parametrize("bad", [0, -5, math.nan, math.inf, None, "12", UNCORRECTED * 9, UNCORRECTED // 9])
def test_a_count_that_is_none_is_not_learned(bad):
    assert not learned(taught(bad))
    assert not learned(taught(UNCORRECTED, cache_read_input_tokens=-1))


def test_a_first_attempt_that_failed_is_learned_from_at_once_and_only_once():
    plugin, once = Tokens(), taught(1500)
    call = call_of(plugin, counted=1500)
    assert plugin.on_error(call) is None
    call.attempts.append(Attempt(2, "prefill", usage=Usage(input_tokens=9000)))
    plugin.pre_request(call)
    plugin.on_error(call)
    end(plugin, call)
    assert plugin.estimate_request(PARAMS) == once.estimate_request(PARAMS)


def test_an_error_before_any_count_leaves_the_answer_to_learn_from():
    plugin = Tokens()
    call = call_of(plugin)
    plugin.on_error(call)
    call.attempts[0].usage = Usage(input_tokens=1500)
    end(plugin, call)
    assert learned(plugin)


def test_later_attempts_are_not_learned_from():
    plugin = Tokens()
    call = call_of(plugin)
    call.attempts.append(Attempt(2, "restart", usage=Usage(input_tokens=1500)))
    plugin.on_error(call)
    end(plugin, call)
    assert not learned(plugin)


def test_a_request_with_a_guess_in_it_is_not_learned_from():
    params = {**PARAMS, "mcp_servers": [{"url": "x"}]}
    assert not learned(taught(1500, params=params), params)


def test_the_answer_of_another_family_is_not_learned_from():
    assert not learned(taught(1500, model="claude-haiku-4-5"))
    assert learned(taught(1500, model="claude-sonnet-5-5"))


def test_what_one_caller_taught_is_not_used_for_another():
    plugin = Tokens()
    with caller("reports"):
        call = call_of(plugin, counted=1500)
    end(plugin, call)
    assert not learned(plugin)
    with caller("reports"):
        assert learned(plugin)


def test_calls_that_never_were_sent_teach_nothing():
    plugin = Tokens()
    call = Call("1", PARAMS, stream=False)
    plugin.pre_request(call)
    assert plugin.post_response(call, Outcome("failed", ())) is None
    assert not learned(plugin)


def test_a_memory_that_blocks_is_read_and_written_where_it_may():
    class Disk(InMemory):
        blocks = True

    disk = Disk()
    plugin = Tokens(memory=disk)
    call = Call("1", PARAMS, stream=False, attempts=[Attempt(1, "send", usage=Usage(input_tokens=1500))])
    plugin.pre_request(call).work()
    decision = end(plugin, call)
    assert isinstance(decision, Offload)
    assert not disk.load()
    decision.work()
    after = Tokens(memory=disk)
    after.pre_request(Call("2", PARAMS, stream=False, attempts=[Attempt(1, "send")])).work()
    assert after.estimate_request(PARAMS) == plugin.estimate_request(PARAMS)
    assert learned(after)


def test_sixteen_threads_may_share_it():
    plugin, start = Tokens(), threading.Barrier(16)

    def work(_):
        start.wait()
        for _ in range(20):
            taught(1500, plugin=plugin)
            plugin.estimate_request(PARAMS)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert plugin.estimate_request(PARAMS).tokens == pytest.approx(1500, rel=0.01)


def with_budget(**budget):
    settings = TokensSettings.model_validate({"budgets": [{"tokens": 5_000, "per": "total", **budget}]})
    return Tokens(settings)


def test_it_sees_chunks_only_if_there_are_budgets():
    assert not CallHooks(load(plugins=[Tokens()])).on_chunk
    assert CallHooks(load(plugins=[with_budget()])).on_chunk


def test_under_a_budget_every_call_is_streamed_stopped_where_it_ends_and_settled():
    plugin = with_budget()
    call = call_of(plugin, begin=False, params={**PARAMS, "max_tokens": 9_000})
    assert plugin.pre_request(call).work() == Amend(stream=True)
    assert plugin.pre_request(call) == Amend(stream=True)
    call.attempts[0].written = 100
    assert plugin.on_chunk(call, None) is None
    call.attempts[0].written = 100_000
    assert isinstance(plugin.on_chunk(call, None), Stop)
    assert plugin.on_error(call) is None
    assert plugin.on_chunk(call, None) is None


def test_a_store_that_blocks_is_reached_where_it_may_be_waited_for(sqlite):
    plugin = with_budget()
    call = call_of(plugin, begin=False, output_tokens=5, counted=7)
    call.store, call.attempts[0].status = sqlite, 200
    assert plugin.pre_request(call).work() == Amend(stream=True)
    assert isinstance(plugin.pre_request(call), Offload)
    assert end(plugin, call).work() is None
    (spent,) = sqlite.step(READ, key=Budget(tokens=1, per="total").key(""))["spent"].values()
    assert spent == 12


def test_prices_are_loaded_where_that_may_be_waited_for():
    plugin = Tokens(TokensSettings.model_validate({"budgets": [{"dollars": 1, "per": "call"}]}))
    assert plugin.pre_request(call_of(plugin, begin=False)).work() == Amend(stream=True)
    assert plugin.pre_request(call_of(plugin, begin=False)) == Amend(stream=True)


def test_a_tool_prompt_is_set_by_the_settings():
    settings = TokensSettings.model_validate({"tool_prompts": {"claude-opus": {"auto": 0, "forced": 0}}})
    params = {**PARAMS, "tools": [{"name": "f", "input_schema": {}}]}
    plain = Tokens().estimate_request(params).tokens
    assert Tokens(settings).estimate_request(params).tokens == plain - 290


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"tool_prompts": {"m": {"auto": -1, "forced": 0}}},
        {"tool_prompts": {"m": {}}},
        {"prices": {"m": {"input": -1, "output": 1}}},
        {"prices": {"m": {"input": 1}}},
        {"budgets": [{"per": "day"}]},
        {"budgets": [{"per": "week", "dollars": 1}]},
        {"on_store_error": "ajar"},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        TokensSettings.model_validate(wrong)
