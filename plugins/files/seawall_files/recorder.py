"""Writes a journal behind the back of a stream, which never waits for the disk."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from seawall_files.journal import Journal
from seawall_files.records import Kind, Record, payload_of

_MUCH: Final = 2**20
"""Bytes that are written without waiting for the interval."""
_MOST: Final = 16 * 2**20
"""Bytes that may wait for the disk."""
_PAUSE: Final = 0.1
"""Seconds between two writes, which outlive the process and cost little; syncs outlive the machine."""


class Recorder:
    """Takes what a journal is to hold from one call, and writes it in a thread of its own.

    Args:
        journal: Open; closed by `finish`.
        interval: Seconds between two syncs.
        pause: Seconds between two writes, where they are not more.
        clock: Seconds.
    """

    def __init__(
        self,
        journal: Journal,
        interval: float,
        *,
        pause: float = _PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._interval = interval
        self._pause = min(pause, interval)
        self._clock = clock
        self._waiting: deque[bytes | Record] = deque()
        self._taken = 0
        self._written = 0
        self._is_synced = True
        self._failure: OSError | None = None
        self._is_over = False
        self._wake = threading.Event()
        self._ended = threading.Event()
        # what an abandoned process has not written is within what a crash may cost
        self._thread = threading.Thread(target=self._run, name="seawall-journal", daemon=True)
        self._thread.start()

    @property
    def has_taken(self) -> bool:
        """Whether any frame came."""
        return self._taken > 0

    def take(self, frame: bytes) -> str | None:
        """Take the next frame, without waiting for anything; returns why the stream must stop, if it must."""
        self._waiting.append(frame)
        self._taken += len(frame)
        if self._failure is None and self._taken - self._written < _MUCH:
            return None
        self._wake.set()
        path = str(self._journal.path)
        if self._failure is not None:
            return f"the journal {path!r} cannot be written: {self._failure.strerror or self._failure}"
        if self._taken - self._written > _MOST:
            return f"the disk is too slow: {_MOST:,} bytes wait to be written to the journal {path!r}"
        return None

    def note(self, kind: Kind, value: Mapping[str, Any]) -> None:
        """Take a record between the frames."""
        self._waiting.append(Record(kind, payload_of(value)))

    def finish(self) -> OSError | None:
        """Write and sync all that was taken, and close the journal; returns what went wrong. This blocks."""
        try:
            self._end()
        except BaseException:
            # through one Ctrl-C: until the thread ends, nobody else may open the journal
            self._end()
            raise
        return self._failure

    def _end(self) -> None:
        self._is_over = True
        self._wake.set()
        # not `join`: of a thread that was waited for and interrupted, Python 3.11 says that it has ended
        self._ended.wait()

    def _run(self) -> None:
        due = self._clock() + self._interval
        try:
            while not self._is_over and self._failure is None:
                self._wake.wait(self._pause)
                self._wake.clear()
                is_due = self._clock() >= due
                self._save(is_due=is_due)
                if is_due:
                    due = self._clock() + self._interval
            if self._failure is None:
                self._save(is_due=True)
        finally:
            self._close()
            self._ended.set()

    def _close(self) -> None:
        try:
            self._journal.close()
        except OSError as error:
            self._failure = self._failure or error

    def _save(self, *, is_due: bool) -> None:
        """Write what waits, and sync it if that is due; a failure is kept for who takes the next frame."""
        try:
            if self._write():
                self._is_synced = False
            if is_due and not self._is_synced:
                self._journal.sync()
                self._is_synced = True
        except OSError as error:
            self._failure = error

    def _write(self) -> bool:
        frames: list[bytes] = []
        end = self._journal.end
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, bytes):
                frames.append(item)
            else:
                self._write_frames(frames)
                self._journal.append(item.kind, item.payload)
        self._write_frames(frames)
        return self._journal.end > end

    def _write_frames(self, frames: list[bytes]) -> None:
        if frames:
            data = b"".join(frames)
            frames.clear()
            self._journal.append(Kind.FRAMES, data)
            self._written += len(data)
