"""Time is given out once, whatever the clocks do."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from seawall.state import clock

START = 1_700_000_000.0


def run(moments: list[float], at_most: float = 60) -> tuple[dict, list[float]]:
    document, given_out = {}, []
    for moment in moments:
        document, seconds = clock.elapsed(document, START + moment, at_most=at_most)
        given_out.append(seconds)
    return document, given_out


def test_the_first_step_gets_nothing():
    assert run([0]) == ({"updated": START}, [0])


def test_a_step_gets_the_seconds_since_the_one_before():
    assert run([0, 1, 1, 3.5]) == ({"updated": START + 3.5}, [0, 1, 0, 2.5])


def test_a_jump_forward_gives_no_more_than_the_bound():
    assert run([0, 86_400, 86_401])[1] == [0, 60, 1]


def test_a_clock_that_is_set_back_gives_nothing_until_the_bound_has_passed():
    document, given_out = run([0, -86_400, -86_370, -86_341, -86_340, -86_330])
    assert given_out == [0, 0, 0, 0, 60, 10]
    assert document == {"updated": START - 86_330}


def test_a_clock_set_back_again_waits_again():
    assert run([0, -100, -150, -95, -89])[1] == [0, 0, 0, 0, 60]


def test_two_hosts_whose_clocks_differ_get_what_the_faster_says():
    for skew in (0.01, 5, 300):
        moments = [moment for second in range(1000) for moment in (second, second - skew)]
        assert sum(run(moments)[1]) == pytest.approx(999), f"skew: {skew}"


def test_jumps_there_and_back_give_at_most_the_bound_for_each_jump_ahead_of_all_before():
    assert sum(run([0, 1000, 0, 1000, 0, 1000, 0, 1000])[1]) == 60


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf])
def test_a_moment_that_is_none_is_refused(now):
    with pytest.raises(ValueError, match="finite"):
        clock.elapsed({"updated": START}, now)


def test_the_document_given_is_not_changed():
    document = {"updated": START, "other": 1}
    clock.elapsed(document, START - 1)
    clock.elapsed(document, START + 1)
    assert document == {"updated": START, "other": 1}
    assert clock.elapsed(document, START + 1)[0] == {"updated": START + 1, "other": 1}


@given(moments=st.lists(st.floats(-1e6, 1e6)), at_most=st.floats(0.1, 1e3))
def test_no_step_gets_less_than_nothing_or_more_than_the_bound(moments, at_most):
    assert all(0 <= seconds <= at_most for seconds in run(moments, at_most)[1])
