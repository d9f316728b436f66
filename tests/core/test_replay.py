"""An answer whose first parts an earlier process received: taken in again, and gone on with."""

import dataclasses
from contextlib import suppress

import anthropic
import pytest
from hypothesis import given, settings, strategies as st

import seawall
from calls import MESSAGES, MODEL, SURFACES, Witness, call, plugins
from seawall.call import Attempt
from seawall.engine import Engine
from seawall.frames import FrameBuffer, events_of, frame_of, parse
from seawall.hooks import Hooks
from seawall.reception import Reception
from seawall.registry import manager_of
from seawall.steps import Abandoned, Accepted, Send
from seawall.wire_errors import stand_in
from seawall_testkit import Fault, Simulator, blocks
from seawall_testkit.grammar import violations

TEXT = " ".join(f"On day {day} the ship sailed {day * day % 97} miles, says her log." for day in range(50))
USAGE = {"input_tokens": 7, "output_tokens": 600}
HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
ENDING = {"stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"name": "Vasa"}}
THINKING = {"type": "thinking", "thinking": "Hm. " * 20, "signature": "c2ln"}
PLAIN = [{"type": "text", "text": TEXT}]
CONTENTS = {
    "text": PLAIN,
    "thinking and text": [THINKING, *PLAIN],
    "text and a tool": [*PLAIN, TOOL],
    "two texts": [{"type": "text", "text": TEXT[::-1]}, *PLAIN],
}


def body(*content, **message):
    """The body of a streamed answer; text comes in deltas of forty characters."""
    frames = []
    for event in events_of({**HEAD, "content": list(content), **ENDING, **message}):
        delta = event.get("delta", {})
        if delta.get("type") == "text_delta":
            pieces = (delta["text"][at : at + 40] for at in range(0, len(delta["text"]), 40))
            frames += [frame_of({**event, "delta": {**delta, "text": piece}}) for piece in pieces]
        else:
            frames.append(frame_of(event))
    return b"".join(frames)


def answered(params, content):
    """The answer to a request, which may ask to go on after a beginning of `content`."""
    turn = next((m["content"] for m in params["messages"] if m["role"] == "assistant"), None)
    if turn is None:
        return body(*content)
    rest = [block for block in content if block["type"] != "thinking"]
    for said in (block for block in turn if block["type"] == "text"):
        left = rest.pop(0)["text"].removeprefix(said["text"])
        if left:
            rest.insert(0, {"type": "text", "text": left})
    return body(*rest)


class Keeper:
    """A plugin that keeps what arrives, as a journal does, and hands it to the next process."""

    name = "keeper"

    def __init__(self, *attempts):
        self.attempts = list(attempts)
        self.shown = 0
        self.errors = 0

    @seawall.hookimpl(tryfirst=True)
    def pre_request(self, call):
        if self.attempts and call.attempt == 1 and self not in call.state:
            call.state[self] = "replayed"
            return seawall.Offload(lambda: seawall.Replay(self.attempts))
        return seawall.Amend(stream=True)

    @seawall.hookimpl
    def on_accept(self, call):
        attempt = call.attempts[-1]
        self.attempts.append(seawall.EarlierAttempt(attempt.way, [], attempt.asked))

    @seawall.hookimpl
    def on_chunk(self, chunk):
        self.shown += 1
        self.attempts[-1].frames.append(chunk.frame)

    @seawall.hookimpl
    def on_error(self):
        self.errors += 1
        return seawall.Retry(0.0)

    @seawall.hookimpl
    def post_response(self, outcome):
        self.outcome = outcome


def process(*enabled, content=PLAIN, cut=None, stream=False, go_on=False, **params):
    """Run one call by hand, killed after `cut` bytes of an answer; returns what its caller had, and its call.

    With `go_on` only the answer breaks there.
    """
    params = {
        "model": HEAD["model"],
        "max_tokens": 9_000,
        "messages": [{"role": "user", "content": "Go."}],
        **params,
    }
    made = seawall.Call(id="1", params=params, stream=stream)
    steps = Engine(made, Hooks.of(manager_of({plugin.name: plugin for plugin in enabled}))).run()
    delivered, answer, coming = b"", None, b""
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            return delivered, done.value, made
        answer = None
        if isinstance(step, bytes):
            delivered += step
        elif isinstance(step, Send):
            coming = answered(step.params, content)[:cut]
            answer = Accepted(stand_in(""), 200, None)
        elif isinstance(step, Reception):
            delivered += step.take(coming)
            if cut is not None and not go_on:
                end(steps)
                return delivered, None, made
        elif isinstance(step, seawall.Offload):
            try:
                answer = step.work()
            except Exception as error:  # noqa: BLE001 - as the drivers do
                answer = error


def end(steps):
    """End a call whose process was killed, so that its generator can be dropped."""
    with suppress(StopIteration):
        steps.throw(Abandoned(KeyboardInterrupt()))
        while True:
            next(steps)


def message_of(frames):
    """The blocks and the ending that a caller makes of frames, which read as one message."""
    events = [parse(frame)[1] for frame in FrameBuffer().feed(frames)]
    assert violations(events) == []
    found = []
    for event in events:
        delta = event.get("delta", {})
        if event["type"] == "content_block_start":
            found.append([event["content_block"]["type"], ""])
        elif event["type"] == "content_block_delta":
            found[-1][1] += delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
    return found, events[-2]["delta"]["stop_reason"], events[-2]["usage"]


def blocks_of(message):
    return [[block["type"], block.get("text") or block.get("thinking") or ""] for block in message["content"]]


@settings(derandomize=True, database=None, max_examples=60)
@given(
    st.sampled_from(sorted(CONTENTS)),
    st.lists(st.integers(0, 9_000), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_processes_killed_at_any_byte_make_the_undisturbed_message(name, cuts, streams):
    content, keeper = CONTENTS[name], Keeper()
    for cut, stream in zip(cuts, streams, strict=False):
        process(keeper, content=content, cut=cut, stream=stream)
    frames, message, _ = process(keeper, content=content, stream=streams[-1])
    undisturbed, whole, _ = process(Keeper(), content=content, stream=streams[-1])
    texts = [block for block in CONTENTS[name] if block["type"] != "thinking"]
    if streams[-1]:
        found, reason, _ = message_of(frames)
        expected, *_ = message_of(undisturbed)
    else:
        found, reason, expected = blocks_of(message), message["stop_reason"], blocks_of(whole)
    # thinking belongs to the attempt that thought it; what broke in the middle of it is dropped
    assert [block for block in found if block[0] != "thinking"] == [
        block for block in expected if block[0] != "thinking"
    ]
    assert len(found) - len(texts) in (0, len(content) - len(texts))
    assert reason == "end_turn"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "without message_stop"])
def test_a_whole_message_is_returned_and_nothing_is_sent(stream, cut):
    frames = body(*PLAIN)
    kept = frames[: frames.index(b"event: message_stop") if cut else None]
    keeper = Keeper(seawall.EarlierAttempt("send", [kept[:500], kept[500:]]))
    delivered, message, made = process(keeper, stream=stream)
    assert (made.attempts[0].status, keeper.shown, keeper.errors) == (None, 0, 0)
    assert keeper.outcome.status == "completed"
    if stream:
        assert message_of(delivered)[:2] == ([["text", TEXT]], "end_turn")
    else:
        assert message == {**HEAD, "content": PLAIN, **ENDING}


def test_a_replay_counts_in_the_message_only():
    keeper, witness = Keeper(seawall.EarlierAttempt("send", [body(*PLAIN)[:4000]])), Witness()
    _, message, made = process(keeper, witness)
    (earlier,) = made.earlier
    assert earlier.usage.is_estimated
    assert earlier.usage.output_tokens > 100
    assert isinstance(earlier.error, seawall.TruncatedStreamError)
    assert [attempt.way for attempt in made.attempts] == ["prefill"]
    assert made.attempts[0].kept > 100
    assert made.usage.counts() == seawall.Usage.of(USAGE).counts() == keeper.outcome.usage.counts()
    assert message["usage"]["output_tokens"] == earlier.usage.output_tokens + USAGE["output_tokens"]
    assert len(message["usage"]["iterations"]) == 2
    assert witness.errors == []
    # those of the continuation alone
    assert witness.chunks == keeper.shown < len(FrameBuffer().feed(body(*PLAIN)))


def test_a_caller_that_streams_has_what_came_before_the_request_is_sent():
    keeper = Keeper(seawall.EarlierAttempt("send", [body(*PLAIN)[:4000]]))
    made = seawall.Call(
        id="1",
        params={"model": MODEL, "max_tokens": 9_000, "messages": [{"role": "user", "content": "Go."}]},
        stream=True,
    )
    steps = Engine(made, Hooks.of(manager_of({"keeper": keeper}))).run()
    taken, answer = [], None
    while not (taken and isinstance(taken[-1], Send)):
        taken.append(steps.send(answer))
        answer = taken[-1].work() if isinstance(taken[-1], seawall.Offload) else None
    end(steps)
    events = [parse(frame)[1] for frame in FrameBuffer().feed(taken[-2])]
    assert [event["type"] for event in events] == [
        *("message_start", "content_block_start", "content_block_delta"),
    ]
    assert TEXT.startswith(events[2]["delta"]["text"])
    assert taken[-1].params["messages"][-1]["role"] == "user"


def test_what_broke_in_a_tool_call_goes_on_from_the_text_before_it_also_for_a_caller_that_streams():
    frames = body(*PLAIN, TOOL)
    keeper = Keeper(seawall.EarlierAttempt("send", [frames[: frames.index(b"input_json_delta") + 200]]))
    delivered, _, made = process(keeper, content=[*PLAIN, TOOL], stream=True)
    found, *_ = message_of(delivered)
    assert found == [["text", TEXT], ["tool_use", '{"name": "Vasa"}']]
    assert [attempt.way for attempt in made.attempts] == ["prefill"]


def test_a_different_answer_in_an_earlier_attempt_is_not_mixed_in():
    first = body(*PLAIN)[:4000]
    other = body({"type": "text", "text": TEXT[:300] + "And now for something else. " * 60})
    keeper = Keeper(seawall.EarlierAttempt("send", [first]), seawall.EarlierAttempt("user_turn", [other]))
    delivered, _, made = process(keeper, stream=True)
    assert message_of(delivered)[0] == [["text", TEXT]]
    assert isinstance(made.earlier[1].error, seawall.ContinuationMismatchError)
    assert [attempt.way for attempt in made.attempts] == ["restart"]


def test_a_stop_sequence_that_a_kill_cut_in_two_ends_the_message():
    frames = body({"type": "text", "text": TEXT[:900] + "<EN"})
    head, _, _ = frames.rpartition(b"event: content_block_stop")
    rest = body({"type": "text", "text": "D> and more, which nobody asked for"})
    keeper = Keeper(seawall.EarlierAttempt("send", [head]), seawall.EarlierAttempt("prefill", [rest]))
    _, message, made = process(keeper, stop_sequences=["<END>"])
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "<END>")
    assert message["content"] == [{"type": "text", "text": TEXT[:900] + "<EN"}]
    assert made.attempts[0].status is None


