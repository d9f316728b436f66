"""Events to a message: every type of block and delta, what nobody knows yet, and what must not come."""

import pytest

from seawall.assembly import Assembly, merged_usage

HEAD = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1, "service_tier": "standard"},
}
START = {"type": "message_start", "message": HEAD}
STOP = {"type": "message_stop"}
TEXT = {"type": "text", "text": ""}
TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def block_start(block, index=0):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(kind, index=0, **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def block_stop(index=0):
    return {"type": "content_block_stop", "index": index}


def message_delta(usage=None, **fields):
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", **fields}, "usage": usage or {}}


def said(*texts, index=0):
    return [delta("text_delta", index, text=text) for text in texts]


def written(*parts, index=0):
    return [delta("input_json_delta", index, partial_json=part) for part in parts]


def assembled(*events):
    assembly = Assembly()
    for event in (START, *events):
        assembly.add(event)
    return assembly


CITED = [{"type": "char_location", "cited_text": "a"}, {"type": "char_location", "cited_text": "b"}]

FOLDS = {
    "text": (TEXT, said("Hel", "lo"), {"text": "Hello"}),
    "text that its start begins": ({**TEXT, "text": "Hel"}, said("lo"), {"text": "Hello"}),
    "text whose start lacks the field": ({"type": "text"}, said("Hello"), {"text": "Hello"}),
    "text without deltas": (TEXT, [], {}),
    "citations": (
        {**TEXT, "citations": []},
        [delta("citations_delta", citation=citation) for citation in CITED] + said("ab"),
        {"citations": CITED, "text": "ab"},
    ),
    "citations that the start did not announce": (
        {**TEXT, "citations": None},
        [delta("citations_delta", citation=CITED[0])],
        {"citations": CITED[:1]},
    ),
    "thinking": (
        THINKING,
        [
            delta("thinking_delta", thinking="H"),
            delta("thinking_delta", thinking="m.", estimated_tokens=3),
            delta("signature_delta", signature="c2ln"),
        ],
        {"thinking": "Hm.", "signature": "c2ln"},
    ),
    "thinking not shown": (
        THINKING,
        [delta("thinking_delta", thinking=""), delta("signature_delta", signature="c2ln")],
        {"signature": "c2ln"},
    ),
    "redacted thinking": ({"type": "redacted_thinking", "data": "Zm9v"}, [], {}),
    "compaction": (
        {"type": "compaction", "content": None},
        [delta("compaction_delta", content="Summary", encrypted_content="Zm9v")],
        {"content": "Summary", "encrypted_content": "Zm9v"},
    ),
    "tool use": (TOOL, written("", '{"a": ', '"\u00e9"}'), {"input": {"a": "\u00e9"}}),
    "tool use without input": (TOOL, written(""), {"input": {}}),
    "server tool use with its input in the start": (
        {"type": "server_tool_use", "id": "t", "name": "web_search", "input": {"query": "x"}},
        [],
        {},
    ),
    "server tool use": (
        {
            "type": "server_tool_use",
            "id": "t",
            "name": "web_search",
            "input": {},
            "caller": {"type": "direct"},
        },
        written("", '{"query": "x"}'),
        {"input": {"query": "x"}},
    ),
    "mcp tool use": (
        {"type": "mcp_tool_use", "server_name": "s", "input": {}},
        written('{"a":1}'),
        {"input": {"a": 1}},
    ),
    "server tool result": ({"type": "web_search_tool_result", "content": [{"url": "https://a"}]}, [], {}),
    "tool input cut mid number": (TOOL, written('{"a": "x", "b": 1'), {"input": {"a": "x", "b": 1}}),
    "tool input cut mid key": (TOOL, written('{"a": "x", "b'), {"input": {"a": "x"}}),
    "tool input cut mid string": (TOOL, written('{"a": "x", "b": "yz'), {"input": {"a": "x"}}),
    "tool input with half a surrogate pair": (TOOL, written('{"a": "\\ud83d"}'), {"input": {"a": "\ud83d"}}),
    "tool input that is no JSON": (TOOL, written('{"a": x}'), {"input": '{"a": x}'}),
    "a block of tomorrow": ({"type": "hologram", "depth": {"x": 1}}, [], {}),
    "a block of tomorrow with text": ({"type": "aside", "text": ""}, said("Psst"), {"text": "Psst"}),
    "a delta of tomorrow": (
        TEXT,
        [*said("a"), delta("emphasis_delta", strength=3), *said("b")],
        {"text": "ab"},
    ),
}


@pytest.mark.parametrize("name", FOLDS)
def test_a_block_is_its_start_with_its_deltas_folded_in(name):
    start, deltas, changes = FOLDS[name]
    expected = {**start, **changes}
    assembly = assembled(block_start(start), *deltas)
    assert assembly.blocks == [expected]
    assert (assembly.whole, assembly.started) == ([], True)
    assembly.add(block_stop())
    assert (assembly.blocks, assembly.whole, assembly.open) == ([expected], [expected], None)
    assert start == FOLDS[name][0]


def test_the_events_themselves_are_left_as_they_came():
    start = {**TEXT, "citations": []}
    cited = delta("citations_delta", citation=CITED[0])
    assembly = assembled(block_start(start), cited, message_delta({"output_tokens": 9}))
    assert assembly.message()["content"][0]["citations"] == CITED[:1]
    assert start == {**TEXT, "citations": []}
    assert (HEAD["content"], HEAD["usage"]["output_tokens"], HEAD["stop_reason"]) == ([], 1, None)


def test_blocks_keep_their_order_and_do_not_run_into_each_other():
    events = [block_start(TEXT), *said("a"), block_stop(), block_start(TOOL, 1), *written('{"b":1}', index=1)]
    assembly = assembled(*events, block_stop(1), block_start(TEXT, 2), *said("c", index=2))
    assert assembly.blocks == [{**TEXT, "text": "a"}, {**TOOL, "input": {"b": 1}}, {**TEXT, "text": "c"}]
    assert assembly.text() == "ac"
    assert assembly.spoken() == "a{'b': 1}c"


def test_a_block_that_is_never_stopped_is_kept_when_the_next_one_starts():
    assembly = assembled(
        block_start(TEXT), *said("a"), block_start(TEXT, 1), *said("b", index=1), message_delta()
    )
    assert assembly.message()["content"] == [{**TEXT, "text": "a"}, {**TEXT, "text": "b"}]


WRONG = {
    "a delta before any block": said("lost"),
    "a delta after its block": [block_start(TEXT), block_stop(), *said("lost")],
    "a delta of another block": [block_start(TEXT), *said("lost", index=1)],
    "a block out of turn": [block_start(TEXT, 1)],
    "a block whose index was there": [block_start(TEXT), block_stop(), block_start(TEXT)],
    "a stop of another block": [block_start(TEXT), *said("a"), block_stop(1)],
    "a second message_start": [START],
}


@pytest.mark.parametrize("name", WRONG)
def test_an_event_out_of_order_is_refused_where_folding_it_would_lose_something(name):
    *before, last = WRONG[name]
    assembly = assembled(*before)
    kept, was_open = assembly.message(), assembly.open
    with pytest.raises(ValueError, match=r"block|message_start"):
        assembly.add(last)
    assert (assembly.message(), assembly.open) == (kept, was_open)


@pytest.mark.parametrize("event", [block_start(TEXT), *said("a"), message_delta(), STOP])
def test_an_event_of_a_message_before_its_start_is_refused(event):
    assembly = Assembly()
    with pytest.raises(ValueError, match="before message_start"):
        assembly.add(event)
    assert (assembly.message(), assembly.complete) == (None, False)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "content_block_start", "index": 1},
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_stop"},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"type": "message_delta"},
        delta("text_delta"),
    ],
    ids=repr,
)
def test_an_event_that_lacks_what_its_type_has_is_a_lookup_error(event):
    assembly = Assembly() if event["type"] == "message_start" else assembled(block_start(TEXT))
    with pytest.raises(LookupError):
        assembly.add(event)


