"""How large, how many and which files a workspace takes."""

from collections.abc import Callable, Collection
from typing import Final

from seawall.state import new_lock
from seawall_files.errors import WorkspaceError

MAX_BYTES: Final = 64 * 2**20
MAX_FILES: Final = 10_000


class Limits:
    """The limits of one workspace; threads may share them.

    Args:
        max_bytes: Size of a file that is read whole or written.
        max_files: Files and folders in the workspace.
        suffixes: What names of files must end in, in either case; `None` for anything.
        count: Counts files and folders up to the number it is given.
    """

    def __init__(
        self, max_bytes: int, max_files: int, suffixes: Collection[str] | None, count: Callable[[int], int]
    ) -> None:
        if isinstance(suffixes, str):
            raise TypeError(f"suffixes = {suffixes!r}: a set of them is expected, such as {{'.md'}}")
        self.max_bytes = max_bytes
        self.max_files = max_files
        self._suffixes = None if suffixes is None else tuple(suffix.casefold() for suffix in suffixes)
        self._count = count
        self._lock = new_lock()
        self._room = 0
        """Files that may be made before they are counted again."""

    def content(self, path: str, data: str | bytes) -> bytes:
        """Return what is to be written as bytes, or raise the error of what is too much or no UTF-8."""
        try:
            content = data.encode() if isinstance(data, str) else bytes(memoryview(data))
        except UnicodeEncodeError as error:
            # as a model may say it: its tools get JSON, in which it can be escaped
            why = f"would hold half a surrogate pair, which is no UTF-8, at character {error.start:,}"
            raise WorkspaceError(path, why) from error
        self.check_size(path, len(content), "would hold")
        return content

    def check_size(self, path: str, size: int, how: str = "holds") -> None:
        """Raise the error of a file of more than `max_bytes`."""
        if size > self.max_bytes:
            raise WorkspaceError(path, f"{how} {size:,} bytes; max_bytes is {self.max_bytes:,}")

    def has_suffix(self, name: str) -> bool:
        """Whether the name of a file ends in what it must end in."""
        return self._suffixes is None or name.casefold().endswith(self._suffixes)

    def check_suffix(self, path: str) -> None:
        """Raise the error of a file whose name ends in something else."""
        if not self.has_suffix(path):
            suffixes = ", ".join(sorted(self._suffixes or ()))
            raise WorkspaceError(path, f"does not end in what files of this workspace end in: {suffixes}")

    def take_room(self, path: str) -> None:
        """Note that a file or folder is about to be made, or raise the error of one too many."""
        with self._lock:
            if self._room:
                self._room -= 1
                return
        free = self.max_files - self._count(self.max_files)
        if free <= 0:
            raise WorkspaceError(
                path, f"would be one more than max_files = {self.max_files:,} files and folders"
            )
        with self._lock:
            # half of what is free: other processes make files too, and are noticed with the next count
            self._room = max(self._room, free // 2 - 1, 0)
