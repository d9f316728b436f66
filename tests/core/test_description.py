"""Who is asked for panels, with what, and what becomes of one that fails."""

import gc
import weakref
from pathlib import Path

import seawall
from seawall import Offload, Panel, hookimpl
from seawall.call import Call
from seawall.description import describe
from seawall.engine import Engine
from seawall.hooks import Hooks
from seawall.registry import manager_of
from seawall.state import MemoryStore


class Teller:
    def __init__(self, name, told):
        self.name = name
        self.told = told
        self.asked = []

    @hookimpl
    def describe_state(self, store, state_dir, now):
        self.asked.append((store, state_dir, now))
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def hooks_of(*tellers):
    return Hooks.of(manager_of({teller.name: teller for teller in tellers}))


def titles(*told):
    hooks = hooks_of(*(Teller(f"p{number}", panels) for number, panels in enumerate(told)))
    return [(panel.title, panel.alert) for panel in describe(hooks, MemoryStore(), None, 0.0)]


def test_the_panels_of_all_plugins_come_in_their_order():
    assert titles([Panel("a"), Panel("b")], None, (), [Panel("c")]) == [("a", ""), ("b", ""), ("c", "")]


def test_work_that_may_block_is_done():
    assert titles(Offload(lambda: [Panel("a")]), Offload(lambda: None)) == [("a", "")]
    assert titles(Offload(lambda: Offload(lambda: [Panel("a")]))) == [("a", "")]


def test_they_are_asked_with_the_place_of_the_state_and_the_moment(tmp_path: Path):
    store, teller = MemoryStore(), Teller("p", None)
    describe(hooks_of(teller), store, tmp_path, 7.0)
    assert teller.asked == [(store, tmp_path, 7.0)]


def test_one_that_fails_has_a_panel_that_says_so_and_the_others_are_shown():
    broken = titles([Panel("a")], ValueError("no\nluck"), Offload(lambda: 1 / 0), "panel", [7], [Panel("b")])
    assert [title for title, _ in broken] == ["a", "p1", "p2", "p3", "p4", "b"]
    alerts = [alert for _, alert in broken[1:-1]]
    assert alerts[0] == "What plugin 'p1' has to tell cannot be shown: ValueError: no luck"
    assert "ZeroDivisionError" in alerts[1]
    assert all("a list of panels is expected" in alert for alert in alerts[2:])


def test_a_call_can_be_asked_what_plugins_tell_and_is_not_kept_alive_by_it(tmp_path: Path):
    store, teller = MemoryStore(), Teller("p", [Panel("a")])
    call = Call("c", {}, stream=True, store=store, state_dir=tmp_path)
    assert call.describe(1.0) == ()
    Engine(call, hooks_of(teller))
    ask, gone = call.describe, weakref.ref(call)
    del call
    gc.collect()
    assert gone() is None
    assert ask(2.0) == [Panel("a")]
    assert teller.asked == [(store, tmp_path, 2.0)]


def test_its_values_are_public():
    assert {"Panel", "Gauge"} <= set(seawall.__all__)
