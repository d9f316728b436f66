from __future__ import annotations

import re

import pytest
from anthropic import BadRequestError

from seawall_testkit import Misbehaviour, Simulator
from seawall_testkit.continuation import NOT_A_PREFIX, last_words
from seawall_testkit.conversation import Conversation

OLD, NEW = "claude-haiku-4-5", "claude-opus-5-5"
MESSAGES = [{"role": "user", "content": "Tell me everything."}]
PROMPT = "Your previous response was interrupted and ended with '...'. Continue from where you left off."
WAYS = ["prefill", "user_turn"]


def assistant(text):
    return {"role": "assistant", "content": text}


def user(text):
    return {"role": "user", "content": text}


def ask_on(client, way, partial, **parameters):
    turns = [assistant(partial)] if way == "prefill" else [assistant(partial), user(PROMPT)]
    model = OLD if way == "prefill" else NEW
    request = {"model": model, "max_tokens": 1000, "messages": [*MESSAGES, *turns], **parameters}
    return client.messages.create(**request)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cut", [1, 2, 57, 300, 301, 302, 303, 900])
def test_an_exact_continuation_goes_on_at_the_very_character(connect, way, cut):
    with Simulator() as sim:
        whole = sim.text_for(MESSAGES)
        partial = whole[:cut].rstrip()
        message = ask_on(connect(sim), way, partial)
        assert partial + message.content[0].text == whole
        assert sim.requests[0].way == way


def test_white_space_that_the_client_sends_is_not_repeated(connect):
    with Simulator() as sim:
        whole = sim.text_for(MESSAGES)
        partial = whole[: whole.index(" ", 100) + 1]
        assert partial + ask_on(connect(sim), "user_turn", partial).content[0].text == whole


@pytest.mark.parametrize("way", WAYS)
def test_a_continuation_of_the_whole_text_is_empty(connect, way):
    with Simulator(misbehaviour="repeat") as sim:
        message = ask_on(connect(sim), way, sim.text_for(MESSAGES))
        assert [block.text for block in message.content] == [""]
        assert message.stop_reason == "end_turn"


def test_a_text_that_was_never_written_is_answered_loudly(connect):
    with Simulator() as sim:
        assert ask_on(connect(sim), "user_turn", "Never written").content[0].text == NOT_A_PREFIX


def test_all_attempts_belong_to_one_conversation_whatever_their_model(connect):
    with Simulator() as sim:
        client = connect(sim)
        partial = sim.text_for(MESSAGES)[:100].rstrip()
        client.messages.create(model=NEW, max_tokens=10, messages=MESSAGES)
        ask_on(client, "prefill", partial)
        ask_on(client, "user_turn", partial)
        assert len({seen.conversation for seen in sim.requests}) == 1
        assert [seen.attempt for seen in sim.requests] == [1, 2, 3]
        assert [seen.way for seen in sim.requests] == ["plain", "prefill", "user_turn"]


def test_nested_continuations_join_their_texts():
    turns = [*MESSAGES, assistant("One "), user(PROMPT), assistant("two "), user(PROMPT), assistant("three")]
    conversation = Conversation.of(turns)
    assert (conversation.partial, conversation.way) == ("One two three", "prefill")
    assert conversation.key == Conversation.of(MESSAGES).key


def test_an_ordinary_later_turn_is_no_continuation():
    conversation = Conversation.of([*MESSAGES, assistant("Well."), user("And then?")])
    assert (conversation.partial, conversation.way, len(conversation.messages)) == ("", "plain", 3)


def test_the_text_for_a_continued_request_is_the_whole_text():
    sim = Simulator()
    assert sim.text_for([*MESSAGES, assistant("Wh"), user(PROMPT)]) == sim.text_for(MESSAGES)


def test_max_tokens_of_a_continuation_count_from_where_it_goes_on(connect):
    with Simulator() as sim:
        partial = sim.text_for(MESSAGES, max_tokens=100)
        message = ask_on(connect(sim), "user_turn", partial, max_tokens=50)
        assert partial + message.content[0].text == sim.text_for(MESSAGES, max_tokens=150)
        assert message.stop_reason == "max_tokens"


def test_a_continuation_thinks_anew(connect):
    with Simulator() as sim:
        partial = sim.text_for(MESSAGES)[:100]
        message = ask_on(connect(sim), "user_turn", partial, thinking={"type": "adaptive"})
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert partial + message.content[1].text == sim.text_for(MESSAGES)


def test_a_tool_call_after_the_broken_text_still_comes(connect):
    tools = [{"name": "book", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}]
    with Simulator(answer="tool_use") as sim:
        client = connect(sim)
        first = client.messages.create(model=NEW, max_tokens=500, messages=MESSAGES, tools=tools)
        introduction = first.content[0].text
        rest = ask_on(client, "user_turn", introduction[:9], tools=tools)
        after = ask_on(client, "user_turn", introduction, tools=tools)
        assert introduction[:9] + rest.content[0].text == introduction
        assert rest.content[1] == after.content[0] == first.content[1]


