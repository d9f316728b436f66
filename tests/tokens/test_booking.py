"""The document of a budget: whatever is done to it, it is not passed, and the stores agree step by step."""

import random
from collections import defaultdict
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from seawall.state import READ, Store, leases
from seawall_testkit.stores import check_step, new_key, without_lua
from seawall_tokens.booking import BOOK, LASTS, WINDOWS
from seawall_tokens.books import Books
from seawall_tokens.budget import Budget
from seawall_tokens.spending import Share
from seawall_tokens.tariff import Tariff
from stores import Agreeing

LIMIT = 50_000
NOW = 1_790_000_000.0


def entry(spent=0.0, wanted=0.0, window="w1", **rest):
    return {"window": window, "spent": spent, "wanted": wanted, **rest}


def book(store, *, now=NOW, limit=1_000, dead=(), **entries):
    return store.step(BOOK, key="budget", now=now, limit=limit, dead=list(dead), entries=entries)


def document(store):
    return store.step(READ, key="budget")


def left(store, window="w1", limit=1_000):
    kept = document(store)
    return limit - kept["spent"][window] - leases.held(kept).get(window, 0)


def test_what_is_spent_and_what_is_held_is_taken_from_what_is_left(memory):
    booked = book(memory, a=entry(100, 300, least=10))["a"]
    assert booked == {"window": "w1", "is_refused": False, "granted": 300, "spent": 0, "held": 0}
    assert left(memory) == 600
    assert book(memory, b=entry(50, 100, least=10))["b"]["held"] == 300


def test_entries_of_one_step_are_booked_one_after_another(memory):
    book(memory, a=entry(0, 400), b=entry(0, 300))
    booked = book(memory, a=entry(350, 400), b=entry(200, 400), c=entry(10, 400, least=1))
    assert [booked[owner]["held"] for owner in "abc"] == [300, 350, 450]
    assert [booked[owner]["granted"] for owner in "abc"] == [350, 100, 0]
    assert booked["c"]["is_refused"]
    assert left(memory) == 0


def test_nothing_is_booked_if_the_least_does_not_fit(memory):
    book(memory, a=entry(100, 300, least=10))
    assert book(memory, b=entry(591, 300, least=10))["b"]["is_refused"]
    assert left(memory) == 600
    assert not book(memory, b=entry(590, 300, least=10))["b"]["is_refused"]


def test_no_more_is_held_than_is_left(memory):
    assert book(memory, a=entry(100, 5_000))["a"]["granted"] == 900


def test_what_was_held_is_replaced_and_ends_with_the_attempt(memory):
    book(memory, a=entry(100, 300))
    book(memory, a=entry(200, 300))
    assert left(memory) == 400
    book(memory, a=entry(-50))
    assert document(memory)["spent"] == {"w1": 250}
    assert left(memory) == 750


def test_what_is_spent_is_booked_also_where_it_passes_the_limit(memory):
    assert book(memory, a=entry(1_200, 300))["a"]["granted"] == 0
    assert left(memory) == -200


def test_a_lease_that_ended_gives_back_what_was_held_and_nothing_that_was_booked(memory):
    book(memory, a=entry(100, 300))
    for second in (9, 18, 27, 36):
        book(memory, now=NOW + second, b=entry())
    assert left(memory) == 900


def test_a_dead_process_gives_it_back_at_once(memory):
    book(memory, a=entry(100, 300))
    book(memory, dead=["a"], b=entry())
    assert left(memory) == 900


def test_a_clock_that_jumps_ends_no_lease(memory):
    book(memory, a=entry(100, 300))
    for jump in (10 * LASTS, -10 * LASTS):
        book(memory, now=NOW + jump, b=entry())
    assert left(memory) == 600


def test_a_window_that_a_clock_comes_back_to_is_as_it_was(memory):
    book(memory, a=entry(100, window="2026-11-25"))
    book(memory, a=entry(200, window="2036-01-01"))
    assert book(memory, a=entry(0, window="2026-11-25"))["a"]["spent"] == 100


