"""On whose behalf calls are made."""

import asyncio

import pytest

from seawall_tokens import caller
from seawall_tokens.callers import current_caller


def test_the_innermost_name_counts_and_ends_with_its_block():
    assert current_caller() == ""
    with caller("reports"):
        with caller("nightly"):
            assert current_caller() == "nightly"
        assert current_caller() == "reports"
    assert current_caller() == ""


def test_a_name_ends_with_an_error_too():
    with pytest.raises(KeyError), caller("reports"):
        raise KeyError
    assert current_caller() == ""


@pytest.mark.parametrize("name", [42, None, b"reports"])
def test_a_name_that_is_no_text_is_refused_with_what_to_do(name):
    with pytest.raises(TypeError, match=r"str\(\.\.\.\)") as caught, caller(name):
        raise AssertionError
    assert repr(name) in str(caught.value)
    assert current_caller() == ""


def test_two_tasks_have_each_their_own():
    async def task(name):
        with caller(name):
            await asyncio.sleep(0)
            return current_caller()

    async def both():
        return await asyncio.gather(task("a"), task("b"))

    assert asyncio.run(both()) == ["a", "b"]
