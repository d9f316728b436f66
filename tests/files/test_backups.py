"""The files that were replaced stay beside the new one, as many as asked for."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from seawall_files import write_atomic
from seawall_files.atomic import replace_file
from seawall_files.backups import back_up, prune
from seawall_files.folder import Folder

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


class WithoutLinks(Folder):
    """A folder of a file system such as FAT."""

    def link(self, name: str, new: str) -> None:
        raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=[Folder, WithoutLinks])
def folder(request, tmp_path: Path):
    with request.param.at(tmp_path) as opened:
        yield opened


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_the_newest_that_were_replaced_are_kept(tmp_path: Path) -> None:
    for number in range(6):
        write_atomic(tmp_path / "f", b"%d" % number, backups=3)
    assert contents(tmp_path) == {"f": "5", "f.~3~": "2", "f.~4~": "3", "f.~5~": "4"}


def test_a_new_file_has_no_backup(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", b"1", backups=2)
    assert contents(tmp_path) == {"f": "1"}


def test_without_backups_those_that_are_there_stay(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", b"1")
    write_atomic(tmp_path / "f", b"2", backups=1)
    write_atomic(tmp_path / "f", b"3")
    assert contents(tmp_path) == {"f": "3", "f.~1~": "1"}


def test_fewer_than_before_removes_the_oldest(tmp_path: Path) -> None:
    for number in range(5):
        write_atomic(tmp_path / "f", b"%d" % number, backups=4)
    write_atomic(tmp_path / "f", b"5", backups=1)
    assert contents(tmp_path) == {"f": "5", "f.~5~": "4"}


def test_a_backup_holds_what_the_file_holds_which_stays(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    assert back_up(folder, "f") == "f.~1~"
    assert (tmp_path / "f").read_bytes() == (tmp_path / "f.~1~").read_bytes()
    assert sorted(contents(tmp_path)) == ["f", "f.~1~"]


def test_the_same_bytes_are_not_kept_twice(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    assert back_up(folder, "f") == "f.~1~"
    assert back_up(folder, "f") is None
    (tmp_path / "f").unlink()
    (tmp_path / "f").write_text("2")
    assert back_up(folder, "f") == "f.~2~"
    assert contents(tmp_path) == {"f": "2", "f.~1~": "1", "f.~2~": "2"}


def test_what_is_no_file_counts_as_a_number_and_is_left_alone(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    (tmp_path / "f.~7~").mkdir()
    assert back_up(folder, "f") == "f.~8~"
    prune(folder, "f", keep=1)
    assert (tmp_path / "f.~7~").is_dir()


def test_names_that_only_look_like_backups_are_left_alone(folder: Folder, tmp_path: Path) -> None:
    others = ["f.~0~", "f.~01~", "f.~x~", "f.~1", "g.~9~", "xf.~1~", "f.~1~.md", "f.~2~~"]
    for name in ["f", *others]:
        (tmp_path / name).write_text(name)
    assert back_up(folder, "f") == "f.~1~"
    prune(folder, "f", keep=0)
    assert sorted(contents(tmp_path)) == sorted(["f", *others])


@posix
def test_a_copy_has_the_mode_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("secret")
    (tmp_path / "f").chmod(0o640)
    with WithoutLinks.at(tmp_path) as folder:
        back_up(folder, "f")
    assert stat.S_IMODE((tmp_path / "f.~1~").stat().st_mode) == 0o640


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_what_is_written_once_more_pushes_out_no_backup(size: int, tmp_path: Path) -> None:
    for sign in ("1", "2", "3", "3", "3"):
        write_atomic(tmp_path / "f", sign.encode() * size, backups=2)
    assert contents(tmp_path) == {"f": "3" * size, "f.~1~": "1" * size, "f.~2~": "2" * size}
    write_atomic(tmp_path / "f", b"3" * (size - 1) + b"4", backups=2)
    assert sorted(contents(tmp_path)) == ["f", "f.~2~", "f.~3~"]


def test_a_file_that_could_not_be_replaced_is_backed_up_once(tmp_path: Path) -> None:
    class Full(Folder):
        def rename(self, name: str, other: Folder, new: str) -> None:
            raise OSError(28, "No space left on device")

    (tmp_path / "f").write_text("1")
    for _ in range(3):
        with Full.at(tmp_path) as folder, pytest.raises(OSError, match="No space"):
            replace_file(folder, "f", b"2", backups=2)
    assert contents(tmp_path) == {"f": "1", "f.~1~": "1"}
    write_atomic(tmp_path / "f", b"2", backups=2)
    assert contents(tmp_path) == {"f": "2", "f.~1~": "1"}


def test_a_folder_is_not_replaced_and_gets_no_backup(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "f", b"2", backups=2)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
