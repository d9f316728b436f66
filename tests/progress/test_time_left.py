"""The time that is left, of real calls whose answer comes at a steady rate on a clock that is set."""

from contextlib import nullcontext
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, plugins
from progress.followed import Clock
from seawall.call import Call
from seawall_progress import Progress, expect
from seawall_progress.running import Running
from seawall_testkit import Simulator


class Metronome:
    """Lets a fixed time pass with each event, and notes what is told then of the one call that runs."""

    def __init__(self, clock: Clock, running: Running) -> None:
        self._clock, self._running = clock, running
        self.told: list[tuple[float, float | None, str]] = []

    @seawall.hookimpl(trylast=True)
    def on_chunk(self, call: Call) -> None:
        (progress,) = self._running.calls()
        expected = "" if progress.expected is None else progress.expected.kind
        self.told.append((self._clock.now, progress.eta, expected))
        self._clock.now += 0.1


@pytest.mark.parametrize("kind", ["said", "learned"])
@pytest.mark.parametrize("tokens", [300, 1500])
def test_the_time_left_is_right_within_a_fifth_at_half_way_of_a_steady_answer(kind, tokens):
    clock = Clock()
    running = Running(clock, spawn=lambda _: None)
    metronome = Metronome(clock, running)
    enabled = [*plugins(), Progress(clock=clock, running=running), metronome]
    with (
        Simulator(answer_tokens=tokens) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
    ):
        client = seawall.protect(bare, plugins=enabled, settings={"state": "memory"})
        asked: dict[str, Any] = {"model": MODEL, "max_tokens": 8000, "messages": MESSAGES, "stream": True}
        for _ in range(5 if kind == "learned" else 0):
            list(client.messages.create(**asked))
        metronome.told.clear()
        with expect(tokens=tokens) if kind == "said" else nullcontext():
            list(client.messages.create(**asked))
    (began, *_), (ended, *_) = metronome.told[0], metronome.told[-1]
    now, eta, by = min(metronome.told, key=lambda told: abs(told[0] - (began + ended) / 2))
    assert by == kind
    assert eta == pytest.approx(ended - now, rel=0.2)
