"""What the log says about a call, when, and what it never says."""

import json
import logging
from functools import partial
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from progress.followed import SECRET, Ears, Followed, lines
from seawall.call import Chunk
from seawall_progress import expect


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "seawall.progress"):
        yield caplog


def test_a_call_is_followed_from_its_first_block_to_its_end(log):
    call = Followed()
    call.attempt()
    call.clock.now += 1
    call.block("thinking")
    call.generate(4, per_second=50, kind="thinking_delta")
    call.running.tick()
    call.block("text")
    call.generate(6, per_second=100)
    call.running.tick()
    call.block("tool_use")
    call.end(tokens=803)
    assert lines(log.records) == [
        "connecting, 0.0 s",
        "thinking, 1.0 s",
        "writing, about 200 tokens, 50 tokens/s, 5.0 s",
        "writing tool input, about 826 tokens, 83 tokens/s, 11.0 s",
        "completed, 803 tokens, 80 tokens/s, 11.0 s",
    ]


def test_a_line_tells_how_far_it_is_where_a_number_is_expected(log):
    with expect(tokens=1000):
        call = Followed()
        call.attempt()
    call.block("text")
    for _ in range(12):
        call.generate(1, per_second=50)
        call.running.tick()
    assert lines(log.records)[2:] == [
        "writing, about 500 tokens, 50 % of 1,000, 50 tokens/s, about 10 s left, 10.0 s"
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (119.7, "2 min 00 s"),
        (3599.7, "1 h 00 min"),
        (7199.0, "1 h 59 min"),
    ],
)
def test_a_duration_has_no_sixtieth_second(log, seconds, said):
    Followed().wait(seconds, "a slot")
    assert lines(log.records)[-1] == f"queued {said}: a slot, 0.0 s"


def test_a_ceiling_is_called_one(log):
    call = Followed(params={"max_tokens": 40_000})
    call.attempt()
    call.block("text")
    for _ in range(10):
        call.generate(1, per_second=50)
        call.running.tick()
    assert lines(log.records)[-1] == (
        "writing, about 500 tokens, 1 % of max_tokens, 50 tokens/s, at most 13 min 10 s left, 10.0 s"
    )


def test_waits_retries_and_failures_are_told_with_their_reason(log):
    call = Followed()
    call.wait(12.2, "room under the rate limit")
    call.attempt()
    call.block("redacted_thinking")
    call.fail(anthropic.APIConnectionError(message=SECRET, request=httpx2.Request("POST", "http://x")))
    call.wait(3, "attempt 1 failed (APIConnectionError)")
    call.attempt("restart")
    call.block("web_search_tool_result")
    call.running.tick()
    call.clock.now += 25
    call.running.tick()
    call.attempt("user_turn")
    call.end("failed", error=ValueError(SECRET))
    assert lines(log.records) == [
        "queued 12 s: room under the rate limit, 0.0 s",
        "connecting, 0.0 s",
        "thinking, 0.0 s",
        "waiting 3 s: attempt 1 failed (APIConnectionError), 0.0 s",
        "connecting, attempt 2, 0.0 s",
        "receiving web_search_tool_result, 0.0 s",
        "stalled: no byte for 25 s, 0 tokens/s, 25.0 s",
        "resuming, attempt 3, 25.0 s",
        "failed (ValueError), 0 tokens, 25.0 s",
    ]


def test_a_line_comes_every_interval_while_the_phase_goes_on(log):
    call = Followed(interval=10)
    call.attempt()
    call.block("text")
    for _ in range(25):
        call.generate(1, per_second=4)
        call.running.tick()
    assert [line.split(", ")[-1] for line in lines(log.records)] == ["0.0 s", "0.0 s", "10.0 s", "20.0 s"]


