"""Whatever is told and asked, the step of a model class does on Redis what it does in Python."""

import random
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from seawall.state import READ, Store
from seawall_testkit.stores import check_step, new_key, without_lua
from seawall_tokens.admission import GOVERN
from stores import Agreeing

NOW = 1_790_000_000.0
LIMITS = {"requests": 60.0, "input": 60_000.0, "output": 6_000.0}
OWNERS = st.sampled_from(["host|1|2|1", "host|1|2|2", "host|9|9|1"])
AMOUNTS = st.integers(0, 160_000).map(lambda number: number / 2) | st.floats(0, 80_000)
"""Halves too: they are rounded to even numbers."""
PREFIXES = st.sampled_from(["", "", "p", "q", "r"])


def report(owner="host|1|2|1", **told):
    base = {
        "outstanding": 0.0,
        "streams": 0,
        "written": 0.0,
        "unused": {},
        "said": None,
        "is_answered": False,
    }
    return {"owner": owner, **base, "succeeded": 0, "rejected": None, "warm": [], "left": [], **told}


def request(ticket, caller="", weight=1.0, *, amount=1_000.0, output=100.0, prefix="", tags=()):
    asked = {"ticket": ticket, "caller": caller, "weight": weight, "input": amount, "output": output}
    return {**asked, "prefix": prefix, "tags": list(tags)}


def arguments(now, told=None, asked=None, *, limits=LIMITS, reserves=False, max_concurrent=None):
    said = {"now": now, "limits": limits, "report": told or report(), "request": asked}
    return {**said, "reserves": reserves, "max_concurrent": max_concurrent}


@dataclass(eq=False)
class Asked:
    """A request, and what was said to it last."""

    owner: str
    request: dict
    verdict: dict


@dataclass
class Process:
    """What a process has in flight, and has to tell."""

    running: list[Asked] = field(default_factory=list)
    told: dict = field(default_factory=dict)

    def report(self, owner):
        told, self.told = self.told, {}
        outstanding = sum(asked.request["output"] for asked in self.running)
        return report(owner, outstanding=outstanding, streams=len(self.running), **told)

    def tell(self, **told):
        """Tell it with the next step."""
        self.told |= told


class Senders(RuleBasedStateMachine):
    """Processes that use the same limits, and answers that tell other ones."""

    waiting, running = Bundle("waiting"), Bundle("running")

    def __init__(self, stores: dict[str, Store]) -> None:
        super().__init__()
        self._store = Agreeing(stores)
        self._key = new_key()
        self._now = NOW
        self._processes: dict[str, Process] = {}
        self._serial = 0

    @initialize(
        limits=st.sampled_from([{}, {}, LIMITS, {"input": 5_000.5}, {"requests": 7.0, "output": 900.0}]),
        reserves=st.booleans(),
        max_concurrent=st.sampled_from([None, None, 0, 3]),
    )
    def begin(self, **options):
        self._options = options

    @rule(seconds=st.floats(0, 3) | st.floats(-100, 100) | st.sampled_from([16.0, 31.0, 301.0, -1e6, 1e6]))
    def time_passes(self, seconds):
        self._now += seconds

    @rule(
        target=waiting,
        owner=OWNERS,
        caller=st.sampled_from([("", 1.0), ("heavy", 0.3), ('ä€🌊"\\\x00', 2.5), ("7", 1)]),
        wanted=st.fixed_dictionaries({"amount": AMOUNTS, "output": AMOUNTS, "prefix": PREFIXES}),
        number=st.sampled_from([1, 1, 1, 5, 12]),
    )
    def come(self, owner, caller, wanted, number):
        come = []
        for _ in range(number):
            self._serial += 1
            asked = request(f"{self._serial:x}", *caller, **wanted)
            come.append(self._ask(Asked(owner, asked, {"is_admitted": False})))
        return multiple(*come)

    @rule(target=running, asked=consumes(waiting))
    def ask_again(self, asked):
        self._ask(asked)
        return asked

    @rule(target=waiting, asked=consumes(running), amount=AMOUNTS)
    def change(self, asked, amount):
        """It asks again, with more or less."""
        asked.request["input"] = amount
        return self._ask(asked)

    @rule(asked=st.one_of(consumes(waiting), consumes(running)))
    def leave(self, asked):
        self._process(asked).tell(left=[asked.request["ticket"], "unknown"])
        self._step(asked.owner)

    @rule(
        target=waiting,
        asked=consumes(running),
        unused=st.dictionaries(st.sampled_from([*LIMITS]), st.floats(-5_000, 5_000)),
        limits=st.none() | st.dictionaries(st.sampled_from([*LIMITS]), st.floats(1, 1e5)),
        part=st.just(1.0) | st.floats(0, 1),
        seconds=st.none() | st.sampled_from([0.0, 3.25]) | st.floats(0, 60),
    )
    def end(self, asked, unused, limits, part, seconds):
        """An answer comes, and is a refusal where it says for how many seconds; then it comes again."""
        process, verdict = self._process(asked), asked.verdict
        process.running = [other for other in process.running if other is not asked]
        if verdict["is_admitted"]:
            if limits is not None:
                remaining = {name: limit * part for name, limit in limits.items() if part != 0.5}
                stamp = {"time": verdict["time"], "taken": verdict["taken"]}
                process.tell(said={"limits": limits, "remaining": remaining, **stamp}, is_answered=True)
            asked.request["tags"] = verdict["tags"] if seconds is not None else []
            process.tell(unused=unused, rejected=seconds, succeeded=int(seconds is None))
            process.tell(warm=[prefix for prefix in [asked.request["prefix"]] if prefix])
        self._step(asked.owner)
        return asked

    @rule(owner=OWNERS, written=AMOUNTS, count=st.sampled_from([0, 1, 400]), warm=st.integers(0, 70))
    def tell(self, owner, written, count, warm):
        process = self._processes.setdefault(owner, Process())
        process.tell(written=written, succeeded=count, warm=[f"w{number}" for number in range(warm)])
        self._step(owner)

    @rule(owner=OWNERS)
    def die(self, owner):
        self._processes.pop(owner, None)

    @invariant()
    def documents_agree(self):
        self._store.step(READ, key=self._key)

    def _process(self, asked):
        return self._processes.setdefault(asked.owner, Process())

    def _ask(self, asked):
        if not asked.verdict["is_admitted"]:
            asked.verdict = self._step(asked.owner, asked.request)
            if asked.verdict["is_admitted"]:
                self._process(asked).running.append(asked)
        return asked

    def _step(self, owner, asked=None):
        told = self._processes.setdefault(owner, Process()).report(owner)
        given = arguments(self._now, told, asked, **self._options)
        return self._store.step(GOVERN, key=self._key, **given)


