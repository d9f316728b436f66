"""What is on the page, as values: one look for all who look at once, and what cannot be read is said."""

import json
from typing import Any

from seawall import Gauge, Panel
from seawall.state import MemoryStore, StoreError, owners
from seawall_progress.board import Board
from seawall_progress.sharing import KEY, PUT, REPORT, calls_key


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def board(store: Any = None, *panels: Panel) -> tuple[Board, Clock, list[float]]:
    clock, asked = Clock(), []

    def describe(now: float) -> list[Panel]:
        asked.append(now)
        return list(panels)

    return Board(store or MemoryStore(), describe, clock=clock), clock, asked


def test_panels_and_processes_are_values_of_json():
    store, owner = MemoryStore(), owners.new_owner()
    gauge = Gauge("g", 1.5, 10, "tokens", "soon")
    looker, clock, _ = board(store, Panel("p", [gauge], ("a",), [("x",), (None,)], "look", "note"))
    looker.look()
    store.step(REPORT, key=KEY, now=clock.now, owner=owner, calls=1, dead=[])
    store.step(PUT, key=calls_key(owner), document={"calls": [{"call": "c"}], "more": 2})
    clock.now += 1
    told = json.loads(json.dumps(looker.look()))
    (process,) = told["processes"]
    assert process["process"].endswith(f", process {owner.split('|')[1]}")
    assert (process["calls"], process["more"], told["failure"]) == ([{"call": "c"}], 2, "")
    (panel,) = told["panels"]
    assert panel["gauges"][0] | {"measures": ""} == {
        "label": "g",
        "left": 1.5,
        "limit": 10,
        "unit": "tokens",
        "note": "soon",
        "measures": "",
    }
    assert (panel["rows"], panel["alert"], panel["note"], panel["more"]) == (
        [["x"], [None]],
        "look",
        "note",
        0,
    )


def test_all_who_look_within_a_second_see_the_same():
    looker, clock, asked = board()
    assert looker.look() is looker.look()
    clock.now += 1
    looker.look()
    assert asked == [1_000_000.0, 1_000_001.0]
    clock.now -= 100  # the clock was put right
    looker.look()
    assert len(asked) == 3


def test_rows_without_end_are_counted():
    looker, *_ = board(None, Panel("p", columns=("n",), rows=[(n,) for n in range(203)]))
    (panel,) = looker.look()["panels"]
    assert (len(panel["rows"]), panel["more"]) == (200, 3)


def test_a_store_that_fails_is_said_and_the_panels_are_shown():
    class Broken(MemoryStore):
        def step(self, *_: Any, **__: Any) -> Any:
            raise StoreError("redis:6379", "it is gone")

    looker, *_ = board(Broken(), Panel("p"))
    told = looker.look()
    assert told["failure"] == "The running calls cannot be shown: state store redis:6379: it is gone"
    assert [panel["title"] for panel in told["panels"]] == ["p"]
    looker.leave()


def test_who_leaves_watches_no_more():
    store = MemoryStore()
    looker, *_ = board(store)
    looker.look()
    looker.leave()
    assert store._texts == {}
