"""The engine driven by hand: no clock, no socket, no event loop."""

import json

import anthropic
import httpx2
import pytest
from anthropic._streaming import SSEDecoder

import seawall
from seawall.call import Attempt
from seawall.engine import Engine
from seawall.frames import FrameBuffer, events_of, frame_of, parse
from seawall.hooks import Hooks
from seawall.reception import Reception
from seawall.registry import manager_of
from seawall.steps import CLOSE, OPENED, Abandoned, Accepted, Send, Sleep

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": "The whole answer."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 4},
}
FRAMES = [frame_of(event) for event in events_of(MESSAGE)]
RESPONSE = httpx2.Response(200, request=httpx2.Request("POST", "http://test"))


class Recorder:
    """A plugin that writes down each hook and answers from a script."""

    def __init__(self, name="recorder", **answers):
        self.name = name
        self.answers = answers
        self.seen = []

    def answer(self, hook, *seen):
        self.seen.append((hook, *seen))
        answers = self.answers.get(hook)
        answer = answers.pop(0) if answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    @seawall.hookimpl
    def pre_request(self, call):
        return self.answer("pre_request", call.attempt)

    @seawall.hookimpl
    def on_chunk(self, chunk):
        return self.answer("on_chunk", chunk.type)

    @seawall.hookimpl
    def on_error(self, error):
        return self.answer("on_error", type(error).__name__)

    @seawall.hookimpl
    def post_response(self, outcome):
        return self.answer("post_response", outcome.status)

    def hooks(self):
        return [hook for hook, *_ in self.seen if hook != "on_chunk"]


def begin(*plugins, stream=False, **params):
    call = seawall.Call(
        id="1", params={"model": "m", "max_tokens": 9, "messages": [], **params}, stream=stream
    )
    hooks = Hooks.of(manager_of({plugin.name: plugin for plugin in plugins}))
    return call, Engine(call, hooks).run()


def drive(steps, answers):
    """Run an engine to its end; returns the steps it took and what it returned."""
    taken, answers, answer = [], list(answers), None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            return taken, done.value
        taken.append(step)
        answer = answers.pop(0) if isinstance(step, Send) else None
        if isinstance(step, Reception):
            while isinstance(answers[0] if answers else None, bytes) and step.failure is None:
                if delivered := step.take(answers.pop(0)):
                    taken.append(delivered)
            answer = answers.pop(0) if step.failure is None else None
        if isinstance(step, seawall.Offload):
            answer = step.work()


def streamed(body=None):
    return Accepted(RESPONSE, 200, body, {"request-id": "req_1"})


def received(steps):
    """The reception of the first attempt."""
    for answer in (None, streamed(), None):
        step = steps.send(answer)
    return step


def error(status=529):
    return anthropic.APIStatusError(
        "no", response=httpx2.Response(status, request=RESPONSE.request), body=None
    )


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_text_in_a_stream_fails_the_attempt_and_the_call_ends_as_others_do(stream):
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}}
    plugin = Recorder(pre_request=[seawall.Amend(stream=True)])
    _, steps = begin(plugin, stream=stream)
    with pytest.raises(anthropic.APIConnectionError, match="malformed") as caught:
        drive(steps, [streamed(), b"".join([*FRAMES[:3], frame_of(delta)])])
    assert caught.value.partial_message.content[0].text == "The whole answer."
    assert plugin.hooks() == ["pre_request", "on_error", "post_response"]


def test_a_small_call_is_sent_once_and_its_answer_taken_as_it_came():
    plugin = Recorder()
    call, steps = begin(plugin)
    taken, message = drive(
        steps, [streamed(b'{"type": "message", "content": [], "usage": {"output_tokens": 3}}')]
    )
    assert [type(step) for step in taken] == [Send, type(CLOSE)]
    assert taken[0] == Send(call.params, False, 0, None, {})
    assert message is None
    assert call.usage.output_tokens == 3
    assert plugin.seen == [("pre_request", 1), ("post_response", "completed")]


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize("name", [5, None, {"id": "claude-opus-5-5"}])
def test_a_model_that_an_answer_does_not_name_by_a_text_is_not_known(is_streamed, name):
    call, steps = begin(Recorder(), stream=is_streamed)
    message = {**MESSAGE, "model": name}
    if is_streamed:
        drive(steps, [streamed(), *map(frame_of, events_of(message)), None])
    else:
        drive(steps, [streamed(json.dumps(message).encode())])
    assert call.attempts[0].model is None
    assert call.usage.output_tokens == 4


@pytest.mark.parametrize("number", [-1, 2**64 - 1, True, 1.5, "7", None])
def test_a_number_that_counts_no_tokens_is_none(number):
    call, steps = begin(Recorder())
    usage = {"input_tokens": number, "output_tokens": 4}
    drive(steps, [streamed(json.dumps({**MESSAGE, "usage": usage}).encode())])
    assert call.usage.counts() == {**seawall.Usage().counts(), "output_tokens": 4}


