"""Processes that exchange what is in a workspace for a way out of it; a benchmark runs them longer."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from files.traps import OPERATIONS, SECRET, Trap
from seawall_files import Workspace, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seawall_files.descent import Descent

REPEATED = ("read_bytes", "read_bytes", "read_text", "list", "append", "open")
"""Operations that are quick, so that more of them meet an exchange."""


def swap(one: Path, other: Path) -> None:
    """Exchange two names at once where the system can, else one after the other."""
    name, flag = {"linux": ("renameat2", 2), "darwin": ("renameatx_np", 2)}.get(sys.platform, ("", 0))
    here = -100 if sys.platform == "linux" else -2
    if name:
        rename = getattr(ctypes.CDLL(None), name)
        if rename(here, os.fsencode(one), here, os.fsencode(other), flag) == 0:
            return
    away = one.with_name("away")
    with suppress(OSError):
        one.rename(away)
    with suppress(OSError):
        other.rename(one)
    with suppress(OSError):
        away.rename(other)


def folder_by_link(trap: Trap) -> tuple[Path, Path]:
    """The folder is exchanged for a link to one outside."""
    (trap.root / "link").symlink_to(trap.outside)
    return trap.root / "raced", trap.root / "link"


def folder_above_by_link(trap: Trap) -> tuple[Path, Path]:
    """The folder above it is exchanged for a link to the one above the workspace."""
    (trap.root / "link").symlink_to(trap.root.parent)
    return trap.root / "above", trap.root / "link"


def file_by_link(trap: Trap) -> tuple[Path, Path]:
    """The file is exchanged for a link to one outside."""
    (trap.root / "raced" / "link").symlink_to(trap.outside / "secret")
    return trap.root / "raced" / "secret", trap.root / "raced" / "link"


def file_by_hard_link(trap: Trap) -> tuple[Path, Path]:
    """The file is exchanged for another name of one outside."""
    os.link(trap.outside / "secret", trap.root / "raced" / "link")
    return trap.root / "raced" / "secret", trap.root / "raced" / "link"


def new_file_by_link(trap: Trap) -> tuple[Path, Path]:
    """The file is exchanged for a link to one that is not there outside, and would be made."""
    (trap.root / "raced" / "link").symlink_to(trap.outside / "new")
    return trap.root / "raced" / "secret", trap.root / "raced" / "link"


RACES: dict[str, tuple[Callable[[Trap], tuple[Path, Path]], str]] = {
    "folder by link": (folder_by_link, "raced/secret"),
    "folder above by link": (folder_above_by_link, "above/outside/secret"),
    "file by link": (file_by_link, "raced/secret"),
    "file by hard link": (file_by_hard_link, "raced/secret"),
    "new file by link": (new_file_by_link, "raced/secret"),
}
"""What is exchanged, and the path that is operated on."""


def set_in(folder: Path) -> Trap:
    """A trap in which the raced paths are there."""
    trap = Trap(folder / "workspace", folder / "outside")
    for place in ("workspace/raced", "workspace/above/outside", "outside"):
        (folder / place).mkdir(parents=True)
        (folder / place / "secret").write_text(SECRET if place == "outside" else "inside")
    return trap


@contextmanager
def raced(one: Path, other: Path) -> Iterator[None]:
    """A process exchanges two names, as often as it can, until the block ends."""
    script = f"""
import os, sys
from pathlib import Path
from files.races import swap
print("begun", flush=True)
while True:
    swap(Path({str(one)!r}), Path({str(other)!r}))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        yield
    finally:
        process.kill()
        process.communicate()


def escapes(race: str, descend: Descent, folder: Path, go_on: Callable[[], bool]) -> tuple[int, int, int]:
    """Operate on a raced path while `go_on`; return how many operations were made, succeeded, and got out."""
    arrange, path = RACES[race]
    trap = set_in(folder)
    done = succeeded = got_out = 0
    operations = [name for name in OPERATIONS if not name.startswith("restore") and name != "write_below"]
    with Workspace(trap.root, descend=descend) as workspace, raced(*arrange(trap)):
        while go_on():
            for name in [*operations[:-1], *REPEATED * 5, operations[-1]]:
                done += 1
                with suppress(WorkspaceError, OSError, ValueError):
                    got_out += SECRET in repr(OPERATIONS[name](workspace, path))
                    succeeded += 1
            if {entry.name: entry.read_text() for entry in trap.outside.iterdir()} != {"secret": SECRET}:
                got_out += 1
                (trap.outside / "new").unlink(missing_ok=True)
                (trap.outside / "secret").write_text(SECRET)
            with suppress(WorkspaceError, OSError):
                for deleted in workspace.deleted():
                    workspace.restore(deleted)
    return done, succeeded, got_out