def test_a_handler_that_raises_costs_the_call_nothing(request):
    class Fails(logging.Handler):
        def emit(self, record):
            raise ConnectionError

    logger, handler, ears = logging.getLogger("seawall.progress"), Fails(), Ears()
    request.addfinalizer(partial(logger.setLevel, logger.level))
    request.addfinalizer(partial(logger.removeHandler, handler))
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    call = Followed()
    call.running.listen(ears)
    call.attempt()
    call.block("text")
    call.end()
    assert ears.told[-2:] == ["PhaseChanged writing", "Ended done"]


def test_a_change_of_phase_starts_the_interval_anew(log):
    call = Followed(interval=10)
    call.attempt()
    for _ in range(2):
        call.clock.now += 9
        call.block("text")
        call.running.tick()
    assert [line.split(", ")[0] for line in lines(log.records)] == ["connecting", "writing"]


def test_a_call_that_ended_before_it_was_asked_about_is_not_told(log):
    Followed().end("failed")
    assert log.records == []


def test_records_are_of_level_info_of_one_logger_and_have_fields(log):
    call = Followed(params={"max_tokens": 400})
    call.call.caller = "reports"
    call.attempt()
    call.block("text")
    call.generate(2, per_second=50)
    call.end(tokens=101)
    assert {(record.name, record.levelname) for record in log.records} == {("seawall.progress", "INFO")}
    fields = {name: value for name, value in vars(log.records[-1]).items() if name.startswith("seawall_")}
    assert fields == {
        "seawall_call": "c",
        "seawall_model": "claude-opus-5-5",
        "seawall_caller": "reports",
        "seawall_phase": "done",
        "seawall_reason": "",
        "seawall_status": "completed",
        "seawall_elapsed": 2,
        "seawall_output_tokens": 101,
        "seawall_is_exact": True,
        "seawall_tokens_per_second": None,
        "seawall_percent": 100,
        "seawall_eta": None,
        "seawall_first_token": 0,
        "seawall_longest_gap": 1,
        "seawall_attempts": 1,
        "seawall_continuations": 0,
    }
    assert json.loads(json.dumps(fields)) == fields


def test_without_the_level_nothing_is_said(caplog):
    with caplog.at_level(logging.WARNING, "seawall.progress"):
        call = Followed()
        call.attempt()
        call.end()
    assert caplog.records == []


# -- events nobody expected


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"content_block": None},
        {"content_block": []},
        {"content_block": "text"},
        {"content_block": {}},
        {"content_block": {"type": None}},
        {"content_block": {"type": 3}},
        {"content_block": {"type": ["text"]}},
        {"content_block": {"type": SECRET}},
    ],
    ids=repr,
)
def test_a_block_of_no_known_kind_is_written(event, log):
    call = Followed()
    call.attempt()
    call.event("content_block_start", **event)
    assert lines(log.records)[1:] == ["writing, 0.0 s"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
kinds = st.sampled_from(
    ["content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping", "new"]
)
deltas = values | st.fixed_dictionaries({"type": st.sampled_from(["text_delta", "signature_delta"]) | values})
events = st.fixed_dictionaries({}, optional={"content_block": values, "delta": deltas, "usage": values})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(kinds, events), max_size=5))
def test_no_event_raises(log: Any, stream: list[tuple[str, dict[str, Any]]]):
    call = Followed(interval=1e-9)
    call.attempt()
    for kind, event in stream:
        call.clock.now += 1
        call.plugin.on_chunk(call.call, Chunk(kind, event, b""))
        call.running.tick()
    call.end()


def test_no_line_and_no_field_holds_content(log):
    call = Followed()
    call.attempt()
    for kind in ("text", SECRET, "tool_use", "thinking"):
        call.block(kind)
        for delta in ("text_delta", "thinking_delta", "input_json_delta"):
            call.clock.now += 11
            call.delta(SECRET, delta)
            call.running.tick()
    call.fail(ValueError(SECRET))
    call.end("failed", error=ValueError(SECRET))
    assert len(log.records) > 12
    assert not any(SECRET in str(vars(record)) for record in log.records)