@pytest.mark.parametrize("part", [{"usage": "none"}, {"usage": [5]}, {"content": 5}], ids=str)
def test_an_answer_whose_parts_are_of_the_wrong_kind_is_a_failed_attempt(part):
    plugin = Recorder(on_error=[seawall.Retry(1.0)])
    call, steps = begin(plugin)
    drive(steps, [streamed(json.dumps({**MESSAGE, **part}).encode()), streamed(json.dumps(MESSAGE).encode())])
    assert plugin.seen[1:] == [
        ("on_error", "APIResponseValidationError"),
        ("pre_request", 2),
        ("post_response", "completed"),
    ]
    assert isinstance(call.attempts[0].raw_usage, dict)


def test_a_stream_passes_frame_by_frame_and_opens_once():
    plugin = Recorder()
    _, steps = begin(plugin, stream=True)
    taken, _ = drive(steps, [streamed(), *FRAMES, None])
    assert b"".join(step for step in taken if isinstance(step, bytes)) == b"".join(FRAMES)
    assert [step for step in taken if step in (OPENED, CLOSE)] == [OPENED, CLOSE]
    assert [step for step in taken if isinstance(step, bytes) and step is not OPENED] == FRAMES
    assert [kind for hook, kind in plugin.seen if hook == "on_chunk"] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


def test_hooks_know_what_was_written_before_a_chunk_also_when_many_came_at_once():
    class Reader:
        name = "reader"

        @seawall.hookimpl
        def on_chunk(self, call, chunk):
            seen.append((chunk.type, call.attempts[-1].written))

    seen = []
    _, steps = begin(Reader(), stream=True)
    drive(steps, [streamed(), b"".join(FRAMES), None])
    assert seen[2:4] == [("content_block_delta", 0), ("content_block_stop", len("The whole answer."))]


def test_a_caller_that_waits_gets_the_message_of_an_amended_stream():
    _, steps = begin(Recorder(pre_request=[seawall.Amend(stream=True, timeout=3.0, headers={"x": "1"})]))
    taken, message = drive(steps, [streamed(), b"".join(FRAMES), None])
    assert message == MESSAGE
    assert (taken[0].stream, taken[0].timeout, taken[0].headers) == (True, 3.0, {"x": "1"})
    assert taken[0].params["stream"] is True
    assert not [step for step in taken if isinstance(step, bytes) or step is OPENED]


def test_an_amended_body_is_what_is_sent_and_what_the_caller_gave_stays():
    call, steps = begin(Recorder(pre_request=[seawall.Amend(params={"max_tokens": 5})]))
    taken, _ = drive(steps, [streamed(b"{}")])
    assert (taken[0].params["max_tokens"], call.params["max_tokens"]) == (5, 9)


def test_a_wait_sleeps_and_asks_again_within_the_same_attempt():
    plugin = Recorder(pre_request=[seawall.Wait(2.0, "slot"), seawall.Wait(1.0, "slot")])
    _, steps = begin(plugin)
    taken, _ = drive(steps, [streamed(b"{}")])
    assert taken[:2] == [Sleep(2.0), Sleep(1.0)]
    assert plugin.seen[:3] == [("pre_request", 1)] * 3


