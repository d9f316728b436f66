"""An open folder, in which names are looked up.

On POSIX it is a descriptor: it stays the same folder whatever is put in its place, and a name in it is never
followed where it is a symbolic link. Windows has no such descriptors: there it is a path, whose folders are
kept from being moved as long as it is open (`descent`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Self

from seawall_files.durability import sync
from seawall_files.exclusive import rename_new
from seawall_files.sharing import patiently

BY_DESCRIPTOR: Final = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""Whether this system looks names up in a descriptor."""
# a folder that may be entered need not be one that may be listed
SEARCH: Final = (getattr(os, "O_PATH", 0) or os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_CLOSED: Final = -1
# a name that turned into a pipe or a terminal must neither block nor take over
_GUARDED: Final = sum(
    getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_NOINHERIT")
)


class Folder:
    """An open folder; close it, or use it as a context manager.

    Args:
        descriptor: Of the folder; `None` where names are looked up by path.
        path: As errors name it.
        release: Called when it is closed.
    """

    def __init__(self, descriptor: int | None, path: str, release: Callable[[], None] | None = None) -> None:
        self.descriptor = descriptor
        self.path = path
        self._release = release

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """Open the folder at a path that is trusted: links in it are followed.

        Raises:
            OSError: There is none.
        """
        path = os.fspath(path)
        if not BY_DESCRIPTOR:
            os.scandir(path).close()  # the error of what is no folder
            return cls(None, path)
        return cls(os.open(path, SEARCH), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; more than once is nothing."""
        descriptor, release = self.descriptor, self._release
        if descriptor is not None:
            # `None` would be the working directory
            self.descriptor = _CLOSED
        self._release = None
        if descriptor is not None and descriptor != _CLOSED:
            # nothing was written by it that could be lost
            with suppress(OSError):
                os.close(descriptor)
        if release is not None:
            release()

    @property
    def held(self) -> int:
        """The descriptor; where there is none, what no call takes: `None` would be the working directory."""
        return _CLOSED if self.descriptor is None else self.descriptor

    def enter(self, name: str) -> "Folder":
        """Open the folder `name` in it, never through a link; only by descriptor."""
        return Folder(os.open(name, SEARCH | os.O_NOFOLLOW, dir_fd=self.held), self.path_of(name))

    def open(self, name: str, flags: int, mode: int = 0o777) -> int:
        """Return a descriptor of the file `name`; one that is a link or would block is not opened."""
        return os.open(self.asked(name), flags | _GUARDED, mode, dir_fd=self.descriptor)

    def status(self, name: str) -> os.stat_result:
        """Return the status of `name` itself, link or not."""
        return os.stat(self.asked(name), dir_fd=self.descriptor, follow_symlinks=False)

    def rename(self, name: str, other: "Folder", new: str) -> None:
        """Move `name` to `new` in another folder or this one, over what is there."""
        old, new = self.asked(name), other.asked(new)
        patiently(lambda: os.replace(old, new, src_dir_fd=self.descriptor, dst_dir_fd=other.descriptor))

    def rename_new(self, name: str, other: "Folder", new: str) -> None:
        """Move `name` to `new` in another folder or this one.

        Raises:
            FileExistsError: Something is there.
        """
        rename_new(self.asked(name), self.descriptor, other.asked(new), other.descriptor)

    def link(self, name: str, new: str) -> None:
        """Give the file `name` another name, `new`.

        Raises:
            FileExistsError: Something is there.
        """
        os.link(self.asked(name), self.asked(new), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove the file `name`."""
        asked = self.asked(name)
        patiently(lambda: os.unlink(asked, dir_fd=self.descriptor))

    def make_folder(self, name: str, mode: int = 0o777) -> None:
        """Make the folder `name`."""
        os.mkdir(self.asked(name), mode, dir_fd=self.descriptor)

    def remove_folder(self, name: str) -> None:
        """Remove the empty folder `name`."""
        os.rmdir(self.asked(name), dir_fd=self.descriptor)

    def entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """The names in it with their status, links not followed; what vanishes meanwhile is left out."""
        listable = self.path if self.descriptor is None else os.open(".", os.O_RDONLY, dir_fd=self.descriptor)
        try:
            with os.scandir(listable) as found:
                names = [entry.name for entry in found]
        finally:
            if isinstance(listable, int):
                os.close(listable)
        for name in names:
            with suppress(FileNotFoundError):
                yield name, self.status(name)

    def sync(self) -> None:
        """Make what was renamed last, where the system can: Windows opens no folder, some systems sync none.

        What was renamed is there already, so nothing that happens here may look as if it were not.
        """
        with suppress(OSError):
            descriptor = os.open(self.asked("."), os.O_RDONLY, dir_fd=self.descriptor)
            try:
                sync(descriptor)
            finally:
                os.close(descriptor)

    def asked(self, name: str) -> str:
        """What the system is asked for, together with the descriptor, to get at `name`."""
        return name if self.descriptor is not None else self.path_of(name)

    def path_of(self, name: str) -> str:
        """The path of `name`."""
        return joined(self.path, name)


def joined(folder: str, name: str) -> str:
    r"""Return the path of `name` in a folder, with the separator of this system.

    Windows takes no other one after `\\?\`, with which `realpath` begins paths that are too long without it
    (Microsoft, "Maximum Path Length Limitation").
    """
    return f"{folder.removesuffix(os.sep)}{os.sep}{name}"
