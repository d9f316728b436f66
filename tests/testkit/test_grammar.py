from __future__ import annotations

import pytest

from recordings import needs_recordings, recordings
from seawall_testkit import Simulator
from seawall_testkit.grammar import events_of, violations

MESSAGES = [{"role": "user", "content": "Tell me everything."}]
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}
TOOLS = [{"name": "book", "input_schema": SCHEMA}]
ANSWER_KINDS = {
    "text": {},
    "cut": {"max_tokens": 7},
    "nothing": {"max_tokens": 0},
    "thinking": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 3000},
    "omitted thinking": {
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "max_tokens": 3000,
    },
    "cut thinking": {
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 1025,
        "stop_sequences": ["a"],
    },
    "tool_use": {"tools": TOOLS, "tool_choice": {"type": "any"}},
    "cut tool_use": {"tools": TOOLS, "tool_choice": {"type": "any"}, "max_tokens": 26},
    "structured": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "stopped": {"stop_sequences": ["e"]},
}
RICH_BLOCKS = [
    {"type": "thinking", "thinking": "hm"},
    {"type": "redacted_thinking", "data": "abc"},
    {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": []},
    {"type": "text", "text": "cited", "citations": [{"type": "char_location", "cited_text": "c"}]},
    {"type": "text", "text": ""},
]
START = {
    "type": "message_start",
    "message": {"content": [], "stop_reason": None, "usage": {"output_tokens": 1}},
}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
TOOL = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}}
THOUGHT = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "thinking", "thinking": "", "signature": ""},
}
STOP = {"type": "content_block_stop", "index": 0}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
LAST = {"type": "message_stop"}


def delta(index=0, **body):
    return {"type": "content_block_delta", "index": index, "delta": body}


HI = delta(type="text_delta", text="Hi")
WRONG_STREAMS = {
    "no start": [TEXT, HI, STOP, END, LAST],
    "two starts": [START, START, TEXT, HI, STOP, END, LAST],
    "no end": [START, TEXT, HI, STOP, END],
    "no stop reason": [START, TEXT, HI, STOP, LAST],
    "open block": [START, TEXT, HI, END, LAST],
    "nested block": [START, TEXT, TEXT, HI, STOP, END, LAST],
    "wrong index": [START, {**TEXT, "index": 1}, STOP, END, LAST],
    "wrong delta index": [START, TEXT, delta(1, type="text_delta", text="Hi"), STOP, END, LAST],
    "wrong stop index": [START, TEXT, HI, {**STOP, "index": 1}, END, LAST],
    "delta outside": [START, HI, END, LAST],
    "delta of another kind": [START, TEXT, delta(type="thinking_delta", thinking="x"), STOP, END, LAST],
    "empty text": [START, TEXT, delta(type="text_delta", text=""), STOP, END, LAST],
    "full first input": [START, TOOL, delta(type="input_json_delta", partial_json="{"), STOP, END, LAST],
    "no signature": [START, THOUGHT, delta(type="thinking_delta", thinking="x"), STOP, END, LAST],
    "two signatures": [
        START,
        THOUGHT,
        delta(type="signature_delta", signature="x"),
        delta(type="signature_delta", signature="y"),
        STOP,
        END,
        LAST,
    ],
    "text in the start": [
        START,
        {**TEXT, "content_block": {"type": "text", "text": "Hi"}},
        STOP,
        END,
        LAST,
    ],
    "after the end": [START, TEXT, HI, STOP, END, LAST, {"type": "ping"}],
    "two ends": [START, TEXT, HI, STOP, END, END, LAST],
    "block after the end": [START, END, TEXT, HI, STOP, LAST],
    "unknown reason": [START, {**END, "delta": {"stop_reason": "bored"}}, LAST],
}


def stream_of(client, **parameters):
    request = {
        "model": "claude-haiku-4-5",
        "max_tokens": 500,
        "messages": MESSAGES,
        "stream": True,
        **parameters,
    }
    with client.messages.with_streaming_response.create(**request) as response:
        return b"".join(response.iter_bytes())


@pytest.mark.parametrize("kind", ANSWER_KINDS)
@pytest.mark.parametrize("unknown_events", [False, True])
def test_every_kind_of_answer_is_streamed_by_the_grammar(connect, kind, unknown_events):
    with Simulator(unknown_events=unknown_events, tokens_per_event=3) as sim:
        events = events_of(stream_of(connect(sim), **ANSWER_KINDS[kind]))
    assert violations(events) == []
    assert any(event["type"] == "seawall_unknown_event" for event in events) == (
        unknown_events and kind != "nothing"
    )


def test_blocks_that_a_test_gives_are_streamed_by_the_grammar(connect):
    with Simulator(answer=lambda _body: RICH_BLOCKS) as sim:
        events = events_of(stream_of(connect(sim)))
    assert violations(events) == []
    started = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert started == [block["type"] for block in RICH_BLOCKS]


def test_the_bytes_are_padded_and_framed_as_the_api_does(connect):
    with Simulator() as sim:
        raw = stream_of(connect(sim))
    assert raw.endswith(b"\n\n")
    assert b"\r" not in raw
    assert b" }\n\n" in raw
    assert b"\\u" not in raw
    assert raw.count(b'event: ping\ndata: {"type": "ping"}\n\n') == 1


@pytest.mark.parametrize("name", WRONG_STREAMS)
def test_a_wrong_stream_is_reported(name):
    assert violations(WRONG_STREAMS[name])


def test_a_right_stream_is_not_reported():
    odd = [{"type": "novelty"}, delta(type="novel_delta", value=1)]
    assert violations([START, TEXT, {"type": "ping"}, HI, *odd, STOP, END, LAST]) == []


def test_an_error_event_may_replace_any_tail():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert violations([error]) == []
    assert violations([START, TEXT, HI, error]) == []
    assert violations([START, TEXT, error, HI])


@pytest.mark.parametrize(
    "raw",
    [
        'event: ping\ndata: {"type": "ping"}\n',
        'event: pong\ndata: {"type": "ping"}\n\n',
        'data: {"type": "ping"}\n\n',
        'event: ping\ndata: {"type": \ndata: "ping"}\n\n',
        "event: ping\ndata: {\n\n",
    ],
)
def test_malformed_frames_are_a_value_error(raw):
    with pytest.raises(ValueError, match=r"."):
        events_of(raw)


@needs_recordings
def test_recorded_streams_follow_the_grammar():
    streams = [row["response_body"] for row in recordings() if row["sse"]]
    assert len(streams) > 100
    assert [found for stream in streams if (found := violations(events_of(stream)))] == []