def test_a_rejected_call_sends_nothing():
    plugin = Recorder(pre_request=[seawall.Reject(seawall.RequestRejectedError("too dear"))])
    _, steps = begin(plugin)
    with pytest.raises(seawall.RequestRejectedError, match="too dear"):
        drive(steps, [])
    assert plugin.hooks() == ["pre_request", "post_response"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answered_call_sends_nothing(stream):
    _, steps = begin(Recorder(pre_request=[seawall.Answer(MESSAGE)]), stream=stream)
    taken, message = drive(steps, [])
    if stream:
        assert taken == [OPENED, b"".join(FRAMES), CLOSE]
    else:
        assert (taken, message) == ([CLOSE], MESSAGE)


def test_a_failed_attempt_is_retried_after_the_longest_delay():
    one = Recorder("one", on_error=[seawall.Retry(1.0)])
    two = Recorder("two", on_error=[seawall.Retry(2.0)])
    call, steps = begin(one, two)
    taken, _ = drive(steps, [error(), streamed(b"{}")])
    assert [step for step in taken if not isinstance(step, Send)] == [CLOSE, Sleep(2.0), CLOSE]
    assert [step.retries for step in taken if isinstance(step, Send)] == [0, 1]
    assert [attempt.status for attempt in call.attempts] == [529, 200]
    assert one.hooks() == ["pre_request", "on_error", "pre_request", "post_response"]


def test_a_give_up_wins_over_a_retry_and_says_why():
    one, two = (
        Recorder("one", on_error=[seawall.Retry(1.0)]),
        Recorder("two", on_error=[seawall.GiveUp("enough")]),
    )
    _, steps = begin(one, two)
    with pytest.raises(anthropic.APIStatusError) as raised:
        drive(steps, [error()])
    assert raised.value.__notes__ == ["Seawall: 1 attempt; given up: enough."]
    assert one.hooks() == two.hooks() == ["pre_request", "on_error", "post_response"]


@pytest.mark.parametrize(("failures", "said"), [(0, "0 attempts"), (1, "1 attempt"), (2, "2 attempts")])
def test_an_attempt_that_was_refused_before_it_was_sent_does_not_count_as_one(failures, said):
    no = seawall.Reject(seawall.RequestRejectedError("too dear"))
    _, steps = begin(Recorder(pre_request=[*[None] * failures, no], on_error=[seawall.Retry(0.0)] * failures))
    with pytest.raises(seawall.RequestRejectedError) as raised:
        drive(steps, [error()] * failures)
    assert raised.value.__notes__ == [f"Seawall: {said}; given up: rejected before it was sent."]


def test_without_an_answer_to_an_error_it_is_raised():
    _, steps = begin(Recorder())
    with pytest.raises(anthropic.APIStatusError):
        drive(steps, [error()])


@pytest.mark.parametrize("stream", [False, True])
def test_a_400_to_one_way_of_going_on_leads_to_the_next(stream):
    text = "word " * 400
    long = [frame_of(event) for event in events_of({**MESSAGE, "content": [{"type": "text", "text": text}]})]
    plugin = Recorder(on_error=[seawall.Retry(0.0)], pre_request=[seawall.Amend(stream=True)] * 3)
    call, steps = begin(plugin, stream=stream, model="claude-haiku-4-5", max_tokens=900)
    taken, _ = drive(
        steps, [streamed(), b"".join(long[:3]), None, error(400), streamed(), b"".join(FRAMES), None]
    )
    sent = [
        step.params["messages"][-1]["role"]
        for step in taken
        if isinstance(step, Send) and step.params["messages"]
    ]
    assert [attempt.way for attempt in call.attempts] == ["send", "prefill", "user_turn"]
    assert sent == ["assistant", "user"]


def test_plugins_that_contradict_each_other_later_end_the_call_with_what_had_come():
    same, other = ({"headers": {"x": value}, "stream": True} for value in "ab")
    first = Recorder(
        "first",
        on_error=[seawall.Retry(0.0)],
        pre_request=[seawall.Amend(**same), seawall.Amend(**same)],
    )
    second = Recorder("second", pre_request=[seawall.Amend(**same), seawall.Amend(**other)])
    _, steps = begin(first, second, stream=True)
    with pytest.raises(seawall.ConfigError) as caught:
        drive(steps, [streamed(), b"".join(FRAMES[:3]), None])
    assert caught.value.partial_message.content[0].text == "The whole answer."


def test_a_stopped_stream_ends_the_call_with_what_had_come():
    plugin = Recorder(on_chunk=[None, None, None, seawall.Stop("enough")])
    _, steps = begin(plugin, stream=True)
    with pytest.raises(seawall.StreamStoppedError) as raised:
        drive(steps, [streamed(), *FRAMES, None])
    assert raised.value.partial_message.content[0].text == "The whole answer."
    assert plugin.seen[-1] == ("post_response", "stopped")
    assert "on_error" not in plugin.hooks()


def test_a_cut_stream_is_a_failed_attempt():
    plugin = Recorder(on_chunk=[None, seawall.Cut("silent")], on_error=[seawall.Retry(0.0)])
    call, steps = begin(plugin, stream=True)
    drive(steps, [streamed(), *FRAMES[:2], streamed(), *FRAMES, None])
    assert str(call.attempts[0].error) == "plugin 'recorder' cut the connection: silent"
    assert plugin.seen[-1] == ("post_response", "completed")


@pytest.mark.parametrize("hook", ["pre_request", "on_chunk", "on_error", "post_response"])
def test_a_hook_that_raises_ends_the_call(hook):
    plugin, other = Recorder(**{hook: [KeyError("oops")]}), Recorder("other")
    _, steps = begin(plugin, other, stream=True)
    answers = [error()] if hook == "on_error" else [streamed(), *FRAMES, None]
    with pytest.raises(seawall.PluginError) as raised:
        drive(steps, answers)
    assert (raised.value.plugin, raised.value.hook) == ("recorder", hook)
    assert isinstance(raised.value.__cause__, KeyError)
    # whatever it was, every plugin hears of the end
    assert [seen[0] for seen in other.seen].count("post_response") == 1
    assert plugin.hooks().count("post_response") == 1


def test_the_error_of_a_hook_that_raises_after_the_answer_holds_it_whole():
    _, steps = begin(Recorder(post_response=[KeyError("oops")]))
    with pytest.raises(seawall.PluginError) as raised:
        drive(steps, [streamed(), *FRAMES, None])
    assert raised.value.partial_message.content[0].text == "The whole answer."
    assert raised.value.usage.output_tokens > 0


@pytest.mark.parametrize("hook", ["pre_request", "on_chunk", "on_error", "post_response"])
def test_a_hook_of_a_plugin_that_is_not_required_is_left_out_when_it_raises(hook):
    plugin, other = Recorder(**{hook: [KeyError("oops")]}), Recorder("other", on_error=[seawall.Retry(0.0)])
    plugin.required = False
    _, steps = begin(plugin, other, stream=True)
    drive(steps, [error(), streamed(), *FRAMES, None])
    assert plugin.seen[-1][0] == hook
    assert other.seen[-1] == ("post_response", "completed")


@pytest.mark.parametrize("hook", ["pre_request", "on_chunk", "on_error"])
def test_an_answer_a_hook_may_not_give_is_an_error_that_names_the_plugin(hook):
    _, steps = begin(Recorder(**{hook: ["yes"]}), stream=True)
    with pytest.raises(
        seawall.PluginError, match=f"'recorder' failed in {hook}: TypeError: str is no answer"
    ):
        drive(steps, [error()] if hook == "on_error" else [streamed(), *FRAMES, None])


def test_work_is_given_to_the_driver_and_its_result_is_the_decision():
    offload = seawall.Offload(lambda: seawall.Wait(4.0, "slow store"))
    plugin = Recorder(pre_request=[offload], post_response=[seawall.Offload(lambda: None)])
    _, steps = begin(plugin)
    taken, _ = drive(steps, [streamed(b"{}")])
    assert [type(step).__name__ for step in taken] == ["Offload", "Sleep", "Send", "Close", "Offload"]


@pytest.mark.parametrize("at", range(4))
def test_an_abandoned_call_closes_its_connection_and_hears_of_its_end_once(at):
    plugin = Recorder(pre_request=[seawall.Wait(1.0, "slot")])
    call, steps = begin(plugin, stream=True)
    for answer in [None, None, streamed(), None][: at + 1]:
        step = steps.send(answer)
    if isinstance(step, Reception):
        step.take(FRAMES[0])
    assert steps.throw(Abandoned(GeneratorExit())) is CLOSE
    with pytest.raises(StopIteration):
        steps.send(None)
    assert plugin.seen[-1] == ("post_response", "abandoned")
    assert plugin.hooks().count("post_response") == 1
    assert len(call.attempts) == 1


def test_an_interrupted_call_hangs_what_had_come_on_the_interrupt():
    _, steps = begin(Recorder(), stream=True)
    received(steps).take(b"".join(FRAMES[:3]))
    interrupt = KeyboardInterrupt()
    steps.throw(Abandoned(interrupt))
    assert interrupt.partial_message.content[0].text == "The whole answer."
    assert interrupt.usage.is_estimated


def test_usage_of_attempts_without_an_answer_is_nothing():
    call, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True)
    drive(steps, [error(), streamed(), *FRAMES, None])
    assert [attempt.usage.counts()["output_tokens"] for attempt in call.attempts] == [0, 4]


