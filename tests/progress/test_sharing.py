"""The documents by which processes tell each other of their calls: who watches, who runs, who is gone."""

from uuid import uuid4

import pytest

from seawall.state import READ, MemoryStore, owners
from seawall_progress.sharing import KEY, LASTS, LEAVE, REPORT, WATCH

ME, OTHER, EYE = "host|1|1|1", "host|2|2|1", "host|3|3|1"


class State:
    def __init__(self, store):
        self.store = store
        self.now = 1_000_000.0
        self.key = f"{KEY}:{uuid4()}"

    def report(self, owner=ME, calls=1, dead=()):
        return self.store.step(REPORT, key=self.key, now=self.now, owner=owner, calls=calls, dead=list(dead))

    def watch(self, dead=()):
        return tuple(self.store.step(WATCH, key=self.key, now=self.now, owner=EYE, dead=list(dead)))

    def leave(self, owner):
        self.store.step(LEAVE, key=self.key, owner=owner)

    def document(self):
        return self.store.step(READ, key=self.key)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def state(request):
    return State(request.getfixturevalue(request.param))


def test_while_nobody_watches_nothing_is_written(state):
    assert state.report() == {"is_watched": False, "ended": []}
    assert state.document() == {}


def test_who_watches_learns_who_has_calls(state):
    assert state.watch() == ([], [])
    assert state.report()["is_watched"]
    assert state.report(OTHER)["is_watched"]
    assert state.watch() == ([ME, OTHER], [])


def test_what_is_not_said_again_ends_and_who_comes_next_is_told(state):
    state.watch()
    state.report()
    state.now += LASTS - 1
    state.watch()
    state.report(OTHER)
    state.now += 1
    assert state.report(OTHER) == {"is_watched": True, "ended": [ME]}
    assert state.watch() == ([OTHER], [])


def test_a_process_that_has_surely_died_is_gone_at_once(state):
    state.watch()
    state.report()
    assert state.watch(dead=[ME]) == ([], [ME])


def test_when_nobody_watches_any_more_all_is_forgotten_and_cleared_up(state):
    state.watch()
    state.report()
    state.report(OTHER)
    state.leave(EYE)
    assert state.report() == {"is_watched": False, "ended": [OTHER]}
    assert state.document() == {}


def test_a_reader_that_was_killed_is_not_told_for_ever(state):
    state.watch()
    state.now += LASTS
    assert state.report() == {"is_watched": False, "ended": []}


def test_who_leaves_leaves_nothing(state):
    state.watch()
    state.report()
    state.leave(ME)
    assert state.watch() == ([], [])
    state.leave(EYE)
    assert state.document() == {}


def test_owners_are_those_of_processes():
    store = MemoryStore()
    store.step(WATCH, key=KEY, now=0.0, owner=owners.new_owner(), dead=[])
    assert owners.dead_owners(store.step(READ, key=KEY)) == []
