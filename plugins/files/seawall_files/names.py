"""Which paths a workspace takes: those that mean one file, the same one, on every system.

Not what confines them, which is the way they are walked (`descent`): these rules keep out what a system, a
file system or a reader of the name takes for another one.
"""

import os
import re
import unicodedata
from pathlib import PurePath
from typing import Final

from seawall_files.errors import WorkspaceError

TRASH: Final = ".seawall-trash"
"""Folder of what was deleted; no path leads into it."""
_SHORT_TRASH: Final = re.compile(r"se(?:awal|[0-9a-f]{4})~[0-9]")
"""Its second name on Windows, of 8 characters: the first six and a number, or two and four hexadecimal digits
where others begin like it (Microsoft, "Naming Files", "Short vs. Long Names")."""
_LONGEST_NAME: Final = 255
"""Bytes of a name on most file systems."""
_LONGEST_PATH: Final = 4095
"""Bytes of a path on Linux."""
_MARKS: Final = re.compile(r'[/\\:*?"<>|]')
"""Separators, drives and streams, and what Windows takes for patterns (Microsoft, "Naming Files")."""
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9])[ ]*(?:\.|$)")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that nobody sees: controls, marks of direction and joining, line ends, and the
halves of a pair that bytes become which are no UTF-8."""


def names_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names that a path consists of, none for the workspace itself.

    Raises:
        WorkspaceError: It is none that a workspace takes.
    """
    text = path.as_posix() if isinstance(path, PurePath) else os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"a path is a str or a PathLike of str, not {type(text).__name__}")
    if not text:
        raise WorkspaceError(text, "is empty; the workspace itself is '.'")
    if text.startswith("/"):
        raise WorkspaceError(text, "is absolute; give it relative to the workspace")
    if is_too_long(text):
        raise WorkspaceError(text, f"is longer than {_LONGEST_PATH:,} bytes")
    names = tuple(name for name in text.split("/") if name not in ("", "."))
    for name in names:
        if complaint := _complaint(name):
            whole = "" if name == text else f"has a name {name!r} that "
            raise WorkspaceError(text, whole + complaint)
    return names


def is_too_long(path: str) -> bool:
    """Whether a path is longer than systems take."""
    return len(path.encode(errors="surrogatepass")) > _LONGEST_PATH


def is_fit(name: str) -> bool:
    """Whether a path may consist of this name."""
    return _complaint(name) is None


def _complaint(name: str) -> str | None:
    """Return why a name is none that a path may have."""
    # full-width and ligature forms of what has a meaning have it for whoever normalizes them
    plain = unicodedata.normalize("NFKC", name)
    mark = _MARKS.search(name) or re.search(r"[/\\]", plain)
    complaints = (
        ({name, plain} & {".", ".."}, "leads out of its folder; '..' is not taken, wherever it leads"),
        (any(unicodedata.category(sign) in _UNSEEN for sign in name), "holds a character that nobody sees"),
        (mark, f"holds {mark and mark[0]!r}; folders are separated by '/'"),
        (name.endswith((" ", ".")), f"ends in {name[-1]!r}, which Windows leaves out"),
        (_DEVICE.match(plain.casefold()), "is that of a device on Windows"),
        (plain.casefold() == TRASH, "is that of the workspace's trash"),
        (_SHORT_TRASH.fullmatch(plain.casefold()), "is a short one of the workspace's trash on Windows"),
        (len(name.encode(errors="replace")) > _LONGEST_NAME, f"is longer than {_LONGEST_NAME} bytes"),
    )
    return next((complaint for applies, complaint in complaints if applies), None)
