"""What those who look are told of a call."""

from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, strategies as st

from progress.followed import SECRET, Ears, Followed
from seawall import PluginError, SeawallError
from seawall.call import Usage
from seawall_progress import expect

CUT = anthropic.APIConnectionError(message=SECRET, request=httpx2.Request("POST", "http://x"))


def test_the_phases_of_a_call_that_is_paced_retried_and_resumed():
    call = Followed()
    seen = []

    def see():
        call.clock.now += 1
        now = call.now
        seen.append((now.phase, now.reason, now.attempts))

    call.wait(5, "room under the rate limit")
    see()
    call.attempt()
    see()
    call.fail(CUT)
    call.wait(2, "attempt 1 failed (APIConnectionError)")
    see()
    call.attempt("restart")
    see()
    call.block("thinking")
    see()
    call.block("text")
    see()
    call.fail(CUT, tokens=100)
    call.wait(0, "attempt 2 failed (APIConnectionError)")
    call.attempt("user_turn")
    see()
    call.block("tool_use")
    see()
    call.block("web_search_tool_result")
    see()
    call.block(SECRET)
    see()
    assert seen == [
        ("queued", "room under the rate limit", 0),
        ("connecting", "", 1),
        ("waiting", "attempt 1 failed (APIConnectionError)", 1),
        ("connecting", "", 2),
        ("thinking", "", 2),
        ("writing", "", 2),
        ("resuming", "", 3),
        ("tool input", "", 3),
        ("writing", "web_search_tool_result", 3),
        ("writing", "", 3),
    ]
    assert call.now.continuations == 1
    call.end()
    assert call.running.calls() == ()


def test_a_wait_tells_what_is_left_of_it():
    call = Followed()
    call.wait(5, "room")
    call.clock.now += 2
    assert (call.now.wait_left, call.now.in_phase, call.now.elapsed) == (3, 2, 2)
    call.clock.now += 9
    assert call.now.wait_left == 0
    call.attempt()
    assert call.now.wait_left is None


def test_an_answer_stalls_when_no_byte_came_for_a_while_and_goes_on_with_the_next():
    call = Followed(stalled_after=20)
    call.attempt()
    call.clock.now += 60
    assert call.now.phase == "connecting", "nothing of the answer has come"
    call.block("text")
    call.clock.now += 19
    assert (call.now.phase, call.now.silent) == ("writing", 19)
    call.clock.now += 1
    assert (call.now.phase, call.now.in_phase, call.now.eta) == ("stalled", 20, None)
    call.event("ping")
    assert (call.now.phase, call.now.silent, call.now.longest_gap) == ("writing", 0, 20)
    call.clock.now += 21
    assert call.now.longest_gap == 21, "one that is not over counts"
    call.wait(30, "something")
    assert call.now.phase == "queued", "a wait is no stall"


def test_the_time_to_the_first_token_is_that_to_the_first_block_of_all_attempts():
    call = Followed()
    call.attempt()
    call.clock.now += 3
    assert call.now.first_token is None
    call.block("thinking")
    call.clock.now += 4
    call.fail(CUT)
    call.attempt("restart")
    call.block("text")
    assert call.now.first_token == 3


def test_the_longest_gap_is_between_events_of_an_answer():
    call = Followed()
    call.attempt()
    call.clock.now += 30
    call.block("text")
    for gap in (1, 4, 2):
        call.clock.now += gap
        call.delta("x")
    assert call.now.longest_gap == 4


# -- tokens


def test_tokens_are_estimated_until_the_api_tells():
    call = Followed()
    call.attempt()
    call.block("text")
    call.generate(10, per_second=20)
    assert (call.now.tokens, call.now.is_exact) == (200, False)
    call.event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 211})
    assert (call.now.tokens, call.now.is_exact) == (211, True)


@pytest.mark.parametrize("usage", [None, {}, {"output_tokens": None}, {"output_tokens": "9"}, 3])
def test_a_usage_that_tells_no_tokens_changes_nothing(usage):
    call = Followed()
    call.attempt()
    call.block("text")
    call.delta("abc " * 9)
    call.event("message_delta", usage=usage)
    assert (call.now.tokens, call.now.is_exact) == (9, False)


