"""A rename that never replaces, which Python does not offer.

`renameat2` with `RENAME_NOREPLACE` on Linux, `renameatx_np` with `RENAME_EXCL` on macOS; on Windows every
rename is so. A file system without it (some network and FUSE ones) gets a look before the rename: two
processes that make the same name in the same moment are then not kept apart.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from typing import Final

from seawall_files.sharing import patiently

_AT_CWD: Final = -100 if sys.platform == "linux" else -2
_MISSING: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
"""What systems and file systems that do not know the flag say."""


def _function() -> tuple[Callable[..., int], int] | None:
    """Return the function of the C library and its flag; `None` where it has none."""
    name, flag = {"linux": ("renameat2", 1), "darwin": ("renameatx_np", 4)}.get(sys.platform, ("", 0))
    if not name:
        return None
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function, flag


_RENAME: Final = _function()


def rename_new(old: str, old_folder: int | None, new: str, new_folder: int | None) -> None:
    """Rename `old` to `new`, each in an open folder or, with `None`, by path.

    Raises:
        FileExistsError: Something is at `new`.
        OSError: It cannot be renamed.
    """
    if os.name == "nt":
        patiently(lambda: os.rename(old, new))  # noqa: PTH104 - `Path.rename` takes no folder, as it is below
        return
    if _RENAME is not None:
        function, flag = _RENAME
        places = (_AT_CWD if folder is None else folder for folder in (old_folder, new_folder))
        here, there = places
        if function(here, os.fsencode(old), there, os.fsencode(new), flag) == 0:
            return
        number = ctypes.get_errno()
        if number not in _MISSING:
            raise OSError(number, os.strerror(number), old, None, new)
    _rename_after_a_look(old, old_folder, new, new_folder)


def _rename_after_a_look(old: str, old_folder: int | None, new: str, new_folder: int | None) -> None:
    try:
        os.stat(new, dir_fd=new_folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
