from __future__ import annotations

import anthropic
import pytest

from seawall_testkit import Fault, Simulator, blocks
from seawall_testkit.grammar import events_of, violations

OLD, NEW = "claude-haiku-4-5", "claude-opus-5-5"
MESSAGES = [{"role": "user", "content": "Tell me everything."}]
REQUEST = {"model": NEW, "max_tokens": 1000, "messages": MESSAGES}
PROMPT = "Your previous response was interrupted and ended with '...'. Continue from where you left off."
SEARCH = blocks.web_search("ships")
FIRST = [blocks.thinking(), blocks.text("Let me look."), *SEARCH]
LAST = [blocks.cited("Four ships sank."), blocks.text("That is all.")]
PAUSED = [*FIRST, blocks.stop("pause_turn"), *LAST]
REFUSED = blocks.stop("refusal", category="bio", explanation="No.")


def assistant(content):
    return {"role": "assistant", "content": content}


def user(text):
    return {"role": "user", "content": text}


def types_of(message):
    return [block.type for block in message.content]


def test_a_refusal_has_its_category_streamed_and_plain(connect):
    with Simulator(answer=[blocks.text("Well, "), REFUSED, blocks.text("never said")]) as sim:
        client = connect(sim)
        plain = client.messages.create(**REQUEST)
        with client.messages.stream(**REQUEST) as stream:
            streamed = stream.get_final_message()
        for message in (plain, streamed):
            assert message.content[0].text == "Well, "
            assert len(message.content) == 1
            assert message.stop_reason == "refusal"
            assert message.stop_details.category == "bio"
            assert message.stop_details.explanation == "No."
        assert sim.requests[0].stop_reason == "refusal"


def test_an_answer_may_be_refused_before_it_says_anything(connect):
    with Simulator(answer=[REFUSED]) as sim:
        request = {**REQUEST, "stream": True}
        with connect(sim).messages.with_streaming_response.create(**request) as response:
            stream = events_of(b"".join(response.iter_bytes()))
        assert violations(stream) == []
        assert stream[-2]["delta"]["stop_reason"] == "refusal"
        assert [event["type"] for event in stream] == ["message_start", "message_delta", "message_stop"]


@pytest.mark.parametrize("reason", ["model_context_window_exceeded", "max_tokens", "end_turn"])
def test_an_answer_ends_with_the_reason_of_its_script(connect, reason):
    with Simulator(answer=[blocks.text("So far."), blocks.stop(reason)]) as sim:
        message = connect(sim).messages.create(**REQUEST)
        assert (message.stop_reason, message.stop_details) == (reason, None)
        assert sim.answer_for(MESSAGES).stop_reason == reason


def test_what_cuts_an_answer_earlier_is_its_reason(connect):
    with Simulator(answer=[blocks.text("So far, so good."), REFUSED]) as sim:
        client = connect(sim)
        assert client.messages.create(**REQUEST | {"max_tokens": 2}).stop_reason == "max_tokens"
        stopped = client.messages.create(**REQUEST, stop_sequences=["good"])
        assert (stopped.stop_reason, stopped.stop_details) == ("stop_sequence", None)


@pytest.mark.parametrize("wrong", [{"reason": "bored"}, {"reason": "tool_use"}])
def test_an_unknown_stop_reason_is_a_value_error_that_lists_the_known(wrong):
    with pytest.raises(ValueError, match="pause_turn"):
        blocks.stop(**wrong)


def test_only_a_refusal_has_a_category():
    with pytest.raises(ValueError, match="only a refusal"):
        blocks.stop("end_turn", category="bio")


@pytest.mark.parametrize("model", [OLD, NEW])
def test_a_paused_turn_that_comes_back_is_answered_with_the_rest(connect, model):
    with Simulator(answer=PAUSED, misbehaviour="repeat") as sim:
        client = connect(sim)
        request = REQUEST | {"model": model}
        first = client.messages.create(**request)
        assert (types_of(first), first.stop_reason) == ([block["type"] for block in FIRST], "pause_turn")
        turn = assistant(first.content)
        second = client.messages.create(**request | {"messages": [*MESSAGES, turn]})
        assert [block.text for block in second.content] == ["Four ships sank.", "That is all."]
        assert second.content[0].citations[0].title == "Source 0"
        assert second.stop_reason == "end_turn"
        assert [(seen.way, seen.attempt) for seen in sim.requests] == [("plain", 1), ("paused", 2)]
        assert [seen.continuation for seen in sim.requests] == [0, 0]


