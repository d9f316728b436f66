from __future__ import annotations

import asyncio
import json
import re

import pytest
from anthropic import AsyncAnthropic

from seawall_testkit import Simulator
from seawall_testkit.prose import pieces

MODEL = "claude-opus-5-5"
OLD_MODEL = "claude-haiku-4-5"
MESSAGES = [{"role": "user", "content": "Tell me everything."}]
PLAIN = {"model": MODEL, "max_tokens": 1000, "messages": MESSAGES}
TOOL = {
    "name": "book",
    "input_schema": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer", "minimum": 1, "maximum": 9},
            "class": {"enum": ["first", "second"]},
            "flags": {"type": "array", "items": {"type": "boolean"}},
            "price": {"type": "object", "properties": {"amount": {"type": "number"}}},
        },
    },
}


def test_a_plain_answer_is_the_text_for_its_messages(connect):
    with Simulator(seed=7) as sim:
        message = connect(sim).messages.create(**PLAIN)
        assert message.content[0].text == sim.text_for(MESSAGES)
        assert message.stop_reason == "end_turn"
        assert message.usage.output_tokens == 400 == len(pieces(message.content[0].text))
        assert (sim.billed.input_tokens, sim.billed.output_tokens) == (message.usage.input_tokens, 400)


def test_a_streamed_answer_is_the_same_as_a_plain_one(connect):
    with Simulator(seed=7) as sim:
        client = connect(sim)
        with client.messages.stream(**PLAIN) as stream:
            streamed = stream.get_final_message()
        deltas = [
            event.delta.text
            for event in client.messages.create(**PLAIN, stream=True)
            if event.type == "content_block_delta"
        ]
        assert streamed.content[0].text == "".join(deltas) == sim.text_for(MESSAGES)
        assert streamed.usage.output_tokens == 400
        sim.wait_until(lambda: all(seen.ended for seen in sim.requests))
        assert [seen.ended for seen in sim.requests] == ["complete", "complete"]


def test_the_async_client_gets_the_same_answers():
    async def ask(sim):
        async with AsyncAnthropic(base_url=sim.base_url, api_key="test", max_retries=0) as client:
            whole = await client.messages.create(**PLAIN)
            async with client.messages.stream(**PLAIN) as stream:
                return [whole.content[0].text, await stream.get_final_text()]

    with Simulator(seed=7) as sim:
        assert asyncio.run(ask(sim)) == [sim.text_for(MESSAGES)] * 2


def test_the_beta_client_gets_the_same_answers(connect):
    with Simulator() as sim:
        message = connect(sim).beta.messages.create(**PLAIN, extra_query={"beta": "true"})
        assert message.content[0].text == sim.text_for(MESSAGES)
        assert sim.requests[0].path == "/v1/messages?beta=true"


def test_answers_depend_on_seed_system_and_messages_only():
    first, second = Simulator(seed=1), Simulator(seed=2)
    other = [{"role": "user", "content": "Tell me nothing."}]
    blocks = [
        {"role": "user", "content": [{"type": "text", "text": "Tell me everything.", "cache_control": {}}]}
    ]
    texts = [
        first.text_for(MESSAGES),
        second.text_for(MESSAGES),
        first.text_for(other),
        first.text_for(MESSAGES, system="Be brief."),
    ]
    assert len(set(texts)) == 4
    assert first.text_for(blocks) == first.text_for(MESSAGES)


def test_the_sdks_own_blocks_may_be_given_as_messages(connect):
    with Simulator() as sim:
        client = connect(sim)
        turn = {"role": "assistant", "content": client.messages.create(**PLAIN).content}
        messages = [*MESSAGES, turn, {"role": "user", "content": "Go deeper."}]
        answer = client.messages.create(**PLAIN | {"messages": messages})
        assert answer.content[0].text == sim.text_for(messages)


