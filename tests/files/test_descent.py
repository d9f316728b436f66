"""Ways down from a folder; what leads out of it is in `test_escapes` and `test_races`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from files.traps import DESCENTS
from seawall_files import openat2
from seawall_files.descent import best_descent, by_openat2, by_pinning, by_walking
from seawall_files.folder import BY_DESCRIPTOR, Folder

if TYPE_CHECKING:
    from seawall_files.descent import Descent


def test_the_best_way_is_the_kernels_then_descriptors_then_handles() -> None:
    best = by_openat2 if openat2.is_available() else by_walking if BY_DESCRIPTOR else by_pinning
    assert best_descent() is best is DESCENTS[0]


@pytest.mark.parametrize("descend", DESCENTS)
def test_names_lead_to_the_folder(descend: Descent, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "f").touch()
    with Folder.at(tmp_path) as root:
        for names, found in ((), "a"), (("a",), "b"), (("a", "b"), "f"):
            with descend(root, names) as folder:
                assert [name for name, _ in folder.entries()] == [found]


@pytest.mark.parametrize("descend", DESCENTS)
def test_what_is_not_there_is_an_os_error_and_leaves_nothing_open(descend: Descent, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").touch()
    with Folder.at(tmp_path) as root:
        free = os.dup(0)
        os.close(free)
        for names in ("b",), ("a", "b"), ("a", "f"), ("a", "b", "c"):
            with pytest.raises(OSError):  # noqa: PT011 - the number differs by system
                descend(root, names)
        again = os.dup(0)
        os.close(again)
        assert again == free


def test_paths_on_windows_may_be_of_the_kind_that_takes_no_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("seawall_files.descent.pinned", lambda path: seen.append(path) or 0)
    monkeypatch.setattr(os, "sep", "\\")
    with by_pinning(Folder(None, r"\\?\C:\deep"), ("a", "b")) as folder:
        assert seen == [r"\\?\C:\deep\a", r"\\?\C:\deep\a\b"]
        assert folder.asked("f") == r"\\?\C:\deep\a\b\f"
    assert Folder(None, "\\\\?\\C:\\").asked("f") == r"\\?\C:\f"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="root acts as somebody else")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a folder is opened to be listed")
@pytest.mark.parametrize("descend", DESCENTS[:-1])
def test_a_folder_that_may_be_entered_and_not_listed_is_on_the_way(descend: Descent) -> None:
    # not in `tmp_path`, which nobody else may enter
    with tempfile.TemporaryDirectory() as name, Folder.at(name) as root:
        (Path(name) / "a" / "b").mkdir(parents=True)
        for folder in (Path(name), Path(name) / "a"):
            folder.chmod(0o711)
        os.seteuid(65534)
        try:
            descend(root, ("a", "b")).close()
        finally:
            os.seteuid(0)


@pytest.mark.skipif(not openat2.is_available(), reason="Linux 5.6 or newer")
def test_the_kernel_keeps_a_path_beneath(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to("..")
    with Folder.at(tmp_path / "a") as root:
        assert root.descriptor is not None
        for path in ("..", "/", "link", "link/a", "../a"):
            with pytest.raises(OSError, match=r"Invalid cross-device link|Too many levels"):
                openat2.open_beneath(root.descriptor, path, os.O_PATH)


@pytest.mark.skipif(not BY_DESCRIPTOR, reason="descriptors of folders")
@pytest.mark.parametrize("descend", DESCENTS[:-1])
def test_a_folder_without_a_descriptor_is_not_the_working_directory(
    descend: Descent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    with Folder(None, str(tmp_path)) as root, pytest.raises(OSError, match="Bad file descriptor"):
        descend(root, ("a",))
