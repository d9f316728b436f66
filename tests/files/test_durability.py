"""What is synced is on the disk, also where the system's `fsync` leaves it in the drive."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from seawall_files import durability, write_atomic
from seawall_files.header import Header
from seawall_files.journal import Journal
from seawall_files.records import Kind

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="calls of POSIX")
FULL = 51
"""`F_FULLFSYNC` of macOS."""


class Drive:
    """Stands for the system calls of macOS; says what was synced, and how."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int = 0) -> None:
        self.calls: list[str] = []
        self._number = number
        monkeypatch.setattr(durability, "_FULL", FULL)
        monkeypatch.setattr(durability.fcntl, "fcntl", self._fcntl)
        monkeypatch.setattr(os, "fsync", lambda _: self.calls.append("fsync"))

    def _fcntl(self, descriptor: int, command: int) -> int:
        assert command == FULL
        self.calls.append("full")
        if self._number:
            raise OSError(self._number, os.strerror(self._number))
        return 0


def test_a_file_a_folder_and_a_journal_are_in_no_cache_of_the_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = Drive(monkeypatch)
    write_atomic(tmp_path / "f", b"new")
    assert drive.calls == ["full"] * 2
    with Journal.create(tmp_path / "j", Header("abc", "f")) as journal:
        assert drive.calls == ["full"] * 4
        journal.append(Kind.FRAMES, b"x")
        journal.sync()
    assert drive.calls == ["full"] * 5


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY])
def test_a_file_system_that_does_not_know_it_gets_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    drive = Drive(monkeypatch, number)
    write_atomic(tmp_path / "f", b"new")
    assert drive.calls == ["full", "fsync"] * 2


def test_a_disk_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_atomic(tmp_path / "f", b"new")
    assert drive.calls == ["full"]
    assert list(tmp_path.iterdir()) == []
