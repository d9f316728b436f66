from __future__ import annotations

import json

import pytest

from seawall_testkit import Simulator, blocks
from seawall_testkit.grammar import events_of, violations
from seawall_testkit.prose import pieces

MESSAGES = [{"role": "user", "content": "Tell me everything."}]
REQUEST = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": MESSAGES}
OMITTED = {"thinking": {"type": "adaptive", "display": "omitted"}}
EVERYTHING = [
    blocks.thinking(),
    blocks.text("Let me look."),
    *blocks.web_search("ships"),
    blocks.redacted(),
    blocks.cited(sources=2),
    *blocks.mcp("look_up", {"name": "Vasa"}, result="sunk"),
    blocks.compaction(),
    blocks.fallback(),
    blocks.unknown("novelty", deltas=[{"type": "novelty_delta", "value": 1}], size=9),
    blocks.unknown(),
    blocks.text(),
    blocks.tool_use("book", {"city": "Malmö", "nights": 2}),
]
TOOL = {"name": "book", "input_schema": {"type": "object"}}
EAGER = TOOL | {"eager_input_streaming": True}
LONG = {"note": 'Two lines\nand "quotes" \\ é 🚢 ' * 20, "n": [1.5, None, True]}


def events(client, **parameters):
    request = {**REQUEST, "stream": True, **parameters}
    with client.messages.with_streaming_response.create(**request) as response:
        return events_of(b"".join(response.iter_bytes()))


def block_events(stream, index):
    """The start's block and the deltas of one block."""
    (start,) = [e for e in stream if e["type"] == "content_block_start" and e["index"] == index]
    deltas = [e["delta"] for e in stream if e["type"] == "content_block_delta" and e["index"] == index]
    return start["content_block"], deltas


def only_block(connect, block, **parameters):
    with Simulator(answer=[block]) as sim:
        stream = events(connect(sim), **parameters)
    assert violations(stream) == []
    return block_events(stream, 0)


@pytest.mark.parametrize("extra", [{}, OMITTED, {"max_tokens": 60}, {"stop_sequences": ["e"]}])
@pytest.mark.parametrize("unknown_events", [False, True])
def test_a_script_of_every_block_is_streamed_by_the_grammar(connect, extra, unknown_events):
    with Simulator(answer=EVERYTHING, unknown_events=unknown_events) as sim:
        stream = events(connect(sim), **extra)
    assert violations(stream) == []


def test_a_script_is_the_same_streamed_and_plain_through_the_beta_client(connect):
    with Simulator(answer=EVERYTHING) as sim:
        messages = connect(sim).beta.messages
        plain = messages.create(**REQUEST)
        with messages.stream(**REQUEST) as stream:
            streamed = stream.get_final_message()
        # the SDK passes over the deltas that it does not know
        assert [b.to_dict() for b in streamed.content] == [b.to_dict() for b in plain.content]
        assert [b.type for b in plain.content] == [b["type"] for b in EVERYTHING]
        assert plain.stop_reason == "tool_use"
        assert sim.requests[0].blocks == tuple(b["type"] for b in EVERYTHING)
        assert sim.requests[0].stop_reason == "tool_use"


def test_blocks_are_the_same_whenever_they_are_made():
    assert blocks.text() == blocks.text() != blocks.text(seed=1)
    assert blocks.web_search("ships") == blocks.web_search("ships") != blocks.web_search("boats")
    assert blocks.redacted() == blocks.redacted() != blocks.redacted(seed=1)
    assert len(pieces(blocks.text(tokens=17)["text"])) == 17


def test_citations_come_before_the_text_they_are_for(connect):
    block = blocks.cited(sources=2)
    start, deltas = only_block(connect, block)
    assert start == {"type": "text", "text": "", "citations": []}
    kinds = [delta["type"] for delta in deltas]
    assert kinds == ["citations_delta"] * 2 + ["text_delta"] * (len(kinds) - 2)
    assert [delta["citation"] for delta in deltas[:2]] == block["citations"]


