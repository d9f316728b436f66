"""Linux's `openat2`, which Python does not offer: the kernel itself keeps a path beneath a folder."""

import ctypes
import errno
import os
import sys
from functools import cache
from typing import Final

_NUMBER: Final = 437
"""Of the system call; the same on every architecture that CPython runs on."""
_RESOLVE: Final = 0x02 | 0x04 | 0x08
"""`RESOLVE_NO_MAGICLINKS`, `RESOLVE_NO_SYMLINKS`, `RESOLVE_BENEATH`: openat2(2)."""
_AT_CWD: Final = -100
_TRIES: Final = 8


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def is_available() -> bool:
    """Whether the kernel has it and lets us: older than 5.6 and some containers do not."""
    if sys.platform != "linux":
        return False
    try:
        os.close(open_beneath(_AT_CWD, ".", os.O_PATH | os.O_DIRECTORY))
    except (OSError, AttributeError):
        return False
    return True


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Return a descriptor of what is at `path` beneath an open folder, with no link on the way.

    Raises:
        OSError: There is none; `ELOOP` for a link, `EXDEV` for a path that leads out.
    """
    how = _How(flags | os.O_CLOEXEC, 0, _RESOLVE)
    for _ in range(_TRIES):
        found = _libc().syscall(_NUMBER, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        number = ctypes.get_errno()
        # `EAGAIN`: something was renamed meanwhile, so that the kernel cannot be sure
        if found >= 0 or number not in (errno.EAGAIN, errno.EINTR):
            break
    if found < 0:
        raise OSError(number, os.strerror(number), path)
    return int(found)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.argtypes = [
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_size_t,
    ]
    libc.syscall.restype = ctypes.c_long
    return libc
