"""A text in parts: all of it, none too large, cut where a reader would."""

from __future__ import annotations

import random
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from seawall_files import TextChunk
from seawall_files.boundaries import first_end, last_end
from seawall_files.measure import WHOLE, measure
from seawall_files.splitting import split

if TYPE_CHECKING:
    from collections.abc import Iterator


def letters(text: str) -> int:
    return len(text)


def words(text: str) -> int:
    return len(text.split())


def uneven(text: str) -> int:
    """Dense where there are digits."""
    return sum(3 if character.isdigit() else 1 for character in text) // 4


def parts(text: str, tokens: int, overlap: int = 0, count=letters, *, size: int = 1000) -> list[TextChunk]:
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    return list(split(pieces, tokens, overlap, count))


def joined(chunks: list[TextChunk]) -> str:
    """The text that chunks which may overlap are of."""
    text = ""
    for chunk in chunks:
        assert chunk.start <= len(text)
        assert text[chunk.start :] == chunk.text[: len(text) - chunk.start]
        assert chunk.end > len(text)
        text = text[: chunk.start] + chunk.text
    return text


# -- all of it

texts = st.text(st.sampled_from("abcd 12.!?\n\r\t\u2028。é\u0301\u200d名😀"), max_size=400)


@given(texts, st.integers(1, 60), st.integers(1, 50), st.sampled_from([letters, words, uneven]))
def test_parts_are_the_whole_text(text: str, tokens: int, size: int, count) -> None:
    chunks = parts(text, tokens, count=count, size=size)
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.start for chunk in chunks] == [0, *(chunk.end for chunk in chunks)][:-1]
    assert all(chunk.text for chunk in chunks)


@given(texts, st.integers(2, 60), st.floats(0, 0.5), st.sampled_from([letters, words, uneven]))
def test_parts_that_overlap_are_the_whole_text(text: str, tokens: int, share: float, count) -> None:
    overlap = int(tokens * share)
    chunks = parts(text, tokens, overlap, count, size=70)
    assert joined(chunks) == text
    for before, after in pairwise(chunks):
        assert count(text[after.start : before.end]) <= overlap


@given(texts, st.integers(1, 60), st.sampled_from([letters, uneven]))
def test_no_part_holds_more_tokens(text: str, tokens: int, count) -> None:
    for chunk in parts(text, tokens, count=count):
        assert chunk.tokens == count(chunk.text)
        assert chunk.tokens <= tokens or len(chunk.text) == 1


def test_a_text_that_fits_is_one_part() -> None:
    assert parts("one\n\ntwo", 100) == [TextChunk("one\n\ntwo", 8, 0)]
    assert parts("", 100) == []


# -- where it is cut


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("aaaa bbb. ccc\nddd\n\neee fff ggg hhh", "aaaa bbb. ccc\nddd\n\n"),
        ("aaaa bbb. ccc\r\nddd\r\n\r\neee fff ggg", "aaaa bbb. ccc\r\nddd\r\n\r\n"),
        ("aaaa bbb. ccc ddd\neee fff ggg hhh iii", "aaaa bbb. ccc ddd\n"),
        ("aaaa bbb ccc. ddd eee fff ggg hhh iii", "aaaa bbb ccc. "),
        ("aaaa bbb ccc ddd! eee fff ggg hhh iii", "aaaa bbb ccc ddd! "),
        ("我们都是人。我们都是好人。我们都是中国人，是的是的", "我们都是人。我们都是好人。"),  # noqa: RUF001
        ("aaaa bbb ccc ddd eee fff ggg hhh iii", "aaaa bbb ccc ddd eee "),
        ("a" * 40, "a" * 22),
    ],
)
def test_a_part_ends_with_a_paragraph_else_a_line_a_sentence_a_word(text: str, first: str) -> None:
    assert parts(text, 23)[0].text == first


def test_a_line_end_of_two_characters_is_not_cut() -> None:
    for length in range(20, 40):
        text = "x" * length + "\r\n" + "y" * 40
        assert all(not chunk.text.startswith("\n") for chunk in parts(text, 30))