@pytest.mark.parametrize("no_text", [None, 5, ["a"], {"a": 1}], ids=repr)
@pytest.mark.parametrize(("kind", "field"), [("text", "text"), ("thinking", "thinking")])
def test_what_is_no_text_where_text_is_next_is_refused_and_leaves_no_trace(kind, field, no_text):
    assembly = assembled(block_start({"type": kind}), delta(f"{kind}_delta", **{field: "a"}))
    kept = assembly.message()
    with pytest.raises(TypeError, match="text"):
        assembly.add(delta(f"{kind}_delta", **{field: no_text}))
    if no_text is not None:
        with pytest.raises(TypeError, match="begins with"):
            assembly.add(block_start({"type": kind, field: no_text}, 1))
    assert (assembly.message(), assembly.written, assembly.spoken()) == (kept, 1, "a")


@pytest.mark.parametrize(
    "event",
    [{"type": "ping"}, {"type": "of_tomorrow", "index": 7}, block_stop(), {}, {"no": "type"}],
    ids=repr,
)
def test_what_is_not_known_changes_nothing(event):
    assembly = Assembly()
    assembly.add(event)
    assert (assembly.message(), assembly.started, assembly.complete) == (None, False, False)


def test_a_stop_of_no_block_changes_nothing():
    assert assembled(block_stop()).blocks == []


