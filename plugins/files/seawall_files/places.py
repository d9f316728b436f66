"""Where what belongs to a target lies: beside it, whatever name it is reached by."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

JOURNAL: Final = ".seawall-journal"
"""What the name of a journal ends in."""
_LOCK: Final = ".seawall-lock"
_HOLDER: Final = ".seawall-holder"
_NEW: Final = ".seawall-new"
_LONGEST: Final = 200
"""Bytes of a target's name that are kept whole: file systems take 255, and more is put after it."""


def real_target(path: str | os.PathLike[str]) -> Path:
    """Return the file that is written when `path` is: where it is a link, what it leads to."""
    return Path(os.path.realpath(path))


def takes_a_file(path: str | os.PathLike[str], target: Path) -> bool:
    """Whether a file is, or may be made, where `path` leads; `target` is its real target.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        return stat.S_ISREG(os.lstat(target).st_mode)
    except FileNotFoundError:
        pass
    try:
        # through `/dev/stdout` to a pipe, or to a file that was removed, which have no name
        status = Path(path).stat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 0


def untouched(path: Path, name: str) -> str:
    """Return what became of a file that was to be replaced and was not."""
    return f"{name} is as it was" if os.path.lexists(path) else f"{name} was not written"


def journal_path(target: Path) -> Path:
    """Return where the journal of a real target is."""
    return target.with_name(_shortened(target.name) + JOURNAL)


def lock_path(target: Path) -> Path:
    """Return where the file is that is locked while a real target is saved to."""
    return target.with_name(f".{_shortened(target.name)}{_LOCK}")


def holder_path(target: Path) -> Path:
    """Return where it is told who has that lock."""
    return target.with_name(f".{_shortened(target.name)}{_HOLDER}")


def new_name(name: str) -> str:
    """Return the name of what the file `name` will be; for who has the lock of its target only."""
    return f".{_shortened(name)}{_NEW}"


def _shortened(name: str) -> str:
    """Return a name, or the beginning of a long one and a digest that tells it from others."""
    data = os.fsencode(name)
    if len(data) <= _LONGEST:
        return name
    digest = hashlib.sha256(data).hexdigest()[:16]
    return f"{data[: _LONGEST - len(digest) - 1].decode(errors='ignore')}~{digest}"
