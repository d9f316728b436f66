"""The three stores are what the test kit says a store is."""

import pytest

from seawall.state import Step, Store
from seawall_testkit.stores import COUNT, StoreConformance, check_step


class TestMemory(StoreConformance):
    @pytest.fixture
    def store(self, memory):
        return memory


class TestSQLite(StoreConformance):
    @pytest.fixture
    def store(self, sqlite):
        return sqlite


class TestRedis(StoreConformance):
    @pytest.fixture
    def store(self, redis):
        return redis


def test_a_step_whose_lua_differs_from_its_python_is_found(redis: Store):
    wrong = Step("count", COUNT.function, "document.count = 2\nreturn document, 1")
    with pytest.raises(
        AssertionError, match=r"document after 'count' with \{\}: \{'count': 2\}, not \{'count': 1\}"
    ):
        check_step(redis, [(wrong, {})])


def test_a_step_whose_lua_answers_otherwise_is_found(redis: Store):
    wrong = Step("count", COUNT.function, "document.count = 1\nreturn document, 2")
    with pytest.raises(AssertionError, match="result of 'count'"):
        check_step(redis, [(wrong, {})])


def test_a_store_that_forgets_does_not_conform():
    class Forgetful:
        def step(self, step, /, *, key, **arguments):
            return step.function({}, arguments)[1]

    with pytest.raises(AssertionError):
        StoreConformance().test_a_step_sees_what_the_one_before_left(Forgetful())


def test_a_store_that_loses_steps_of_threads_does_not_conform():
    class Losing:
        def step(self, step, /, *, key, **arguments):
            return 1

    with pytest.raises(AssertionError, match="results"):
        StoreConformance().test_threads_lose_no_step(Losing())
