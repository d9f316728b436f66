"""When an answer counts as one passage over and over, and what it costs to find out."""

import random

from hypothesis import given, settings, strategies as st

from seawall_streaming.repetition import Repetition, is_repeated
from seawall_testkit.prose import prose

LENGTH = 400

passages = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=LENGTH // 4)
pieces = st.integers(1, 60)


def fed(text, size, length=LENGTH):
    """Whether a text that comes in pieces is found to repeat itself."""
    watch = Repetition(length)
    return any(watch.is_found_with(text[start : start + size]) for start in range(0, len(text), size))


def repeated(passage, length):
    return (passage * (length // len(passage) + 1))[:length]


@given(passages)
def test_a_passage_of_any_period_up_to_a_quarter_is_found(passage):
    assert is_repeated(repeated(passage, LENGTH))


@given(st.text("ab", min_size=1, max_size=9), st.integers(0, 3))
def test_it_is_found_in_a_text_as_short_as_four_times_the_passage(passage, more):
    assert is_repeated(repeated(passage, 4 * len(passage) + more))


@given(passages, pieces, st.integers(0, 2 * LENGTH), st.integers(0, 2**32))
def test_it_is_found_in_a_stream_whatever_came_before_and_however_it_is_cut(passage, size, before, seed):
    text = prose(random.Random(seed), before)[:before]
    # it is looked at every eighth of the length, so that much more is needed at most, and one piece
    assert fed(text + repeated(passage, LENGTH + LENGTH // 8 + size), size)


@given(st.integers(0, 2**32), pieces)
def test_prose_is_not_found(seed, size):
    assert not fed(prose(random.Random(seed), 600), size)


@given(st.text(max_size=LENGTH - 1), pieces)
def test_less_than_the_length_is_never_found(text, size):
    assert not fed(text, size)


@given(passages, st.integers(0, LENGTH - 1))
def test_one_character_that_does_not_fit_is_no_repetition(passage, place):
    text = repeated(passage, LENGTH)
    other = text[:place] + "\ud800" + text[place + 1 :]
    # no passage holds a surrogate, and every place has its like one period before or after
    assert not is_repeated(other)


def test_three_times_are_not_enough():
    passage = prose(random.Random(1), 100)[: LENGTH // 3]
    assert not is_repeated(repeated(passage, LENGTH))
    assert is_repeated(repeated(passage[: LENGTH // 4], LENGTH))


def test_a_passage_that_begins_with_a_repetition_of_its_own_is_found():
    # every period of the dashes is looked at, and none of them is the period of the text
    assert is_repeated(repeated("-" * 60 + "the end. ", LENGTH))


def test_a_table_with_other_values_in_every_row_is_no_repetition():
    rows = "".join(f"| {number:>6} | a ship of the line  | afloat |\n" for number in range(400))
    assert not fed(rows, 7, length=4000)


def test_the_same_row_over_and_over_is():
    assert fed("| - | a ship of the line | afloat |\n" * 400, 7, length=4000)


@settings(max_examples=20)
@given(pieces, st.integers(64, 5000))
def test_the_text_is_looked_at_only_once_every_eighth_of_the_length(size, length):
    looks = []

    class Counted(Repetition):
        def is_found_with(self, text):
            before = self._tail
            found = super().is_found_with(text)
            looks.append(self._tail is not before)
            return found

    watch, text = Counted(length), prose(random.Random(3), 5000)
    for start in range(0, len(text), size):
        watch.is_found_with(text[start : start + size])
        assert len(watch._tail) <= length
        assert sum(map(len, watch._new)) * 8 < length
    assert sum(looks) <= len(text) * 8 / length + 1
