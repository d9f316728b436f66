# ruff: noqa: D102 - the name of a test is its sentence
"""What every state store must do, as tests; and steps to try one with.

A store of your own is tested by a class with a fixture::

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def store(self) -> Iterator[Store]:
            with MyStore() as store:
                yield store

A step of your own is tested by `check_step`, once for each store.
"""

from __future__ import annotations

import random
import threading
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from seawall.state import READ, Document, StepError, Store, clock, leases
from seawall.state.documents import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

E = TypeVar("E", bound=Exception)

THREADS: Final = 16


def _count(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, float]:
    count = document.get("count", 0) + arguments.get("by", 1)
    return {**document, "count": count}, count


def _reserve(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, bool]:
    document = _filled(document, arguments)
    document, back = leases.expire(document, arguments["now"], arguments.get("dead", []))
    level = document["level"] + back.get("tokens", 0)
    admitted = level >= arguments["tokens"]
    if admitted:
        level -= arguments["tokens"]
        document = leases.grant(
            document, arguments["owner"], {"tokens": arguments["tokens"]}, arguments["expires"]
        )
    return {**document, "level": min(level, arguments["capacity"])}, admitted


def _settle(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, float]:
    document = _filled(document, arguments)
    document, held = leases.release(document, arguments["owner"])
    level = document["level"] + held.get("tokens", 0) - arguments["used"]
    return {**document, "level": min(level, arguments["capacity"])}, level


def _adjust(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, dict[str, float]]:
    return leases.adjust(document, arguments["owner"], arguments["changes"], arguments["expires"])


def _renew(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, bool]:
    return leases.renew(document, arguments["owner"], arguments["expires"], arguments.get("amounts"))


def _filled(document: Document, arguments: Mapping[str, Any]) -> Document:
    document, seconds = clock.elapsed(document, arguments["now"], at_most=60)
    level = document.get("level", arguments["capacity"]) + seconds * arguments["rate"]
    return {**document, "level": min(level, arguments["capacity"])}


_FILL: Final = f"""{clock.LUA}{leases.LUA}
local seconds = elapsed(document, arguments.now, 60)
local level = (document.level or arguments.capacity) + seconds * arguments.rate
level = math.min(level, arguments.capacity)
"""
COUNT: Final = Step(
    "count",
    _count,
    "document.count = (document.count or 0) + (arguments.by or 1)\nreturn document, document.count",
)
"""Adds `by` to a number."""
RESERVE: Final = Step(
    "reserve",
    _reserve,
    f"""{_FILL}
level = level + (expire(document, arguments.now, arguments.dead).tokens or 0)
local admitted = level >= arguments.tokens
if admitted then
  level = level - arguments.tokens
  grant(document, arguments.owner, {{tokens = arguments.tokens}}, arguments.expires)
end
document.level = math.min(level, arguments.capacity)
return document, admitted
""",
)
"""Takes `tokens` out of a bucket of `capacity`, filled at `rate` a second, as a lease."""
SETTLE: Final = Step(
    "settle",
    _settle,
    f"""{_FILL}
level = level + (release(document, arguments.owner).tokens or 0) - arguments.used
document.level = math.min(level, arguments.capacity)
return document, level
""",
)
"""Gives back what a lease held, and takes what was `used`."""
RENEW: Final = Step(
    "renew",
    _renew,
    f"{leases.LUA}\nreturn document, renew(document, arguments.owner, arguments.expires, arguments.amounts)",
)
"""Extends a lease of a bucket."""
ADJUST: Final = Step(
    "adjust",
    _adjust,
    f"{leases.LUA}\nreturn document, adjust(document, arguments.owner, arguments.changes, arguments.expires)",
)
"""Changes what a lease of a bucket holds by `changes`."""
EMPTY: Final[Step[None]] = Step("empty", lambda *_: ({}, None), "return {}, nil")
SET: Final[Step[None]] = Step(
    "set", lambda _, arguments: (dict(arguments["to"]), None), "return arguments.to, nil"
)
BROKEN: Final[Step[None]] = Step("broken", lambda *_: ({"not": {"JSON"}}, None), "return {1, 2, x = 3}, nil")
"""Makes a document that cannot be kept."""

STEPS: Final[tuple[Step[Any], ...]] = (COUNT, RESERVE, SETTLE, RENEW, ADJUST, EMPTY, SET)


def without_lua(step: Step[Any]) -> Step[Any]:
    """Return the step as one that was written in Python only."""
    return Step(step.name, step.function)


def check_step(store: Store, calls: Iterable[tuple[Step[Any], Mapping[str, Any]]]) -> Document:
    """Run steps on a new document of `store` and beside it in Python; return the document.

    Raises:
        AssertionError: A result or a document differs.
    """
    key, wanted = new_key(), Document()
    for step, arguments in calls:
        wanted, result = step.function(wanted, arguments)
        _equal(store.step(step, key=key, **arguments), result, f"result of {step.name!r} with {arguments!r}")
        _equal(store.step(READ, key=key), wanted, f"document after {step.name!r} with {arguments!r}")
    return wanted


def new_key() -> str:
    """Return a key nobody has used."""
    return f"conformance:{uuid.uuid4()}"


