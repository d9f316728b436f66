"""What belongs to a target lies beside it, and not where something else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from seawall_files.places import holder_path, journal_path, lock_path, new_name, real_target

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in {".", ".."} and len(os.fsencode(name)) <= 255
)


def beside(target: Path) -> list[Path]:
    return [
        journal_path(target),
        lock_path(target),
        holder_path(target),
        target.with_name(new_name(target.name)),
    ]


@given(names)
def test_each_has_a_place_of_its_own_in_the_same_folder_with_a_name_that_fits(name: str) -> None:
    found = beside(Path("/folder") / name)
    assert len({*found, Path("/folder") / name}) == 5
    assert {path.parent for path in found} == {Path("/folder")}
    # a journal that is set aside gets a number
    assert all(len(os.fsencode(path.name)) <= 240 for path in found)
    assert all(len(os.fsencode(new_name(path.name))) <= 255 for path in found)


@given(st.lists(names | names.map(lambda name: (name * 90)[:63]), min_size=2, max_size=2, unique=True))
def test_two_targets_share_nothing(pair: list[str]) -> None:
    one, other = (beside(Path("/folder") / name) for name in pair)
    assert not {*one} & {*other}


def test_long_names_that_begin_alike_are_told_apart() -> None:
    one, other = (beside(Path("/folder") / ("x" * 250 + end)) for end in "ab")
    assert not {*one} & {*other}


@pytest.mark.skipif(os.name != "posix", reason="links that anybody may make")
def test_a_link_has_the_places_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/f")
    assert real_target(tmp_path / "link") == real_target(tmp_path / "real" / "f")


def test_a_relative_target_is_that_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert real_target("f") == real_target(tmp_path / "f")
