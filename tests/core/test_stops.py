"""A stop sequence that a break has cut in two: wherever it is cut, and however the rest of it comes."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from seawall.stops import StopAcrossSeam

deterministic = settings(
    derandomize=True, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
STOPS = ["\n\nHuman:", "</answer>", "END", "ENDING", "aab", "\u7d42\u308f\u308a\u3002"]


def fed(delivered, stops, deltas):
    """What of `deltas` is delivered until a stop sequence is found, and the one that is."""
    across = StopAcrossSeam(delivered, stops)
    got = []
    for delta in deltas:
        got.append(across.feed(delta))
        if across.found is not None:
            return "".join(got), across.found
    return "".join([*got, across.flush()]), across.found


def deltas_of(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("stop", "at"), [(stop, at) for stop in STOPS for at in range(1, len(stop))], ids=repr
)
def test_a_stop_sequence_is_found_wherever_it_is_cut(stop, at, size):
    rest = stop[at:] + " and more"
    assert fed(f"Text. {stop[:at]}", [stop], deltas_of(rest, size)) == ("", stop)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("stop", "at"), [(stop, at) for stop in STOPS for at in range(1, len(stop))], ids=repr
)
def test_a_false_start_is_delivered_unchanged(stop, at, size):
    rest = stop[at:-1] + "_ and more"
    assert fed(f"Text. {stop[:at]}", [stop], deltas_of(rest, size)) == (rest, None)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("delivered", "said", "found"),
    [
        ("Text. EN", "D", "END"),
        ("Text. EN", "DING", "END"),
        ("Text. </ans", "wer>", "</answer>"),
        ("Text. aa", "b", "aab"),
        ("Text. a", "ab", "aab"),
        # both begin here: `</a` of one, `a` of another
        ("Text. </a", "nswer>", "</answer>"),
        ("Text. </a", "ab", "aab"),
    ],
)
def test_one_of_several_is_found(delivered, said, found, size):
    assert fed(delivered, STOPS, deltas_of(said, size)) == ("", found)


@pytest.mark.parametrize("stops", [["abcd", "cde"], ["cde", "abcd"]])
@pytest.mark.parametrize("size", [1, 2])
def test_of_two_that_overlap_the_one_that_ends_first_is_found(stops, size):
    assert fed("__abc", stops, deltas_of("de", size)) == ("", "abcd")


@pytest.mark.parametrize("delivered", ["Text.", "", "</answer>", "</answer> EN "])
def test_a_text_that_ends_in_no_part_of_a_stop_sequence_is_passed_on_at_once(delivered):
    across = StopAcrossSeam(delivered, STOPS)
    assert [across.feed(delta) for delta in ("D", "wer>", "")] == ["D", "wer>", ""]
    assert (across.flush(), across.found) == ("", None)


def test_without_stop_sequences_everything_passes():
    assert fed("Text. EN", [], ["D", "ING"]) == ("DING", None)


def test_what_is_held_when_no_more_comes_is_delivered():
    across = StopAcrossSeam("Text. E", ["END"])
    assert (across.feed("N"), across.flush(), across.flush(), across.found) == ("", "N", "", None)


def test_what_comes_after_a_false_start_is_passed_on_at_once():
    across = StopAcrossSeam("Text. E", ["END"])
    assert [across.feed(delta) for delta in ("N", "E", "N", "D")] == ["", "NE", "N", "D"]
    assert across.found is None


@deterministic
@given(
    st.text("ab<", max_size=8),
    st.text("ab<", max_size=8),
    st.lists(st.text("ab<", min_size=1, max_size=5), max_size=4),
    st.integers(1, 5),
)
def test_any_text_passes_unless_a_stop_sequence_crosses_the_seam(delivered, said, stops, size):
    crossing = [
        stop
        for stop in stops
        for at in range(1, len(stop))
        if delivered.endswith(stop[:at]) and said.startswith(stop[at:])
    ]
    got, found = fed(delivered, stops, deltas_of(said, size))
    assert (found in crossing) if crossing else (got, found) == (said, None)
    if crossing:
        assert got == ""
