"""Making what was written outlive the machine."""

import errno
import os
import sys
from typing import Final

if sys.platform == "win32":
    _FULL: Final = None
else:
    import fcntl

    _FULL: Final = getattr(fcntl, "F_FULLFSYNC", None)


def sync(descriptor: int) -> None:
    """Make what was written to an open file or folder outlive the machine.

    On macOS `fsync` may leave it in the cache of the drive; `F_FULLFSYNC` does not (Apple, fsync(2)). A file
    system that does not know that, as over a network, gets `fsync`.

    Raises:
        OSError: The disk failed, or the system syncs none of this kind.
    """
    if _FULL is not None:
        try:
            fcntl.fcntl(descriptor, _FULL)
        except OSError as error:
            # `fsync` would not tell of it again
            if error.errno == errno.EIO:
                raise
        else:
            return
    os.fsync(descriptor)
