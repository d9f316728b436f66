"""What was deleted in a workspace, and can be brought back.

Each thing is moved, in one rename, into a folder of its own beneath `.seawall-trash`, beside a file that
tells where it was.
"""

import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall_files.atomic import write_in
from seawall_files.confinement import Confinement, complaint_about, named
from seawall_files.errors import WorkspaceError
from seawall_files.folder import Folder
from seawall_files.names import TRASH

_CONTENT: Final = "content"
_ORIGIN: Final = "origin"
_TOKEN: Final = re.compile(r"[0-9a-f]{16}")
_LONGEST_ORIGIN: Final = 16_384
"""Bytes; longer than any path that a workspace takes."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file or folder in the trash of a workspace."""

    path: str
    """Where it was, from the workspace."""
    token: str
    """By which the trash knows it."""


class Trash:
    """The trash of one workspace."""

    def __init__(self, confinement: Confinement) -> None:
        self._confinement = confinement

    def put(self, folder: Folder, name: str, path: str) -> Deleted:
        """Move `name` of an open folder, which is `path`, into the trash."""
        token = secrets.token_hex(8)
        with self._confinement.made((TRASH, token), _make) as place:
            try:
                write_in(place, _ORIGIN, path.encode())
                with named(path):
                    folder.rename_new(name, place, _CONTENT)
            except BaseException:
                self._forget(place, token)
                raise
            place.sync()
        folder.sync()
        return Deleted(path, token)

    def take(self, deleted: Deleted, folder: Folder, name: str) -> None:
        """Move what was deleted out of the trash, to `name` in an open folder.

        Raises:
            FileExistsError: Something is there.
        """
        with self._place(deleted) as place:
            with named(deleted.path):
                place.rename_new(_CONTENT, folder, name)
            folder.sync()
            self._forget(place, deleted.token)

    def check(self, deleted: Deleted) -> None:
        """Raise the error of what is not in the trash."""
        self._place(deleted).close()

    def content(self) -> Iterator[Deleted]:
        """What is in it, in no order."""
        for token in self._tokens():
            # another process may take it out meanwhile
            with suppress(FileNotFoundError), self._confinement.folder((TRASH, token)) as place:
                place.status(_CONTENT)
                descriptor = self._confinement.open(place, _ORIGIN, f"{TRASH}/{token}", os.O_RDONLY)
                with io.FileIO(descriptor) as origin:
                    yield Deleted(origin.read(_LONGEST_ORIGIN).decode(errors="replace"), token)

    def empty(self) -> None:
        """Remove what is in it for good.

        Raises:
            OSError: Something cannot be removed; all else is.
        """
        rest = self._tokens()
        failures: list[OSError] = []
        while rest:
            rest += self._remove(rest.pop(), failures)
        if failures:
            raise failures[0]

    def _remove(self, token: str, failures: list[OSError]) -> list[str]:
        """Remove a folder of the trash; folders in it move beside it, under the tokens that are returned.

        So neither descriptors nor the length of a path limit how deep they may lie.
        """
        moved: list[str] = []
        path = f"{TRASH}/{token}"
        with _noted(failures, path), self._confinement.folder((TRASH,)) as trash:
            with self._confinement.folder((TRASH, token)) as place:
                for name, status in place.entries():
                    with _noted(failures, f"{path}/{name}"):
                        if not _is_folder(status):
                            _remove_file(place, name, status)
                            continue
                        with suppress(OSError):
                            # an empty one that may not be written to can be removed, and not moved
                            place.remove_folder(name)
                            continue
                        new = secrets.token_hex(8)
                        place.rename_new(name, trash, new)
                        moved.append(new)
            # unless something stays, which is noted, or is just being put in
            with suppress(OSError):
                trash.remove_folder(token)
        return moved

    def _tokens(self) -> list[str]:
        try:
            with self._confinement.folder((TRASH,)) as trash:
                return [
                    name for name, status in trash.entries() if _TOKEN.fullmatch(name) and _is_folder(status)
                ]
        except FileNotFoundError:
            return []

    def _place(self, deleted: Deleted) -> Folder:
        """Open the folder of one thing that is there."""
        gone = WorkspaceError(deleted.path, "is not in the trash; it was restored, or the trash emptied")
        if not _TOKEN.fullmatch(deleted.token):
            raise gone
        with ExitStack() as stack:
            try:
                place = stack.enter_context(self._confinement.folder((TRASH, deleted.token)))
                place.status(_CONTENT)
            except FileNotFoundError:
                raise gone from None
            stack.pop_all()
        return place

    def _forget(self, place: Folder, token: str) -> None:
        """Close and remove the folder of what is not in it any more; what stays of it does no harm."""
        with suppress(OSError):
            place.remove(_ORIGIN)
        # Windows removes no folder that is held
        place.close()
        with suppress(OSError, WorkspaceError), self._confinement.folder((TRASH,)) as trash:
            trash.remove_folder(token)


def _make(folder: Folder, name: str) -> None:
    folder.make_folder(name, 0o700)


@contextmanager
def _noted(failures: list[OSError], path: str) -> Iterator[None]:
    """Keep what the system says against removing `path`, but not that others have removed it."""
    try:
        with named(path):
            yield
    except FileNotFoundError:
        return
    except OSError as error:
        failures.append(error)


def _is_folder(status: os.stat_result) -> bool:
    """Whether it is a folder, and no junction either."""
    return stat.S_ISDIR(status.st_mode) and complaint_about(status) is None


def _remove_file(folder: Folder, name: str, status: os.stat_result) -> None:
    if folder.descriptor is None and stat.S_ISREG(status.st_mode) and not status.st_mode & stat.S_IWUSR:
        # Windows removes no file that is marked as read-only
        Path(folder.path_of(name)).chmod(stat.S_IRUSR | stat.S_IWUSR)
    folder.remove(name)