def test_a_continuation_goes_on_from_the_tokens_before_and_a_new_start_from_none():
    call = Followed()
    call.attempt()
    call.block("text")
    call.generate(5, per_second=20)
    call.fail(CUT, tokens=103)
    call.attempt("prefill")
    call.block("text")
    call.generate(1, per_second=20)
    assert call.now.tokens == 123
    call.event("message_delta", usage={"output_tokens": 22})
    assert (call.now.tokens, call.now.is_exact) == (125, False), "that of the first attempt is an estimate"
    call.fail(CUT, tokens=22)
    call.attempt("restart")
    assert call.now.tokens == 0


def test_nobody_who_looks_late_is_told_another_number():
    watched, unwatched = Followed(), Followed()
    for call in (watched, unwatched):
        call.attempt()
        for kind, delta in (("thinking", "thinking_delta"), ("text", "text_delta")):
            call.block(kind)
            for word in range(2000):
                call.delta(f"word{word % 10} and ", delta)
                if call is watched:
                    assert call.now.tokens > 0
    assert unwatched.now.tokens == pytest.approx(watched.now.tokens, rel=0.01)
    assert watched.now.tokens == pytest.approx(2 * 2000 * 2, rel=0.01)


def test_code_in_an_input_whose_beginning_was_dropped_has_no_parameters():
    call = Followed()
    call.attempt()
    call.block("tool_use", name="run")
    call.delta('{"code": "', "input_json_delta")
    for _ in range(500):
        call.delta("if a: b = {c: d} ", "input_json_delta")
    call.delta('"}', "input_json_delta")
    call.close()
    assert call.now.tokens == pytest.approx(500 * 6, rel=0.02)


def test_each_kind_has_a_density_of_its_own():
    call = Followed()
    call.call.estimate = lambda text: len(text) // (2 if text.startswith("{") else 5)
    call.attempt()
    call.block("text")
    for _ in range(1000):
        call.delta("long words ")
    assert call.now.tokens == pytest.approx(1000 * 11 / 5, rel=0.01)
    call.block("tool_use")
    for _ in range(1000):
        call.delta("{}" * 5, "input_json_delta")
    assert call.now.tokens == pytest.approx(1000 * 11 / 5 + 1000 * 10 / 2, rel=0.01)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"delta": None},
        {"delta": ["text"]},
        {"delta": {"type": "text_delta"}},
        {"delta": {"type": "text_delta", "text": 5}},
        {"delta": {"type": ["text_delta"], "text": ""}},
        {"delta": {"type": "signature_delta", "signature": "a signature"}},
    ],
)
def test_a_delta_of_another_shape_is_no_text(odd):
    call, plain = Followed(), Followed()
    for each in (call, plain):
        each.attempt()
        each.block("text")
        each.delta("one two ")
        if each is call:
            each.event("content_block_delta", index=0, **odd)
        each.delta("three")
    assert call.now.tokens == plain.now.tokens
    call.close()
    plain.close()
    assert call.now.tokens == plain.now.tokens


def test_a_delta_that_its_block_is_not_made_of_counts_as_what_it_is():
    call = Followed()
    call.call.estimate = lambda text: 1000 if "hm" in text else len(text.split())
    call.attempt()
    call.block("text")
    call.delta("one two ")
    before = call.now.tokens
    call.delta("hm", "thinking_delta")
    call.delta("three")
    assert call.now.tokens == before + 1000 + 1


def test_an_estimate_that_fails_is_a_quarter_of_the_characters():
    call = Followed()

    def fail(text: str) -> int:
        raise PluginError("other", "estimate_tokens", ValueError("x"))

    call.call.estimate = fail
    call.attempt()
    call.block("text")
    call.delta("x" * 400)
    assert call.now.tokens == 100
    assert issubclass(PluginError, SeawallError)


def test_thinking_that_is_not_shown_is_said_to_be_hidden():
    call = Followed()
    call.attempt()
    call.block("thinking")
    call.delta("aha", "thinking_delta")
    assert not call.now.hides_thinking
    call.close()
    call.block("text")
    assert not call.now.hides_thinking
    call.block("redacted_thinking")
    assert call.now.hides_thinking
    call.close()
    call.block("text")
    assert call.now.hides_thinking


# -- rates, percent and what is left


def test_the_rate_is_of_the_last_ten_seconds_and_the_overall_one_of_all():
    call = Followed()
    call.attempt()
    call.clock.now += 50
    call.block("text")
    for second in range(40):
        call.generate(1, per_second=100 if second < 20 else 20)
        assert call.now.rate is not None
    now = call.now
    assert (now.rate, now.overall_rate) == (pytest.approx(20), pytest.approx(60))
    call.clock.now += 10
    assert call.now.rate == 0
    assert call.now.overall_rate == pytest.approx(60), "a silence is not counted before it is over"


