"""How long is waited before a retry: each strategy within its documented interval, for any input."""

from __future__ import annotations

import math
import random
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from seawall_backoff.delays import Jitter, ceiling, delay

JITTERS = get_args(Jitter)
seconds = st.floats(1e-9, 1e9)


class Highest(random.Random):
    """Draws the upper end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Lowest(random.Random):
    """Draws the lower end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def drawn(jitter: Jitter, retry: int, rng: random.Random, *, base: float, cap: float) -> float:
    """The delay before a retry, after those before it."""
    before = None
    for number in range(1, retry + 1):
        before = delay(jitter, number, base=base, cap=cap, before=before, rng=rng)
    assert before is not None
    return before


@given(retry=st.integers(1, 10_000), base=seconds, cap=seconds)
def test_the_ceiling_doubles_up_to_the_cap(retry: int, base: float, cap: float) -> None:
    highest = ceiling(retry, base=base, cap=cap)
    assert 0 < highest <= cap
    assert highest == cap or highest == base * 2.0 ** (retry - 1)
    assert highest <= ceiling(retry + 1, base=base, cap=cap)


@given(
    jitter=st.sampled_from(JITTERS),
    retry=st.integers(1, 10_000),
    base=seconds,
    cap=seconds,
    before=st.one_of(st.none(), st.floats(0, 1e9)),
    seed=st.integers(),
)
def test_a_delay_is_within_the_interval_of_its_strategy(
    *, jitter: Jitter, retry: int, base: float, cap: float, before: float | None, seed: int
) -> None:
    found = delay(jitter, retry, base=base, cap=cap, before=before, rng=random.Random(seed))
    highest = min(cap, base * 2.0 ** min(retry - 1, 1000))
    least = min(base, cap)
    low, high = {
        "full": (0.0, highest),
        "equal": (highest / 2, highest),
        "decorrelated": (least, max(least, min(cap, 3 * (least if before is None else before)))),
        "none": (highest, highest),
    }[jitter]
    assert math.isfinite(found)
    assert low <= found <= high * (1 + 1e-12)
    assert 0 <= found <= cap * (1 + 1e-12)


@pytest.mark.parametrize(
    ("jitter", "lowest", "highest"),
    [
        ("full", [0, 0, 0, 0, 0], [1, 2, 4, 8, 10]),
        ("equal", [0.5, 1, 2, 4, 5], [1, 2, 4, 8, 10]),
        ("decorrelated", [1, 1, 1, 1, 1], [3, 9, 10, 10, 10]),
        ("none", [1, 2, 4, 8, 10], [1, 2, 4, 8, 10]),
    ],
)
def test_the_ends_of_the_intervals(jitter: Jitter, lowest: list[float], highest: list[float]) -> None:
    for rng, expected in ((Lowest(), lowest), (Highest(), highest)):
        found = [drawn(jitter, retry, rng, base=1.0, cap=10.0) for retry in range(1, 6)]
        assert found == expected


@pytest.mark.parametrize("jitter", ["full", "equal", "decorrelated"])
def test_a_jitter_spreads_over_its_whole_interval(jitter: Jitter) -> None:
    rng = random.Random(7)
    found = [delay(jitter, 1, base=10.0, cap=30.0, before=10.0, rng=rng) for _ in range(400)]
    low, high = {"full": (0, 10), "equal": (5, 10), "decorrelated": (10, 30)}[jitter]
    assert min(found) < low + 0.05 * (high - low)
    assert max(found) > high - 0.05 * (high - low)


def test_a_base_above_the_cap_is_the_cap() -> None:
    for jitter in JITTERS:
        assert drawn(jitter, 3, Highest(), base=50.0, cap=2.0) == 2.0


@pytest.mark.parametrize("jitter", JITTERS)
def test_a_seed_gives_the_same_delays_again(jitter: Jitter) -> None:
    def delays(seed: int) -> list[float]:
        rng = random.Random(seed)
        return [drawn(jitter, retry, rng, base=1.0, cap=60.0) for retry in range(1, 8)]

    assert delays(1) == delays(1)
    assert (delays(1) == delays(2)) is (jitter == "none")