def test_what_an_attempt_received_is_kept_when_the_next_one_is_refused():
    plugin = Recorder(on_error=[seawall.Retry(0.0)], pre_request=[seawall.Amend(stream=True)] * 2)
    _, steps = begin(plugin)
    with pytest.raises(anthropic.APIStatusError) as raised:
        drive(steps, [streamed(), b"".join(FRAMES[:3]), None, error(401)])
    assert raised.value.partial_message.content[0].text == "The whole answer."


def test_a_stream_the_caller_did_not_ask_for_is_told_once(caplog):
    caplog.set_level("INFO", "seawall")
    plugin = Recorder(on_error=[seawall.Retry(0.0)], pre_request=[seawall.Amend(stream=True)] * 2)
    _, steps = begin(plugin)
    drive(steps, [error(), streamed(), *FRAMES, None])
    assert caplog.messages.count("call 1: streamed on the wire (max_tokens 9)") == 1


def test_the_end_of_a_call_is_told_with_its_attempts(caplog):
    caplog.set_level("INFO", "seawall")
    for failures in (0, 1):
        _, steps = begin(Listener(on_error=[seawall.Retry(0)]))
        drive(steps, [*[error()] * failures, streamed(b"{}")])
    ends = [message for message in caplog.messages if "completed" in message]
    assert ends == [
        f"call 1: completed after {sends}, 0 output tokens" for sends in ("1 attempt", "2 attempts")
    ]


def test_a_continuation_that_adds_nothing_is_told(caplog):
    plugin = Recorder(on_error=[seawall.Retry(0.0)])
    _, steps = begin(plugin, stream=True)
    nothing = events_of({**MESSAGE, "content": []})
    drive(steps, [streamed(), *FRAMES[:3], None, streamed(), *map(frame_of, nothing), None])
    assert caplog.messages == ["call 1: asked to go on, the model added nothing; it may be short"]


def test_an_interrupt_that_strikes_in_a_hook_keeps_what_had_come():
    plugin = Recorder()
    _, steps = begin(plugin, stream=True)
    reception = received(steps)
    reception.take(b"".join(FRAMES[:3]))
    plugin.answer = interrupted
    with pytest.raises(KeyboardInterrupt) as raised:
        reception.take(FRAMES[3])
    assert steps.throw(raised.value) is CLOSE
    with pytest.raises(KeyboardInterrupt) as raised:
        steps.send(None)
    assert raised.value.partial_message.content[0].text == "The whole answer."


def interrupted(hook, *_seen):
    if hook == "on_chunk":
        raise KeyboardInterrupt


# -- how a broken message goes on


def said(*content, **fields):
    """The frames of an answer with these blocks."""
    return [frame_of(event) for event in events_of({**MESSAGE, "content": list(content), **fields})]


def text_of(events):
    return "".join(
        event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"
    )


