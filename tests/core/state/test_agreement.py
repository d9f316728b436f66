"""Whatever is done to them, the stores agree, step by step."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from seawall.state import READ, Store, leases
from seawall_testkit.stores import ADJUST, COUNT, EMPTY, RENEW, RESERVE, SETTLE, new_key, without_lua

OWNERS = st.sampled_from(["host|1|2|1", "host|1|2|2", "host|9|9|1"])
TOKENS = st.floats(0, 400) | st.integers(0, 400)
CAPACITY = 1000


class Stores(RuleBasedStateMachine):
    """Does the same to all stores; a bucket and a counter share the document."""

    def __init__(self, stores: dict[str, Store]) -> None:
        super().__init__()
        self._stores = stores
        self._key = new_key()
        self._now = 1_700_000_000.0

    def _step(self, step, **arguments):
        results = [
            store.step(which, key=f"{self._key}:{name}", **arguments)
            for name, store in self._stores.items()
            for which in [without_lua(step) if name.endswith("without Lua") else step]
        ]
        assert all(result == results[0] for result in results), results
        return results[0]

    @rule(seconds=st.floats(0, 5) | st.floats(-100, 100) | st.sampled_from([-1e6, 1e6]))
    def time_passes(self, seconds: float):
        self._now += seconds

    @rule(by=st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9))
    def count(self, by: float):
        self._step(COUNT, by=by)

    @rule(owner=OWNERS, tokens=TOKENS, lasts=st.floats(0, 30), dead=st.lists(OWNERS, max_size=2))
    def reserve(self, owner: str, tokens: float, lasts: float, dead: list[str]):
        self._step(
            RESERVE, **self._bucket(), owner=owner, tokens=tokens, expires=self._now + lasts, dead=dead
        )

    @rule(owner=OWNERS, used=TOKENS)
    def settle(self, owner: str, used: float):
        self._step(SETTLE, **self._bucket(), owner=owner, used=used)

    @rule(owner=OWNERS, lasts=st.floats(0, 30), tokens=st.none() | TOKENS)
    def renew(self, owner: str, lasts: float, tokens: float | None):
        amounts = None if tokens is None else {"tokens": tokens}
        self._step(RENEW, owner=owner, expires=self._now + lasts, amounts=amounts)

    @rule(owner=OWNERS, tokens=st.integers(-400, 400) | st.floats(-400, 400), lasts=st.floats(0, 30))
    def adjust(self, owner: str, tokens: float, lasts: float):
        self._step(ADJUST, owner=owner, changes={"tokens": tokens}, expires=self._now + lasts)

    @rule()
    def empty(self):
        self._step(EMPTY)

    @invariant()
    def a_bucket_holds_no_more_than_its_capacity(self):
        document = self._step(READ)
        assert document.get("level", 0) <= CAPACITY
        assert all(amount >= 0 for amount in leases.held(document).values())

    def _bucket(self) -> dict[str, float]:
        return {"now": self._now, "capacity": CAPACITY, "rate": 7.3}


def test_the_stores_agree_step_by_step(memory: Store, sqlite: Store, redis: Store):
    stores = {"memory": memory, "SQLite": sqlite, "Redis": redis, "Redis without Lua": redis}
    run_state_machine_as_test(
        lambda: Stores(stores),
        settings=settings(max_examples=40, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