@pytest.mark.parametrize("seed", range(5))
def test_a_text_of_400_tokens_holds_what_makes_seams_hard(seed):
    text = Simulator(seed=seed).text_for(MESSAGES)
    for pattern in ("\n\n", r"^#+ ", "```python\n", r"^\|-+\|-+\|$", "[\u4e00-\u9f00]", "^(-|1\\.) "):
        assert re.search(pattern, text, re.MULTILINE), pattern


def test_emoji_sequences_and_combining_characters_are_scattered_in():
    text = Simulator(answer_tokens=8000).text_for(MESSAGES)
    for symbol in ("\u200d", "\ufe0f", "\U0001f3fd", "\U0001f1f3\U0001f1f4", "\u0301", "\u0303"):
        assert symbol in text


def test_three_consecutive_words_do_not_recur():
    words = Simulator(answer_tokens=20_000).text_for(MESSAGES).split()
    # two blocks of code may follow each other: where one ends and the other begins is no three words
    threes = [three for three in zip(words, words[1:], words[2:], strict=False) if "```" not in three]
    assert len(set(threes)) == len(threes)


@pytest.mark.parametrize("max_tokens", [0, 1, 3, 399, 400])
def test_max_tokens_cuts_an_answer_after_so_many_tokens(connect, max_tokens):
    with Simulator() as sim:
        message = connect(sim).messages.create(**PLAIN | {"max_tokens": max_tokens})
        assert message.usage.output_tokens == max_tokens
        assert message.stop_reason == ("end_turn" if max_tokens == 400 else "max_tokens")
        assert "".join(b.text for b in message.content) == sim.text_for(MESSAGES, max_tokens=max_tokens)


def test_a_stop_sequence_ends_an_answer_before_it(connect):
    with Simulator() as sim:
        whole = sim.text_for(MESSAGES)
        sequence = whole[200:212]
        message = connect(sim).messages.create(**PLAIN, stop_sequences=["never", sequence])
        assert message.content[0].text == whole[: whole.index(sequence)]
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", sequence)


@pytest.mark.parametrize(
    ("model", "thinking"),
    [(OLD_MODEL, {"type": "enabled", "budget_tokens": 2000}), (MODEL, {"type": "adaptive"})],
)
def test_thinking_comes_first_and_is_signed(connect, model, thinking):
    with Simulator() as sim:
        with connect(sim).messages.stream(
            model=model, max_tokens=4000, messages=MESSAGES, thinking=thinking
        ) as stream:
            message = stream.get_final_message()
        thought, text = message.content
        assert (thought.type, text.type) == ("thinking", "text")
        assert thought.thinking
        assert thought.signature
        assert text.text == sim.text_for(MESSAGES)
        assert message.usage.output_tokens == len(pieces(thought.thinking)) + 400
        assert message.usage.output_tokens_details.thinking_tokens == len(pieces(thought.thinking))


def test_omitted_thinking_has_a_signature_and_no_text(connect):
    with Simulator() as sim:
        thinking = {"type": "adaptive", "display": "omitted"}
        message = connect(sim).messages.create(**PLAIN, thinking=thinking)
        assert message.content[0].thinking == ""
        assert message.content[0].signature


def _assert_fits_tool(value):
    assert set(value) == {"city", "nights", "class", "flags", "price"}
    assert isinstance(value["city"], str)
    assert 1 <= value["nights"] <= 9
    assert value["class"] in {"first", "second"}
    assert all(isinstance(flag, bool) for flag in value["flags"])
    assert isinstance(value["price"]["amount"], float)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "book"}])
def test_a_forced_tool_is_called_with_input_that_fits_its_schema(connect, choice):
    with Simulator() as sim:
        request = {**PLAIN, "model": OLD_MODEL, "tools": [TOOL], "tool_choice": choice}
        with connect(sim).messages.stream(**request) as stream:
            streamed = stream.get_final_message()
        plain = connect(sim).messages.create(**request)
        assert [block.type for block in streamed.content] == ["text", "tool_use"]
        assert streamed.stop_reason == plain.stop_reason == "tool_use"
        assert streamed.content[1].input == plain.content[1].input
        _assert_fits_tool(plain.content[1].input)


