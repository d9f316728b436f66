"""A database in a file that all processes of this machine may use, whatever happens to it.

SQLite in WAL mode writes in a few microseconds, but those who wait for it poll with growing pauses, and some
starve: 1.5 s with 8 busy processes (measured; SQLite 3.40). So a transaction waits for a file lock first.
With `synchronous=NORMAL` what was committed outlives its process; the last of it may be lost with the power.
"""

import errno
import logging
import os
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

_log = logging.getLogger("seawall.state")

T = TypeVar("T")

_MODE: Final = 0o600
_SIDES: Final = ("", "-wal", "-shm")
"""What belongs to a database, as endings of its name."""
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY: Final = 0xFF
"""The bits of an error code that are its kind: https://www.sqlite.org/rescode.html#pve."""

_TRIES: Final = 2

_inherited: Final[list[sqlite3.Connection]] = []
"""Connections of a parent: a child that closed one could break the locks of the parent
(https://www.sqlite.org/howtocorrupt.html, section 2.6)."""


class DamagedError(Exception):
    """The file is no database, or one of a later version; the word for that names what is set aside."""


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
        timeout: Seconds after which a transaction fails that waits for other processes or threads.
    """

    def __init__(self, path: Path | str, *, table: str, version: int, timeout: float = 5.0) -> None:
        self.path = Path(path)
        self._table = table
        self._version = version
        self._timeout = timeout
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
        deadline = time.monotonic() + self._timeout
        if not self._thread_lock.acquire(timeout=self._timeout):
            raise self._late("other threads")
        try:
            if self._is_closed:
                raise StoreError(str(self.path), "it was closed")
            lock = self._locked(deadline)
            try:
                return _in_transaction(self._connection or self._connect(), work)
            except DamagedError as error:
                self._set_aside(str(error))
                raise
            except sqlite3.Error as error:
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
                if not lock.acquire(deadline):
                    raise self._late("another process")
            except OSError as error:
                raise StoreUnavailableError(self.path, f"no lock: {error.strerror}") from error
            if self._connection is None or self._opened == _identity(self.path):
                return lock
            # somebody set it aside or deleted it, and perhaps the lock with it
            self._disconnect()

    def _late(self, who: str) -> StoreError:
        return StoreError(str(self.path), f"{who} held it for {self._timeout:g} s")

    def _lock_file(self) -> FileLock:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return FileLock(self.path.with_name(f"{self.path.name}-lock"), _MODE)
        except OSError as error:
            raise StoreUnavailableError(self.path, error.strerror or str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        try:
            try:
                connection = self._open()
            except DamagedError as error:
                self._set_aside(str(error))
                connection = self._open()
        except (sqlite3.Error, OSError, DamagedError) as error:
            raise StoreUnavailableError(self.path, getattr(error, "strerror", None) or str(error)) from error
        self._connection, self._opened = connection, _identity(self.path)
        self._close_connection = weakref.finalize(self, connection.close)
        # a thread may be writing still
        self._close_connection.atexit = False
        return connection

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

    def _set_aside(self, why: str) -> None:
        self._drop_connection()
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.{why}-{number}")).exists():
            number += 1
        try:
            for side in _SIDES:
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{side}").replace(f"{aside}{side}")
        except OSError as error:
            raise StoreUnavailableError(self.path, f"it is {why}, and stays: {error.strerror}") from error
        what = "was damaged" if why == "damaged" else "was written by a later version of Seawall"
        _log.warning("%s %s; it is kept as %s, and a new one is begun", self.path, what, aside.name)

    def _open(self) -> sqlite3.Connection:
        _make(self.path)
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(_MODE)
        connection = sqlite3.connect(
            self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            _notice_damage(error)
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > self._version:
            raise DamagedError("newer")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if version < self._version:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(self._table)
            connection.execute(f"PRAGMA user_version = {self._version}")
            connection.execute("COMMIT")


def _make(path: Path) -> None:
    """Make the file, unless it is there.

    One that is there is not opened: to close it would drop the locks of all connections that this process has
    to it (https://www.sqlite.org/howtocorrupt.html, section 2.2), and with them what they write from then on.

    Raises:
        OSError: It cannot be made, or not be written.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
    elif path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    elif not os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        _notice_damage(error)
        raise
    return result


def _notice_damage(error: BaseException) -> None:
    """Raise `DamagedError` if that is what `error` tells."""
    if getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED:
        raise DamagedError("damaged") from error


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file from another one of the same name."""
    try:
        status = os.stat(path)  # noqa: PTH116 - in every step
    except OSError:
        return None
    return status.st_dev, status.st_ino
