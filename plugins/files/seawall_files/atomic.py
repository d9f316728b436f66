"""Files that are the old one or the whole new one, whenever the machine stops.

Temporary file in the same folder, fsync, rename over the target, fsync of the folder: see "Crash-consistent
file updates" in Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall_files.folder import Folder

_NEW_MODE: Final = 0o666
"""Before the umask, as of a file that `open` creates."""


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file at `path` by one that holds `data`, or leave it as it is.

    A symbolic link stays and what it points to is replaced. Mode and, where allowed, owner of an existing
    file are kept.

    Raises:
        OSError: It could not be written; the old file is as it was.
    """
    target = Path(os.path.realpath(path))
    with Folder.at(target.parent) as folder:
        # a path such as `/` has no name
        old = _status(folder, target.name or ".")
        replace_in(folder, target.name, data, old)


def replace_in(folder: Folder, name: str, data: bytes, old: os.stat_result | None) -> None:
    """Let the file `name` of an open folder hold `data`, with mode and owner of what it was, if it was.

    Raises:
        OSError: It could not be written; the old file is as it was.
    """
    new = _written(folder, name, data, old)
    try:
        folder.rename(new, folder, name)
    except BaseException:
        _discard(folder, new)
        raise
    folder.sync()


def write_in(folder: Folder, name: str, data: bytes, *, mode: int = _NEW_MODE) -> None:
    """Make a file `name` in an open folder that holds `data`, with `mode` less the umask.

    Raises:
        FileExistsError: There is one; it is as it was.
        OSError: It could not be written; there is none.
    """
    new = _written(folder, name, data, None, mode)
    try:
        folder.rename_new(new, folder, name)
    except BaseException:
        _discard(folder, new)
        raise
    folder.sync()


def append_all(descriptor: int, data: bytes) -> None:
    """Add `data` to the end of an open file, or leave it as it is.

    Raises:
        OSError: It could not be written. Where others have added something meanwhile, a part may be there.
    """
    before, rest = os.fstat(descriptor).st_size, memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        if os.fstat(descriptor).st_size == before + len(data) - len(rest):
            os.ftruncate(descriptor, before)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however little the system takes at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _written(
    folder: Folder, name: str, data: bytes, old: os.stat_result | None, mode: int = _NEW_MODE
) -> str:
    """Return the name of a temporary file that holds `data` for good."""
    new = f".{name[:40]}.{secrets.token_hex(4)}.tmp"
    if old is not None:
        mode = stat.S_IMODE(old.st_mode) | stat.S_IWUSR
    # never readable by more people than the old file, not even while it is written
    descriptor = folder.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            _take_owner(descriptor, old)
            _write_all(descriptor, data)
            # after the owner and the data: a change of either clears setuid and setgid
            _take_mode(descriptor, old)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        _discard(folder, new)
        raise
    return new


def _discard(folder: Folder, name: str) -> None:
    with suppress(OSError):
        folder.remove(name)


def _status(folder: Folder, name: str) -> os.stat_result | None:
    """Return the status of the file `name`, `None` when there is none.

    Raises:
        OSError: Something else is there, such as a folder or a device, that must not be replaced by a file.
    """
    path = folder.path_of(name)
    try:
        status = folder.status(name)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if stat.S_ISLNK(status.st_mode):
        # what is still a link once links are followed points to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return status


def _take_owner(descriptor: int, old: os.stat_result | None) -> None:
    """Give an open file the owner of `old`, where the system has owners and allows it."""
    if old is not None and os.name == "posix":
        with suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)


def _take_mode(descriptor: int, old: os.stat_result | None) -> None:
    """Give an open file the mode of `old`; a file marked as read-only could not be removed on Windows."""
    if old is not None and os.name == "posix":
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