@pytest.fixture
def continued(connect):
    def by(misbehaviour, cut=500):
        with Simulator(misbehaviour=misbehaviour, repeat_words=4) as sim:
            whole = sim.text_for(MESSAGES)
            partial = whole[:cut].rstrip()
            return whole, partial, ask_on(connect(sim), "user_turn", partial).content[0].text

    return by


@pytest.mark.parametrize("cut", [3, 500, 501, 502, 700])
def test_repeat_begins_with_the_last_words(continued, cut):
    whole, partial, text = continued("repeat", cut)
    repeated = last_words(partial, 4)
    assert text == repeated + whole[len(partial) :]
    assert len(repeated.split()) == min(4, len(partial.split()))


def test_preamble_says_a_sentence_before_the_last_words(continued):
    whole, partial, text = continued("preamble")
    sentence, _, rest = text.partition("\n\n")
    assert sentence.endswith((":", "."))
    assert rest == last_words(partial, 4) + whole[len(partial) :]


def test_whitespace_changes_only_white_space(continued):
    whole, partial, text = continued("whitespace")
    verbatim = last_words(partial, 4) + whole[len(partial) :]
    assert text[0].isspace()
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", verbatim)
    assert text.lstrip() != verbatim
    assert text.endswith(whole[len(partial) :])


def test_start_over_is_the_whole_answer_again(continued):
    whole, _, text = continued("start_over")
    assert text == whole


def test_different_begins_alike_and_turns_into_another_answer(continued):
    whole, _, text = continued("different")
    assert text[:100] == whole[:100]
    assert text[100:200] != whole[100:200]


def test_empty_says_nothing(continued):
    assert continued("empty")[2] == ""


def test_language_switch_says_a_sentence_in_another_language_and_goes_on_exactly(continued):
    whole, partial, text = continued("language_switch")
    sentence, _, rest = text.partition("\n\n")
    assert sentence
    assert sentence not in whole
    assert rest == whole[len(partial) :]


@pytest.mark.parametrize("way", WAYS)
def test_each_continuation_takes_the_next_of_several_misbehaviours(connect, way):
    named = ["exact", Misbehaviour.START_OVER, "empty"]
    with Simulator(misbehaviour=named) as sim:
        client = connect(sim)
        whole = sim.text_for(MESSAGES)
        partial = whole[:300].rstrip()
        client.messages.create(model=NEW, max_tokens=10, messages=MESSAGES)
        said = [ask_on(client, way, partial).content[0].text for _ in range(4)]
        assert said == [whole[len(partial) :], whole, "", whole[len(partial) :]]
        taken = [(seen.continuation, seen.misbehaviour) for seen in sim.requests]
        assert taken == [(0, ""), (1, "exact"), (2, "start_over"), (3, "empty"), (4, "exact")]


def test_each_conversation_takes_misbehaviours_from_the_first(connect):
    with Simulator(misbehaviour=["empty", "exact"]) as sim:
        client = connect(sim)
        for question in ("One?", "Two?"):
            messages = [user(question), assistant(sim.text_for([user(question)])[:50]), user(PROMPT)]
            rest = client.messages.create(model=NEW, max_tokens=100, messages=messages)
            assert rest.content[0].text == ""


def test_at_least_one_misbehaviour_is_named():
    with pytest.raises(ValueError, match="at least one"):
        Simulator(misbehaviour=[])


def test_an_unknown_misbehaviour_is_a_value_error_that_lists_the_known():
    with pytest.raises(ValueError, match="start_over"):
        Simulator(misbehaviour="rude")
    with pytest.raises(ValueError, match="start_over"):
        Simulator(misbehaviour=["exact", "rude"])
    assert Simulator(misbehaviour=Misbehaviour.REPEAT)


@pytest.mark.parametrize(
    "model",
    ["claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-5-5", "claude-fable-5", "claude-mythos-preview"],
)
@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
def test_newer_models_refuse_a_prefill(connect, model):
    with Simulator() as sim, pytest.raises(BadRequestError) as caught:
        connect(sim).messages.create(model=model, max_tokens=9, messages=[*MESSAGES, assistant("Wh")])
    assert caught.value.body["error"]["message"] == (
        "This model does not support assistant message prefill. "
        "The conversation must end with a user message."
    )
    assert caught.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "model",
    ["claude-opus-4-5", "claude-haiku-4-5-20251001", "claude-3-haiku-20240307", "claude-sonnet-4-20250514"],
)
@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
def test_older_models_take_a_prefill(connect, model):
    with Simulator() as sim:
        partial = sim.text_for(MESSAGES)[:50].rstrip()
        message = connect(sim).messages.create(
            model=model, max_tokens=900, messages=[*MESSAGES, assistant(partial)]
        )
        assert partial + message.content[0].text == sim.text_for(MESSAGES)
