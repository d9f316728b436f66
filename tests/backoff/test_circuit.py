"""The steps on the document of a circuit: by hand, on all stores, and with clocks that jump."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from seawall.state import READ, MemoryStore
from seawall_backoff.circuit import (
    ASK,
    CLOSED,
    FAIL,
    FIRST_PAUSE,
    LAST_PAUSE,
    PROBE,
    RECOVERY,
    RELEASE,
    SUCCEED,
)
from seawall_testkit.stores import check_step

START = 1_700_000_000.0


class Fleet:
    """Those who share a circuit; their clock is set by hand."""

    def __init__(self, store: Any = None) -> None:
        self.store = store or MemoryStore()
        self.now = START

    def step(self, step: Any, after: float = 0.0, **arguments: Any) -> Any:
        self.now += after
        return self.store.step(step, key="circuit", now=self.now, **arguments)

    def ask(self, after: float = 0.0, owner: str | None = "a", dead: tuple[str, ...] = ()) -> Any:
        return self.step(ASK, after, owner=owner, dead=list(dead))

    def fail(self, after: float = 0.0, **arguments: Any) -> Any:
        given = {"probe": "", "before": 0, "asked": 0.0, "part": 1.0, "cause": "Overloaded", **arguments}
        return self.step(FAIL, after, **given)

    def succeed(self, after: float = 0.0, probe: str = "") -> Any:
        return self.step(SUCCEED, after, probe=probe)

    def open(self) -> Any:
        return [self.fail(0.1) for _ in range(5)][-1]

    @property
    def document(self) -> Any:
        return self.store.step(READ, key="circuit")


def test_a_healthy_circuit_has_no_document() -> None:
    fleet = Fleet()
    assert fleet.ask() == CLOSED
    assert fleet.succeed() == CLOSED
    assert fleet.document == {}


def test_five_failures_in_a_row_open_it() -> None:
    fleet = Fleet()
    views = [fleet.fail(1.0) for _ in range(5)]
    assert [view["state"] for view in views] == ["closed"] * 4 + ["open"]
    assert [view["failures"] for view in views] == [1, 2, 3, 4, 0]
    assert views[-1]["wait"] == FIRST_PAUSE
    assert views[-1]["cause"] == "Overloaded"


def test_a_success_ends_the_row() -> None:
    fleet = Fleet()
    for _ in range(3):
        assert [fleet.fail()["state"] for _ in range(4)] == ["closed"] * 4
        assert fleet.succeed()["failures"] == 4
        assert fleet.document == {}


def test_failures_that_are_far_apart_are_no_row() -> None:
    fleet = Fleet()
    assert [fleet.fail(RECOVERY)["failures"] for _ in range(9)] == [1] * 9
    assert fleet.fail(RECOVERY - 0.1)["failures"] == 2


def test_a_success_that_came_to_nothing_does_not_end_the_row() -> None:
    fleet = Fleet()
    for before in range(4):
        assert fleet.succeed()["failures"] == before
        fleet.fail(before=before)
    assert fleet.fail(before=4)["state"] == "open"


def test_one_at_a_time_is_the_probe_and_only_when_it_is_due() -> None:
    fleet = Fleet()
    fleet.open()
    assert fleet.ask(FIRST_PAUSE - 0.5)["wait"] == pytest.approx(0.5)
    assert not fleet.ask()["is_probe"]
    assert not fleet.ask(1.0, owner=None)["is_probe"]
    first, second = fleet.ask(owner="a"), fleet.ask(owner="b")
    assert (first["is_probe"], first["probe"]) == (True, "a")
    assert (second["is_probe"], second["probe"], second["wait"]) == (False, "a", 0.0)


def test_pauses_grow_up_to_the_longest() -> None:
    fleet = Fleet()
    waits = [fleet.open()["wait"]]
    for _ in range(5):
        assert fleet.ask(waits[-1])["is_probe"]
        waits.append(fleet.fail(probe="a")["wait"])
    assert waits == [2, 4, 8, LAST_PAUSE, LAST_PAUSE, LAST_PAUSE]


def test_a_part_of_a_pause_may_be_waited() -> None:
    fleet = Fleet()
    for _ in range(4):
        fleet.fail()
    assert fleet.fail(part=0.75)["wait"] == 1.5
    fleet.ask(1.5)
    assert fleet.fail(probe="a", part=0.75)["wait"] == 3


def test_a_server_that_asks_for_more_delays_the_probe() -> None:
    fleet = Fleet()
    fleet.open()
    assert fleet.fail(1.0, asked=30.0)["wait"] == 30
    assert fleet.fail(1.0, asked=3.0)["wait"] == 29
    assert not fleet.ask(28.0)["is_probe"]
    assert fleet.ask(1.0)["is_probe"]
    assert fleet.fail(probe="a", asked=40.0)["wait"] == 40


def test_failures_of_what_was_on_its_way_change_nothing() -> None:
    fleet = Fleet()
    fleet.open()
    for _ in range(20):
        view = fleet.fail(0.01)
    assert (view["state"], view["pause"]) == ("open", FIRST_PAUSE)
    assert fleet.ask(FIRST_PAUSE)["is_probe"]
    assert fleet.fail()["probe"] == "a"


def test_a_success_of_what_was_on_its_way_does_not_close_it() -> None:
    fleet = Fleet()
    fleet.open()
    assert fleet.succeed()["state"] == "open"


def test_the_success_of_the_probe_closes_it_and_it_recovers() -> None:
    fleet = Fleet()
    fleet.open()
    fleet.ask(2.0)
    assert fleet.succeed(1.0, probe="a")["state"] == "recovering"
    assert fleet.ask(5.0)["age"] == 5
    assert fleet.ask(RECOVERY - 5.1)["state"] == "recovering"
    assert fleet.ask(0.1) == CLOSED
    assert fleet.document == {}


def test_a_success_of_the_probe_counts_when_its_time_is_over_too() -> None:
    fleet = Fleet()
    fleet.open()
    fleet.ask(2.0)
    assert fleet.ask(PROBE, owner="b")["is_probe"]
    assert fleet.succeed(probe="a")["state"] == "recovering"


def test_a_probe_that_tells_nothing_has_no_say_after_its_time() -> None:
    fleet = Fleet()
    fleet.open()
    assert fleet.ask(2.0)["is_probe"]
    assert not fleet.ask(PROBE - 0.1, owner="b")["is_probe"]
    assert fleet.ask(0.1, owner="b")["is_probe"]
    assert fleet.fail(probe="a")["pause"] == FIRST_PAUSE
    assert fleet.fail(probe="b")["pause"] == 2 * FIRST_PAUSE


def test_a_probe_whose_process_died_is_replaced_at_once() -> None:
    fleet = Fleet()
    fleet.open()
    fleet.ask(2.0, owner="dead")
    assert not fleet.ask(owner="b")["is_probe"]
    assert fleet.ask(owner="b", dead=("dead",))["is_probe"]


def test_a_probe_that_was_not_sent_leaves_its_place_to_another() -> None:
    fleet = Fleet()
    fleet.open()
    fleet.ask(2.0)
    view = fleet.step(RELEASE, probe="a")
    assert (view["probe"], view["wait"], view["pause"]) == ("", 0.0, FIRST_PAUSE)
    assert fleet.ask(owner="b")["is_probe"]


def test_releasing_what_is_not_held_changes_nothing() -> None:
    fleet = Fleet()
    assert fleet.step(RELEASE, probe="a") == CLOSED
    fleet.open()
    fleet.ask(2.0, owner="b")
    assert fleet.step(RELEASE, probe="a")["probe"] == "b"


def recovered(fleet: Fleet) -> Fleet:
    fleet.open()
    fleet.ask(2.0)
    fleet.succeed(probe="a")
    return fleet


def test_a_probe_whose_stream_fails_at_once_opens_it_again() -> None:
    view = recovered(Fleet()).fail(0.1, probe="a")
    assert (view["state"], view["wait"]) == ("open", 2 * FIRST_PAUSE)


def test_what_opens_again_soon_goes_on_with_longer_pauses() -> None:
    fleet = recovered(Fleet())
    assert [fleet.fail()["state"] for _ in range(4)] == ["recovering"] * 4
    assert fleet.fail()["wait"] == 2 * FIRST_PAUSE


def test_what_opens_again_later_begins_anew() -> None:
    fleet = recovered(Fleet())
    fleet.fail(RECOVERY)
    assert [fleet.fail()["wait"] for _ in range(4)][-1] == FIRST_PAUSE


def test_an_open_circuit_nobody_asked_about_lets_the_next_one_probe() -> None:
    fleet = Fleet()
    fleet.open()
    assert fleet.ask(86_400.0)["is_probe"]


@pytest.mark.parametrize("name", ["memory", "sqlite", "redis"])
def test_all_stores_agree(name: str, request: pytest.FixtureRequest) -> None:
    store = request.getfixturevalue(name)
    for seed in range(3):
        check_step(store, list(random_steps(random.Random(seed), 120)))


def random_steps(rng: random.Random, number: int) -> Any:
    """Steps of four processes whose clocks jump."""
    now = START
    for _ in range(number):
        now += rng.choice((rng.uniform(0, 3), rng.uniform(0, 3), rng.uniform(-9, 9), rng.uniform(-500, 500)))
        owner = rng.choice("abcd")
        failure = {
            "probe": rng.choice((owner, "")),
            "before": rng.randrange(3),
            "asked": rng.choice((0.0, 7.5)),
        }
        yield rng.choice(
            (
                (ASK, {"now": now, "owner": rng.choice((owner, None)), "dead": rng.choices("abcd", k=1)}),
                (FAIL, {"now": now, "part": rng.uniform(0.75, 1), "cause": "x", **failure}),
                (FAIL, {"now": now, "part": 1.0, "cause": "y", **failure}),
                (SUCCEED, {"now": now, "probe": rng.choice((owner, "", ""))}),
                (RELEASE, {"now": now, "probe": owner}),
            )
        )


@given(st.integers(), st.integers(1, 200))
def test_whatever_happens_no_wait_is_negative_or_longer_than_asked_for(seed: int, number: int) -> None:
    store = MemoryStore()
    for step, arguments in random_steps(random.Random(seed), number):
        view = store.step(step, key="circuit", **arguments)
        assert 0 <= view["wait"] <= LAST_PAUSE
        assert view["age"] >= 0
        assert view["failures"] <= 4 or step is SUCCEED


@given(st.integers(), st.integers(1, 100))
def test_whatever_happens_somebody_may_probe_within_minutes(seed: int, number: int) -> None:
    fleet = Fleet()
    for step, arguments in random_steps(random.Random(seed), number):
        fleet.now = arguments["now"]
        fleet.store.step(step, key="circuit", **arguments)
    for _ in range(int(3 * PROBE)):
        view = fleet.ask(1.0, owner="z")
        if view["state"] != "open" or view["is_probe"]:
            return
    raise AssertionError(f"seed {seed}: {fleet.document}")
