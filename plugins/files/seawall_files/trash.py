"""What was deleted in a workspace, and can be brought back.

Each thing is moved, in one rename, into a folder of its own beneath `.seawall-trash`, beside a file that
tells where it was.
"""

import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from seawall_files.atomic import write_in
from seawall_files.confinement import Confinement, named
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
        """Remove what is in it for good."""
        for token in self._tokens():
            with self._confinement.folder((TRASH,)) as trash:
                # by descriptor, so that a link put into it meanwhile is removed and not followed
                if trash.descriptor is None:
                    shutil.rmtree(trash.path_of(token), ignore_errors=True)
                else:
                    shutil.rmtree(token, ignore_errors=True, dir_fd=trash.descriptor)

    def _tokens(self) -> list[str]:
        try:
            with self._confinement.folder((TRASH,)) as trash:
                return [name for name, _ in trash.entries() if _TOKEN.fullmatch(name)]
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