def delivered(taken):
    """The events that a caller got."""
    buffer = FrameBuffer()
    frames = [frame for step in taken if isinstance(step, bytes) for frame in buffer.feed(step)]
    return [parse(frame)[1] for frame in frames]


TEXT = {"type": "text", "text": "Let me look."}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"name": "Vasa"}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def resumed(**resume):
    return [seawall.Amend(resume=seawall.Resume(**resume))] * 3


def test_a_call_that_a_plugin_stopped_tells_what_it_cost():
    call, steps = begin(Recorder(on_chunk=[None, None, None, seawall.Stop("enough")]), stream=True)
    with pytest.raises(seawall.StreamStoppedError) as raised:
        drive(steps, [streamed(), *FRAMES])
    assert call.usage.is_estimated
    assert raised.value.usage.output_tokens == len("The whole answer.") // 4


def test_an_estimate_counts_what_a_continuation_wrote_and_nobody_got():
    long = {**THOUGHT, "thinking": "Hm? " * 3000}
    repeated = said(long, {"type": "text", "text": "The whole answer. And more"})[:-3]
    call, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True)
    with pytest.raises(seawall.TruncatedStreamError):
        drive(steps, [streamed(), *FRAMES[:3], None, streamed(), *repeated, None])
    written = "Hm? " * 3000 + "The whole answer. And more"
    assert call.attempts[1].usage.output_tokens == len(written) // 4
    assert call.attempts[1].written == len(written)
    assert call.attempts[1].usage.is_estimated


def test_an_estimate_is_whole_when_the_answer_starts_over():
    answer = "".join(f"Line {number} of the answer. " for number in range(1000))
    first = said({"type": "text", "text": answer})[:3]
    again = said({"type": "text", "text": answer})[:3]
    call, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True)
    with pytest.raises(seawall.TruncatedStreamError):
        drive(steps, [streamed(), *first, None, streamed(), *again, None])
    assert [attempt.usage.output_tokens for attempt in call.attempts] == [len(answer) // 4] * 2
    assert [attempt.written for attempt in call.attempts] == [len(answer)] * 2


def test_a_failure_that_was_overcome_holds_no_frames_and_the_last_one_does():
    failures = [raised_from(error()), raised_from(error())]
    call, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]))
    with pytest.raises(anthropic.APIStatusError) as raised:
        drive(steps, failures)
    overcome, last = (attempt.error for attempt in call.attempts)
    assert overcome.__traceback__ is overcome.__cause__.__traceback__ is None
    assert raised.value is last
    assert last.__cause__.__traceback__ is not None


def raised_from(failure):
    """The failure with a traceback and a cause that has one, in a circle as some libraries make it."""
    cause = OSError("gone")
    try:
        try:
            raise cause
        except OSError as reason:
            raise failure from reason
    except anthropic.APIStatusError:
        cause.__cause__ = failure
    return failure


def test_a_tool_call_is_held_back_until_the_message_is_whole():
    plugin = Recorder(on_error=[seawall.Retry(0.0)], pre_request=resumed(hold="blocks"))
    _, steps = begin(plugin, stream=True)
    whole = said(TEXT, TOOL, stop_reason="tool_use")
    cut = next(number for number, frame in enumerate(whole) if b"Vasa" in frame) + 1
    taken, _ = drive(steps, [streamed(), *whole[:cut], None, streamed(), *said(TOOL), None])
    before = [step for step in taken if isinstance(step, bytes | Send)]
    second = [step for step in before if isinstance(step, Send)][1]
    assert b"tool_use" not in b"".join(
        step for step in before[: before.index(second)] if isinstance(step, bytes)
    )
    assert second.params["messages"][0] == {"role": "assistant", "content": [TEXT]}
    started = [event["content_block"] for event in delivered(taken) if event["type"] == "content_block_start"]
    assert [block["type"] for block in started] == ["text", "tool_use"]


def test_a_tool_call_that_is_held_back_comes_where_nothing_ends_the_message_but_its_stop():
    _, steps = begin(Recorder(pre_request=resumed(hold="blocks")), stream=True)
    frames = [frame for frame in said(TEXT, TOOL) if b"message_delta" not in frame]
    taken, _ = drive(steps, [streamed(), *frames, None])
    assert b"".join(step for step in taken if isinstance(step, bytes)) == b"".join(frames)


UNREADABLE = [
    b"event: news\ndata: [DONE]\n\n",
    b"event: news\ndata: [1]\n\n",
    b'event: news\ndata: {"cut": "in the mid\n\n',
    b"event: news\ndata: \xff\n\n",
    b": \xff\n\n",
    b"\x28\xb5\x2f\xfd\n\n",
]


@pytest.mark.parametrize("frame", UNREADABLE, ids=repr)
def test_what_the_sdk_cannot_read_ends_no_stream(frame):
    plugin = Recorder()
    _, steps = begin(plugin, stream=True)
    taken, _ = drive(steps, [streamed(), *FRAMES[:3], frame, *FRAMES[3:], None])
    assert b"".join(step for step in taken if isinstance(step, bytes)) == b"".join(FRAMES)
    assert len([hook for hook, *_ in plugin.seen if hook == "on_chunk"]) == len(FRAMES) + 1


