"""Folders on Windows, kept from being moved, removed or exchanged while they are in use."""

import ctypes
import errno
import os
import stat
import sys
from typing import Final

NAME_SURROGATE: Final = 0x2000_0000
"""Bit of the reparse tags that stand for another place: symbolic links, junctions, mount points. Others, such
as those of files in the cloud, are the file itself (Microsoft, "Reparse Point Tags")."""

if sys.platform == "win32":
    from ctypes import wintypes

    _LIST: Final = 0x1  # a handle without any right to the contents would keep nobody out
    _SHARE_READ_WRITE: Final = 0x3
    _OPEN_EXISTING: Final = 3
    _BACKUP_SEMANTICS: Final = 0x0200_0000
    _OPEN_REPARSE_POINT: Final = 0x0020_0000
    _INVALID: Final = ctypes.c_void_p(-1).value

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateFileW.restype = wintypes.HANDLE
    _kernel.CreateFileW.argtypes = [
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.LPVOID,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    ]
    _kernel.CloseHandle.argtypes = [wintypes.HANDLE]

    def pin(path: str) -> int:
        """Return a handle that keeps the folder at `path` where it is; no link is followed at its end."""
        handle = _kernel.CreateFileW(
            path,
            _LIST,
            _SHARE_READ_WRITE,
            None,
            _OPEN_EXISTING,
            _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT,
            None,
        )
        if handle in (None, _INVALID):
            raise ctypes.WinError(ctypes.get_last_error())
        return int(handle)

    def unpin(handle: int) -> None:
        """Let the folder go."""
        _kernel.CloseHandle(handle)

else:

    def pin(path: str) -> int:  # noqa: ARG001 - the other one needs it
        """Return nothing of use: only Windows keeps a folder where it is."""
        return 0

    def unpin(handle: int) -> None:
        """Let the folder go."""


def pinned(path: str) -> int:
    """Return a handle that keeps the folder at `path`, itself no link, where it is.

    Raises:
        OSError: It is none: `ELOOP` for a link or junction.
    """
    handle = pin(path)
    try:
        # held by now: what is seen here stays so
        status = os.lstat(path)
        number = 0 if stat.S_ISDIR(status.st_mode) else errno.ENOTDIR
        if stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) & NAME_SURROGATE:
            number = errno.ELOOP
    except BaseException:
        unpin(handle)
        raise
    if number:
        unpin(handle)
        raise OSError(number, os.strerror(number), path)
    return handle
