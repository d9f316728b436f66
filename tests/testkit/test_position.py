from __future__ import annotations

import anthropic
import pytest

from seawall_testkit import Simulator, blocks
from seawall_testkit.continuation import NOT_A_PREFIX
from seawall_testkit.position import rest_of

OLD, NEW = "claude-haiku-4-5", "claude-opus-5-5"
MESSAGES = [{"role": "user", "content": "Tell me everything."}]
PROMPT = "Your previous response was interrupted and ended with '...'. Continue from where you left off."
WAYS = ["prefill", "user_turn"]
SEARCH = blocks.web_search("ships")
SCRIPT = [
    blocks.thinking(),
    blocks.text(seed=1),
    *SEARCH,
    blocks.redacted(),
    blocks.cited(seed=2),
    blocks.text(seed=3),
    *blocks.mcp("look_up"),
    blocks.compaction(),
    blocks.unknown("novelty", deltas=[{"type": "novelty_delta"}], size=9),
    blocks.text(seed=4),
    blocks.tool_use("book"),
]
THOUGHTS = {"thinking", "redacted_thinking"}


@pytest.fixture
def script(connect):
    """A running simulator, its client, and the script as a client gets it, with ids and signatures."""
    with Simulator(answer=SCRIPT) as sim:
        answer = sim.answer_for(MESSAGES)
        yield sim, connect(sim), [part.block for part in answer.parts]


def content_of(message):
    return [block.to_dict() for block in message.content]


def ask_on(client, way, delivered, **parameters):
    turns = [{"role": "assistant", "content": delivered}]
    turns += [] if way == "prefill" else [{"role": "user", "content": PROMPT}]
    model = OLD if way == "prefill" else NEW
    request = {"model": model, "max_tokens": 1000, "messages": [*MESSAGES, *turns], **parameters}
    return content_of(client.beta.messages.create(**request))


def cut_in(block):
    return {**block, "text": block["text"][:50].rstrip()}


def after(content, place):
    """What follows when text `place` was cut by `cut_in`."""
    text = content[place]["text"]
    return [{**content[place], "text": text[len(text[:50].rstrip()) :]}, *content[place + 1 :]]


@pytest.mark.parametrize("place", [1, 5, 6, 11])
def test_a_user_turn_after_whole_blocks_and_a_cut_text_goes_on_at_the_character(script, place):
    _, client, content = script
    assert ask_on(client, "user_turn", [*content[:place], cut_in(content[place])]) == after(content, place)


@pytest.mark.parametrize("place", [1, 5, 6, 11])
def test_a_prefill_without_thoughts_goes_on_at_the_character(script, place):
    _, client, content = script
    whole = [block for block in content[:place] if block["type"] not in THOUGHTS]
    assert ask_on(client, "prefill", [*whole, cut_in(content[place])]) == after(content, place)


@pytest.mark.parametrize("count", [2, 4, 6, 7, 9, 10, 11, 12])
def test_after_whole_blocks_the_next_ones_follow(script, count):
    _, client, content = script
    assert ask_on(client, "user_turn", content[:count]) == content[count:]


def test_thoughts_may_be_left_out_and_no_other_blocks(script):
    _, client, content = script
    without_thoughts = [block for block in content[:6] if block["type"] not in THOUGHTS]
    assert ask_on(client, "user_turn", without_thoughts) == content[6:]
    without_search = [content[1], cut_in(content[5])]
    assert ask_on(client, "user_turn", without_search)[0]["text"] == NOT_A_PREFIX


def test_a_changed_search_result_is_answered_loudly(script):
    _, client, content = script
    changed = {**content[3], "content": content[3]["content"][:1]}
    assert ask_on(client, "user_turn", [*content[:3], changed])[0]["text"] == NOT_A_PREFIX


def test_neighbouring_texts_may_be_joined_or_divided(script):
    _, client, content = script
    joined = {"type": "text", "text": content[5]["text"] + content[6]["text"]}
    divided = [
        {"type": "text", "text": content[1]["text"][:9]},
        {"type": "text", "text": content[1]["text"][9:]},
    ]
    assert ask_on(client, "user_turn", [*divided, *content[2:4], joined]) == content[7:]


def test_the_thoughts_of_a_continuation_may_be_sent_back_too(connect):
    with Simulator() as sim:
        client = connect(sim)
        whole = sim.text_for(MESSAGES)
        thinking = {"thinking": {"type": "adaptive"}, "max_tokens": 2000}
        thought, text = ask_on(client, "user_turn", [{"type": "text", "text": whole[:300]}], **thinking)
        assert whole[:300] + text["text"] == whole
        delivered = [
            {"type": "text", "text": whole[:300]},
            thought,
            {"type": "text", "text": text["text"][:50]},
        ]
        _, text = ask_on(client, "user_turn", delivered, **thinking)
        assert whole[:350] + text["text"] == whole


def test_white_space_at_the_end_of_a_text_before_a_block_may_be_stripped():
    content = [blocks.text("Let me look. "), blocks.text("\n"), *SEARCH, blocks.text("Found.")]
    assert rest_of(content, [blocks.text("Let me look."), *SEARCH]) == content[4:]


def test_white_space_that_the_client_added_makes_no_difference():
    assert rest_of([blocks.text("Ships sank.")], [blocks.text("Ships \n")]) == [blocks.text(" sank.")]


@pytest.mark.parametrize("way", WAYS)
def test_stop_sequences_end_a_continued_answer(connect, way):
    with Simulator() as sim:
        whole = sim.text_for(MESSAGES)
        partial, sequence = whole[:200].rstrip(), whole[400:412]
        rest = ask_on(connect(sim), way, partial, stop_sequences=[sequence])
        assert partial + rest[0]["text"] == sim.text_for(MESSAGES, stop_sequences=[sequence])
        assert sim.requests[0].stop_reason == "stop_sequence"


def test_omitted_thoughts_of_a_script_come_back_as_they_were(connect):
    omitted = {"thinking": {"type": "adaptive", "display": "omitted"}}
    with Simulator(answer=SCRIPT) as sim:
        client = connect(sim)
        request = {"model": NEW, "max_tokens": 1000, "messages": MESSAGES}
        content = content_of(client.beta.messages.create(**request, **omitted))
        assert ask_on(client, "user_turn", [content[0], cut_in(content[1])], **omitted) == after(content, 1)
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
            ask_on(client, "user_turn", [{**content[0], "thinking": "hm"}, content[1]], **omitted)
