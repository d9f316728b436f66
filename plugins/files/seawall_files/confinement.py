"""The way from a path to an open folder and a name in it, and to an open file, that leaves no workspace."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from seawall_files.descent import Descent
from seawall_files.errors import WorkspaceError
from seawall_files.folder import Folder
from seawall_files.names import is_fit, is_too_long
from seawall_files.pins import NAME_SURROGATE

_LED_ASTRAY: Final = frozenset({errno.ELOOP, errno.EXDEV, errno.ENOTDIR, errno.EMLINK})
"""What systems say to a link on the way, or to a way that leads out."""
_LINK: Final = "is a symbolic link, which a workspace does not follow"
_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISLNK, _LINK),
    (stat.S_ISFIFO, "is a pipe and no file"),
    (stat.S_ISSOCK, "is a socket and no file"),
    (stat.S_ISCHR, "is a device and no file"),
    (stat.S_ISBLK, "is a device and no file"),
)
_TRIES: Final = 8


@contextmanager
def named(path: str) -> Iterator[None]:
    """Errors of the system inside name `path`, not the part of it that the system was asked about."""
    try:
        yield
    except OSError as error:
        error.filename = path
        if error.filename2 is not None:
            del error.filename2
        raise


def complaint_about(status: os.stat_result) -> str | None:
    """Return why a workspace takes no file of this status; `None` for one it takes, and for a folder."""
    if getattr(status, "st_reparse_tag", 0) & NAME_SURROGATE:
        return _LINK
    for is_kind, complaint in _KINDS:
        if is_kind(status.st_mode):
            return complaint
    if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
        return (
            f"has {status.st_nlink} names (hard links), and a workspace cannot tell whether one of them is "
            "outside; put a copy in its place"
        )
    return None


def check_file(status: os.stat_result, path: str) -> None:
    """Raise the error of what is no file that a workspace takes."""
    if complaint := complaint_about(status):
        raise WorkspaceError(path, complaint)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


class Confinement:
    """Opens folders and files beneath a root.

    Args:
        root: Open, and closed by whoever opened it.
        descend: How folders are opened.
    """

    def __init__(self, root: Folder, descend: Descent) -> None:
        self._root = root
        self._descend = descend

    def folder(self, names: Sequence[str]) -> Folder:
        """Open the folder that names lead to.

        Raises:
            WorkspaceError: One of them is a link, or no folder.
            FileNotFoundError: There is none.
        """
        path = "/".join(names) or "."
        try:
            with named(path):
                return self._descend(self._root, names)
        except OSError as error:
            if error.errno in _LED_ASTRAY:
                raise WorkspaceError(path, self._astray(names)) from error
            raise

    def made(self, names: Sequence[str], make: Callable[[Folder, str], None]) -> Folder:
        """Open the folder that names lead to; `make` makes those that are missing."""
        with suppress(FileNotFoundError):
            return self.folder(names)
        for depth, name in enumerate(names):
            with self.folder(names[:depth]) as folder, named("/".join(names[: depth + 1])):
                try:
                    folder.status(name)
                except FileNotFoundError:
                    # somebody else may make it in the same moment
                    with suppress(FileExistsError):
                        make(folder, name)
        return self.folder(names)

    def status(self, folder: Folder, name: str, path: str) -> os.stat_result | None:
        """Return the status of a file that a workspace takes; `None` when there is none.

        Raises:
            WorkspaceError: It is no such file.
            IsADirectoryError: It is a folder.
        """
        try:
            with named(path):
                status = folder.status(name)
        except FileNotFoundError:
            return None
        check_file(status, path)
        return status

    def open(self, folder: Folder, name: str, path: str, flags: int) -> int:
        """Return a descriptor of a file that is there and that a workspace takes."""
        for _ in range(_TRIES):
            with named(path):
                seen = folder.status(name)
            # a device may notice that it is opened
            check_file(seen, path)
            descriptor = self._descriptor(folder, name, path, flags)
            try:
                opened = os.fstat(descriptor)
                check_file(opened, path)
            except BaseException:
                os.close(descriptor)
                raise
            # where names are looked up by path, what is opened may lie behind a link put there since
            if folder.descriptor is not None or os.path.samestat(seen, opened):
                return descriptor
            os.close(descriptor)
        raise WorkspaceError(path, "is replaced again and again; try later")

    def walk(self, names: Sequence[str], *, deep: bool) -> Iterator[tuple[tuple[str, ...], os.stat_result]]:
        """The names that lead to what is in a folder, in no order, with its status; no link is followed.

        Left out is what vanishes meanwhile, what is in folders that may not be listed, and what `is_fit` says
        no name of a path is or lies too deep for one.
        """
        rest = [tuple(names)]
        while rest:
            above = rest.pop()
            try:
                with self.folder(above) as folder, named("/".join(above) or "."):
                    found = [(name, status) for name, status in folder.entries() if is_fit(name)]
            except (FileNotFoundError, PermissionError, WorkspaceError):
                if above == tuple(names):
                    raise
                continue
            for name, status in found:
                way = (*above, name)
                if is_too_long("/".join(way)):
                    continue
                yield way, status
                if deep and stat.S_ISDIR(status.st_mode) and not complaint_about(status):
                    rest.append(way)

    def _descriptor(self, folder: Folder, name: str, path: str, flags: int) -> int:
        try:
            with named(path):
                return folder.open(name, flags)
        except OSError as error:
            if error.errno in _LED_ASTRAY:
                raise WorkspaceError(path, _LINK) from error
            raise

    def _astray(self, names: Sequence[str]) -> str:
        """Return what is wrong with a way that could not be gone."""
        for depth, name in enumerate(names):
            with suppress(OSError), self._descend(self._root, names[:depth]) as folder:
                status = folder.status(name)
                place = "" if len(names) == 1 else f"leads over {'/'.join(names[: depth + 1])!r}, which "
                if complaint := complaint_about(status):
                    return place + complaint
                if not stat.S_ISDIR(status.st_mode):
                    return place + "is no folder"
        return "leads over a link, which a workspace does not follow"