def test_a_tool_result_is_answered_with_text(connect):
    with Simulator(answer="tool_use") as sim:
        request = {**PLAIN, "tools": [TOOL]}
        client = connect(sim)
        first = client.messages.create(**request)
        call = first.content[1]
        result = {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "done"}],
        }
        answer = client.messages.create(
            **request | {"messages": [*MESSAGES, {"role": "assistant", "content": first.content}, result]}
        )
        assert first.stop_reason == "tool_use"
        assert [block.type for block in answer.content] == ["text"]


def test_without_being_forced_an_answer_is_text(connect):
    with Simulator() as sim:
        assert connect(sim).messages.create(**PLAIN, tools=[TOOL]).content[0].text == sim.text_for(MESSAGES)


@pytest.mark.parametrize("way", ["output_config", "output_format"])
def test_structured_output_is_json_that_fits_the_schema(connect, way):
    wanted = {"type": "json_schema", "schema": TOOL["input_schema"]}
    extra = {"output_config": {"format": wanted}} if way == "output_config" else {"output_format": wanted}
    with Simulator() as sim:
        beta = {"anthropic-beta": "structured-outputs-2025-11-13"}
        message = connect(sim).messages.create(**PLAIN, extra_body=extra, extra_headers=beta)
        _assert_fits_tool(json.loads(message.content[0].text))
        assert message.content[0].text == sim.text_for(MESSAGES, **extra)


def test_a_test_can_give_the_content_blocks_itself(connect):
    def answer(body):
        return [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": f"{len(body['messages'])} messages"},
            {"type": "tool_use", "name": "a", "input": {"x": [1]}},
            {"type": "tool_use", "name": "b", "input": {}},
        ]

    with Simulator(answer=answer) as sim, connect(sim).messages.stream(**PLAIN) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.content[1].text == "1 messages"
    assert message.content[2].input == {"x": [1]}
    assert message.stop_reason == "tool_use"


def test_a_text_can_be_given_as_the_answer_to_everything(connect):
    with Simulator(answer="Forty-two.") as sim:
        assert connect(sim).messages.create(**PLAIN).content[0].text == "Forty-two."


def test_an_answer_function_that_raises_fails_the_test(connect):
    def answer(_body):
        raise NotImplementedError

    sim = Simulator(answer=answer).start()
    with pytest.raises(Exception, match="Connection error"):
        connect(sim).messages.create(**PLAIN)
    with pytest.raises(RuntimeError, match="failed while it answered"):
        sim.stop()


def test_count_tokens_and_the_models_are_served(connect):
    with Simulator() as sim:
        client = connect(sim)
        counted = client.messages.count_tokens(model=MODEL, messages=MESSAGES)
        assert counted.input_tokens == client.messages.create(**PLAIN).usage.input_tokens
        assert MODEL in [model.id for model in client.models.list()]
        assert client.models.retrieve(MODEL).max_tokens == 128_000


def raw_stream(client):
    return client.messages.with_streaming_response.create(**PLAIN, stream=True)


def test_the_same_request_gets_the_same_bytes(connect):
    bodies = []
    for _ in range(2):
        with Simulator(seed=3) as sim, raw_stream(connect(sim)) as response:
            bodies.append(b"".join(response.iter_bytes()))
    assert bodies[0] == bodies[1]


def test_unknown_events_and_fields_are_tolerated_by_the_sdk(connect):
    with Simulator(unknown_events=True) as sim, connect(sim).messages.stream(**PLAIN) as stream:
        assert stream.get_final_text() == sim.text_for(MESSAGES)


def test_a_paced_answer_has_pings_in_between(connect):
    with Simulator(tokens_per_second=4000, ping_interval=0.01, padding=False) as sim:
        with connect(sim).messages.with_streaming_response.create(**PLAIN, stream=True) as response:
            raw = b"".join(response.iter_bytes())
        assert raw.count(b'event: ping\ndata: {"type": "ping"}\n\n') > 2
        assert b" }\n" not in raw
