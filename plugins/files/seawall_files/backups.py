"""Numbered backups of a file that is going to be replaced."""

import os
import stat
from collections.abc import Iterator
from typing import Final

from seawall_files.folder import Folder
from seawall_files.numbering import numbered, numbers
from seawall_files.temporary import discard, written

_PIECE: Final = 2**20
"""Bytes in memory while a file is copied or compared."""


def back_up(folder: Folder, name: str, *, temporary: str | None = None) -> str | None:
    """Keep the file `name` of an open folder under its next number, and return that name.

    The file itself stays where it is. `None` where the newest backup holds the same bytes already, as it does
    after a crash: the same run again must not push out older ones.

    Args:
        folder: Where it is.
        name: What it is called.
        temporary: Of a copy, where one is made; as `written` takes it.

    Raises:
        OSError: It cannot be kept; nothing was changed.
    """
    number = max(numbers(folder, name), default=0)
    if number and _are_alike(folder, name, numbered(name, number)):
        return None
    while True:
        number += 1
        backup = numbered(name, number)
        try:
            _keep(folder, name, backup, temporary)
        except FileExistsError:
            # somebody else keeps one too
            continue
        # before the file is replaced, so that no crash leaves neither
        folder.sync()
        return backup


def holds(folder: Folder, name: str, data: bytes) -> bool:
    """Whether the file `name` holds `data`, as it does where a run that replaced it was killed right after.

    Raises:
        OSError: It cannot be read.
    """
    if folder.status(name).st_size != len(data):
        return False
    rest = memoryview(data)
    for piece in _pieces(folder, name):
        if rest[: len(piece)] != piece:
            return False
        rest = rest[len(piece) :]
    return not rest


def prune(folder: Folder, name: str, *, keep: int) -> None:
    """Remove all but the newest `keep` backups of the file `name`; what cannot be removed stays."""
    try:
        taken = numbers(folder, name)
    except OSError:
        # the file is replaced by now, and the next time finds them
        return
    for number in taken[: max(0, len(taken) - keep)]:
        discard(folder, numbered(name, number))


def _keep(folder: Folder, name: str, backup: str, temporary: str | None) -> None:
    """Let `backup` be what `name` is: another name for it, or where that is not possible a copy."""
    try:
        folder.link(name, backup)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        # not on FAT, and on some systems not for a file of another user
        new = written(folder, name, _pieces(folder, name), folder.status(name), temporary=temporary)
        try:
            folder.rename_new(new, folder, backup)
        except BaseException:
            discard(folder, new)
            raise


def _are_alike(folder: Folder, name: str, backup: str) -> bool:
    """Whether two files are one, or hold the same bytes."""
    one, other = folder.status(name), folder.status(backup)
    if os.path.samestat(one, other):
        return True
    if not stat.S_ISREG(other.st_mode) or one.st_size != other.st_size:
        return False
    return all(
        mine == theirs for mine, theirs in zip(_pieces(folder, name), _pieces(folder, backup), strict=False)
    )


def _pieces(folder: Folder, name: str) -> Iterator[bytes]:
    with open(folder.open(name, os.O_RDONLY), "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        while piece := file.read(_PIECE):
            yield piece