def test_a_turn_may_pause_with_a_search_that_has_no_result_yet(connect):
    script = [blocks.text("Let me look."), SEARCH[0], blocks.stop("pause_turn"), SEARCH[1], *LAST]
    with Simulator(answer=script) as sim:
        client = connect(sim)
        first = client.messages.create(**REQUEST)
        second = client.messages.create(**REQUEST | {"messages": [*MESSAGES, assistant(first.content)]})
        assert types_of(second) == ["web_search_tool_result", "text", "text"]


def test_a_turn_may_pause_more_than_once(connect):
    parts = [blocks.text("One."), blocks.text("Two."), blocks.text("Three.")]
    pause = blocks.stop("pause_turn")
    with Simulator(answer=[parts[0], pause, parts[1], pause, parts[2]]) as sim:
        client = connect(sim)
        said, reasons = [], []
        for _ in parts:
            turns = [assistant(said)] if said else []
            message = client.messages.create(**REQUEST | {"messages": [*MESSAGES, *turns]})
            said += message.content
            reasons.append(message.stop_reason)
        assert [block.text for block in said] == ["One.", "Two.", "Three."]
        assert reasons == ["pause_turn", "pause_turn", "end_turn"]


def test_a_paused_turn_that_was_changed_is_a_refused_prefill(connect):
    with Simulator(answer=PAUSED) as sim:
        client = connect(sim)
        content = client.messages.create(**REQUEST).content
        for changed in (content[:-2], [*content, {"type": "text", "text": "Hm."}]):
            with pytest.raises(anthropic.BadRequestError, match="does not support assistant message prefill"):
                client.messages.create(**REQUEST | {"messages": [*MESSAGES, assistant(changed)]})


def test_the_rest_of_a_paused_turn_goes_on_after_it_broke(connect):
    with Simulator(answer=PAUSED) as sim:
        client = connect(sim)
        first = client.messages.create(**REQUEST).content
        turns = [assistant([*first, {"type": "text", "text": "Four ships"}]), user(PROMPT)]
        rest = client.messages.create(**REQUEST | {"messages": [*MESSAGES, *turns]})
        assert [block.text for block in rest.content] == [" sank.", "That is all."]


def test_a_turn_that_broke_before_its_pause_still_pauses(connect):
    with Simulator(answer=PAUSED) as sim:
        client = connect(sim)
        first = client.messages.create(**REQUEST).content
        for turn, blocks_left in ((first[:2], 2), (first, 1)):
            messages = [*MESSAGES, assistant(turn), user(PROMPT)]
            rest = client.messages.create(**REQUEST | {"messages": messages})
            assert (len(rest.content), rest.stop_reason) == (blocks_left, "pause_turn")


def test_a_refusal_that_was_cut_off_is_told_to_the_continuation(connect):
    with Simulator(answer=[blocks.text("Well, no."), REFUSED]) as sim:
        messages = [*MESSAGES, assistant("Well, no."), user(PROMPT)]
        rest = connect(sim).messages.create(**REQUEST | {"messages": messages})
        assert [block.text for block in rest.content] == [""]
        assert rest.stop_details.category == "bio"


def test_a_fault_may_strike_the_request_after_the_pause(connect):
    with Simulator(answer=PAUSED, faults=[Fault("status", attempt=2, status=529)]) as sim:
        client = connect(sim)
        turn = assistant(client.messages.create(**REQUEST).content)
        with pytest.raises(anthropic.InternalServerError):
            client.messages.create(**REQUEST | {"messages": [*MESSAGES, turn]})
        assert client.messages.create(**REQUEST | {"messages": [*MESSAGES, turn]}).stop_reason == "end_turn"
