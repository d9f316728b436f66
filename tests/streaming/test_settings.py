"""How the settings of continuation reach the wire, for all models and for some."""

import anthropic
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

import seawall
from calls import MESSAGES, call, plugins
from seawall_streaming import ModelSettings, StreamingSettings
from seawall_testkit import Fault, Simulator, blocks

OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-4-5"
TEXT, TOOL = (
    blocks.text("Let me look.", tokens=40),
    blocks.tool_use("look_up", {"name": "Argo", "year": 1200}),
)
TOOLS = [{"name": "look_up", "input_schema": {"type": "object"}}]


def chosen(model, models, **for_all):
    return StreamingSettings(models=models, **for_all).of_model(model)


# -- which settings hold for a model


def test_a_model_without_a_table_of_its_own_has_the_settings_for_all():
    found = chosen(OPUS, {"claude-haiku": {"hold": "blocks"}}, max_continuations=3)
    assert (found.hold, found.max_continuations) == ("none", 3)


def test_a_table_holds_for_the_models_whose_names_begin_with_its_key():
    models = {"haiku": {"max_continuations": 1}, "claude-haiku": {"max_continuations": 2}}
    assert chosen(HAIKU, models).max_continuations == 2
    assert chosen("haiku-local", models).max_continuations == 1
    assert chosen("us.anthropic.claude-haiku-4-5", models).max_continuations == 30


def test_the_longest_key_counts_whatever_the_order():
    tables = {
        "claude": {"max_continuations": 1},
        "claude-haiku-4-5": {"max_continuations": 3},
        "claude-haiku": {"max_continuations": 2},
    }
    for models in (tables, dict(reversed(tables.items()))):
        found = [chosen(model, models).max_continuations for model in (HAIKU, "claude-haiku-5", OPUS, "gpt")]
        assert found == [3, 2, 1, 30]


def test_only_the_longest_key_counts_and_the_rest_is_as_for_all():
    models = {"claude": {"max_continuations": 1}, "claude-haiku": {"hold": "blocks"}}
    found = chosen(HAIKU, models, max_continuations=9, continue_after_tokens=7)
    assert (found.hold, found.max_continuations, found.continue_after_tokens) == ("blocks", 9, 7)


def test_a_default_said_aloud_in_a_table_is_not_what_is_left_out():
    models = {"claude-haiku": {"hold": "none", "max_continuations": 30}}
    found = chosen(HAIKU, models, hold="blocks", max_continuations=1)
    assert (found.hold, found.max_continuations) == ("none", 30)


NAMES = list(ModelSettings.model_fields)
VALUES = {
    "hold": st.sampled_from(["none", "blocks"]),
    "continue_after_tokens": st.integers(0, 999),
    "continuation_prompt": st.text(min_size=1),
    "max_continuations": st.integers(0, 99),
}


@given(
    st.dictionaries(st.text("ab", max_size=4), st.fixed_dictionaries({}, optional=VALUES)),
    st.fixed_dictionaries({}, optional=VALUES),
    st.text("ab", max_size=4),
)
def test_each_setting_is_that_of_the_longest_key_or_that_for_all(models, for_all, model):
    found = chosen(model, models, **for_all)
    keys = sorted((key for key in models if model.startswith(key)), key=len)
    expected = {**ModelSettings().model_dump(), **for_all, **(models[keys[-1]] if keys else {})}
    assert {name: getattr(found, name) for name in NAMES} == expected


@pytest.mark.parametrize(
    "table",
    [
        {"hold": "tools"},
        {"continue_after_tokens": -1},
        {"continuation_prompt": ""},
        {"max_continuations": -1},
        {"max_continuations": 1.5},
        {"idle_timeout": 3.0},
        {"models": {}},
    ],
)
def test_what_makes_no_sense_in_a_table_is_refused(table):
    with pytest.raises(ValidationError):
        StreamingSettings(models={"claude": table})


