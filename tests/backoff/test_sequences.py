"""Whatever a server answers: waits have bounds, sends have an end, and both drivers do the same."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from hypothesis import given, settings, strategies as st

import seawall
from backoff.virtual import FINE, REQUEST, World, answered
from seawall_backoff import Backoff, BackoffSettings
from seawall_backoff.circuit import LAST_PAUSE, PROBE
from seawall_testkit import Fault, Simulator

if TYPE_CHECKING:
    from pathlib import Path

WISHES = st.sampled_from(
    ["0", "1", "7.5", "599", "601", "-3", "nan", "inf", "1e309", "soon", "", "Fri, 01 Jan 2100 00:00:00 GMT"]
)
ANSWERS = st.one_of(
    st.just(FINE),
    st.builds(answered, st.sampled_from([400, 404, 408, 409, 413, 429, 500, 503, 504, 529])),
    st.builds(
        lambda status, name, wish: answered(status, **{name: wish}),
        st.sampled_from([400, 429, 503, 529]),
        st.sampled_from(["retry_after", "retry_after_ms"]),
        WISHES,
    ),
    st.builds(
        lambda status, asked: answered(status, x_should_retry=asked),
        st.sampled_from([400, 429, 529]),
        st.sampled_from(["true", "false"]),
    ),
    st.builds(lambda: anthropic.APIConnectionError(request=REQUEST)),
    st.builds(lambda: anthropic.APITimeoutError(request=REQUEST)),
)
MAX_ATTEMPTS, MAX_ELAPSED, MAX_RETRY_AFTER = 5, 200.0, 100.0


@settings(max_examples=150)
@given(
    answers=st.lists(ANSWERS, min_size=1, max_size=30),
    seconds=st.floats(0, 30),
    jitter=st.sampled_from(["full", "equal", "decorrelated", "none"]),
    mode=st.sampled_from(["hold", "fail", "off"]),
    calls=st.integers(1, 6),
    deadline=st.sampled_from([float("inf"), 50.0]),
)
def test_no_answers_lead_to_endless_waits_or_sends(
    *, answers: list[Any], seconds: float, jitter: str, mode: str, calls: int, deadline: float
) -> None:
    given_ = {
        "jitter": jitter,
        "mode": mode,
        "max_attempts": MAX_ATTEMPTS,
        "max_elapsed": MAX_ELAPSED,
        "max_retry_after": MAX_RETRY_AFTER,
    }
    number = iter(range(10**9))
    world = World(api=lambda _: (answers[next(number) % len(answers)], seconds), settings=given_)
    ended = [world.start(each * 0.3, deadline=deadline) for each in range(calls)]
    world.run()
    assert all("at" in end for end in ended)
    longest = max(30.0, MAX_RETRY_AFTER, LAST_PAUSE, PROBE) + 2.0
    assert all(0 <= slept <= longest for slept in world.slept)
    assert all(end["call"].attempt <= MAX_ATTEMPTS + 1 for end in ended)
    for end in ended:
        sends = [sent for sent in world.sent if sent.call is end["call"]]
        assert len(sends) <= MAX_ATTEMPTS
        # a wait may begin when it is nearly over, and each attempt takes its time
        assert end["at"] - 1_000_000.0 <= 6 * 0.3 + MAX_ELAPSED + MAX_ATTEMPTS * seconds + longest


class Diary:
    """Writes down what a call waits for and what becomes of it."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    @seawall.hookimpl
    def on_wait(self, call: Any, wait: Any) -> None:
        # on Windows, sockets and asyncio have other words for the same
        reason = wait.reason.partition(":")[0] if os.name == "nt" else wait.reason
        self.lines.append(("wait", call.attempt, round(wait.seconds, 9), reason))

    @seawall.hookimpl
    def on_error(self, call: Any, error: Exception) -> None:
        self.lines.append(("error", call.attempt, type(error).__name__, call.attempts[-1].status))

    @seawall.hookimpl
    def post_response(self, outcome: Any) -> None:
        self.lines.append((outcome.status, [(attempt.way, attempt.status) for attempt in outcome.attempts]))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("stream", [False, True])
def test_both_drivers_have_the_same_history(seed: int, *, stream: bool, tmp_path: Path) -> None:
    diaries = [told(seed, tmp_path, is_async=is_async, stream=stream) for is_async in (False, True)]
    assert len(diaries[0]) >= 3
    assert diaries[0] == diaries[1]


def told(seed: int, folder: Path, *, is_async: bool, stream: bool) -> list[tuple[Any, ...]]:
    """Return what a call with random faults went through."""
    rng = random.Random(seed)
    faults = [
        Fault("status", attempt=number, status=rng.choice([429, 503, 529, 408]))
        if rng.random() < 0.8 or not stream
        else Fault("reset", attempt=number, event=rng.randrange(1, 9))
        for number in range(1, rng.randrange(2, 5))
    ]
    diary = Diary()
    plugin = Backoff(BackoffSettings(base=0.001, cap=0.01), rng=random.Random(seed))
    kind = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
    with Simulator(faults=faults, seed=seed) as simulator:
        bare: Any = kind(base_url=simulator.base_url, api_key="test")
        # a state of its own, by its folder: an earlier simulator may have had the same port, and a circuit
        own = {"state": "memory", "state_dir": str(folder / str(is_async))}
        client = seawall.protect(bare, plugins=["streaming", plugin, diary], settings=own)
        request: Any = {
            "model": "claude-opus-5-5",
            "max_tokens": 60,
            "messages": [{"role": "user", "content": "Hello."}],
            "stream": stream,
        }

        async def wait() -> None:
            async with bare:
                answer = await client.messages.create(**request)
                if stream:
                    async for _ in answer:
                        pass

        if is_async:
            asyncio.run(wait())
        else:
            with bare:
                answer = client.messages.create(**request)
                if stream:
                    list(answer)
    return diary.lines
