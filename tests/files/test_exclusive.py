"""A rename that never replaces, by the system and where it knows none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from seawall_files.exclusive import _rename_after_a_look, rename_new

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

by_descriptor = pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="names in open folders")
ways = pytest.mark.parametrize("rename", [rename_new, _rename_after_a_look])


@ways
def test_a_name_that_is_free_is_taken(rename: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    rename(str(tmp_path / "a"), None, str(tmp_path / "b"), None)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("b", "x")]


@ways
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_name_that_is_taken_stays_what_it_is(
    rename: Callable[..., None], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("x")
    if kind == "file":
        (tmp_path / "b").write_text("y")
    elif kind == "folder":
        (tmp_path / "b").mkdir()
    else:
        (tmp_path / "b").symlink_to("nothing")
    before = (tmp_path / "b").lstat()
    with pytest.raises(FileExistsError):
        rename(str(tmp_path / "a"), None, str(tmp_path / "b"), None)
    assert (tmp_path / "b").lstat() == before
    assert (tmp_path / "a").read_text() == "x"


@ways
@by_descriptor
def test_names_are_those_in_open_folders(rename: Callable[..., None], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "é").write_text("x")
    one, two = (os.open(tmp_path / name, os.O_RDONLY) for name in ("one", "two"))
    try:
        rename("é", one, "b", two)
        with pytest.raises(FileNotFoundError):
            rename("é", one, "c", two)
    finally:
        os.close(one)
        os.close(two)
    assert (tmp_path / "two" / "b").read_text() == "x"
