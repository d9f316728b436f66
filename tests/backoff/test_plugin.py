"""What follows a failure, after which delay, and when it is given up."""

from __future__ import annotations

import random
import threading
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from seawall import GiveUp, Retry, TruncatedStreamError
from seawall.call import Attempt, Call
from seawall_backoff import Backoff, BackoffSettings

REQUEST = httpx2.Request("POST", "http://x")


def call_at(attempt: int) -> Call:
    """A call in its `attempt`-th attempt."""
    return Call(id="c", params={}, stream=False, attempts=[Attempt(1, "send")] * attempt)


def limited(asked: float | str | None = None) -> anthropic.APIStatusError:
    headers = {} if asked is None else {"retry-after": str(asked)}
    return anthropic.RateLimitError(
        "m", response=httpx2.Response(429, headers=headers, request=REQUEST), body=None
    )


class Highest(random.Random):
    """Draws the upper end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Draws the lower end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return a


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def backoff(rng: random.Random | None = None, clock: Any = None, **settings_: Any) -> Backoff:
    return Backoff(BackoffSettings(**settings_), rng=rng or Highest(), clock=clock or Clock())


def decision(attempt: int = 1, error: Exception | None = None, *, rng: Any = None, **settings_: Any) -> Any:
    return backoff(rng, **settings_).on_error(call_at(attempt), error or limited())


def delay_of(*args: Any, **kwargs: Any) -> float:
    answer = decision(*args, **kwargs)
    assert isinstance(answer, Retry)
    return answer.delay


# -- delays


def test_the_longest_delay_doubles_up_to_the_cap() -> None:
    assert [delay_of(attempt, base=0.5, cap=6.0) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 6, 6, 6]


def test_the_shortest_delay_is_none() -> None:
    assert delay_of(5, rng=Lowest()) == 0


@pytest.mark.parametrize(
    ("jitter", "lowest", "highest"), [("full", 0, 4), ("equal", 2, 4), ("decorrelated", 1, 3), ("none", 4, 4)]
)
def test_the_jitter_is_that_of_the_settings(jitter: str, lowest: float, highest: float) -> None:
    assert delay_of(3, rng=Lowest(), base=1, jitter=jitter) == lowest
    assert delay_of(3, base=1, jitter=jitter) == highest


def test_a_decorrelated_delay_follows_from_the_one_before() -> None:
    plugin, call = backoff(base=1, cap=20, jitter="decorrelated"), call_at(0)
    found = []
    for _ in range(4):
        call.attempts.append(Attempt(call.attempt + 1, "send"))
        found.append(plugin.on_error(call, limited()).delay)  # type: ignore[union-attr]
    assert found == [3, 9, 20, 20]


def test_a_server_that_asks_for_more_is_waited_for() -> None:
    assert delay_of(1, limited(7), base=0.5) == 7
    assert delay_of(1, limited(7), base=0.5, rng=Lowest()) == 7


def test_a_server_that_asks_for_less_leaves_the_delay_as_it_is() -> None:
    assert delay_of(5, limited(1), base=0.5) == 8


def test_the_cap_does_not_shorten_what_the_server_asks() -> None:
    assert delay_of(1, limited(100), cap=2.0, base=1.0) == 100


@given(
    attempt=st.integers(1, 10_000),
    base=st.floats(1e-9, 1e9),
    cap=st.floats(1e-9, 1e9),
    jitter=st.sampled_from(["full", "equal", "decorrelated", "none"]),
    asked=st.one_of(st.none(), st.integers(-5, 600), st.text(st.characters(codec="ascii", categories=["L"]))),
    seed=st.integers(),
)
def test_a_delay_is_between_what_is_asked_and_the_cap(
    *, attempt: int, base: float, cap: float, jitter: str, asked: Any, seed: int
) -> None:
    given_ = {"base": base, "cap": cap, "jitter": jitter, "max_attempts": 10_001, "max_elapsed": 1e10}
    found = delay_of(attempt, limited(asked), rng=random.Random(seed), **given_)
    least = max(0, asked) if isinstance(asked, int) else 0
    assert least <= found <= max(cap * (1 + 1e-12), least)


def test_a_broken_stream_is_gone_on_with_at_once_and_the_second_time_in_a_row_later() -> None:
    response = httpx2.Response(200, request=REQUEST)
    error = TruncatedStreamError(response, events=9)
    broke = Attempt(1, "send", status=200, written=40, added=40)
    call = Call(id="c", params={}, stream=True, attempts=[broke])
    plugin = backoff(base=1)
    assert plugin.on_error(call, error).delay == 0  # type: ignore[union-attr]
    call.attempts.append(Attempt(2, "user_turn", status=200, written=40, added=40))
    assert plugin.on_error(call, error).delay == 0  # type: ignore[union-attr]
    call.attempts.append(Attempt(3, "restart", status=200, written=40))
    assert plugin.on_error(call, error).delay == 2  # type: ignore[union-attr]


def test_two_plugins_without_a_seed_do_not_wait_alike() -> None:
    settings_ = BackoffSettings(base=1000.0, cap=1000.0)
    first, second = (Backoff(settings_).on_error(call_at(1), limited()) for _ in range(2))
    assert first != second


def test_a_retry_says_why_it_waits() -> None:
    assert decision(3, max_attempts=8).reason == "RateLimitError (429), attempt 3 of 8"
    lost = anthropic.APIConnectionError(request=REQUEST)
    assert decision(1, lost).reason == "APIConnectionError, attempt 1 of 16"


# -- giving up


def test_a_permanent_error_is_left_to_others() -> None:
    assert decision(1, ValueError("x")) is None
    assert decision(99, ValueError("x")) is None


@pytest.mark.parametrize("most", [1, 2, 8])
def test_no_more_attempts_are_made_than_max_attempts(most: int) -> None:
    decisions = [decision(attempt, max_attempts=most) for attempt in range(1, most + 3)]
    assert [type(answer) for answer in decisions] == [Retry] * (most - 1) + [GiveUp] * 3
    assert decisions[-1] == GiveUp(f"max_attempts = {most} is used up")


def test_a_server_that_asks_for_more_than_max_retry_after_is_given_up_at_once() -> None:
    assert delay_of(1, limited(600), max_retry_after=600) == 600
    assert decision(1, limited(600.4), max_retry_after=600) == GiveUp(
        "the server asks to wait 600.4 s, more than max_retry_after = 600 s"
    )
    assert decision(1, limited("1e300"), max_retry_after=0.5) == GiveUp(
        "the server asks to wait 1e+300 s, more than max_retry_after = 0.5 s"
    )


def test_attempts_that_are_used_up_are_the_reason_before_the_wish_of_the_server() -> None:
    assert decision(16, limited(601)) == GiveUp("max_attempts = 16 is used up")


class Outage:
    """A call that fails again and again while time passes."""

    def __init__(self, **settings_: Any) -> None:
        self.clock = Clock()
        self.plugin = backoff(clock=self.clock, max_attempts=999, **settings_)
        self.call = call_at(0)

    def fail(self, after: float, error: Exception | None = None, written: int = 0) -> Any:
        self.clock.now += after
        self.call.attempts.append(Attempt(self.call.attempt + 1, "restart", written=written))
        return self.plugin.on_error(self.call, error or limited())


def test_a_row_of_failures_that_takes_too_long_is_given_up() -> None:
    outage = Outage(max_elapsed=60)
    assert isinstance(outage.fail(0), Retry)
    assert isinstance(outage.fail(59), Retry)
    assert outage.fail(1) == GiveUp("max_elapsed = 60 s: 60 s have passed")


def test_the_last_delay_ends_with_the_time_that_is_left() -> None:
    outage = Outage(max_elapsed=60, jitter="none", base=30)
    outage.fail(0)
    assert outage.fail(55).delay == 5


def test_a_server_that_asks_for_more_time_than_is_left_is_given_up_at_once() -> None:
    outage = Outage(max_elapsed=60)
    outage.fail(0)
    assert outage.fail(50, limited(10)).delay == 10
    assert outage.fail(0, limited(11)) == GiveUp(
        "max_elapsed = 60 s: 50 s have passed, and the server asks to wait 11 s more"
    )


def test_a_long_stream_that_breaks_has_not_used_up_the_time() -> None:
    outage = Outage(max_elapsed=60)
    outage.fail(0)
    assert isinstance(outage.fail(3000, written=40), Retry)
    assert isinstance(outage.fail(59), Retry)
    assert isinstance(outage.fail(1), GiveUp)


def test_a_clock_that_is_wrong_makes_no_negative_wait() -> None:
    outage = Outage(max_elapsed=60, base=1)
    outage.fail(0)
    assert outage.fail(-500).delay >= 0


# -- settings and threads


def test_without_settings_the_defaults_hold() -> None:
    answers = [Backoff(rng=Highest()).on_error(call_at(attempt), limited()) for attempt in (7, 16)]
    assert answers == [
        Retry(30.0, "RateLimitError (429), attempt 7 of 16"),
        GiveUp("max_attempts = 16 is used up"),
    ]


NUMBERS = ["max_attempts", "max_elapsed", "base", "cap", "max_retry_after"]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "x", None])
def test_a_number_is_finite_and_above_zero(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        BackoffSettings(**{field: value})


@pytest.mark.parametrize("value", ["", "FULL", "some", None, 1])
def test_a_jitter_is_one_of_four(value: Any) -> None:
    with pytest.raises(ValidationError):
        BackoffSettings(jitter=value)


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
            answer = plugin.on_error(call_at(attempt), limited())
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
