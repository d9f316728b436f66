"""A folder that paths cannot leave, wherever they come from."""

import io
import os
import stat
import weakref
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

from seawall_files.atomic import append_all, replace_in, write_in
from seawall_files.chunking import chunks
from seawall_files.confinement import Confinement, complaint_about, named
from seawall_files.content import Content, content_block
from seawall_files.descent import Descent, best_descent
from seawall_files.entries import Entry, entries
from seawall_files.errors import WorkspaceError
from seawall_files.folder import Folder
from seawall_files.limits import MAX_BYTES, MAX_FILES, Limits
from seawall_files.names import names_of
from seawall_files.reading import read_text
from seawall_files.sources import DEFAULT_MODEL
from seawall_files.splitting import TextChunk
from seawall_files.trash import Deleted, Trash

StrPath = str | os.PathLike[str]


class Workspace:
    """Reads and changes files beneath one folder and nowhere else, whatever path it is given.

    Paths are relative, with `/` on every system. Absolute ones, `..`, links, files with a second name, pipes,
    devices, and names that some system takes for others are refused with a `WorkspaceError`. Folders are
    opened one beneath the other and held, so that one exchanged for a link in the middle of an operation
    leads nowhere either. What the system says stays an `OSError`. Threads and processes may share a
    workspace.

    Every method blocks: in an event loop, call it by `asyncio.to_thread`.

    Args:
        root: The folder, which must be there. Links on the way to it are followed once, now.
        max_bytes: Size of a file that is read whole or written.
        max_files: Files and folders in it, without the trash.
        suffixes: What names of files must end in, such as `{".md", ".txt"}`, in either case;
            `None` for anything.
        descend: How folders are opened; by default the safest way that this system has.

    Raises:
        OSError: There is no such folder.
        ValueError: It is a whole file system.
    """

    def __init__(
        self,
        root: StrPath,
        *,
        max_bytes: int = MAX_BYTES,
        max_files: int = MAX_FILES,
        suffixes: Collection[str] | None = None,
        descend: Descent | None = None,
    ) -> None:
        path = Path(os.path.realpath(root))
        if path == Path(path.anchor):
            raise ValueError(f"root = {os.fspath(root)!r} is a whole file system and confines nothing")
        self._limits = Limits(max_bytes, max_files, suffixes, self._count)
        self._root = Folder.at(path)
        self._confinement = Confinement(self._root, descend or best_descent())
        self._close = weakref.finalize(self, self._root.close)
        self._trash = Trash(self._confinement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder; the workspace cannot be used afterwards."""
        self._close()

    def open(self, path: StrPath) -> BinaryIO:
        """Open a file for reading, of whatever size.

        Raises:
            WorkspaceError: The path or the file is none that a workspace takes.
            OSError: It cannot be opened.
        """
        shown, folders, name = self._parts(path)
        with self._confinement.folder(folders) as folder:
            descriptor = self._confinement.open(folder, name, shown, os.O_RDONLY)
            # so that errors of whoever reads it name the path
            return open(shown, "rb", opener=lambda *_: descriptor)

    def read_bytes(self, path: StrPath) -> bytes:
        """Return the content of a file.

        Raises:
            WorkspaceError: The path or the file is none that a workspace takes, or larger than `max_bytes`.
            OSError: It cannot be read.
        """
        with self.open(path) as file:
            self._limits.check_size(file.name, os.fstat(file.fileno()).st_size)
            # one that grows meanwhile is not read on and on
            data = file.read(self._limits.max_bytes + 1)
        self._limits.check_size(file.name, len(data))
        return data

    def read_text(
        self,
        path: StrPath,
        *,
        max_tokens: int | None = None,
        cut: bool = False,
        model: str = DEFAULT_MODEL,
        encoding: str | None = None,
    ) -> str:
        """Return the text of a file, as `seawall_files.read_text` does.

        Raises:
            WorkspaceError: As `read_bytes`; with `max_tokens` a file may be of any size.
            UnsuitableFileError: It is no text, or has more tokens.
            OSError: It cannot be read.
        """
        if max_tokens is not None:
            with self.open(path) as file:
                return read_text(file, max_tokens=max_tokens, cut=cut, model=model, encoding=encoding)
        whole = io.BytesIO(self.read_bytes(path))
        whole.name = os.fspath(path)  # by which errors call it
        return read_text(whole, encoding=encoding)

    def chunks(
        self,
        path: StrPath,
        *,
        tokens: int,
        overlap: int = 0,
        model: str = DEFAULT_MODEL,
        encoding: str | None = None,
    ) -> Iterator[TextChunk]:
        """Yield a file of any size in chunks, as `seawall_files.chunks` does."""
        with self.open(path) as file:
            yield from chunks(file, tokens=tokens, overlap=overlap, model=model, encoding=encoding)

    def content_block(
        self, path: StrPath, *, model: str = DEFAULT_MODEL, encoding: str | None = None
    ) -> Content:
        """Return a file as a content block, as `seawall_files.content_block` does."""
        with self.open(path) as file:
            return content_block(file, model=model, encoding=encoding)

    def write(self, path: StrPath, data: str | bytes) -> None:
        """Make a file that holds `data` (text as UTF-8), and the folders on the way to it.

        Raises:
            FileExistsError: Something is there; `replace` would replace it.
            WorkspaceError: The path is none that a workspace takes, a limit is reached, or the
                text is no UTF-8.
            OSError: It cannot be written; there is no part of it.
        """
        shown, folders, name = self._parts(path)
        content = self._limits.content(shown, data)
        with self._confinement.made(folders, self._make_folder) as folder, named(shown):
            self._limits.take_room(shown)
            write_in(folder, name, content)

    def replace(self, path: StrPath, data: str | bytes) -> None:
        """Let a file, there or not, hold `data` (text as UTF-8); it is the old one or the whole new one.

        Raises:
            WorkspaceError: The path or the file is none that a workspace takes, a limit is reached, or the
                text is no UTF-8.
            OSError: It cannot be written; the old file is as it was.
        """
        shown, folders, name = self._parts(path)
        content = self._limits.content(shown, data)
        with self._confinement.made(folders, self._make_folder) as folder, named(shown):
            old = self._confinement.status(folder, name, shown)
            if old is None:
                self._limits.take_room(shown)
            replace_in(folder, name, content, old)

    def append(self, path: StrPath, data: str | bytes) -> None:
        """Add `data` (text as UTF-8) to the end of a file; one that is not there is made.

        After an error the file is as it was. After a crash it may hold a part of `data`.

        Raises:
            WorkspaceError: The path or the file is none that a workspace takes, a limit is reached, or the
                text is no UTF-8.
            OSError: It cannot be written.
        """
        shown, folders, name = self._parts(path)
        content = self._limits.content(shown, data)
        try:
            self._append(folders, name, shown, content)
        except FileNotFoundError:
            try:
                self.write(path, content)
            except FileExistsError:
                # somebody else made it in the same moment
                self._append(folders, name, shown, content)

    def list(self, path: StrPath = ".", *, recursive: bool = False) -> tuple[Entry, ...]:
        """Return the files and folders in a folder, by path.

        Left out is what a workspace does not take, what lies too deep for a path, and what is in folders
        beneath that may not be listed.

        Raises:
            WorkspaceError: The path is none that a workspace takes, or there are more than `max_files`.
            OSError: There is no such folder.
        """
        names = names_of(path)
        found = list(islice(self._confinement.walk(names, deep=recursive), self._limits.max_files + 1))
        if len(found) > self._limits.max_files:
            reason = f"holds more than max_files = {self._limits.max_files:,} files and folders"
            raise WorkspaceError("/".join(names) or ".", reason)
        return tuple(
            entry for entry in entries(found) if entry.is_folder or self._limits.has_suffix(entry.path)
        )

    def delete(self, path: StrPath) -> Deleted:
        """Move a file, or a folder with all that is in it, into the trash.

        Raises:
            WorkspaceError: The path or the file is none that a workspace takes.
            OSError: There is none, or it cannot be moved.
        """
        names = names_of(path)
        if not names:
            raise WorkspaceError(os.fspath(path), "is the workspace itself")
        *folders, name = names
        shown = "/".join(names)
        with self._confinement.folder(folders) as folder:
            with named(shown):
                status = folder.status(name)
            if complaint := complaint_about(status):
                raise WorkspaceError(shown, complaint)
            if not stat.S_ISDIR(status.st_mode):
                self._limits.check_suffix(shown)
            return self._trash.put(folder, name, shown)

    def restore(self, deleted: Deleted) -> None:
        """Undo a `delete`.

        Raises:
            FileExistsError: Something is there by now.
            WorkspaceError: It is not in the trash any more, or a limit is reached.
        """
        *folders, name = names_of(deleted.path)
        self._trash.check(deleted)
        with self._confinement.made(folders, self._make_folder) as folder:
            self._limits.take_room(deleted.path)
            self._trash.take(deleted, folder, name)

    def deleted(self) -> tuple[Deleted, ...]:
        """Return what is in the trash, by path."""
        return tuple(sorted(self._trash.content(), key=lambda deleted: (deleted.path, deleted.token)))

    def empty_trash(self) -> None:
        """Remove for good what is in the trash.

        Raises:
            OSError: Something cannot be removed; all else is.
        """
        self._trash.empty()

    def _parts(self, path: StrPath) -> tuple[str, tuple[str, ...], str]:
        """Return the path of a file as errors show it, the names of the folders to it, and its own."""
        names = names_of(path)
        shown = "/".join(names)
        if not names:
            raise WorkspaceError(os.fspath(path), "is the workspace itself and no file")
        self._limits.check_suffix(shown)
        return shown, names[:-1], names[-1]

    def _make_folder(self, folder: Folder, name: str) -> None:
        self._limits.take_room(name)
        folder.make_folder(name)

    def _count(self, most: int) -> int:
        return sum(1 for _ in islice(self._confinement.walk((), deep=True), most))

    def _append(self, folders: Sequence[str], name: str, shown: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND
        with self._confinement.folder(folders) as folder, named(shown):
            descriptor = self._confinement.open(folder, name, shown, flags)
            try:
                self._limits.check_size(shown, os.fstat(descriptor).st_size + len(content), "would hold")
                append_all(descriptor, content)
            finally:
                os.close(descriptor)