@pytest.mark.parametrize(
    ("events", "complete", "has_stopped"),
    [
        ([], False, False),
        ([block_start(TEXT), block_stop()], False, False),
        ([message_delta(stop_reason=None)], False, False),
        ([message_delta()], True, False),
        ([message_delta(), message_delta(stop_reason=None)], True, False),
        ([STOP], True, True),
        ([message_delta(), STOP], True, True),
    ],
)
def test_a_message_is_complete_with_a_stop_reason_or_message_stop(events, complete, has_stopped):
    assembly = assembled(*events)
    assert (assembly.complete, assembly.has_stopped) == (complete, has_stopped)


def test_what_message_delta_says_goes_before_and_what_it_does_not_say_stays():
    details = {"category": "cyber"}
    usage = {"output_tokens": 9, "input_tokens": None, "server_tool_use": {"web_search_requests": 1}}
    event = {
        **message_delta(usage, stop_details=details, container=None),
        "context_management": {"applied_edits": []},
    }
    assembly = Assembly()
    assembly.add({"type": "message_start", "message": {**HEAD, "container": {"id": "c"}}})
    assembly.add(event)
    assert assembly.message() == {
        **HEAD,
        "container": {"id": "c"},
        "stop_reason": "end_turn",
        "stop_details": details,
        "context_management": {"applied_edits": []},
        "usage": {**HEAD["usage"], "output_tokens": 9, "server_tool_use": {"web_search_requests": 1}},
    }


def test_several_message_deltas_add_up():
    first = message_delta({"output_tokens": 5, "iterations": []}, stop_reason=None, container={"id": "c"})
    message = assembled(first, message_delta({"output_tokens": 9}, stop_reason="tool_use")).message()
    assert (message["stop_reason"], message["container"]) == ("tool_use", {"id": "c"})
    assert message["usage"] == {**HEAD["usage"], "output_tokens": 9, "iterations": []}


def test_a_field_that_message_delta_brings_as_null_is_there():
    assert "stop_details" in assembled(message_delta(stop_details=None)).message()


def test_usage_takes_the_later_count_and_keeps_what_is_absent_or_null():
    start = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 7}
    end = {"output_tokens": 9, "cache_read_input_tokens": None, "iterations": []}
    assert merged_usage(start, end) == {
        "input_tokens": 3,
        "output_tokens": 9,
        "cache_read_input_tokens": 7,
        "iterations": [],
    }


def test_a_fallback_names_the_model_that_serves_from_there_on():
    block = {"type": "fallback", "from": {"model": "claude-opus-5-5"}, "to": {"model": "claude-opus-5"}}
    assembly = assembled(block_start(block), block_stop())
    assert assembly.message()["model"] == "claude-opus-5"
    assert assembly.whole == [block]
    assert HEAD["model"] == "claude-opus-5-5"


def test_a_message_that_came_whole_is_taken_over():
    message = {**HEAD, "content": [{**TEXT, "text": "Hello"}], "stop_reason": "end_turn"}
    assembly = Assembly()
    assembly.adopt(message)
    assert assembly.message() == message
    assert (assembly.complete, assembly.has_stopped, assembly.text()) == (True, True, "Hello")


@pytest.mark.parametrize(("end", "spoken"), [(0, ""), (1, "a"), (2, 'a{"a'), (3, 'a{"a')])
def test_cutting_back_keeps_the_first_blocks_and_goes_on_after_them(end, spoken):
    assembly = assembled(
        block_start(TEXT), *said("a"), block_stop(), block_start(TOOL, 1), *written('{"a', index=1)
    )
    assembly.cut_back(end)
    assert len(assembly.blocks) == min(end, 2)
    assert (assembly.open is not None) == (end >= 2)
    assert assembly.spoken() == spoken
    if end < 2:
        assembly.add(block_start(TEXT, end))
        assert assembly.open == TEXT


def test_nothing_that_was_said_is_left_out_of_the_estimate():
    thinking = [
        block_start(THINKING),
        delta("thinking_delta", thinking="Hm."),
        delta("signature_delta", signature="c"),
    ]
    assembly = assembled(*thinking, block_stop(), block_start(TOOL, 1), *written('{"a": "b', index=1))
    assert assembly.spoken() == 'Hm.{"a": "b'
