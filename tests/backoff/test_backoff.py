"""How long is waited before which retry, and when it is given up."""

from __future__ import annotations

import random
import threading
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from seawall import GiveUp, Retry
from seawall.call import Attempt, Call
from seawall_backoff import Backoff, BackoffSettings

REQUEST = httpx2.Request("POST", "http://x")


def call_at(attempt: int) -> Call:
    """A call in its `attempt`-th attempt."""
    return Call(id="c", params={}, stream=False, attempts=[Attempt(1, "send")] * attempt)


def overloaded(asked: float | str | None = None) -> anthropic.APIStatusError:
    headers = {} if asked is None else {"retry-after": str(asked)}
    return anthropic.OverloadedError(
        "m", response=httpx2.Response(529, headers=headers, request=REQUEST), body=None
    )


class Highest(random.Random):
    """Draws the upper end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Draws the lower end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return a


def decision(attempt: int = 1, error: Exception | None = None, *, rng: Any = None, **settings_: Any) -> Any:
    plugin = Backoff(BackoffSettings(**settings_), rng=rng or Highest())
    return plugin.on_error(call_at(attempt), overloaded() if error is None else error)


# -- delays


def test_the_longest_delay_doubles_up_to_the_cap() -> None:
    delays = [decision(attempt, base=0.5, cap=6.0).delay for attempt in range(1, 8)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0, 6.0]


def test_the_shortest_delay_is_none() -> None:
    assert decision(5, rng=Lowest()) == Retry(0)


def test_a_server_that_asks_for_more_is_waited_for() -> None:
    assert decision(1, overloaded(7), base=0.5) == Retry(7.0)
    assert decision(1, overloaded(7), base=0.5, rng=Lowest()) == Retry(7.0)


def test_a_server_that_asks_for_less_leaves_the_delay_as_it_is() -> None:
    assert decision(5, overloaded(1), base=0.5) == Retry(8.0)


def test_the_cap_does_not_shorten_what_the_server_asks() -> None:
    assert decision(1, overloaded(100), cap=2.0, base=1.0) == Retry(100.0)


@settings(deadline=None)
@given(
    attempt=st.integers(1, 10_000),
    base=st.floats(1e-9, 1e9),
    cap=st.floats(1e-9, 1e9),
    asked=st.one_of(st.none(), st.integers(-5, 600)),
    seed=st.integers(),
)
def test_a_delay_is_between_what_is_asked_and_the_cap(
    attempt: int, base: float, cap: float, asked: int | None, seed: int
) -> None:
    error = overloaded(asked)
    answer = decision(attempt, error, rng=random.Random(seed), base=base, cap=cap, max_attempts=10_001)
    least = max(0, asked or 0)
    assert least <= answer.delay <= max(cap, least)
    assert answer.delay <= max(base * 2.0 ** min(attempt - 1, 1000), least)


@settings(deadline=None)
@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_delays_never_shrink_and_reach_the_cap(base: float, cap: float) -> None:
    plugin, error = Backoff(BackoffSettings(base=base, cap=cap, max_attempts=99), rng=Highest()), overloaded()
    delays = [plugin.on_error(call_at(attempt), error).delay for attempt in range(1, 70)]
    assert delays == sorted(delays)
    assert delays[-1] == cap


def test_the_highest_attempt_does_not_overflow() -> None:
    call = call_at(1)
    call.attempts = call.attempts * 100_000
    plugin = Backoff(BackoffSettings(base=1e300, cap=9.0, max_attempts=200_000), rng=Highest())
    assert plugin.on_error(call, overloaded()) == Retry(9.0)


def test_delays_are_spread_over_the_whole_range() -> None:
    rng = random.Random(7)
    plugin = Backoff(BackoffSettings(base=10.0, cap=10.0), rng=rng)
    delays = [plugin.on_error(call_at(1), overloaded()).delay for _ in range(200)]  # type: ignore[union-attr]
    assert min(delays) < 1
    assert max(delays) > 9


def test_a_seed_gives_the_same_delays_again() -> None:
    def delays(seed: int) -> list[Any]:
        plugin = Backoff(rng=random.Random(seed))
        return [plugin.on_error(call_at(attempt), overloaded()) for attempt in range(1, 8)]

    assert delays(1) == delays(1)
    assert delays(1) != delays(2)


def test_two_plugins_without_a_seed_do_not_wait_alike() -> None:
    settings_ = BackoffSettings(base=1000.0, cap=1000.0)
    assert Backoff(settings_).on_error(call_at(1), overloaded()) != Backoff(settings_).on_error(
        call_at(1), overloaded()
    )


# -- giving up


def test_a_permanent_error_is_left_to_others() -> None:
    assert decision(1, ValueError("x")) is None
    assert decision(99, ValueError("x")) is None


@pytest.mark.parametrize("most", [1, 2, 8])
def test_no_more_attempts_are_made_than_max_attempts(most: int) -> None:
    decisions = [decision(attempt, max_attempts=most) for attempt in range(1, most + 3)]
    assert [type(answer) for answer in decisions] == [Retry] * (most - 1) + [GiveUp] * 3
    assert decisions[-1] == GiveUp(f"max_attempts = {most} is used up")


def test_a_server_that_asks_for_more_than_max_retry_after_is_given_up() -> None:
    assert decision(1, overloaded(600), max_retry_after=600) == Retry(600.0)
    assert decision(1, overloaded(600.4), max_retry_after=600) == GiveUp(
        "the server asks to wait 600.4 s, more than max_retry_after = 600 s"
    )
    assert decision(1, overloaded("1e300"), max_retry_after=0.5) == GiveUp(
        "the server asks to wait 1e+300 s, more than max_retry_after = 0.5 s"
    )


def test_attempts_that_are_used_up_are_the_reason_before_the_wish_of_the_server() -> None:
    assert decision(8, overloaded(601)) == GiveUp("max_attempts = 8 is used up")


# -- settings and threads


def test_without_settings_the_defaults_hold() -> None:
    assert [Backoff(rng=Highest()).on_error(call_at(n), overloaded()) for n in (7, 8)] == [
        Retry(30.0),
        GiveUp("max_attempts = 8 is used up"),
    ]


@pytest.mark.parametrize("field", BackoffSettings.model_fields)
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "x", None])
def test_a_setting_is_a_finite_number_above_zero(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        BackoffSettings(**{field: value})


def test_settings_take_no_other_keys_and_do_not_change() -> None:
    with pytest.raises(ValidationError):
        BackoffSettings(retries=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        BackoffSettings().cap = 3.0


def test_sixteen_threads_share_one_plugin() -> None:
    plugin = Backoff(BackoffSettings(base=1.0, cap=8.0, max_attempts=5), rng=random.Random(3))
    begin = threading.Barrier(16)
    wrong: list[Any] = []
    asked = threading.Lock()
    count = 0

    def ask() -> None:
        nonlocal count
        begin.wait()
        for round_ in range(200):
            attempt = round_ % 5 + 1
            answer = plugin.on_error(call_at(attempt), overloaded())
            fits = isinstance(answer, GiveUp) if attempt == 5 else 0 <= answer.delay <= 2.0 ** (attempt - 1)  # type: ignore[union-attr]
            with asked:
                count += 1
                if not fits:
                    wrong.append((attempt, answer))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, count) == ([], 16 * 200)