def test_the_stores_agree_step_by_step(memory, sqlite, redis):
    stores = {"memory": memory, "SQLite": sqlite, "Redis": redis, "Redis without Lua": redis}
    how = settings(
        max_examples=40,
        stateful_step_count=40,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(lambda: Senders(stores), settings=how)


@pytest.mark.parametrize("limits", [{}, LIMITS], ids=["unknown", "configured"])
def test_many_leases_and_places_are_the_same(redis, limits):
    rng = random.Random(7)
    check_step(redis, [(GOVERN, given) for given in crowd(rng, limits, leases=40, places=120)])


def crowd(rng, limits, *, leases, places):
    """Arguments by which so many processes hold leases, and so many requests wait; then time passes."""
    for number in range(leases):
        told = report(f"host|{number}|1|1", outstanding=rng.uniform(0, 9_000), streams=rng.randrange(1, 9))
        yield arguments(NOW + number / 99, told, limits=limits)
    for number in range(places):
        asked = request(
            f"{rng.randrange(16**12):012x}",
            rng.choice(("", "one", "two")),
            rng.choice((1.0, 0.7)),
            amount=rng.uniform(0, 60_000),
            output=rng.uniform(0, 4_000),
            prefix=rng.choice(("", f"{rng.randrange(9)}")),
        )
        told = report(f"host|{number % leases}|1|1", outstanding=rng.uniform(0, 9_000), streams=3)
        yield arguments(NOW + 1 + number / 99, told, asked, limits=limits, max_concurrent=9)
    for number in range(20):
        yield arguments(NOW + 3 + number, report("host|0|1|1"), request(f"late {number}"), limits=limits)


def test_what_waits_equally_long_goes_by_its_ticket(redis):
    given = [arguments(NOW, asked=request("0", amount=1e6))]
    tags = [2_000_000_000, 1_000_000_000]
    given += [arguments(NOW, asked=request(ticket, tags=tags)) for ticket in ("b", "a", "c", "a", "b", "c")]
    for step in (GOVERN, without_lua(GOVERN)):
        check_step(redis, [(step, now) for now in given])


def test_halves_are_rounded_to_even_numbers(redis):
    # moments are kept in whole milliseconds: 62.5, 187.5 and 312.5 pass
    moments = [NOW, NOW + 0.0625, NOW + 0.1875, NOW + 0.3125]
    check_step(redis, [(GOVERN, arguments(now, asked=request("t", amount=1e9))) for now in moments])


def test_a_caller_that_virtual_time_has_reached_is_forgotten(redis):
    asked = [request("1", "x"), request("2", "y"), request("3", "y")]
    document = check_step(redis, [(GOVERN, arguments(NOW, asked=one, limits={})) for one in asked])
    assert set(document["finished"]) == {"y"}


@pytest.mark.parametrize("seed", range(4))
def test_what_answers_say_is_the_same(redis, seed):
    rng = random.Random(seed)
    limits = rng.choice(({}, LIMITS, {"input": 9_000.0}))
    check_step(redis, [(GOVERN, answered(rng, number, limits)) for number in range(150)])


def answered(rng, number, limits):
    """Arguments after an answer that says anything, or a 429."""
    told = {name: rng.choice((60.0, 5e3, 9e4)) for name in rng.sample([*LIMITS], rng.randrange(1, 4))}
    said = {
        "limits": told,
        "remaining": {name: limit * rng.random() for name, limit in told.items()},
        "time": rng.uniform(0, 2 * number),
        "taken": {name: rng.uniform(0, 3e3) for name in LIMITS},
    }
    what = {"said": rng.choice((None, said)), "rejected": rng.choice((None, None, rng.uniform(0, 9)))}
    happened = report(succeeded=rng.choice((0, 0, 3)), is_answered=True, **what)
    asked = request(f"{number}", prefix=rng.choice(("", "p")), amount=rng.uniform(0, 3e3))
    return arguments(NOW + number * 1.3, happened, asked, limits=limits)
