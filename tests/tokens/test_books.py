"""The documents of budgets: what cannot be booked now is booked later."""

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from seawall.state import READ, MemoryStore, StoreError, owners
from seawall_tokens.books import Books

NOW = 1_790_000_000.0
KEY = "budget"


class Failing:
    """A store that fails when it is told to."""

    blocks = True

    def __init__(self):
        self.fails = False
        self.steps = 0
        self._store = MemoryStore()

    def step(self, step, /, *, key, **arguments):
        self.steps += 1
        if self.fails:
            raise StoreError("there", "gone")
        return self._store.step(step, key=key, **arguments)


def entry(spent=0.0, wanted=0.0, **rest):
    return {"window": "w", "spent": spent, "wanted": wanted, **rest}


def book(books, store, **entries):
    return books.book(store, KEY, entries, limit=1_000)


def spent(store):
    return store.step(READ, key=KEY).get("spent", {}).get("w", 0)


@pytest.fixture
def books():
    return Books(lambda: NOW)


def test_entries_are_booked_together(books):
    store = Failing()
    booked = book(books, store, a=entry(100, 50), b=entry(10, 50))
    assert (booked["a"]["granted"], booked["b"]["spent"]) == (50, 100)
    assert store.steps == 1
    assert spent(store) == 110


def test_what_was_owed_is_booked_with_the_next_entries_and_before_them(books):
    store = Failing()
    books.owe(store, KEY, "w", 300)
    books.owe(store, KEY, "w", 100)
    assert book(books, store, a=entry(0, 700))["a"]["granted"] == 600
    book(books, store, a=entry())
    assert spent(store) == 400


def test_what_was_to_be_given_back_is_not_owed(books):
    store = Failing()
    book(books, store, a=entry(100))
    books.owe(store, KEY, "w", -50)
    book(books, store)
    assert spent(store) == 100


def test_a_debt_outlasts_a_store_that_fails(books):
    store = Failing()
    books.owe(store, KEY, "w", 300)
    store.fails = True
    for _ in range(2):
        with pytest.raises(StoreError):
            book(books, store, a=entry(100))
    store.fails = False
    book(books, store)
    assert spent(store) == 300


def test_the_debts_of_one_budget_are_not_booked_in_another(books):
    store, other = Failing(), Failing()
    books.owe(store, KEY, "w", 300)
    books.book(store, "another", {"a": entry()}, limit=1_000)
    book(books, other)
    assert (spent(store), spent(other)) == (0, 0)


def test_that_the_store_fails_or_works_again_is_said_once(books, caplog):
    caplog.set_level(logging.WARNING)
    store = Failing()
    book(books, store)
    store.fails = True
    for _ in range(3):
        with pytest.raises(StoreError):
            book(books, store)
    store.fails = False
    for _ in range(3):
        book(books, store)
    assert [record.message for record in caplog.records] == [
        "budgets cannot be checked: state store there: gone",
        "budgets are checked again",
    ]


def test_that_a_store_fails_is_said_once_though_another_one_works(books, caplog):
    caplog.set_level(logging.WARNING)
    store, other = Failing(), Failing()
    store.fails = True
    for _ in range(3):
        with pytest.raises(StoreError):
            book(books, store)
        book(books, other)
    assert [record.message for record in caplog.records] == [
        "budgets cannot be checked: state store there: gone"
    ]


def test_what_a_dead_process_holds_is_there_for_one_that_would_be_refused(books):
    said = "from seawall.state import owners; print(owners.new_owner())"
    dead = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert owners.is_surely_dead(dead) == (sys.platform != "win32")
    store = Failing()
    book(books, store, **{dead: entry(100, 800), owners.new_owner(): entry(0, 50)})
    assert book(books, store, a=entry(0, 10, least=10))["a"]["held"] == 850
    booked = book(books, store, b=entry(0, 400, least=400))["b"]
    assert booked["is_refused"] == (sys.platform == "win32")
    assert sys.platform == "win32" or (booked["spent"], booked["held"], booked["granted"]) == (100, 60, 400)


def test_sixteen_threads_owe_and_book_and_nothing_is_lost_or_booked_twice(books):
    store, start = MemoryStore(), threading.Barrier(16)

    def work(number):
        start.wait()
        for _ in range(50):
            books.owe(store, KEY, "w", 1)
            book(books, store, **{f"{number}": entry(1)})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    book(books, store)
    assert spent(store) == 16 * 50 * 2