def test_events_without_their_names_are_given_them_as_the_sdk_passes_over_others():
    plugin = Recorder(on_error=[seawall.Retry(0.0)])
    _, steps = begin(plugin, stream=True)
    nameless = [frame.partition(b"\n")[2] for frame in FRAMES]
    unknown = b'data: {"type":"of_tomorrow"}\n\n'
    error_event = b'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    answers = [streamed(), nameless[0], error_event, streamed(), nameless[0], unknown, *nameless[1:], None]
    taken, _ = drive(steps, answers)
    assert ("on_error", "OverloadedError") in plugin.seen
    got = b"".join(step for step in taken if isinstance(step, bytes))
    # what follows tells the usage of both attempts
    assert got.startswith(b"".join([FRAMES[0], unknown, *FRAMES[1:-2]]))
    assert got.endswith(FRAMES[-1])


def test_a_tool_call_that_the_caller_saw_ends_the_call_with_what_had_come():
    _, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True)
    with pytest.raises(seawall.TruncatedStreamError) as raised:
        drive(steps, [streamed(), *said(TEXT, TOOL)[:-3], None])
    assert [block.type for block in raised.value.partial_message.content] == ["text", "tool_use"]


def test_an_attempt_tells_how_much_of_the_message_it_goes_on_with_and_nothing_of_what_was_dropped():
    script = Recorder(on_error=[seawall.Retry(0.0)] * 2, pre_request=resumed(continue_after_tokens=1))
    call, steps = begin(script, max_tokens=9_000)
    thought = said({**THOUGHT, "thinking": "Hm? " * 3_000})[:3]
    text = said({"type": "text", "text": "The whole answer. " * 100})[:3]
    taken, _ = drive(steps, [streamed(), *thought, None, streamed(), *text, None, streamed(), *FRAMES, None])
    assert [attempt.way for attempt in call.attempts] == ["send", "restart", "user_turn"]
    assert [attempt.kept for attempt in call.attempts] == [0, 0, 450]
    sent = [step.params["max_tokens"] for step in taken if isinstance(step, Send)]
    assert sent == [9_000, 9_000, 9_000 - 450]


def test_thinking_of_which_nothing_was_to_be_seen_is_dropped():
    _, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True)
    hidden = said({**THOUGHT, "thinking": ""}, TEXT)
    taken, _ = drive(steps, [streamed(), *hidden[:3], None, streamed(), *hidden, None])
    assert b"".join(step for step in taken if isinstance(step, bytes)).count(b"content_block_start") == 4
    assert [step.params.get("messages") for step in taken if isinstance(step, Send)] == [[], []]


def test_thinking_that_was_seen_is_ended_and_thought_again():
    _, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True)
    whole = said(THOUGHT, TEXT)
    taken, _ = drive(steps, [streamed(), *whole[:3], None, streamed(), *whole, None])
    kinds = [
        event["content_block"]["type"] for event in delivered(taken) if event["type"] == "content_block_start"
    ]
    assert kinds == ["thinking", "thinking", "text"]


def test_unfinished_thinking_of_an_earlier_answer_is_not_sent():
    turn = {"role": "assistant", "content": [{**THOUGHT, "signature": ""}, TEXT]}
    call, steps = begin(Recorder(), messages=[turn])
    taken, _ = drive(steps, [streamed(b"{}")])
    assert taken[0].params["messages"] == [{"role": "assistant", "content": [TEXT]}]
    assert call.params["messages"] == [turn]


