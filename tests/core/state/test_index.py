"""An index: which names were lately noted, by whom ever, and how seldom a process asks the store for it."""

import pytest

from seawall.state import Index, MemoryStore, StoreError
from seawall.state.index import AGAIN, KEPT, MOST


class Counting(MemoryStore):
    def __init__(self):
        super().__init__()
        self.steps = []
        self.fails = False

    def step(self, step, /, *, key, **arguments):
        self.steps.append(step.name)
        if self.fails:
            raise StoreError("here", "it fails")
        return super().step(step, key=key, **arguments)


def test_names_are_those_that_any_process_noted_within_a_day():
    store, one, other = MemoryStore(), Index("i"), Index("i")
    one.note(store, "b", 0.0)
    other.note(store, "a", 60.0)
    assert one.names(store, 60.0) == other.names(store, 60.0) == ["a", "b"]
    assert one.names(store, KEPT + 1) == ["a"]
    assert Index("another").names(store, 60.0) == []


def test_a_process_notes_a_name_once_an_hour():
    store, index = Counting(), Index("i")
    for now in (0.0, 1.0, AGAIN - 1):
        index.note(store, "a", now)
    assert len(store.steps) == 1
    index.note(store, "a", AGAIN)
    assert len(store.steps) == 2
    index.note(store, "a", 0.0)  # the clock was put right
    assert len(store.steps) == 3


def test_stores_do_not_share_what_was_noted():
    index = Index("i")
    for store in (MemoryStore(), MemoryStore()):
        index.note(store, "a", 0.0)
        assert index.names(store, 0.0) == ["a"]


def test_the_names_noted_longest_ago_are_dropped():
    store, index = MemoryStore(), Index("i")
    for number in range(MOST + 2):
        index.note(store, f"{number:03}", float(number))
    assert index.names(store, 0.0) == [f"{number:03}" for number in range(2, MOST + 2)]


def test_what_could_not_be_noted_is_noted_the_next_time():
    store, index = Counting(), Index("i")
    store.fails = True
    index.note(store, "a", 0.0)
    with pytest.raises(StoreError):
        index.names(store, 0.0)
    store.fails = False
    index.note(store, "a", 0.0)
    assert index.names(store, 0.0) == ["a"]