class StoreConformance:
    """Tests for pytest: subclass it, and give it a fixture `store`."""

    def test_the_document_of_a_new_key_is_empty(self, store: Store) -> None:
        _equal(store.step(READ, key=new_key()), {}, "document")

    def test_a_step_sees_what_the_one_before_left(self, store: Store) -> None:
        check_step(store, [(COUNT, {}), (COUNT, {"by": 41}), (COUNT, {"by": -0.1})])

    def test_a_document_that_becomes_empty_is_as_if_never_written(self, store: Store) -> None:
        check_step(store, [(COUNT, {}), (EMPTY, {}), (EMPTY, {}), (COUNT, {})])

    def test_keys_are_apart_whatever_is_in_them(self, store: Store) -> None:
        tail = new_key()
        starts = ("a", "A", "a b", "{a}", "}{", "ä€🌊", "a" * 2000, "%s:*?[", "\n\x00'\"")
        keys = [start + tail for start in starts]
        for number, key in enumerate(keys):
            store.step(COUNT, key=key, by=number + 1)
        counts = [store.step(READ, key=key) for key in keys]
        _equal(counts, [{"count": number + 1} for number in range(len(keys))], "documents")

    def test_values_come_back_as_they_were(self, store: Store) -> None:
        value = {
            "numbers": [1 / 3, -0.1, 1e300, 5e-324, 1_700_000_000.123456, 2**53, -(2**53), 0, 1e22],
            "text": 'ä€🌊"\\\n\x7f/%',
            "": {"true": True, "false": False, "null": None, "1": {"2": [[1], {"x": [None, "y"]}]}},
        }
        for step in (SET, without_lua(SET)):
            check_step(store, [(step, {"to": value}), (READ, {}), (COUNT, {})])

    def test_steps_in_lua_do_what_they_do_in_python(self, store: Store) -> None:
        for seed in range(3):
            calls = list(random_calls(random.Random(seed), 100))  # noqa: S311 - it draws no secrets
            check_step(store, calls)
            check_step(store, [(without_lua(step), arguments) for step, arguments in calls])

    def test_a_step_that_raises_changes_nothing(self, store: Store) -> None:
        key = new_key()
        store.step(COUNT, key=key)
        error = _raised(partial(store.step, _RAISING, key=key), ZeroDivisionError)
        _equal(str(error), "in the step", "message")
        _equal(store.step(READ, key=key), {"count": 1}, "document")

    def test_what_is_not_json_is_refused_and_changes_nothing(self, store: Store) -> None:
        for number in (float("nan"), float("inf")):
            key = new_key()
            for step in (COUNT, without_lua(COUNT)):
                store.step(step, key=key)
                _raised(partial(store.step, step, key=key, by=number), StepError)
            _equal(store.step(READ, key=key), {"count": 2}, "document")
        for step in (BROKEN, without_lua(BROKEN)):
            error = _raised(partial(store.step, step, key=key), StepError)
            _equal([error.step, error.key], ["broken", key], "names in the error")
        _equal(store.step(READ, key=key), {"count": 2}, "document")

    def test_changing_a_result_changes_no_document(self, store: Store) -> None:
        key = new_key()
        store.step(SET, key=key, to={"inner": {"x": 1}})
        store.step(READ, key=key)["inner"]["x"] = 2
        _equal(store.step(READ, key=key), {"inner": {"x": 1}}, "document")

    def test_threads_lose_no_step(self, store: Store) -> None:
        for step in (COUNT, without_lua(COUNT)):
            key = new_key()
            seen: list[float] = []
            barrier = threading.Barrier(THREADS)

            def work(step: Step[float] = step, key: str = key, seen: list[float] = seen) -> None:
                barrier.wait()  # noqa: B023 - all are joined before it changes
                for _ in range(20):
                    seen.append(store.step(step, key=key))  # noqa: PERF401 - each as soon as it is known

            threads = [threading.Thread(target=work) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            _equal(sorted(seen), list(range(1, 20 * THREADS + 1)), "results")


def random_calls(rng: random.Random, number: int) -> Iterable[tuple[Step[Any], Mapping[str, Any]]]:
    """Yield steps on a bucket by owners `"a"` to `"d"`, with clocks that jump."""
    now = 1_700_000_000.0
    for _ in range(number):
        now += rng.choice((rng.uniform(0, 2), rng.uniform(-5, 5), rng.uniform(-500, 500)))
        bucket = {"now": now, "capacity": 1000, "rate": rng.choice((1, 7.3))}
        lease = {"owner": rng.choice("abcd"), "expires": now + rng.uniform(0, 30)}
        wanted = {"tokens": rng.uniform(0, 400), "dead": rng.choices("abcd")}
        yield rng.choice(
            (
                (RESERVE, {**bucket, **lease, **wanted}),
                (SETTLE, {**bucket, **lease, "used": rng.randrange(400)}),
                (
                    ADJUST,
                    {**lease, "changes": {"tokens": rng.uniform(-300, 300), "requests": rng.choice((-1, 1))}},
                ),
                (RENEW, {**lease, "amounts": rng.choice((None, {"tokens": rng.random()}))}),
            )
        )


def _raise(document: Document, _: Mapping[str, Any]) -> tuple[Document, None]:
    document.clear()
    raise ZeroDivisionError("in the step")


_RAISING: Final = Step("raising", _raise)


def _equal(actual: object, wanted: object, what: str) -> None:
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r}, not {wanted!r}")


def _raised(act: Callable[[], object], kind: type[E]) -> E:
    try:
        result = act()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected; the step returned {result!r}")