def test_a_stop_sequence_that_a_break_cut_in_two_ends_the_message():
    _, steps = begin(Recorder(on_error=[seawall.Retry(0.0)]), stream=True, stop_sequences=["THE END"])
    first = said({"type": "text", "text": "It was so. THE"})[:3]
    second = said({"type": "text", "text": " END and more, which nobody wants"})
    taken, _ = drive(steps, [streamed(), *first, None, streamed(), *second, None])
    events = delivered(taken)
    assert text_of(events) == "It was so. THE"
    ending = next(event for event in events if event["type"] == "message_delta")
    assert ending["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "THE END"}
    assert events[-1] == {"type": "message_stop"}


@pytest.mark.parametrize("last", [FRAMES[-1], frame_of({"type": "ping"})], ids=["message_stop", "ping"])
def test_a_last_frame_that_is_cut_anywhere_spoils_nothing_of_a_message_that_is_whole(last):
    for cut in range(len(last)):
        _, steps = begin(Recorder(), stream=True)
        taken, _ = drive(steps, [streamed(), *FRAMES[:-1], last[:cut], None])
        body = b"".join(step for step in taken if isinstance(step, bytes))
        read = list(SSEDecoder().iter_bytes(iter([body])))
        kinds = [event.json()["type"] for event in read]
        assert kinds == [event.event for event in read], cut
        # one that only lacks its blank line passes as it came, and no decoder sees it
        is_whole = last[:cut].rstrip() == FRAMES[-1].rstrip()
        assert kinds.count("message_stop") == (0 if is_whole else 1), cut
        assert kinds[-1] == ("message_delta" if is_whole else "message_stop"), cut


def test_what_a_continuation_began_with_is_in_the_outcome():
    call, steps = begin(Recorder(on_error=[seawall.Retry(0.0)] * 2), stream=True)
    words = "one two three four five six seven eight"
    first = said({"type": "text", "text": words})[:3]
    second = said({"type": "text", "text": "six seven eight nine ten"})
    drive(steps, [streamed(), *first, None, streamed(), *second, None])
    assert [(attempt.seam, attempt.overlap) for attempt in call.attempts] == [
        (None, 0),
        ("overlap", len("six seven eight")),
    ]


def test_a_way_that_was_refused_is_remembered_once_another_one_served():
    learned = set()
    call = seawall.Call(
        id="1", params={"model": "claude-haiku-4-5", "max_tokens": 900, "messages": []}, stream=True
    )
    hooks = Hooks.of(manager_of({"recorder": Recorder(on_error=[seawall.Retry(0.0)])}))
    answers = [streamed(), *FRAMES[:3], None, error(400), streamed(), *said(TEXT), None]
    drive(Engine(call, hooks, learned).run(), answers)
    assert [attempt.way for attempt in call.attempts] == ["send", "prefill", "user_turn"]
    assert learned == {"prefill"}
    again = seawall.Call(id="2", params=call.params, stream=True)
    hooks = Hooks.of(manager_of({"recorder": Recorder(on_error=[seawall.Retry(0.0)])}))
    drive(Engine(again, hooks, learned).run(), [streamed(), *FRAMES[:3], None, streamed(), *said(TEXT), None])
    assert [attempt.way for attempt in again.attempts] == ["send", "user_turn"]


def test_attempts_whose_output_was_continued_do_not_count_as_failures_in_a_row():
    ways = ["send", "user_turn", "user_turn", "user_turn"]
    # what was cut away or dropped is in the usage, too
    usage, added = seawall.Usage(output_tokens=9), (9, 9, 0, 0)
    attempts = [Attempt(n, way, usage=usage, added=added[n]) for n, way in enumerate(ways)]
    failures = [
        seawall.Call(id="1", params={}, stream=True, attempts=attempts[:count]).failures
        for count in (1, 2, 3, 4)
    ]
    assert failures == [1, 1, 1, 2]


class Listener(Recorder):
    """A recorder that is told of waits and of accepted attempts, too."""

    @seawall.hookimpl
    def on_wait(self, call, wait):
        return self.answer("on_wait", call.attempt, wait)

    @seawall.hookimpl
    def on_accept(self, call):
        return self.answer("on_accept", call.attempt, call.attempts[-1].status, call.attempts[-1].request_id)


def test_a_wait_is_told_once_for_each_reason_and_attempt():
    first, second = seawall.Wait(1, "tokens"), seawall.Wait(2, "an outage")
    plugin = Listener(
        pre_request=[first, seawall.Wait(3, "tokens"), second, None, first], on_error=[seawall.Retry(0)]
    )
    _, steps = begin(plugin)
    taken, _ = drive(steps, [error(), streamed(b"{}")])
    assert [seen for seen in plugin.seen if seen[0] == "on_wait"] == [
        ("on_wait", 1, first),
        ("on_wait", 1, second),
        ("on_wait", 1, seawall.Wait(0, "attempt 1 failed (APIStatusError)")),
        ("on_wait", 2, first),
    ]
    assert [step.seconds for step in taken if isinstance(step, Sleep)] == [1, 3, 2, 0, 1]


@pytest.mark.parametrize(
    ("retry", "told"),
    [
        (seawall.Retry(2), [seawall.Wait(2, "attempt 1 failed (APIStatusError)")]),
        (seawall.Retry(2, "an outage"), [seawall.Wait(2, "an outage")]),
        (seawall.Retry(0, "an outage"), [seawall.Wait(0, "an outage")]),
    ],
)
def test_the_wait_before_another_attempt_is_told_with_its_reason(retry, told, caplog):
    caplog.set_level("INFO")
    plugin = Listener(on_error=[retry])
    _, steps = begin(plugin)
    drive(steps, [error(), streamed(b"{}")])
    assert [seen[2] for seen in plugin.seen if seen[0] == "on_wait"] == told
    lines = [record.getMessage() for record in caplog.records if "the next one" in record.getMessage()]
    assert len(lines) == 1
    assert retry.reason in lines[0]
    assert f"in {retry.delay:.1f} s" in lines[0]


def test_who_comes_after_a_wait_is_asked_when_it_is_over():
    seen = []

    class First(Recorder):
        @seawall.hookimpl
        def pre_request(self):
            seen.append("first")
            return self.answer("pre_request")

    class Second:
        name = "second"

        @seawall.hookimpl
        def pre_request(self):
            seen.append("second")

    _, steps = begin(First(pre_request=[seawall.Wait(1, "slot"), None]), Second())
    drive(steps, [streamed(b"{}")])
    assert seen == ["first", "first", "second"]


def test_a_redirected_call_asks_another_model_and_every_hook_sees_it():
    models = []

    class Watcher:
        @seawall.hookimpl
        def pre_request(self, call):
            models.append((call.model, call.model_class, call.params["model"]))

        @seawall.hookimpl
        def estimate_tokens(self, text, model):
            models.append(model)
            return 7

    plugin = Listener(pre_request=[seawall.Redirect("claude-sonnet-5-5", "an outage"), None, None])
    given = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": []}
    call = seawall.Call(id="1", params=given, stream=False)
    engine = Engine(call, Hooks.of(manager_of({"first": plugin, "watcher": Watcher()})))
    taken, _ = drive(engine.run(), [streamed(b"{}")])
    sent = next(step for step in taken if isinstance(step, Send))
    assert sent.params["model"] == "claude-sonnet-5-5"
    assert models == [("claude-sonnet-5-5", "sonnet-5.5", "claude-sonnet-5-5")]
    assert call.estimate("x") == 7
    assert models[-1] == "claude-sonnet-5-5"
    assert given["model"] == "claude-opus-5-5"
    assert call.attempts[0].asked == "claude-sonnet-5-5"
    told = [seen[2] for seen in plugin.seen if seen[0] == "on_wait"]
    assert told == [seawall.Wait(0, "claude-sonnet-5-5 is asked instead of claude-opus-5-5: an outage")]


def test_a_continuation_by_another_model_goes_on_with_as_many_tokens_as_that_one_counts():
    class Counter:
        name = "counter"

        @seawall.hookimpl
        def estimate_tokens(self, text, model):
            return 400 if model == "other" else 300

    script = Recorder(pre_request=[None, seawall.Redirect("other", "busy")], on_error=[seawall.Retry(0.0)])
    call, steps = begin(script, Counter(), stream=True, max_tokens=9_000)
    taken, _ = drive(steps, [streamed(), *FRAMES[:3], None, streamed(), *FRAMES, None])
    assert [attempt.kept for attempt in call.attempts] == [0, 400]
    assert [step.params["max_tokens"] for step in taken if isinstance(step, Send)] == [9_000, 8_600]


def test_a_redirected_call_ends_at_its_deadline():
    left = iter([9.0, 0.0])
    call = seawall.Call(
        id="1",
        params={"model": "m", "max_tokens": 9, "messages": []},
        stream=False,
        remaining=lambda: next(left, 0.0),
    )
    plugin = Recorder(pre_request=[seawall.Redirect("a", "r"), seawall.Redirect("b", "r")])
    with pytest.raises(seawall.DeadlineExceededError):
        drive(Engine(call, Hooks.of(manager_of({"first": plugin}))).run(), [])


class Redirector:
    """Says the same each time, as a hook that is idempotent does."""

    def __init__(self, model):
        self.name = model
        self.asked = 0

    @seawall.hookimpl
    def pre_request(self):
        self.asked += 1
        assert self.asked < 100
        return seawall.Redirect(self.name, "better")


def test_a_redirect_to_the_model_that_is_asked_anyway_says_nothing():
    later = Recorder()
    _, steps = begin(Redirector("claude-haiku-4-5"), later)
    taken, _ = drive(steps, [streamed(b"{}")])
    assert [step.params["model"] for step in taken if isinstance(step, Send)] == ["claude-haiku-4-5"]
    assert later.hooks() == ["pre_request", "post_response"]


def test_after_a_wait_a_call_may_be_sent_back():
    plugin = Recorder(
        pre_request=[
            seawall.Redirect("b", "busy"),
            seawall.Wait(1.0, "busy too"),
            seawall.Redirect("m", "free"),
        ]
    )
    _, steps = begin(plugin)
    taken, _ = drive(steps, [streamed(b"{}")])
    assert [step.params["model"] for step in taken if isinstance(step, Send)] == ["m"]


def test_of_plugins_that_send_a_call_to_and_fro_the_last_has_its_way():
    call, steps = begin(Redirector("claude-haiku-4-5"), Redirector("claude-opus-5-5"))
    taken, _ = drive(steps, [streamed(b"{}")])
    assert [step.params["model"] for step in taken if isinstance(step, Send)] == ["claude-opus-5-5"]
    assert call.model == "claude-opus-5-5"


@pytest.mark.parametrize("model", ["", None, 5])
def test_a_redirect_names_a_model(model):
    with pytest.raises(ValueError, match=r"Redirect\.model"):
        seawall.Redirect(model, "r")


def test_an_accepted_attempt_is_told_before_its_answer_is_read():
    plugin = Listener(on_error=[seawall.Retry(0)])
    _, steps = begin(plugin, stream=True)
    drive(steps, [error(), streamed(), *FRAMES, None])
    hooks = [seen[0] for seen in plugin.seen]
    assert hooks[:6] == ["pre_request", "on_error", "on_wait", "pre_request", "on_accept", "on_chunk"]
    assert hooks.count("on_accept") == 1
    assert ("on_accept", 2, 200, "req_1") in plugin.seen


def test_an_answer_that_is_no_stream_is_told_as_accepted():
    plugin = Listener()
    _, steps = begin(plugin)
    with pytest.raises(anthropic.APIResponseValidationError):
        drive(steps, [streamed(b"no JSON")])
    assert plugin.hooks() == ["pre_request", "on_accept", "on_error", "post_response"]