def test_a_window_that_was_forgotten_is_never_new_again(memory):
    for day in range(WINDOWS + 1):
        book(memory, a=entry(100 + day, window=f"2026-11-1{day}"))
    booked = book(memory, a=entry(1, window="2026-11-10"))["a"]
    assert (booked["window"], booked["spent"]) == ("2026-11-11", 101)


def test_what_was_booked_in_a_forgotten_window_is_not_given_back_in_another(memory):
    for day in range(WINDOWS + 1):
        book(memory, a=entry(100, window=f"2026-11-1{day}"))
    assert book(memory, a=entry(-80, window="2026-11-10"))["a"]["window"] == "2026-11-11"
    assert document(memory)["spent"]["2026-11-11"] == 100


def test_no_more_is_given_back_than_was_spent(memory):
    book(memory, a=entry(100))
    book(memory, a=entry(-150))
    assert document(memory)["spent"]["w1"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_its_lua_does_what_it_does_in_python(redis, sqlite, seed):
    rng = random.Random(seed)
    calls = [(BOOK, arguments(rng)) for _ in range(100)]
    for store in (redis, sqlite):
        check_step(store, calls)
    check_step(redis, [(without_lua(step), given) for step, given in calls])


def arguments(rng):
    entries = {}
    for owner in rng.sample("abcde", rng.randrange(4)):
        entries[owner] = entry(
            rng.choice((rng.uniform(-200, 400), rng.randrange(400))),
            rng.choice((0, rng.uniform(0, 900))),
            f"2026-11-{rng.randrange(10, 22)}",
        )
        if rng.random() < 0.5:
            entries[owner]["least"] = rng.uniform(0, 300)
    now = NOW + rng.choice((rng.uniform(0, 60), rng.uniform(-1e6, 1e6)))
    return {"now": now, "limit": 5_000, "dead": rng.sample("abcde", rng.randrange(2)), "entries": entries}


@dataclass(eq=False)
class Running:
    """An attempt, and what it has really written."""

    share: Share
    written: float = 0.0

    @property
    def cost(self) -> float:
        """Of what can be seen."""
        return self.share.tariff.cost(self.written)


class Spenders(RuleBasedStateMachine):
    """Calls of many processes spend one budget per day."""

    calls = Bundle("calls")

    def __init__(self, stores: dict[str, Store]) -> None:
        super().__init__()
        self._store = Agreeing(stores)
        self._key = new_key()
        self._now = NOW
        self._books = Books(lambda: self._now)
        self._budget = Budget(tokens=LIMIT, per="day")
        self._running: list[Running] = []
        self._serial = 0
        self._spent = defaultdict(float)
        """Really, by calls that ended or died."""
        self._unreported = defaultdict(float)
        """Of it, what killed processes had not told."""
        self._settled = defaultdict(float)
        """What was booked by calls that ended or died."""
        self._over = defaultdict(float)
        """What may be spent beyond the limit: the unstreamed rests, and what attempts spent whose lease had
        ended since nothing was heard of them for long."""

    # -- what happens

    @rule(seconds=st.floats(0, 3) | st.floats(-100, 100) | st.sampled_from([-1e6, 3_600.0, 86_400.0, 1e6]))
    def time_passes(self, seconds: float):
        self._now += seconds

    @rule(
        target=calls,
        input_tokens=st.integers(1, 20_000),
        per_token=st.sampled_from([1.0, 0.37]),
        possible=st.integers(1, 64_000),
        unseen=st.sampled_from([0, 3_000]),
    )
    def reserve(self, input_tokens: int, per_token: float, possible: int, unseen: int):
        self._serial += 1
        share = Share(
            self._budget,
            title="",
            key=self._key,
            store=self._store,
            owner=f"elsewhere|1|2|{self._serial}",
            window=f"day {int(self._now // 86_400)}",
            tariff=Tariff(float(input_tokens), per_token),
            possible=possible,
            unseen=min(unseen, possible),
        )
        if self._book([(share, share.first_entry())])[share.owner]["is_refused"]:
            return multiple()
        running = Running(share)
        self._running.append(running)
        return running

    @rule(call=calls, part=st.floats(0, 1))
    def stream(self, call: Running, part: float):
        """It writes a part of what it may write before it is stopped."""
        end = min(call.share.possible, call.share.allowed)
        call.written = max(call.written, call.written + (end - call.written) * part)

    @rule()
    def renew(self):
        entries = [(call.share, call.share.entry(call.written)) for call in self._running]
        if entries:
            self._book(entries)

    @rule(
        call=consumes(calls),
        rest=st.just(0) | st.integers(0, 500),
        part_of_input=st.floats(0, 1),
        part_of_unseen=st.floats(0, 1),
    )
    def settle(self, call: Running, rest: int, part_of_input: float, part_of_unseen: float):
        """The API counts no more input and unseen output than was held, and a rest beyond that."""
        share = call.share
        output = min(call.written + share.unseen * part_of_unseen, share.possible) + rest
        spent = share.tariff.input * part_of_input + share.tariff.per_token * output
        self._running.remove(call)
        self._book([(share, share.last_entry(spent))], rest=share.tariff.per_token * rest)
        self._spent[share.window] += spent
        self._settled[share.window] += spent

    @rule(call=consumes(calls))
    def kill(self, call: Running):
        self._running.remove(call)
        self._spent[call.share.window] += call.cost
        self._unreported[call.share.window] += max(call.cost - call.share.booked, 0)
        self._settled[call.share.window] += call.share.booked

    def _book(self, entries, *, rest=0.0):
        before = self._document()
        booked = self._books.book(
            self._store, self._key, {share.owner: entry for share, entry in entries}, limit=LIMIT
        )
        time = self._document()["time"]
        for share, made in entries:
            result = booked[share.owner]
            if result["is_refused"]:
                continue
            is_held = share.owner in leases.owners(leases.expire(before, time)[0], result["window"])
            if "least" not in made:
                self._over[result["window"]] += rest if is_held or not share.held else max(made["spent"], 0)
            share.take(made, result)
        return booked

    def _document(self):
        return self._store.step(READ, key=self._key)

    # -- what holds

    @invariant()
    def no_more_is_spent_and_held_than_the_limit_and_unstreamed_rests(self):
        kept = self._document()
        held = leases.held(kept)
        for window, spent in kept.get("spent", {}).items():
            assert spent + held.get(window, 0) <= LIMIT + self._over[window] + 1e-6

    @invariant()
    def what_is_really_spent_is_known(self):
        kept = self._document()
        held = leases.held(kept)
        for window, booked in kept.get("spent", {}).items():
            mine = [call for call in self._running if call.share.window == window]
            really = self._spent[window] + sum(call.cost for call in mine)
            # who lost its lease tells the next time what it has written
            silent = sum(
                max(call.cost - call.share.booked, 0)
                for call in mine
                if call.share.owner not in leases.owners(kept)
            )
            assert really <= booked + held.get(window, 0) + self._unreported[window] + silent + 1e-6

    @invariant()
    def no_more_is_counted_than_was_told(self):
        spent = self._document().get("spent", {})
        for window, booked in spent.items() if len(spent) < WINDOWS else ():
            running = sum(call.share.booked for call in self._running if call.share.window == window)
            assert booked == pytest.approx(self._settled[window] + running, abs=1e-6)


def played(stores, *, examples, steps):
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(lambda: Spenders(stores), settings=how)


def test_a_budget_is_never_passed_and_the_stores_agree(memory, sqlite, redis):
    stores = {"memory": memory, "SQLite": sqlite, "Redis": redis, "Redis without Lua": redis}
    played(stores, examples=40, steps=30)


def test_a_budget_is_never_passed_in_memory(memory):
    played({"memory": memory}, examples=300, steps=50)
