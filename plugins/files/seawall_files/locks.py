"""Who is saving to a file: one call at a time, whatever process it is in.

The system gives a lock back when its holder dies, so a dead holder never blocks; who it is stands in a second
file, since Windows lets nobody read one that is locked. Both are removed with the lock.
"""

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from seawall_files.errors import TargetLockedError
from seawall_files.places import holder_path, lock_path

_PRIVATE: Final = 0o600
_LONGEST: Final = 4096
"""Bytes that are read of what a holder says of itself."""


class TargetLock:
    """The right to save to a file. It may be given back by another thread, and is when this is dropped."""

    def __init__(self, target: Path, lock: FileLock) -> None:
        self._target = target
        self._lock = lock

    @classmethod
    def take(
        cls,
        target: Path,
        *,
        timeout: float,
        command: str = "",
        clock: Callable[[], float] = time.time,  # noqa: TID251 - others compare it with theirs
    ) -> Self:
        """Wait until nobody else saves to a real target, for `timeout` seconds at most; this blocks.

        Args:
            target: As `places.real_target` gives it.
            timeout: 0: do not wait.
            command: What others are told of this process; no secrets. By default the name of its program.
            clock: Seconds since the epoch.

        Raises:
            TargetLockedError: It is locked by another call still, also one of this process.
            OSError: The folder cannot be written to, or its file system has no locks.
        """
        if not target.parent.is_dir():
            # `filelock` would make it
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
        lock = FileLock(
            lock_path(target), mode=_PRIVATE, thread_local=False, fallback_to_soft=False, poll_interval=0.05
        )
        try:
            lock.acquire(timeout=max(timeout, 0))
        except Timeout:
            raise TargetLockedError(str(target), _holder(target), timeout) from None
        taken = cls(target, lock)
        # a lock whose holder has no name locks all the same
        with suppress(OSError):
            _tell(target, command or Path(sys.argv[0] or "python").name, clock())
        return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give it back; more than once is nothing."""
        if not self._lock.is_locked:
            return
        try:
            with suppress(OSError):
                holder_path(self._target).unlink()
            # Whoever waits looks whether what it locked is still there. Windows removes no open file: there
            # `filelock` does, once it is closed
            with suppress(OSError):
                lock_path(self._target).unlink()
        finally:
            self._lock.release()


def _tell(target: Path, command: str, now: float) -> None:
    """Write who has the lock."""
    said = {"pid": os.getpid(), "host": socket.gethostname(), "since": now, "command": command[:200]}
    path = holder_path(target)
    # that of a dead holder; or a link, over which another file would be written, or a pipe, which would block
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(said, file)


def _holder(target: Path) -> str:
    """Return who has the lock, as an error says it."""
    try:
        with holder_path(target).open("rb") as file:
            said = json.loads(file.read(_LONGEST))
        since = datetime.fromtimestamp(said["since"], UTC)
        who = f"process {int(said['pid'])} ({said['command']!s:.200}) on {said['host']!s:.200}"
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return "another process"
    return f"{who} since {since:%Y-%m-%d %H:%M:%S} UTC"
