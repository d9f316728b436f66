"""Files that another program has open, as Windows refuses to rename or remove them."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from seawall_files import Workspace
from seawall_files.sharing import patiently

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Scanner:
    """Has the file open when a call is made, for so many calls."""

    def __init__(self, call: Callable[..., Any], times: int, winerror: int | None = 32) -> None:
        self._call, self._left, self._winerror = call, times, winerror
        self.calls = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self._left == 0:
            return self._call(*arguments, **options)
        self._left -= 1
        error = PermissionError(errno.EACCES, "used by another process")
        if self._winerror is not None:
            error.winerror = self._winerror
        raise error


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long was waited, which takes no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.mark.parametrize("winerror", [5, 32])
def test_what_is_in_use_for_a_moment_is_done_when_it_is_free(winerror: int, pauses: list[float]) -> None:
    act = Scanner(lambda: None, 3, winerror)
    patiently(act)
    assert act.calls == 4
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


def test_what_stays_in_use_is_an_error_after_a_second(pauses: list[float]) -> None:
    act = Scanner(lambda: None, 100)
    with pytest.raises(PermissionError, match="used by another process"):
        patiently(act)
    assert sum(pauses) == pytest.approx(1)
    assert act.calls == len(pauses) + 1


@pytest.mark.parametrize("winerror", [None, 1314])
def test_what_nobody_may_do_is_an_error_at_once(winerror: int | None, pauses: list[float]) -> None:
    act = Scanner(lambda: None, 100, winerror)
    with pytest.raises(PermissionError):
        patiently(act)
    assert (act.calls, pauses) == (1, [])


def test_a_file_that_is_being_read_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    scanner = Scanner(os.replace, 2)
    with Workspace(tmp_path) as workspace:
        workspace.replace("a", "old")
        monkeypatch.setattr(os, "replace", scanner)
        workspace.replace("a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (scanner.calls, len(pauses)) == (3, 2)


def test_a_file_that_stays_open_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    with Workspace(tmp_path) as workspace:
        workspace.replace("a", "old")
        monkeypatch.setattr(os, "replace", Scanner(os.replace, 100))
        with pytest.raises(OSError, match="used by another process"):
            workspace.replace("a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert sum(pauses) == pytest.approx(1)
