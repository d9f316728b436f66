"""What a workspace tells about what is in it."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from seawall_files.confinement import complaint_about


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder in a workspace."""

    path: str
    """From the workspace, with `/` on every system."""
    is_folder: bool
    size: int
    """Bytes; 0 for a folder."""
    modified: float
    """Seconds since 1970."""


def entries(found: Iterable[tuple[tuple[str, ...], os.stat_result]]) -> Iterator[Entry]:
    """Yield what of `found` a workspace takes, by path."""
    for names, status in sorted(found):
        if complaint_about(status) is None:
            is_folder = stat.S_ISDIR(status.st_mode)
            yield Entry("/".join(names), is_folder, 0 if is_folder else status.st_size, status.st_mtime)