@pytest.mark.parametrize("mark", ["e\u0301", "👩\u200d👩\u200d👧", "☀\ufe0f", "क\u094d\u0937"])
def test_a_character_of_several_code_points_is_not_cut(mark: str) -> None:
    for tokens in range(20, 30):
        for chunk in parts(mark * 50, tokens):
            assert not unicodedata.category(chunk.text[0]).startswith("M")
            assert "\u200d" not in (chunk.text[0], chunk.text[-1])


def test_an_overlap_begins_with_a_sentence_or_word() -> None:
    text = "".join(f"This is sentence number {number}. " for number in range(100))
    chunks = parts(text, 300, 80)
    for before, after in pairwise(chunks):
        assert after.text.startswith("This is")
        assert 20 < before.end - after.start <= 80


@given(texts, st.data())
def test_an_end_lies_within_its_bounds(text: str, data: st.DataObject) -> None:
    text += "x"
    high = data.draw(st.integers(1, len(text)))
    low = data.draw(st.integers(0, high - 1))
    assert low < last_end(text, low, high) <= high
    assert low <= first_end(text, low, high) <= high


# -- how much is counted and held


def test_a_long_text_is_counted_by_a_sample_close_to_all_of_it() -> None:
    rng = random.Random(5)
    lines = [
        rng.choice(["A line of plain words that goes on. ", "0123456789 " * 3, "x = f(y[3]);\n"])
        for _ in range(20_000)
    ]
    text = "".join(lines)
    for length in (WHOLE, WHOLE + 1, 10_000, 100_000, len(text)):
        whole = uneven(text[:length])
        assert measure(text[:length], uneven) == pytest.approx(whole, rel=0.08)


def test_of_a_long_text_little_is_counted() -> None:
    counted = []

    def count(text: str) -> int:
        counted.append(len(text))
        return len(text) // 4

    text = "Words and words and more words.\n" * 100_000
    chunks = parts(text, 8000, count=count, size=250_000)
    assert sum(counted) < len(text) / 4
    assert len(chunks) < len(text) / 4 / 8000 * 1.15


def test_of_a_plan_that_is_changed_only_the_change_is_counted() -> None:
    counted = []

    def count(text: str) -> int:
        counted.append(len(text))
        return uneven(text)

    rng = random.Random(7)
    stretches = (rng.choice(["plain words, ", "0123456789 "]) * rng.randint(500, 5000) for _ in range(200))
    text = "".join(stretches)
    chunks = parts(text, 8000, count=count, size=100_000)
    assert joined(chunks) == text
    assert max(uneven(chunk.text) for chunk in chunks) < 8000 * 1.05
    sample = WHOLE * 0.75 + 0.02 * len(text) / len(chunks)
    assert sum(counted) / len(chunks) < 2 * sample


def test_no_more_is_held_than_a_part_and_a_piece() -> None:
    ahead = 0

    def pieces() -> Iterator[str]:
        nonlocal ahead
        for _ in range(500):
            ahead += 1000
            yield "word " * 200

    for chunk in split(pieces(), 500, 50, letters):
        assert ahead - chunk.end <= 500 + 2 * 1000


def test_a_text_that_turns_dense_is_still_cut_small() -> None:
    text = "a" * 3000 + "1" * 3000 + "b" * 3000
    for chunk in parts(text, 100, 20, uneven):
        assert uneven(chunk.text) <= 100


def test_a_count_of_nothing_makes_one_part() -> None:
    assert "".join(chunk.text for chunk in parts("x" * 5000, 10, count=lambda text: 0)) == "x" * 5000


@pytest.mark.parametrize("least", [1, 10, 11, 12, 500])
@pytest.mark.parametrize("overlap", [0, 5])
def test_a_count_that_hardly_depends_on_the_text_loses_none_of_it(least: int, overlap: int) -> None:
    text = "word and " * 700
    chunks = parts(text, 10, overlap, lambda part: least + len(part) // 1000)
    assert joined(chunks) == text


@given(texts, st.integers(1, 60), st.randoms(use_true_random=False))
def test_a_count_without_sense_loses_nothing(text: str, tokens: int, rng: random.Random) -> None:
    assert joined(parts(text, tokens, tokens // 3, lambda part: rng.randrange(100))) == text