class Once:
    """A plugin that answers `pre_request` from a list."""

    def __init__(self, *answers, name="once", required=True):
        self.name, self.required, self.answers = name, required, list(answers)

    @seawall.hookimpl
    def pre_request(self):
        return self.answers.pop(0) if self.answers else seawall.Amend(stream=True)


REPLAY = seawall.Replay([seawall.EarlierAttempt("send", [body(*PLAIN)[:4000]])])


def unreadable():
    yield body(*PLAIN)[:4000]
    raise OSError("the disk is gone")


ORPHAN = [seawall.EarlierAttempt("send", [b""]), seawall.EarlierAttempt("prefill", [])]


@pytest.mark.parametrize("name", ["twice", "unreadable", "of nothing"])
def test_a_replay_that_cannot_be_taken_in_is_a_failure_of_its_plugin(name):
    answers = {
        "twice": [REPLAY, REPLAY],
        "unreadable": [seawall.Replay([seawall.EarlierAttempt("send", unreadable())])],
        "of nothing": [seawall.Replay(ORPHAN)],
    }
    with pytest.raises(seawall.PluginError, match="'once' failed in pre_request"):
        process(Once(*answers[name]))


def test_a_replay_is_for_the_first_attempt():
    once = Once(seawall.Amend(stream=True), REPLAY)
    with pytest.raises(seawall.PluginError, match="Replay is for the first attempt of a call, once"):
        process(once, Keeper(), content=[*PLAIN, {"type": "unheard_of"}], cut=4000, go_on=True)


