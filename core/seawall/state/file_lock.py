"""A lock that processes take in turn; the system gives it back when its holder dies."""

import os
import random
import sys
import time
import weakref
from pathlib import Path
from typing import Final

from seawall.state.jitter import waits

_BASE: Final = 0.0001
_CAP: Final = 0.001
"""Seconds between two looks at a lock that is held, at most. Measured with 8 processes that do nothing else:
as fair as the queue of the kernel, which knows no timeout; 5 times as long, and the least served gets
half."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        # the lock belongs to the open file: not to the process, as those of `fcntl.lockf` do
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


class FileLock:
    """Excludes other processes; threads of one must exclude each other before.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, mode)
        self._close = weakref.finalize(self, os.close, self._file)
        # not a seeded generator: forked processes would draw the same waits
        self._rng = random.SystemRandom()

    def acquire(self, deadline: float) -> bool:
        """Take the lock; return whether that was possible before `time.monotonic()` is `deadline`.

        Raises:
            OSError: The file system has no locks.
        """
        pauses = waits(_BASE, _CAP, self._rng)
        while True:
            try:
                _lock(self._file)
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= deadline:
                    return False
            else:
                return True
            time.sleep(next(pauses))  # noqa: TID251 - who waits here was sent to a thread by `Offload`

    def release(self) -> None:
        """Give the lock back."""
        _unlock(self._file)

    def close(self) -> None:
        """Close the file, and with it give the lock back; in a forked child, the parent keeps it."""
        self._close()
