"""The events of further attempts behind those the caller has: whatever comes, it reads as one message."""

import json

import pytest
from hypothesis import given, settings, strategies as st

from seawall.assembly import THINKING, Assembly, written
from seawall.call import Attempt, Usage
from seawall.frames import events_of
from seawall.seam import Diverged
from seawall.splice import Splice, summed
from seawall_testkit.grammar import violations

deterministic = settings(derandomize=True, database=None, print_blob=True)
USAGE = {
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 2,
}
PING = {"type": "ping"}
STOP = "content_block_stop"
UNKNOWN = {"type": "of_tomorrow", "index": 3}


def text(said, **fields):
    return {"type": "text", "text": said, **fields}


def thinking(thought="Hm."):
    return {"type": "thinking", "thinking": thought, "signature": "c2ln"}


def tool(**arguments):
    return {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": arguments}


REDACTED = {"type": "redacted_thinking", "data": "Zm9v"}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "toolu_1", "content": []}


def attempt_of(*content, model="claude-opus-5-5", message_id="msg_1"):
    """The events of an answer with these blocks; text comes in deltas of six characters, pings in between."""
    head = {"id": message_id, "type": "message", "role": "assistant", "model": model}
    ending = {"stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}
    for event in events_of({**head, "content": list(content), **ending}):
        delta = event.get("delta", {})
        if delta.get("type") == "text_delta":
            for at in range(0, len(delta["text"]), 6):
                yield {**event, "delta": {**delta, "text": delta["text"][at : at + 6]}}
        else:
            yield event
        if event["type"] == "content_block_start":
            yield PING


def cut_in_text(*content, said):
    """The events of an answer that breaks in an open text block, `said` of which was delivered."""
    events = list(attempt_of(*content, text(said)))
    return events[: max(at for at, event in enumerate(events) if event["type"] == "content_block_stop")]


def cut_between(*content):
    """The events of an answer that breaks after whole blocks."""
    return [event for event in attempt_of(*content) if event["type"] not in ("message_delta", "message_stop")]


class Caller:
    """What a caller gets of several attempts, each but the last of which broke."""

    def __init__(self, *attempts):
        self.so_far = Assembly()
        self.events = []
        for events in attempts:
            self.go_on(events)

    def go_on(self, events):
        is_begun = any(
            block.get("type") not in THINKING and block.get("text") != "" for block in self.so_far.blocks
        )
        self.splice = Splice(self.so_far, "user_turn" if is_begun else "restart")
        for event in events:
            for delivered in self.splice.feed(event):
                self.so_far.add(delivered)
                self.events.append(delivered)

    @property
    def content(self):
        return self.so_far.message()["content"]


def continued(whole, open_text, *content):
    """The blocks of a continuation of `open_text` (`None`: no block was open), as a caller shall get them."""
    rest = [block for block in content if block["type"] not in THINKING]
    if open_text is not None:
        if rest and rest[0]["type"] == "text":
            open_text += rest.pop(0)["text"]
        return [text(open_text), *rest]
    if rest and rest[0]["type"] == "text" and not rest[0]["text"]:
        del rest[0]
    return rest


SAID = "The quick brown fox"
MORE = " jumps over the dog."
CONTINUATIONS = {
    "text": [text(MORE)],
    "thinking first": [thinking(), text(MORE)],
    "redacted thinking first": [REDACTED, thinking(), text(MORE)],
    "two texts": [text(MORE), text("And again.")],
    "a text and a tool": [text(MORE), tool(a=1)],
    "an empty text and a tool": [text(""), tool(a=1)],
    "an empty text": [text("")],
    "a tool": [tool(a=1)],
    "thinking and a tool": [thinking(), tool(a=1)],
    "two tools": [tool(a=1), tool(a=2)],
    "a server tool": [{**tool(a=1), "type": "server_tool_use"}, RESULT, text("Found.")],
    "thinking and nothing": [thinking()],
    "thinking after the text": [text(MORE), thinking(), text("Well.")],
    "a short text": [text(".")],
    "nothing": [],
}
BROKEN = {
    "in the first text": (cut_in_text(said=SAID), [], SAID),
    "in a text after thinking": (cut_in_text(thinking("So."), said=SAID), [thinking("So.")], SAID),
    "in a second text": (cut_in_text(text("One."), said=SAID), [text("One.")], SAID),
    "in an empty text": (cut_in_text(said=""), [], ""),
    "after a text": (cut_between(text(SAID)), [text(SAID)], None),
    "after thinking": (cut_between(thinking("So.")), [thinking("So.")], None),
    "after a text and thinking": (
        cut_between(text(SAID), thinking("So.")),
        [text(SAID), thinking("So.")],
        None,
    ),
    "before any block": (cut_between(), [], None),
}


@pytest.mark.parametrize("content", CONTINUATIONS)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_continuation_reads_as_one_message(broken, content):
    delivered, whole, open_text = BROKEN[broken]
    caller = Caller(delivered, attempt_of(*CONTINUATIONS[content]))
    assert violations(caller.events) == []
    expected = (
        CONTINUATIONS[content]
        if broken == "before any block"
        else continued(whole, open_text, *CONTINUATIONS[content])
    )
    assert caller.content == [*whole, *expected]
    assert caller.events[: len(delivered)] == delivered


@pytest.mark.parametrize("repeated", ["", "quick brown fox", SAID])
@pytest.mark.parametrize("content", CONTINUATIONS)
@pytest.mark.parametrize("broken", BROKEN)
def test_what_was_written_is_known_at_each_event_from_what_was_withheld_and_delivered(
    broken, content, repeated
):
    caller = Caller(BROKEN[broken][0])
    before, generated = len(caller.so_far.spoken()), 0
    contents = [dict(block) for block in CONTINUATIONS[content]]
    for block in contents[:2]:
        if block["type"] == "text":
            block["text"] = repeated + block["text"]
    caller.go_on([])
    splice = caller.splice
    for event in attempt_of(*contents):
        for delivered in splice.feed(event):
            caller.so_far.add(delivered)
        generated += len(written(event))
        as_it_came = len(caller.so_far.spoken()) - before - splice.changed
        assert len(splice.withheld.joined()) + as_it_came == generated


sentences = st.sampled_from(
    ["One fish.", " Two fish, red fish.", "\n\n- blue fish\n", "", "  ", "\u4e2d\u6587", "f"]
)
tools = st.builds(lambda number: tool(a=number), st.integers(0, 9))
blocks = st.one_of(sentences.map(text), sentences.map(thinking), tools, st.sampled_from([REDACTED, RESULT]))


@deterministic
@given(
    st.lists(st.tuples(st.lists(blocks, max_size=4), st.integers(0, 40)), max_size=4),
    st.lists(blocks, max_size=4),
)
def test_any_number_of_breaks_anywhere_reads_as_one_message(broken, last):
    caller = Caller()
    for content, at in broken:
        before = list(caller.events)
        caller.go_on([*cut_after(list(attempt_of(*content)), at), UNKNOWN])
        assert caller.events[: len(before)] == before
    caller.go_on(attempt_of(*last))
    assert violations(caller.events) == []
    assert [event for event in caller.events if event["type"] == "message_stop"] == [{"type": "message_stop"}]


def cut_after(events, at):
    """The first events of an answer that breaks; no block is open but one of text: others end the call."""
    open_block = None
    end = 1
    for position, event in enumerate(events[: at + 1]):
        if event["type"] == "message_delta":
            break
        if event["type"] == "content_block_start":
            open_block = event["content_block"]["type"]
        elif event["type"] == "content_block_stop":
            open_block = None
        if open_block in (None, "text"):
            end = position + 1
    return events[:end]


@pytest.mark.parametrize("size", range(1, 12))
def test_the_joined_text_does_not_depend_on_the_deltas_of_the_continuation(size):
    said = "quick brown fox" + MORE
    deltas = [{"type": "text_delta", "text": said[at : at + size]} for at in range(0, len(said), size)]
    start, *_, stop, ending, message_stop = [event for event in attempt_of(text(said)) if event != PING][1:]
    events = [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    caller = Caller(cut_in_text(said="A quick brown fox"), [start, *events, stop, ending, message_stop])
    assert violations(caller.events) == []
    assert caller.content == [text("A " + said)]


def test_an_event_that_needs_no_change_passes_as_the_same_object():
    caller = Caller(cut_in_text(said=SAID))
    events = list(attempt_of(text(MORE), tool(a=1)))
    caller.go_on(events)
    changed = [event for event in events if not any(event is delivered for delivered in caller.events)]
    # the message and the block have begun, and the first words are held until it is clear what they are
    assert [event["type"] for event in changed[:2]] == ["message_start", "content_block_start"]
    assert {event["delta"]["text"] for event in changed[2:]} <= {MORE[:6], MORE[6:12]}


def test_pings_and_unknown_events_pass_once():
    caller = Caller([*cut_in_text(said=SAID), PING, UNKNOWN], [PING, UNKNOWN, *attempt_of(text(MORE))])
    assert caller.events.count(UNKNOWN) == 2
    assert caller.events.count(PING) == 4


def test_the_message_keeps_its_first_id_and_model():
    caller = Caller(cut_in_text(said=SAID), attempt_of(text(MORE), model="claude-opus-5", message_id="msg_2"))
    message = caller.so_far.message()
    assert (message["id"], message["model"]) == ("msg_1", "claude-opus-5-5")


def test_a_first_attempt_passes_as_it_is():
    events = list(attempt_of(thinking(), text(SAID), tool(a=1)))
    assert Caller(events).events == events


def test_an_answer_that_starts_over_from_an_earlier_block_is_an_error_and_no_mixture():
    delivered = [text("One fish, two fish, and then some more. "), text(SAID)]
    caller = Caller(cut_in_text(delivered[0], said=SAID))
    with pytest.raises(Diverged):
        # the blocks are not those that were delivered: an error, not a mixture
        caller.go_on(attempt_of(delivered[0], text(SAID + MORE)))
    assert caller.content == delivered


def test_white_space_is_all_there_is_and_comes_again():
    assert Caller(cut_in_text(said=" \n"), attempt_of(text(" \n" + SAID))).content == [text(" \n" + SAID)]


def test_a_repetition_is_cut_where_thinking_came_after_the_text():
    caller = Caller(cut_between(text(SAID), thinking()), attempt_of(text(SAID + MORE)))
    assert caller.content == [text(SAID), thinking(), text(MORE)]


def test_a_repetition_is_cut_where_thinking_comes_before_it():
    delivered = [text(SAID), thinking()]
    caller = Caller(cut_between(*delivered), attempt_of(thinking("And?"), REDACTED, text(SAID + MORE)))
    assert caller.content == [*delivered, text(MORE)]


def test_only_the_first_text_of_a_continuation_is_held_against_what_was_delivered():
    caller = Caller(cut_in_text(said=SAID), attempt_of(tool(a=1), text(SAID)), [])
    assert caller.content == [text(SAID), tool(a=1), text(SAID)]


def test_a_citation_of_a_new_block_comes_after_its_start():
    cited = text("It is so.", citations=[{"type": "char_location", "cited_text": "so"}])
    caller = Caller(cut_between(text(SAID)), attempt_of(cited))
    assert violations(caller.events) == []
    assert caller.content == [text(SAID), cited]


def of_a_block(what, index, **fields):
    return {"type": f"content_block_{what}", "index": index, **fields}


HI = {"delta": {"type": "text_delta", "text": "Hi."}}
OUT_OF_TURN = {
    "a block twice": lambda events: [*events[:2], *events[1:]],
    "a block out of turn": lambda events: [events[0], *({**event, "index": 1} for event in events[1:3])],
    "a message that begins again": lambda events: [*events[:-3], *events],
    "a delta of another block": lambda events: [*events[:3], of_a_block("delta", 1, **HI)],
    "a delta after its block": lambda events: [*events[:-2], of_a_block("delta", 0, **HI)],
    "a stop of another block": lambda events: [*events[:3], of_a_block("stop", 1)],
    "a block with the index of thinking": lambda events: [
        *attempt_of(thinking(), message_id="msg_2"),
        *events[1:],
    ],
}


@pytest.mark.parametrize("name", OUT_OF_TURN)
@pytest.mark.parametrize("broken", ["in the first text", "after a text"])
def test_an_event_of_a_continuation_that_is_out_of_turn_is_refused_as_in_a_first_attempt(broken, name):
    events = OUT_OF_TURN[name]([event for event in attempt_of(text(MORE)) if event != PING])
    caller = Caller(BROKEN[broken][0])
    with pytest.raises(ValueError, match=r"is next|not open"):
        caller.go_on(events)
    assert (SAID + MORE).startswith(caller.so_far.text())
    with pytest.raises(ValueError, match=r"is next|not open|message_start"):
        Caller(events)


def test_a_block_that_is_stopped_twice_is_stopped_once():
    events = [event for event in attempt_of(text(MORE)) for _ in range(1 + (event["type"] == STOP))]
    caller = Caller(cut_in_text(said=SAID), events)
    assert violations(caller.events) == []
    assert caller.content == [text(SAID + MORE)]


@pytest.mark.parametrize(
    ("broken", "joined"), [("in the first text", [text(SAID + MORE)]), ("after a text", None)]
)
def test_a_text_that_is_in_the_start_of_its_block_is_not_lost(broken, joined):
    head, start, *rest = [event for event in attempt_of(text(MORE)) if event != PING]
    first = rest.pop(0)["delta"]["text"]
    caller = Caller(BROKEN[broken][0], [head, {**start, "content_block": text(first)}, *rest])
    assert caller.content == (joined or [text(SAID), text(MORE)])
    assert violations(caller.events) == []


def test_what_the_seam_holds_is_not_lost_where_nothing_stops_but_the_message():
    held = [event for event in attempt_of(text(" quick")) if event["type"] not in (STOP, "message_delta")]
    assert Caller(cut_in_text(said=SAID), held).content == [text(SAID + " quick")]


@pytest.mark.parametrize(
    "content", [[text("Fox")], [text("Fox"), tool(a=1)], [thinking(), text("Fox"), text("Ox")]]
)
@pytest.mark.parametrize("broken", ["in the first text", "after a text", "after thinking"])
def test_a_block_that_is_never_stopped_loses_nothing(broken, content):
    delivered, whole, open_text = BROKEN[broken]
    caller = Caller(
        delivered, [event for event in attempt_of(*content) if event["type"] != "content_block_stop"]
    )
    assert caller.content == [*whole, *continued(whole, open_text, *content)]
    assert violations(caller.events) == []


# -- the sum


def test_the_last_usage_is_the_sum_over_the_attempts_and_lists_them():
    first = Attempt(1, "send", model="claude-opus-5-5", usage=Usage(10, 4, 0, 2, is_estimated=True))
    second = Attempt(2, "user_turn", model="claude-opus-5", usage=Usage(20, 5, 1, 0))
    so_far = Caller(cut_in_text(said=SAID)).so_far
    so_far.head["usage"]["service_tier"] = "standard"
    event = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    unchanged = json.dumps(event)
    got = summed(event, so_far, [first, second])
    assert json.dumps(event) == unchanged
    assert {**got, "usage": None} == {**event, "usage": None}
    sums = {
        "input_tokens": 30,
        "output_tokens": 9,
        "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": 2,
    }
    assert {key: got["usage"][key] for key in sums} == sums
    assert got["usage"]["service_tier"] == "standard"
    assert got["usage"]["iterations"] == [
        {"type": "message", "model": attempt.model, **attempt.usage.counts(), "cache_creation": None}
        for attempt in (first, second)
    ]


def test_what_usages_tell_in_tables_is_summed_too():
    told = (
        {"cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0}},
        {"cache_creation": None, "server_tool_use": {"web_search_requests": 2, "kind": "x"}},
        {
            "cache_creation": {"ephemeral_5m_input_tokens": 1},
            "server_tool_use": {"web_search_requests": 1, "kind": "y"},
        },
    )
    attempts = [
        Attempt(number, "restart", usage=Usage(10, 4), raw_usage=usage) for number, usage in enumerate(told)
    ]
    usage = summed({"type": "message_delta", "delta": {}, "usage": told[-1]}, Assembly(), attempts)["usage"]
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 0}
    assert usage["server_tool_use"] == {"web_search_requests": 3, "kind": "y"}
    assert [one["cache_creation"] for one in usage["iterations"]] == [
        usage.get("cache_creation") for usage in told
    ]


def test_a_message_delta_without_usage_gets_the_sum_all_the_same():
    attempts = [Attempt(1, "send", usage=Usage(10, 4)), Attempt(2, "restart", usage=Usage(10, 5))]
    event = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert summed(event, Assembly(), attempts)["usage"]["output_tokens"] == 9


def test_an_attempt_that_cost_nothing_is_not_summed():
    event = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    attempts = [Attempt(1, "send"), Attempt(2, "restart", usage=Usage(10, 5))]
    assert summed(event, Assembly(), attempts) is event
