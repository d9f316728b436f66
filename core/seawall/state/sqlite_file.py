"""A database in a file that all processes of this machine may use, whatever happens to it.

SQLite in WAL mode writes in a few microseconds, but those who wait for it poll with growing pauses, and some
starve: 1.5 s with 8 busy processes (measured; SQLite 3.40). So a transaction waits for a file lock first.
With `synchronous=NORMAL` what was committed outlives its process; the last of it may be lost with the power.
"""

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from seawall.state.errors import StoreError, StoreUnavailableError
from seawall.state.file_lock import FileLock
from seawall.state.forks import call_after_fork
from seawall.state.patience import Patience
from seawall.state.sqlite_opening import DamagedError, identity, kind_of, notice_damage, opened, set_aside

T = TypeVar("T")

_MODE: Final = 0o600
_TRIES: Final = 2

_inherited: Final[list[sqlite3.Connection]] = []
"""Connections of a parent: a child that closed one could break the locks of the parent
(https://www.sqlite.org/howtocorrupt.html, section 2.6)."""


class _LateError(Exception):
    """It was not free in time; the word for that names who had it."""


class SQLiteFile:
    """One table in a file.

    The file must not be on a network drive. Usable from all threads, and after a fork. A damaged file, or one
    that a later version of Seawall wrote, is set aside under another name, with a warning, and a new one
    begun; so is one that is deleted while it is used.

    Args:
        path: The file; the folder it is in is made if need be. Beside it are files with `-wal`, `-shm` and
            `-lock` after its name. Only this user can read them.
        table: The statement that makes its table.
        version: Of the table; what `PRAGMA user_version` says.
        timeout: Seconds after which a transaction fails that waits for other processes or threads; a tenth of
            it for ten seconds after one that did, unless one is done meanwhile.
        clock: In seconds.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        table: str,
        version: int,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self._table = table
        self._version = version
        self._patience = Patience(timeout, clock)
        self._busy_timeout = 0.0
        """Seconds that the connection waits for programs that do not take the lock."""
        self._thread_lock = threading.Lock()
        self._file_lock: FileLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._close_connection: weakref.finalize[[], SQLiteFile] | None = None
        """Python 3.13 warns of a connection that is dropped open, as with this."""
        self._opened: tuple[int, int] | None = None
        self._is_closed = False
        call_after_fork(self)

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in one transaction; return its result.

        It is done again, in a new file, if this one turns out to be damaged, for which `work` may also raise
        `DamagedError`.

        Raises:
            StoreUnavailableError: The file cannot be made or written.
            StoreError: The disk is full, the file cannot be used, or others did not let go of it in time.
        """
        for _ in range(_TRIES):
            try:
                return self._run(work)
            except DamagedError:
                # it has been set aside
                continue
        raise StoreError(str(self.path), "a new one is damaged as well")

    def close(self) -> None:
        """Close the file; to `run` after that raises `StoreError`."""
        with self._thread_lock:
            self._is_closed = True
            self._disconnect()

    def after_fork(self) -> None:
        """Leave to the parent what is its own."""
        self._thread_lock = threading.Lock()
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
        if self._close_connection is not None:
            self._close_connection.detach()
        if self._file_lock is not None:
            self._file_lock.close()
            self._file_lock = None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Exclude all others, and do `work`.

        Raises:
            DamagedError: The file was damaged; it has been set aside.
        """
        is_short = self._patience.is_short()
        timeout = self._patience.short if is_short else self._patience.whole
        try:
            result = self._run_within(timeout, work)
        except _LateError as error:
            self._patience.note_in_vain(was_short=is_short)
            raise StoreError(str(self.path), f"{error} held it for {timeout:g} s") from error
        self._patience.note_came()
        return result

    def _run_within(self, timeout: float, work: Callable[[sqlite3.Connection], T]) -> T:
        deadline = time.monotonic() + timeout
        if not self._thread_lock.acquire(timeout=timeout):
            raise _LateError("other threads")
        try:
            if self._is_closed:
                raise StoreError(str(self.path), "it was closed")
            lock = self._locked(deadline)
            try:
                return _in_transaction(self._waiting(timeout), work)
            except DamagedError as error:
                self._drop_connection()
                set_aside(self.path, str(error))
                raise
            except sqlite3.Error as error:
                _notice_lateness(error)
                raise StoreError(str(self.path), str(error)) from error
            finally:
                lock.release()
        finally:
            self._thread_lock.release()

    def _locked(self, deadline: float) -> FileLock:
        """Take the lock, and drop a connection to a file that is there no more."""
        while True:
            if self._file_lock is None:
                self._file_lock = self._lock_file()
            lock = self._file_lock
            try:
                is_taken = lock.acquire(deadline)
            except OSError as error:
                raise StoreUnavailableError(self.path, f"no lock: {error.strerror}") from error
            if not is_taken:
                raise _LateError("another process")
            if self._connection is None or self._opened == identity(self.path):
                return lock
            # somebody set it aside or deleted it, and perhaps the lock with it
            self._disconnect()

    def _waiting(self, timeout: float) -> sqlite3.Connection:
        """Return the connection, which waits so long for programs that do not take the lock."""
        connection = self._connection or self._connect(timeout)
        if timeout != self._busy_timeout:
            connection.execute(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
            self._busy_timeout = timeout
        return connection

    def _lock_file(self) -> FileLock:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return FileLock(self.path.with_name(f"{self.path.name}-lock"), _MODE)
        except OSError as error:
            raise StoreUnavailableError(self.path, error.strerror or str(error)) from error

    def _connect(self, timeout: float) -> sqlite3.Connection:
        try:
            try:
                connection = self._open(timeout)
            except DamagedError as error:
                set_aside(self.path, str(error))
                connection = self._open(timeout)
        except (sqlite3.Error, OSError, DamagedError) as error:
            _notice_lateness(error)
            raise StoreUnavailableError(self.path, getattr(error, "strerror", None) or str(error)) from error
        self._connection, self._opened = connection, identity(self.path)
        self._busy_timeout = timeout
        self._close_connection = weakref.finalize(self, connection.close)
        # a thread may be writing still
        self._close_connection.atexit = False
        return connection

    def _open(self, timeout: float) -> sqlite3.Connection:
        return opened(self.path, table=self._table, version=self._version, timeout=timeout)

    def _disconnect(self) -> None:
        self._drop_connection()
        if self._file_lock is not None:
            self._file_lock.close()
            self._file_lock = None

    def _drop_connection(self) -> None:
        if self._close_connection is not None:
            with suppress(sqlite3.Error):
                self._close_connection()
        self._connection = self._close_connection = None


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        notice_damage(error)
        raise
    return result


def _notice_lateness(error: Exception) -> None:
    """Raise `_LateError` if that is what `error` tells."""
    if kind_of(error) == sqlite3.SQLITE_BUSY:
        raise _LateError("another program") from error
