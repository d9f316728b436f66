"""Callers with deadlines add only so much to a storm."""

from __future__ import annotations

import threading
from typing import Any

from backoff.virtual import FINE, answered
from seawall_backoff.retry_budget import COST, RETURN, SIZE, RetryBudget

USED_UP = "the retry budget for calls with a deadline is used up"


def test_a_full_bucket_pays_for_a_hundred_retries() -> None:
    budget = RetryBudget()
    assert [budget.take("api") for _ in range(102)] == [True] * 100 + [False] * 2
    assert budget.take("another")


def test_five_attempts_that_were_accepted_pay_for_one_more() -> None:
    budget = RetryBudget()
    for _ in range(SIZE // COST):
        budget.take("api")
    for _ in range(COST // RETURN):
        assert not budget.take("api")
        budget.give_back("api")
    assert budget.take("api")
    assert not budget.take("api")


def test_a_full_bucket_does_not_overflow() -> None:
    budget = RetryBudget()
    budget.take("api")
    for _ in range(1_000):
        budget.give_back("api")
    assert [budget.take("api") for _ in range(101)] == [True] * 100 + [False]


def test_sixteen_threads_take_no_more_than_there_is() -> None:
    budget, taken, begin = RetryBudget(), [], threading.Barrier(16)

    def take() -> None:
        begin.wait()
        taken.extend(budget.take("api") for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == SIZE // COST


def test_calls_with_a_deadline_are_given_up_when_it_is_used_up_and_others_go_on(make_world: Any) -> None:
    world = make_world(api=lambda sent: answered(429) if sent.at < 1_000_060.0 else FINE)
    ended = [world.start(deadline=900.0) for _ in range(30)]
    patient = [world.start() for _ in range(5)]
    world.run()
    failed = [end["error"] for end in ended if end["error"] is not None]
    assert failed
    assert all(any(USED_UP in note for note in error.__notes__) for error in failed)
    assert [end["error"] for end in patient] == [None] * 5
    with_deadline = [sent for sent in world.sent if sent.call in [end["call"] for end in ended]]
    assert len(with_deadline) <= 30 + SIZE // COST + 35 * RETURN // COST


def test_what_is_accepted_fills_it_again(make_world: Any) -> None:
    world = make_world(api=lambda _: answered(429), settings={"max_attempts": 200, "max_elapsed": 1e6})
    assert world.call(deadline=1e6)["call"].attempt == 1 + SIZE // COST
    world.api = lambda _: FINE
    for _ in range(2 * COST):
        world.call()
    world.api = lambda _: answered(429)
    assert world.call(deadline=1e6)["call"].attempt == 1 + 2