def test_omitted_thinking_is_an_empty_delta_and_a_signature(connect):
    start, deltas = only_block(connect, blocks.thinking("hm"), **OMITTED)
    assert start == {"type": "thinking", "thinking": "", "signature": ""}
    assert [delta["type"] for delta in deltas] == ["thinking_delta", "signature_delta"]
    assert deltas[0]["thinking"] == ""
    assert deltas[1]["signature"]


def test_shown_thinking_is_streamed_with_its_text(connect):
    _, deltas = only_block(connect, blocks.thinking("hm and so on"))
    assert "".join(delta.get("thinking", "") for delta in deltas) == "hm and so on"


@pytest.mark.parametrize("block", [blocks.redacted(), blocks.fallback(), blocks.unknown(size=9)])
def test_a_block_without_deltas_starts_whole(connect, block):
    assert only_block(connect, block) == (block, [])


def test_a_compaction_is_one_delta(connect):
    block = blocks.compaction("All.")
    start, deltas = only_block(connect, block)
    assert start == {"type": "compaction", "content": None, "encrypted_content": None}
    assert deltas == [{**block, "type": "compaction_delta"}]


def test_an_unknown_block_may_have_unknown_deltas(connect):
    delta = {"type": "novelty_delta", "value": 1}
    start, deltas = only_block(connect, blocks.unknown("novelty", deltas=[delta], size=9))
    assert start == {"type": "novelty", "size": 9}
    assert deltas == [delta]


@pytest.mark.parametrize("pair", [blocks.web_search("x"), blocks.mcp("x", {"a": 1})])
def test_a_server_tool_streams_its_input_and_starts_its_result_whole(connect, pair):
    with Simulator(answer=pair) as sim:
        stream = events(connect(sim))
    assert violations(stream) == []
    start, deltas = block_events(stream, 0)
    assert start == {**pair[0], "input": {}}
    assert json.loads("".join(delta["partial_json"] for delta in deltas)) == pair[0]["input"]
    assert block_events(stream, 1) == (pair[1], [])
    assert pair[1]["tool_use_id"] == pair[0]["id"]


def test_searches_are_counted_in_the_usage(connect):
    script = [*blocks.web_search("x"), *blocks.web_search("y"), blocks.tool_use("web_search")]
    with Simulator(answer=script) as sim:
        usage = connect(sim).messages.create(**REQUEST).usage
        assert usage.server_tool_use.web_search_requests == 2
        assert usage.server_tool_use.web_fetch_requests == 0


def test_fetches_are_counted_in_the_usage(connect):
    fetched = {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_fetch", "input": {}}
    with Simulator(answer=[fetched]) as sim:
        usage = connect(sim).messages.create(**REQUEST).usage
        assert usage.server_tool_use.web_search_requests == 0
        assert usage.server_tool_use.web_fetch_requests == 1


def test_equal_tool_calls_have_different_ids(connect):
    with Simulator(answer=[blocks.tool_use("book"), blocks.tool_use("book")]) as sim:
        first, second = connect(sim).messages.create(**REQUEST).content
        assert first.id != second.id


def tool_input_pieces(connect, tool, **parameters):
    with Simulator(answer=[blocks.tool_use("book", LONG)]) as sim:
        stream = events(connect(sim), tools=[tool], **parameters)
    assert violations(stream) == []
    return [delta["partial_json"] for delta in block_events(stream, 0)[1]], stream[-2]


def test_eager_tool_input_is_cut_anywhere(connect):
    eager, ending = tool_input_pieces(connect, EAGER)
    usual, usual_ending = tool_input_pieces(connect, TOOL)
    assert json.loads("".join(eager)) == json.loads("".join(usual)) == LONG
    assert eager[0] == ""
    assert any(piece.endswith("\\") for piece in eager), "an escape is cut through"
    assert len({len(piece) for piece in eager}) > 8
    assert ending["usage"]["output_tokens"] == usual_ending["usage"]["output_tokens"]


def test_eager_tool_input_that_max_tokens_cuts_is_no_json(connect):
    cut, ending = tool_input_pieces(connect, EAGER, max_tokens=30)
    assert ending["delta"]["stop_reason"] == "max_tokens"
    assert ending["usage"]["output_tokens"] == 30
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads("".join(cut))