def test_a_plugin_that_is_not_required_and_cannot_replay_is_left_out():
    replay = seawall.Replay([seawall.EarlierAttempt("send", unreadable())])
    _, message, made = process(Once(replay, required=False), Once(name="second"))
    assert blocks_of(message) == [["text", TEXT]]
    assert (made.earlier, [attempt.way for attempt in made.attempts]) == ([], ["send"])


@pytest.mark.parametrize("attempts", [[], [seawall.EarlierAttempt("prefill", [])]])
def test_a_replay_begins_with_the_beginning(attempts):
    with pytest.raises(ValueError, match=r"Replay\.attempts must begin"):
        seawall.Replay(attempts)


def test_the_call_is_asked_again_about_the_way_it_goes_after_a_replay():
    class Watcher:
        name = "watcher"

        @seawall.hookimpl
        def pre_request(self, call):
            seen.append(dataclasses.replace(call.attempts[-1]))

    seen = []
    process(Watcher(), Once(REPLAY))
    assert [attempt.way for attempt in seen] == ["send", "prefill"]
    assert all(isinstance(attempt, Attempt) and attempt.number == 1 for attempt in seen)


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_every_caller_gets_the_rest_of_an_answer_over_a_real_socket(mode, surface):
    keeper, witness = Keeper(), Witness()
    with Simulator(answer=[blocks.text(tokens=600)], faults=[Fault("reset", event=100)]) as simulator:
        with pytest.raises(anthropic.APIConnectionError):
            call(simulator, mode, surface, [Giving(), keeper])
        got = call(simulator, mode, surface, [*plugins(), keeper, witness])
        undisturbed = call(simulator, "sync", "create", plugins(), messages=[*MESSAGES])
        sent = simulator.requests
    assert got.text == undisturbed.text
    assert [request.way for request in sent][:2] == ["plain", "user_turn"]
    assert [attempt.continues for attempt in witness.outcomes[0].attempts] == [True]


class Giving:
    """A plugin that gives up at once, as a process that dies."""

    name = "giving"

    @seawall.hookimpl
    def on_error(self):
        return seawall.GiveUp("killed")
