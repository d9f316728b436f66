"""What people are told of circuits: the real ones, as calls through an API that is down leave them."""

from __future__ import annotations

from typing import Any

import pytest

from backoff.virtual import answered
from seawall import Offload
from seawall.state import MemoryStore
from seawall_backoff import Backoff, BackoffSettings

MODEL = "api / opus-5.5"


def told(world: Any, later: float = 0.0) -> Any:
    (panel,) = Backoff().describe_state(world.store, world.now + later)
    return panel


def rows(world: Any, later: float = 0.0) -> list[Any]:
    return [list(row) for row in told(world, later).rows]


def test_a_healthy_circuit_is_closed(make_world):
    world = make_world()
    world.call()
    assert rows(world) == [[MODEL, "closed", None, None, None]]
    assert (told(world).alert, told(world).note) == ("", "")


def test_without_calls_it_says_so():
    (panel,) = Backoff().describe_state(MemoryStore(), 0.0)
    assert (panel.title, panel.rows, panel.note) == ("Circuits", [], "No call was made in the last day.")


def test_one_that_is_open_is_first_and_an_alert(make_world):
    world = make_world(api=lambda sent: answered(529))
    for _ in range(8):
        world.start()
    world.run(3)
    alert, ((name, state, age, probe, cause),) = told(world).alert, told(world).rows
    assert (name, state, alert) == (MODEL, "open", f"{MODEL} is down ({cause})")
    assert "529" in cause
    assert age.endswith(" s")
    assert probe.startswith("in ") or probe == "on its way"


def test_to_look_changes_nothing(make_world):
    world = make_world(api=lambda sent: answered(529))
    world.start()
    world.run(3)
    assert rows(world, 100.0) is not None
    assert rows(world) == rows(world)


def test_a_store_that_blocks_is_asked_where_that_is_allowed():
    class Blocking(MemoryStore):
        blocks = True

    assert isinstance(Backoff().describe_state(Blocking(), 0.0), Offload)


@pytest.mark.parametrize("mode", ["off"])
def test_calls_that_know_nothing_of_each_other_have_none(mode):
    assert Backoff(BackoffSettings(mode=mode)).describe_state(MemoryStore(), 0.0) is None
