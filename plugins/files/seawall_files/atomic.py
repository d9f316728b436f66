"""Files that are the old one or the whole new one, whenever the machine stops.

Temporary file in the same folder, fsync, rename over the target, fsync of the folder: see "Crash-consistent
file updates" in Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

import errno
import os
import stat

from seawall_files.backups import back_up, holds, prune
from seawall_files.durability import sync
from seawall_files.folder import Folder
from seawall_files.places import real_target
from seawall_files.temporary import NEW_MODE, discard, written


def write_atomic(path: str | os.PathLike[str], data: bytes, *, backups: int = 0) -> None:
    """Replace the file at `path` by one that holds `data`, or leave it as it is.

    A symbolic link stays and what it points to is replaced. Mode, where allowed owner, and on Linux the
    access control list of an existing file are kept.

    Args:
        path: The file.
        data: What it will hold.
        backups: How many of the files that were replaced are kept beside it, as `report.md.~1~`,
            `report.md.~2~` and so on; the oldest goes first. 0: none is made or removed.

    Raises:
        OSError: It could not be written; the old file is as it was.
    """
    target = real_target(path)
    with Folder.at(target.parent) as folder:
        # a path such as `/` has no name
        replace_file(folder, target.name or ".", data, backups=backups)


def replace_file(
    folder: Folder, name: str, data: bytes, *, backups: int = 0, temporary: str | None = None
) -> None:
    """Let the file `name` of an open folder hold `data`, as `write_atomic` does.

    Args:
        folder: Where it is.
        name: What it is called; no link.
        data: What it will hold.
        backups: How many are kept.
        temporary: As `written` takes it.

    Raises:
        OSError: It could not be written; the old file is as it was.
    """
    old = _status(folder, name)
    if backups and old is not None and not holds(folder, name, data):
        # where the file is not replaced then, the next time finds it
        back_up(folder, name, temporary=temporary)
    replace_in(folder, name, data, old, temporary=temporary)
    if backups:
        prune(folder, name, keep=backups)


def replace_in(
    folder: Folder, name: str, data: bytes, old: os.stat_result | None, *, temporary: str | None = None
) -> None:
    """Let the file `name` of an open folder hold `data`, with mode and owner of what it was, if it was.

    Raises:
        OSError: It could not be written; the old file is as it was.
    """
    new = written(folder, name, [data], old, temporary=temporary)
    try:
        folder.rename(new, folder, name)
    except BaseException:
        discard(folder, new)
        raise
    folder.sync()


def write_in(
    folder: Folder, name: str, data: bytes, *, mode: int = NEW_MODE, temporary: str | None = None
) -> None:
    """Make a file `name` in an open folder that holds `data`.

    Raises:
        FileExistsError: There is one; it is as it was.
        OSError: It could not be written; there is none.
    """
    new = written(folder, name, [data], None, mode=mode, temporary=temporary)
    try:
        folder.rename_new(new, folder, name)
    except BaseException:
        discard(folder, new)
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
        sync(descriptor)
    except BaseException:
        if os.fstat(descriptor).st_size == before + len(data) - len(rest):
            os.ftruncate(descriptor, before)
        raise


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
