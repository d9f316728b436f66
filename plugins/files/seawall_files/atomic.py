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
    old = _status(target)
    new = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
    mode = stat.S_IMODE(old.st_mode) | stat.S_IWUSR if old is not None else _NEW_MODE
    try:
        # never readable by more people than the old file, not even while it is written
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if old is not None:
                _take_after(new, old)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    _sync_folder(target.parent)


def _status(target: Path) -> os.stat_result | None:
    """Return the status of the file at `target`, `None` when there is none.

    Raises:
        OSError: Something else is there, such as a folder or a device, that must not be replaced by a file.
    """
    try:
        status = target.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if stat.S_ISLNK(status.st_mode):
        # what is still a link once links are followed points to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(target))
    return status


def _take_after(new: Path, old: os.stat_result) -> None:
    """Give `new` the mode of `old`, and its owner where that is allowed."""
    if os.name != "posix":
        # no owner to set, and a file marked as read-only could not be removed again
        return
    with suppress(OSError):
        os.chown(new, old.st_uid, old.st_gid)
    # after the owner: a change of owner clears setuid and setgid
    new.chmod(stat.S_IMODE(old.st_mode))


def _sync_folder(folder: Path) -> None:
    """Make the rename last, where the system can: Windows opens no folder, some file systems sync none.

    The new file is there already, so nothing that happens here may look as if it were not.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
