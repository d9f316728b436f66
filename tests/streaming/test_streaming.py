"""Which calls go over a stream, and how long a silent one is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from seawall import Amend, Cut, Resume
from seawall.call import Attempt, Call, Chunk
from seawall_streaming import Streaming, StreamingSettings

RESUME = Resume()
STREAMED = Amend(stream=True, timeout=120.0, resume=RESUME)


def asked(
    *, stream: bool = False, timeout: float | None = None, settings: Any = None, **params: Any
) -> Amend | None:
    """What the plugin answers before a call with these parameters."""
    call = Call(id="c", params=params, stream=stream, timeout=timeout, attempts=[Attempt(1, "send")])
    return Streaming(StreamingSettings(**(settings or {}))).pre_request(call)


@pytest.mark.parametrize(
    ("max_tokens", "expected"), [(0, None), (4095, None), (4096, None), (4097, STREAMED), (128_000, STREAMED)]
)  # fmt: skip
def test_a_call_of_more_than_4096_tokens_is_streamed(max_tokens: int, expected: Amend | None) -> None:
    assert asked(max_tokens=max_tokens) == expected


@pytest.mark.parametrize(
    ("budget", "expected"), [(1024, None), (4095, None), (4096, None), (4097, STREAMED), (64_000, STREAMED)]
)
def test_a_thinking_budget_of_more_than_4096_tokens_is_streamed(budget: int, expected: Amend | None) -> None:
    assert asked(max_tokens=100, thinking={"type": "enabled", "budget_tokens": budget}) == expected


def test_adaptive_thinking_is_streamed() -> None:
    assert asked(max_tokens=100, thinking={"type": "adaptive"}) == STREAMED


@pytest.mark.parametrize("kind", ["between_tools", "enabled", "something_new"])
def test_other_thinking_without_a_budget_is_as_large_as_max_tokens(kind: str) -> None:
    assert asked(max_tokens=100, thinking={"type": kind}) is None
    assert asked(max_tokens=9000, thinking={"type": kind, "budget_tokens": None}) == STREAMED


@pytest.mark.parametrize(
    "thinking", [{"type": "disabled"}, {"type": "disabled", "budget_tokens": 9000}, {}, None]
)
def test_without_thinking_a_small_call_stays_as_it_is(thinking: Any) -> None:
    assert asked(max_tokens=100, thinking=thinking) is None
    assert asked(max_tokens=100) is None


@pytest.mark.parametrize("thinking", ["adaptive", 3, True, [], ["type"], [{"type": "adaptive"}]])
def test_thinking_that_is_no_table_is_left_to_the_api_to_refuse(thinking: Any) -> None:
    assert asked(max_tokens=100, thinking=thinking) is None


@pytest.mark.parametrize("budget", ["9000", [], {}, 1.5])
def test_a_budget_that_is_no_number_of_tokens_raises_nothing(budget: Any) -> None:
    assert asked(max_tokens=100, thinking={"type": "enabled", "budget_tokens": budget}) is None


@pytest.mark.parametrize("max_tokens", ["9000", None, [], {}])
def test_max_tokens_that_is_no_number_is_left_to_the_api_to_refuse(max_tokens: Any) -> None:
    assert asked(max_tokens=max_tokens) is None


def test_a_call_without_parameters_stays_as_it_is() -> None:
    assert asked() is None


# -- the idle timeout


def test_a_small_stream_of_the_caller_gets_the_idle_timeout_alone() -> None:
    assert asked(stream=True, max_tokens=100) == Amend(timeout=120.0, resume=RESUME)


def test_a_large_stream_of_the_caller_stays_one() -> None:
    assert asked(stream=True, max_tokens=9000) == STREAMED


@pytest.mark.parametrize("timeout", [0.0, 5.0, 900.0])
@pytest.mark.parametrize("stream", [True, False])
def test_a_timeout_of_the_callers_own_goes_before(timeout: float, stream: bool) -> None:
    assert asked(stream=stream, timeout=timeout, max_tokens=9000) == Amend(stream=True, resume=RESUME)


def test_the_answer_is_the_same_however_often_it_is_asked() -> None:
    call = Call(id="c", params={"max_tokens": 9000}, stream=False)
    plugin = Streaming()
    assert [plugin.pre_request(call) for _ in range(3)] == [STREAMED] * 3


# -- settings


def test_the_thresholds_and_the_timeout_are_settings() -> None:
    settings = {"enforce_above": 10, "enforce_thinking_above": 2000, "idle_timeout": 7.0}
    enabled = {"type": "enabled", "budget_tokens": 2000}
    assert asked(settings=settings, max_tokens=10) is None
    assert asked(settings=settings, max_tokens=11) == Amend(stream=True, timeout=7.0, resume=RESUME)
    assert asked(settings=settings, max_tokens=10, thinking=enabled) is None
    assert asked(settings=settings, max_tokens=10, thinking={**enabled, "budget_tokens": 2001}) == Amend(
        stream=True, timeout=7.0, resume=RESUME
    )


def test_a_threshold_of_zero_streams_every_call() -> None:
    assert asked(settings={"enforce_above": 0}, max_tokens=1) == STREAMED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enforce_above", -1),
        ("enforce_thinking_above", -1),
        ("enforce_above", 1.5),
        ("idle_timeout", 0),
        ("idle_timeout", -1),
        ("idle_timeout", float("inf")),
        ("idle_timeout", float("nan")),
        ("content_timeout", 0),
        ("content_timeout", float("inf")),
        ("enforce", 3),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        StreamingSettings(**{key: value})


# -- streams that bring nothing but pings


def cuts(events: list[tuple[float, str]], *, content_timeout: float | None = 10.0) -> list[Any]:
    """What the plugin answers to events at given seconds."""
    now = 0.0
    plugin = Streaming(StreamingSettings(content_timeout=content_timeout), clock=lambda: now)
    call = Call(id="c", params={}, stream=True, attempts=[Attempt(1, "send")])
    answers = []
    for now, kind in events:  # noqa: B007 - the clock tells it
        answers.append(plugin.on_chunk(call, Chunk(kind, {}, b"")))
    return answers


CUT = Cut("nothing but pings for content_timeout = 10.0 s")


def test_a_stream_that_only_pings_for_longer_than_content_timeout_is_cut() -> None:
    assert cuts([(0, "message_start"), (1, "ping"), (11, "ping"), (11.1, "ping")]) == [None, None, None, CUT]


def test_pings_before_anything_else_count_from_the_first() -> None:
    assert cuts([(5, "ping"), (15, "ping"), (15.1, "ping")]) == [None, None, CUT]


def test_content_starts_the_time_anew() -> None:
    events = [(0, "ping"), (9, "content_block_delta"), (10, "ping"), (20, "ping"), (20.1, "ping")]
    assert cuts(events) == [None, None, None, None, CUT]


def test_a_pause_of_the_caller_is_not_taken_for_one_of_the_api() -> None:
    waiting = [(99, "ping"), (99, "ping"), (99, "content_block_delta")]
    assert cuts([(0, "content_block_delta"), *waiting]) == [None] * 4


def test_the_attempt_after_a_cut_has_the_whole_time() -> None:
    assert cuts([(0, "ping"), (11, "ping"), (99, "ping"), (105, "ping")]) == [None, CUT, None, None]


def test_pings_are_no_matter_unless_a_content_timeout_is_set() -> None:
    assert Streaming().on_chunk is None
    assert Streaming(StreamingSettings(content_timeout=1.0)).on_chunk is not None
    assert Streaming(StreamingSettings(runaway_after=1)).on_chunk is not None


def test_two_calls_are_timed_apart() -> None:
    times = iter([0.0, 11.0, 11.5])
    plugin = Streaming(StreamingSettings(content_timeout=10.0), clock=lambda: next(times))
    first, second = (Call(id=name, params={}, stream=True) for name in "ab")
    ping = Chunk("ping", {}, b"")
    assert [plugin.on_chunk(first, ping), plugin.on_chunk(second, ping), plugin.on_chunk(first, ping)] == [
        None,
        None,
        CUT,
    ]
