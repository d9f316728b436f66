"""Estimates of texts and requests: close where it is recorded, never an error, never above the bound."""

import pytest
from hypothesis import given, settings, strategies as st

from seawall_tokens import Estimate, Estimator, ToolPrompt
from seawall_tokens.vocabulary import Vocabulary

ESTIMATOR = Estimator()
TOOL = {"name": "f", "description": "Does f.", "input_schema": {"type": "object", "properties": {}}}


class Missing(Vocabulary):
    def count(self):
        return None


def request(text="Say hello.", model="claude-sonnet-4-5", **params):
    return {"model": model, "messages": [{"role": "user", "content": text}], **params}


def tokens(*args, **params):
    return ESTIMATOR.estimate_request(request(*args, **params)).tokens


def test_a_text_costs_more_for_the_newer_tokenizer():
    text = "The quick brown fox jumps over the lazy dog. " * 100
    old, new = (ESTIMATOR.estimate_text(text, model) for model in ("claude-opus-4-5", "claude-opus-5-5"))
    assert old == pytest.approx(1001 * 1.032, rel=0.01)
    assert new == pytest.approx(1001 * 1.337, rel=0.01)


def test_no_text_costs_nothing_and_no_answer_its_end():
    assert ESTIMATOR.estimate_text("", "claude-opus-5-5") == 0
    assert ESTIMATOR.estimate_answer("", "claude-opus-5-5") == 3


def test_a_request_of_one_message_costs_seven_more_than_its_text():
    text = "word " * 500
    assert tokens(text) - ESTIMATOR.estimate_text(text, "claude-sonnet-4-5") == 7


@pytest.mark.parametrize(
    ("params", "more"),
    [
        ({"system": [{"type": "text", "text": ""}]}, 0),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, 29),
        ({"thinking": {"type": "disabled"}}, 0),
        ({"model": "claude-opus-4-6", "thinking": {"type": "adaptive"}}, 17),
        ({"tools": []}, 0),
        ({"tools": [TOOL]}, 496 + 1 + 3 + 28),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, 496 + 1 + 3 + 28),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, 588 + 1 + 3 + 28),
        ({"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, 513),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, 110),
    ],
)
def test_the_parts_of_a_request_cost_what_was_fitted(params, more):
    assert tokens(**params) - tokens(model=params.get("model", "claude-sonnet-4-5")) == pytest.approx(
        more, abs=3
    )


def test_a_tool_call_and_its_result_cost_some_55_tokens():
    pair = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
    ]
    messages = request()["messages"]
    assert tokens(messages=messages + pair) - tokens() == pytest.approx(2 * (27.7 + 1.6) + 4, abs=3)


def test_a_tool_prompt_can_be_set():
    estimator = Estimator({"claude-sonnet-4": ToolPrompt(auto=1000, forced=0)})
    params = request(tools=[TOOL])
    plain = ESTIMATOR.estimate_request(params).tokens
    assert estimator.estimate_request(params).tokens == plain + 1000 - 496


def test_without_a_vocabulary_characters_are_counted():
    estimator = Estimator(vocabulary=Missing())
    assert estimator.estimate_text("x" * 4000, "claude-opus-4-5") == 952
    assert estimator.estimate_request(request("x" * 4000)) == Estimate(961, 1339)


def test_the_bound_is_a_quarter_above_the_estimate_and_eight_tokens():
    estimate = ESTIMATOR.estimate_request(request("word " * 1000))
    assert estimate.upper_bound == pytest.approx(1.267 * estimate.tokens + 8, abs=2)


def test_a_prompt_of_five_megabytes_is_counted_by_a_sample(monkeypatch):
    seen = []
    counting = Vocabulary()
    monkeypatch.setattr(counting, "count", lambda: lambda text: seen.append(len(text)) or len(text) // 5)
    estimate = Estimator(vocabulary=counting).estimate_request(request("word " * 1_000_000))
    assert estimate.tokens == pytest.approx(1_000_000 * 1.032, rel=0.001)
    assert sum(seen) < 60_000


def test_it_is_ready_once_it_is_loaded():
    estimator = Estimator(vocabulary=Vocabulary())
    assert not estimator.is_ready
    estimator.load()
    assert estimator.is_ready


KEYS = ["type", "text", "content", "source", "data", "messages", "system", "tools", "model", "format"]
KEYS += ["name", "input", "input_schema", "thinking", "tool_choice", "output_config", "citations", "schema"]
KINDS = ["text", "image", "document", "tool_use", "tool_result", "thinking", "base64", "url", "content"]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(KINDS)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=300, derandomize=True)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_no_request_body_is_an_error_and_the_bound_is_never_below_the_estimate(params):
    for estimator in (ESTIMATOR, Estimator(vocabulary=Missing())):
        estimate = estimator.estimate_request(params)
        assert 1 <= estimate.tokens <= estimate.upper_bound


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {("a", "b"): 1}])
def test_what_json_cannot_say_is_no_error(value):
    block = {"type": "tool_use", "id": "t", "name": "f", "input": value}
    assert tokens([block]) > 0


def test_a_value_that_holds_itself_is_no_error():
    value = []
    value.append(value)
    assert tokens([{"type": "tool_use", "id": "t", "name": "f", "input": value}]) > 0
