"""A file beside the one that it will be, with all that it will hold."""

import os
import secrets
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from seawall_files.durability import sync
from seawall_files.folder import Folder

NEW_MODE: Final = 0o666
"""Before the umask, as of a file that `open` creates."""
_ACCESS_LIST: Final = "system.posix_acl_access"
"""See acl(5)."""


def written(
    folder: Folder,
    name: str,
    pieces: Iterable[bytes],
    old: os.stat_result | None,
    *,
    mode: int = NEW_MODE,
    temporary: str | None = None,
) -> str:
    """Return the name of a temporary file that holds the pieces for good.

    Args:
        folder: Where it is made.
        name: Of the file that it will be.
        pieces: What it holds.
        old: The status of the file that is there, whose mode and, where allowed, owner it gets.
        mode: What it gets, less the umask, without `old`.
        temporary: Its name, which nobody else uses: what a killed process left there is overwritten. By
            default one that nobody has used before.

    Raises:
        OSError: It could not be written; there is none.
    """
    if temporary is None:
        new = f".{name[:40]}.{secrets.token_hex(4)}.tmp"
    else:
        new = temporary
        with suppress(FileNotFoundError):
            folder.remove(new)
    if old is not None:
        # never readable by more people than the old file, not even while its group is another
        mode = old.st_mode & stat.S_IRWXU | stat.S_IWUSR
    descriptor = folder.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            _take_owner(descriptor, old)
            for piece in pieces:
                _write_all(descriptor, piece)
            if old is not None:
                _take_access_list(descriptor, folder, name)
            # after the owner and the data: a change of either clears setuid and setgid
            _take_mode(descriptor, old)
            sync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        discard(folder, new)
        raise
    return new


def discard(folder: Folder, name: str) -> None:
    """Remove a file that is of no use any more; where that fails, it stays."""
    with suppress(OSError):
        folder.remove(name)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however little the system takes at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _take_owner(descriptor: int, old: os.stat_result | None) -> None:
    """Give an open file the group and the owner of `old`, where the system has them and allows it."""
    if old is not None and os.name == "posix":
        # apart: who may not give a file away may still leave it to their group
        with suppress(OSError):
            os.fchown(descriptor, -1, old.st_gid)
        with suppress(OSError):
            os.fchown(descriptor, old.st_uid, -1)


def _take_access_list(descriptor: int, folder: Folder, name: str) -> None:
    """Give an open file the access control list of the file `name`, or none if that has none; on Linux.

    Without it the mode would say too much: the bits of the group are then what anybody in the list may do.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            old = folder.open(name, os.O_RDONLY)
            try:
                if _ACCESS_LIST in os.listxattr(old):
                    os.setxattr(descriptor, _ACCESS_LIST, os.getxattr(old, _ACCESS_LIST))
                else:
                    # the one that the folder gives to new files
                    os.removexattr(descriptor, _ACCESS_LIST)
            finally:
                os.close(old)


def _take_mode(descriptor: int, old: os.stat_result | None) -> None:
    """Give an open file the mode of `old`; a file marked as read-only could not be removed on Windows."""
    if old is not None and os.name == "posix":
        mode = stat.S_IMODE(old.st_mode)
        if os.fstat(descriptor).st_gid != old.st_gid:
            # another group may do no more than everybody
            mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
        os.fchmod(descriptor, mode)
