"""What the log says about a call, when, and what it never says."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import ValidationError

from seawall.call import Attempt, Call, Chunk, Outcome, Usage
from seawall.hooks import CallHooks
from seawall.registry import load
from seawall_progress import Progress, ProgressSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "the content of the call"


class Clock:
    """Tells the time it is given."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """One call that a `Progress` follows."""

    def __init__(self, caplog: pytest.LogCaptureFixture, *, call_id: str = "c", **settings_: Any) -> None:
        self.clock = Clock()
        self.plugin = Progress(ProgressSettings(**settings_), clock=self.clock)
        self.call = Call(id=call_id, params={"system": SECRET}, stream=True)
        self._caplog = caplog

    def attempt(self) -> None:
        self.call.attempts.append(Attempt(len(self.call.attempts) + 1, "send"))
        self.plugin.pre_request(self.call)

    def event(self, kind: str, **event: Any) -> None:
        self.plugin.on_chunk(self.call, Chunk(kind, event, SECRET.encode()))

    def block(self, kind: Any) -> None:
        self.event("content_block_start", index=0, content_block={"type": kind, "text": SECRET})

    def end(self, status: Any = "completed", tokens: int = 0) -> None:
        attempt = Attempt(1, "send", usage=Usage(output_tokens=tokens))
        self.plugin.post_response(self.call, Outcome(status, (attempt,), {"content": SECRET}))

    def lines(self) -> list[str]:
        return [record.getMessage().removeprefix("call c: ") for record in self._caplog.records]


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Iterator[Watch]:
    with caplog.at_level(logging.INFO, "seawall.progress"):
        yield Watch(caplog)


# -- lines


def test_a_call_is_followed_from_its_first_block_to_its_end(watch: Watch) -> None:
    watch.attempt()
    watch.clock.now += 1
    watch.block("thinking")
    watch.event("content_block_delta", delta={"type": "thinking_delta", "thinking": "x" * 40})
    watch.clock.now += 2
    watch.block("text")
    watch.event("content_block_delta", delta={"type": "text_delta", "text": "x" * 80})
    watch.clock.now += 3
    watch.block("tool_use")
    watch.event("content_block_delta", delta={"type": "input_json_delta", "partial_json": "x" * 4})
    watch.clock.now += 4
    watch.end(tokens=33)
    assert watch.lines() == [
        "thinking, about 0 tokens, 1.0 s",
        "writing, about 10 tokens, 3.0 s",
        "writing tool input, about 30 tokens, 6.0 s",
        "completed, 33 tokens in 10.0 s",
    ]


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        ("text", "writing"),
        ("thinking", "thinking"),
        ("redacted_thinking", "thinking"),
        ("tool_use", "writing tool input"),
        ("server_tool_use", "writing tool input"),
        ("mcp_tool_use", "writing tool input"),
        ("web_search_tool_result", "receiving web_search_tool_result"),
        ("compaction", "receiving compaction"),
    ],
)
def test_the_phase_is_told_by_the_block(kind: str, phase: str, watch: Watch) -> None:
    watch.attempt()
    watch.block(kind)
    assert watch.lines() == [f"{phase}, about 0 tokens, 0.0 s"]


def test_a_phase_that_goes_on_is_not_told_again(watch: Watch) -> None:
    watch.attempt()
    for _ in range(3):
        watch.block("text")
        watch.event("content_block_stop", index=0)
    assert len(watch.lines()) == 1


def test_a_line_comes_every_interval_while_the_phase_goes_on(watch: Watch) -> None:
    watch.attempt()
    watch.block("text")
    for _ in range(25):
        watch.clock.now += 1
        watch.event("content_block_delta", delta={"text": "x" * 4})
    assert watch.lines() == [
        "writing, about 0 tokens, 0.0 s",
        "writing, about 10 tokens, 10.0 s",
        "writing, about 20 tokens, 20.0 s",
    ]


def test_pings_alone_keep_the_lines_coming(watch: Watch) -> None:
    watch.attempt()
    watch.clock.now += 10
    watch.event("ping")
    assert watch.lines() == ["connecting, about 0 tokens, 10.0 s"]


def test_a_change_of_phase_starts_the_interval_anew(watch: Watch) -> None:
    watch.attempt()
    watch.clock.now += 9
    watch.block("text")
    watch.clock.now += 9
    watch.event("ping")
    assert len(watch.lines()) == 1


def test_the_interval_is_a_setting(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(caplog, interval=2.5)
    with caplog.at_level(logging.INFO, "seawall.progress"):
        watch.attempt()
        for _ in range(5):
            watch.clock.now += 1
            watch.event("ping")
    assert [line.split()[-2] for line in watch.lines()] == ["3.0"]


def test_a_failed_attempt_and_the_next_one_are_told(watch: Watch) -> None:
    watch.attempt()
    watch.block("text")
    watch.clock.now += 2
    error = anthropic.APIConnectionError(message=SECRET, request=httpx2.Request("POST", "http://x"))
    watch.plugin.on_error(watch.call, error)
    watch.clock.now += 3
    watch.attempt()
    watch.block("text")
    assert watch.lines()[1:] == [
        "attempt 1 failed: APIConnectionError, about 0 tokens, 2.0 s",
        "connecting, about 0 tokens, 5.0 s",
        "writing, about 0 tokens, 5.0 s",
    ]


def test_being_asked_again_after_a_wait_says_nothing(watch: Watch) -> None:
    watch.attempt()
    watch.plugin.pre_request(watch.call)
    assert watch.lines() == []


@pytest.mark.parametrize("status", ["completed", "failed", "stopped", "abandoned"])
def test_the_last_line_tells_how_the_call_ended(status: str, watch: Watch) -> None:
    watch.attempt()
    watch.end(status, tokens=5)
    assert watch.lines() == [f"{status}, 5 tokens in 0.0 s"]


def test_a_call_that_ended_before_it_was_asked_about_is_not_told(watch: Watch) -> None:
    watch.end("failed")
    assert watch.lines() == []


def test_calls_are_followed_apart_and_named(caplog: pytest.LogCaptureFixture, watch: Watch) -> None:
    other = Call(id="d", params={}, stream=True)
    watch.attempt()
    watch.block("text")
    watch.plugin.pre_request(other)
    watch.plugin.on_chunk(other, Chunk("content_block_start", {"content_block": {"type": "thinking"}}, b""))
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "call c: writing",
        "call d: thinking",
    ]


def test_lines_are_of_level_info_and_of_one_logger(caplog: pytest.LogCaptureFixture, watch: Watch) -> None:
    watch.attempt()
    watch.block("text")
    watch.end()
    assert {(record.name, record.levelname) for record in caplog.records} == {("seawall.progress", "INFO")}


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
def test_a_block_of_no_known_kind_is_received(event: dict[str, Any], watch: Watch) -> None:
    watch.attempt()
    watch.event("content_block_start", **event)
    assert watch.lines() == ["receiving, about 0 tokens, 0.0 s"]


@pytest.mark.parametrize(
    "delta",
    [None, [], "text", {}, {"text": None}, {"text": 3}, {"text": ["x" * 99]}, {"citation": "x" * 99}],
    ids=repr,
)
def test_a_delta_without_output_counts_nothing(delta: Any, watch: Watch) -> None:
    watch.attempt()
    watch.event("content_block_delta", delta=delta)
    watch.event("content_block_delta")
    watch.clock.now += 10
    watch.event("ping")
    assert watch.lines() == ["connecting, about 0 tokens, 10.0 s"]


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
kinds = st.sampled_from(
    ["content_block_start", "content_block_delta", "message_delta", "ping", "error", "new"]
)
events = st.fixed_dictionaries({}, optional={"content_block": json, "delta": json, "index": json})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(kinds, events), max_size=5))
def test_no_event_raises(caplog: pytest.LogCaptureFixture, stream: list[tuple[str, dict[str, Any]]]) -> None:
    watch = Watch(caplog, interval=1e-9)
    watch.attempt()
    for kind, event in stream:
        watch.clock.now += 1
        watch.event(kind, **event)
    watch.end()


def test_no_line_holds_content(caplog: pytest.LogCaptureFixture, watch: Watch) -> None:
    watch.attempt()
    for kind in ("text", SECRET, "tool_use"):
        watch.block(kind)
        for key in ("text", "thinking", "partial_json"):
            watch.clock.now += 11
            watch.event("content_block_delta", delta={key: SECRET})
    watch.plugin.on_error(watch.call, ValueError(SECRET))
    watch.end("failed")
    assert len(watch.lines()) == 14
    assert SECRET not in caplog.text


# -- the plugin itself


def test_progress_is_not_required() -> None:
    hooks = load(None, [Progress()])
    assert not any(hook.is_required for hook in hooks.on_chunk)
    asked = CallHooks(hooks)
    # a call it was never told of
    assert asked.ask(hooks.on_chunk[0], "on_chunk", Call(id="c", params={}, stream=True), None) is None


@pytest.mark.parametrize("value", [0, -1, float("nan"), "x", None])
def test_the_interval_is_above_zero(value: Any) -> None:
    with pytest.raises(ValidationError):
        ProgressSettings(interval=value)


def test_without_settings_the_interval_is_ten_seconds() -> None:
    assert ProgressSettings().interval == 10.0
