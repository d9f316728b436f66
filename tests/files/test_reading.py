"""The text of a file, in one piece up to so many tokens, or in chunks."""

from __future__ import annotations

import gc
import io
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import seawall
from seawall_files import UnsuitableFileError, chunks, read_text

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "claude-opus-5-5"
PROSE = "".join(
    f"Paragraph {number} begins here. It goes on for a while, as paragraphs do.\n\n" for number in range(2000)
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prose.md"
    path.write_text(PROSE, encoding="utf-8")
    return path


def test_a_file_is_read_whole(file: Path) -> None:
    assert read_text(file) == read_text(str(file)) == read_text(io.BytesIO(PROSE.encode())) == PROSE


def test_a_file_with_as_many_tokens_is_read(file: Path) -> None:
    tokens = seawall.estimate_tokens(PROSE, MODEL)
    assert read_text(file, max_tokens=tokens) == PROSE
    with pytest.raises(UnsuitableFileError, match=f"has more than {tokens - 1:,} tokens: its first"):
        read_text(file, max_tokens=tokens - 1)


def test_what_is_cut_ends_with_a_paragraph_and_fits(file: Path) -> None:
    text = read_text(file, max_tokens=1000, cut=True)
    assert PROSE.startswith(text)
    assert text.endswith("\n\n")
    assert 800 <= seawall.estimate_tokens(text, MODEL) <= 1000


def test_no_more_is_read_than_tells_that_there_is_more() -> None:
    data = io.BytesIO(b"word " * 1_000_000)
    with pytest.raises(UnsuitableFileError, match="read it by `chunks`, or its beginning with `cut=True`"):
        read_text(data, max_tokens=10)
    assert data.tell() < 1_000_000


def test_chunks_hold_what_was_asked_for_and_all_of_the_file(file: Path) -> None:
    found = list(chunks(file, tokens=300))
    assert "".join(chunk.text for chunk in found) == PROSE
    for chunk in found:
        assert chunk.tokens == seawall.estimate_tokens(chunk.text, MODEL) <= 300
        assert chunk.text.endswith("\n\n")
    assert len(found) < 1.4 * seawall.estimate_tokens(PROSE, MODEL) / 300


def test_large_chunks_are_close_to_what_was_asked_for(file: Path) -> None:
    for chunk in list(chunks(file, tokens=8000))[:-1]:
        assert 0.8 * 8000 <= seawall.estimate_tokens(chunk.text, MODEL) <= 1.04 * 8000


def test_chunks_overlap_by_what_was_asked_for(file: Path) -> None:
    found = list(chunks(file, tokens=300, overlap=60))
    for before, after in pairwise(found):
        shared = PROSE[after.start : before.end]
        assert before.text.endswith(shared)
        assert after.text.startswith(shared)
        assert 20 <= seawall.estimate_tokens(shared, MODEL) <= 60


def test_the_model_decides_how_much_fits(file: Path) -> None:
    new = next(chunks(file, tokens=300, model=MODEL))
    old = next(chunks(file, tokens=300, model="claude-sonnet-4-5"))
    assert len(old.text) > len(new.text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": 0}, "tokens = 0: 1 or more"),
        ({"tokens": 10, "overlap": -1}, "overlap = -1: 0 up to half of tokens = 10"),
        ({"tokens": 10, "overlap": 6}, "overlap = 6: 0 up to half of tokens = 10"),
    ],
)
def test_a_wrong_number_is_said_at_once(options: dict[str, int], said: str, file: Path) -> None:
    with pytest.raises(ValueError, match=said):
        chunks(file, **options)
    with pytest.raises(ValueError, match="max_tokens = 0: 1 or more"):
        read_text(file, max_tokens=0)


def test_a_binary_file_has_no_chunks(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\x7fELF" + b"\0" * 100)
    with pytest.raises(UnsuitableFileError, match="ELF executable"):
        next(chunks(tmp_path / "f", tokens=10))


def test_chunks_that_are_not_taken_to_the_end_close_the_file(file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        iterator = chunks(file, tokens=10)
        next(iterator)
        del iterator
        gc.collect()


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_text(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="nothing"):
        next(chunks(tmp_path / "nothing", tokens=10))
