"""Files that are given by path or open."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from seawall_files.errors import UnsuitableFileError

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a file that is open for reading bytes and is left open."""

DEFAULT_MODEL = "claude-opus-5-5"
"""For which tokens are counted unless another is named."""


@contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, str]]:
    """Give the file and its name."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:  # noqa: PTH123 - a path of any kind
            yield file, os.fspath(source)
    elif isinstance(source.read(0), bytes):
        yield source, str(getattr(source, "name", "a file without a name"))
    else:
        raise UnsuitableFileError(str(getattr(source, "name", "")), "is open as text; open it with mode 'rb'")