# -- from the file to the wire

TOML = """
[streaming]
continue_after_tokens = 1
continuation_prompt = "You were interrupted, go on."

[streaming.models."claude-opus"]
continuation_prompt = "You were interrupted after {previous_response}"

[streaming.models."claude-haiku"]
max_continuations = 1
"""


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Makes one call with the settings of a file; returns its text and the bodies that were sent."""
    (tmp_path / "seawall.toml").write_text(TOML, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEAWALL_BACKOFF__BASE", "0.001")

    def ask(model, fault):
        with (
            Simulator(faults=[fault]) as simulator,
            anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
        ):
            client = seawall.protect(bare, plugins=["streaming", "backoff", "tokens"])
            with client.messages.stream(model=model, max_tokens=64_000, messages=MESSAGES) as stream:
                text = stream.get_final_text()
            assert text == simulator.text_for(MESSAGES)
            return text, [request.body["messages"] for request in simulator.requests]

    return ask


def test_the_prompt_of_a_model_in_the_file_reaches_the_wire(configured):
    text, (asked, again) = configured(OPUS, Fault("reset", event=40))
    assert asked == MESSAGES
    assert [turn["role"] for turn in again] == ["user", "assistant", "user"]
    prompt = str(again[2]["content"])
    assert "You were interrupted after " in prompt
    assert "{previous_response}" not in prompt
    partial = again[1]["content"]
    said = partial if isinstance(partial, str) else partial[-1]["text"]
    assert said
    assert text.startswith(said)


def test_the_prompt_for_all_reaches_the_wire_for_other_models(configured):
    _, (_, again) = configured("claude-fable-5-2", Fault("reset", event=40))
    assert "You were interrupted, go on." in str(again[2]["content"])


def test_the_limit_of_a_model_in_the_file_ends_its_calls(configured):
    with pytest.raises(anthropic.APIConnectionError) as raised:
        configured(HAIKU, Fault("reset", event=20, times=2))
    assert "max_continuations = 1 is used up" in "".join(raised.value.__notes__)
    configured(OPUS, Fault("reset", event=20, times=2))


def test_a_wrong_setting_of_a_model_is_named_with_its_place(tmp_path, monkeypatch):
    path = tmp_path / "seawall.toml"
    path.write_text('[streaming.models."claude-haiku"]\nhodl = "blocks"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(seawall.ConfigError, match=r"'streaming\.models\.claude-haiku\.hodl'") as raised:
        seawall.protect(anthropic.Anthropic(api_key="test"), plugins=["streaming"])
    assert str(path) in str(raised.value)


# -- max_continuations


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("surface", ["create", "messages.stream()"])
@pytest.mark.parametrize("limit", [1, 3])
def test_after_so_many_continuations_it_gives_up_and_says_why(limit, surface, mode):
    with Simulator(faults=[Fault("reset", event=10, times=99)]) as simulator:
        enabled = plugins(max_continuations=limit, continue_after_tokens=0)
        with pytest.raises(anthropic.APIConnectionError) as raised:
            call(simulator, mode, surface, enabled)
        ways = [request.way for request in simulator.requests]
        text = simulator.text_for(MESSAGES)
    assert ways == ["plain", *["user_turn"] * limit]
    assert f"max_continuations = {limit} is used up" in "".join(raised.value.__notes__)
    assert text.startswith(raised.value.partial_message.content[0].text)


@pytest.mark.parametrize("limit", [0, 30])
def test_without_a_limit_or_below_it_a_message_is_continued_to_its_end(limit):
    with Simulator(faults=[Fault("reset", event=20, times=5)]) as simulator:
        got = call(simulator, "sync", "messages.stream()", plugins(max_continuations=limit))
        assert got.text == simulator.text_for(MESSAGES)
        assert [request.way for request in simulator.requests] == ["plain", *["user_turn"] * 5]


@pytest.mark.parametrize(("status", "way"), [(400, "user_turn"), (529, "prefill")])
def test_what_was_refused_or_found_the_api_down_does_not_count_as_a_continuation(status, way):
    faults = [Fault("reset", event=40), Fault("status", attempt=2, status=status)]
    with Simulator(faults=faults) as simulator:
        got = call(simulator, "sync", "messages.stream()", plugins(max_continuations=1), model=HAIKU)
        assert got.text == simulator.text_for(MESSAGES)
        assert [request.way for request in simulator.requests] == ["plain", "prefill", way]


def test_new_starts_do_not_count_as_continuations():
    with Simulator(faults=[Fault("reset", event=20, times=3)]) as simulator:
        got = call(simulator, "sync", "create", plugins(max_continuations=1, continue_after_tokens=100_000))
        assert got.text == simulator.text_for(MESSAGES)
        assert [request.way for request in simulator.requests] == ["plain"] * 4


# -- new starts, below continue_after_tokens


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("model", "tokens", "way"),
    [
        (OPUS, 0, "user_turn"),
        (OPUS, 100_000, "plain"),
        (HAIKU, 0, "prefill"),
        (HAIKU, 100_000, "plain"),
    ],
)
def test_a_short_message_begins_again_and_a_long_one_goes_on(model, tokens, way, mode):
    with Simulator(faults=[Fault("reset", event=40)]) as simulator:
        got = call(simulator, mode, "create", plugins(continue_after_tokens=tokens), model=model)
        assert got.text == simulator.text_for(MESSAGES)
        assert [request.way for request in simulator.requests] == ["plain", way]


def test_what_was_streamed_goes_on_however_short_it_is():
    with Simulator(faults=[Fault("reset", event=10)]) as simulator:
        got = call(simulator, "sync", "messages.stream()", plugins(continue_after_tokens=100_000))
        assert got.text == simulator.text_for(MESSAGES)
        assert [request.way for request in simulator.requests] == ["plain", "user_turn"]


def test_the_table_of_a_model_decides_which_of_its_messages_begin_again():
    models = {HAIKU: {"continue_after_tokens": 100_000}}
    for model, way in ((HAIKU, "plain"), (OPUS, "user_turn")):
        with Simulator(faults=[Fault("reset", event=40)]) as simulator:
            call(simulator, "sync", "create", plugins(continue_after_tokens=0, models=models), model=model)
            assert [request.way for request in simulator.requests] == ["plain", way]


# -- hold


def in_the_tool_call(simulator):
    """The events before the middle of the tool call."""
    with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        asked = {"model": HAIKU, "max_tokens": 1000, "messages": MESSAGES, "tools": TOOLS}
        events = list(bare.messages.create(stream=True, **asked))
    (start,) = [
        number
        for number, event in enumerate(events)
        if event.type == "content_block_start" and event.content_block.type == "tool_use"
    ]
    return start + 3  # one event is a ping, which the SDK does not show


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("is_held", [True, False])
def test_a_tool_call_that_is_held_back_can_break_unseen(is_held, mode):
    with Simulator(answer=[TEXT, TOOL]) as simulator:
        event = in_the_tool_call(simulator)
    settings = {"models": {"claude-haiku": {"hold": "blocks"}}} if is_held else {}
    with Simulator(answer=[TEXT, TOOL], faults=[Fault("reset", event=event)]) as simulator:
        asked = {"model": HAIKU, "tools": TOOLS}
        if is_held:
            got = call(simulator, mode, "messages.stream()", plugins(**settings), **asked)
            assert got.message.content[-1].input == TOOL["input"]
            assert [request.way for request in simulator.requests] == ["plain", "prefill"]
        else:
            with pytest.raises(anthropic.APIConnectionError) as raised:
                call(simulator, mode, "messages.stream()", plugins(**settings), **asked)
            assert raised.value.partial_message.content[0].text == TEXT["text"]
            assert len(simulator.requests) == 1
