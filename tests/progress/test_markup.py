"""What an answer costs beside its characters."""

from typing import Any

import pytest

from progress.followed import Followed

OLD = "claude-sonnet-4-5"


def tokens_of(*blocks: tuple[str, dict[str, object], str], model: str = OLD, **params: object) -> int:
    call = Followed(params={"model": model, **params})
    call.attempt()
    for kind, more, written in blocks:
        call.block(kind, **more)
        if written:
            call.delta(written, "text_delta" if kind == "text" else "input_json_delta")
        call.close()
    return call.now.tokens


def test_a_call_costs_its_name_its_parameters_and_what_is_around_calls():
    one = ("tool_use", {"name": "weather"}, '{"city": "Ulm"}')
    first = tokens_of(one)
    assert first == 17 + 16 + 1 + 13 + 2
    assert tokens_of(one, one) - first == first - 17, "one thing is around both"
    assert tokens_of(one, ("text", {}, ""), one) == 2 * first, "and around each that stands alone"
    assert tokens_of(("tool_use", {"name": "weather"}, '{"city": "Ulm", "unit": "C"}')) - first == 13 + 2
    assert tokens_of(("tool_use", {"name": None}, "")) == 17 + 16


@pytest.mark.parametrize(
    ("choice", "less"),
    [
        ({"type": "auto"}, 0),
        ({"type": "any"}, 17),
        ({"type": "tool", "name": "weather"}, 17 + 1),
        ({"type": "auto", "disable_parallel_tool_use": True}, 9),
        ({"type": "tool", "name": "weather", "disable_parallel_tool_use": True}, 17 + 1 + 9),
        ("any", 0),
    ],
)
def test_less_is_written_where_a_tool_must_be_called_or_only_one_may(choice: Any, less):
    one = ("tool_use", {"name": "weather"}, '{"city": "Ulm"}')
    assert tokens_of(one) - tokens_of(one, tool_choice=choice) == less
    more = [
        tokens_of(one, one, **params) - tokens_of(one, **params) for params in ({}, {"tool_choice": choice})
    ]
    assert more[0] == more[1], "the first call only"


def test_a_call_that_code_makes_is_written_by_no_model():
    by_model = ("server_tool_use", {"name": "code_execution", "caller": {"type": "direct"}}, '{"code": "go"}')
    by_code = ("server_tool_use", {"name": "web_fetch", "caller": {"type": "code_execution_20260120"}}, "")
    assert tokens_of(by_model) == tokens_of(by_model, by_code) == 17 + 16 + 1 + 13 + 2


@pytest.mark.parametrize(
    ("model", "less"),
    [
        ("claude-3-haiku-20240307", 0),
        ("claude-sonnet-4-20250514", 0),
        ("claude-opus-4-6", 0),
        ("claude-opus-4-7", 7),
        ("claude-sonnet-5", 7),
        ("claude-opus-5-5", 7),
    ],
)
def test_later_models_write_less_around_calls(model, less):
    one = ("tool_use", {"name": "weather"}, '{"city": "Ulm"}')
    assert tokens_of(one) - tokens_of(one, model=model) == less


def test_citations_and_the_end_of_a_text_are_counted():
    plain = tokens_of(("text", {}, "word " * 100))
    assert plain == 103
    assert tokens_of(("text", {"citations": []}, "word " * 100)) > plain + 10


def test_no_more_is_told_than_max_tokens():
    assert tokens_of(("text", {}, "word " * 100), max_tokens=90) == 90