def test_no_rate_is_told_of_less_than_a_second():
    call = Followed()
    call.attempt()
    assert (call.now.rate, call.now.overall_rate) == (None, None)
    call.block("text")
    call.clock.now += 0.5
    call.delta("abc " * 40)
    assert (call.now.rate, call.now.overall_rate) == (None, None)


def test_waits_and_attempts_before_count_as_generated_not_as_time():
    call = Followed()
    call.attempt()
    call.block("text")
    call.generate(10, per_second=30)
    call.fail(CUT, tokens=300)
    call.wait(60, "a while")
    call.clock.now += 60
    assert call.now.rate is None
    assert call.now.overall_rate == pytest.approx(30)
    call.attempt("prefill")
    call.block("text")
    call.generate(10, per_second=50)
    assert call.now.overall_rate == pytest.approx(40)


def test_percent_and_time_left_are_against_what_the_caller_says():
    with expect(tokens=1000):
        call = Followed(params={"max_tokens": 64_000})
        call.attempt()
    call.block("text")
    call.generate(10, per_second=50)
    now = call.now
    assert (now.expected.kind, now.expected.tokens) == ("said", 1000)
    assert (now.percent, now.eta) == (50, pytest.approx(10, rel=0.2))
    call.generate(15, per_second=50)
    assert (call.now.percent, call.now.eta) == (99, None), "longer than expected"
    ears = Ears()
    call.running.listen(ears)
    call.end(tokens=1260)
    (ended,) = ears.events
    now = ended.progress
    assert (now.percent, now.tokens, now.is_exact) == (100, 1260, True)


def test_max_tokens_is_marked_as_a_ceiling():
    call = Followed(params={"max_tokens": 4000})
    call.attempt()
    call.block("text")
    call.generate(10, per_second=50)
    now = call.now
    assert (now.expected.kind, now.expected.tokens, now.percent) == ("ceiling", 4000, 12.5)
    assert Followed(params={"max_tokens": "x"}).call.max_tokens == 0


def test_nothing_is_expected_where_nothing_is_known():
    call = Followed()
    call.attempt()
    assert (call.now.expected, call.now.percent, call.now.eta) == (None, None, None)


@pytest.mark.parametrize("tokens", [0, -1, 1.5, True, "9", None])
def test_no_number_of_tokens_is_no_expectation(tokens: Any):
    with pytest.raises(ValueError, match="above 0"), expect(tokens=tokens):
        pass


def test_the_innermost_expectation_counts():
    with expect(tokens=10):
        with expect(tokens=20):
            inner = Followed()
            inner.attempt()
        outer = Followed()
        outer.attempt()
    none = Followed()
    none.attempt()
    assert (inner.now.expected.tokens, outer.now.expected.tokens, none.now.expected) == (20, 10, None)


steps = st.one_of(
    st.tuples(st.just("text"), st.integers(0, 400)),
    st.tuples(st.just("later"), st.floats(0, 40)),
    st.tuples(st.just("block"), st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking"])),
    st.tuples(st.just("usage"), st.integers(0, 2000)),
    st.tuples(st.just("again"), st.sampled_from(["restart", "prefill", "user_turn"])),
    st.tuples(st.just("wait"), st.floats(0, 60)),
)


@given(st.integers(1, 2000) | st.none(), st.integers(0, 2000), st.lists(steps, max_size=30), st.booleans())
def test_percent_never_goes_back_and_never_passes_100(said, most, script, ends_well):
    call = Followed(params={"max_tokens": most})
    with expect(tokens=said or 10**6):
        call.attempt()
    percents = []
    ears = Ears()
    call.running.listen(ears)
    for step, value in script:
        if step == "text":
            call.delta("abcd" * value)
        elif step == "later":
            call.clock.now += value
        elif step == "block":
            call.block(value)
        elif step == "usage":
            call.event("message_delta", usage={"output_tokens": value})
        elif step == "again":
            call.fail(CUT, tokens=call.now.tokens)
            call.attempt(value)
        else:
            call.wait(value, "w")
        percents.append(call.now.percent)
    call.call.attempts[-1].usage = Usage(output_tokens=7)
    call.end("completed" if ends_well else "failed")
    percents.append(ears.events[-1].progress.percent)
    assert percents == sorted(percents)
    assert all(0 <= percent <= 99 for percent in percents[:-1])
    assert percents[-1] == 100 if ends_well else percents[-1] <= 99
