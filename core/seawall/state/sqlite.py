"""State of all processes of a machine, in one SQLite file.

SQLite in WAL mode writes in a few microseconds, but those who wait for it poll with growing pauses, and some
starve: 1.5 s with 8 busy processes (measured; SQLite 3.40). So a step waits for a file lock first. With
`synchronous=NORMAL` a committed step outlives its process; the last ones may be lost with the power.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from seawall.state.documents import Document, R, Step, decoded, encoded
from seawall.state.errors import StoreError, StoreUnavailableError
from seawall.state.file_lock import FileLock
from seawall.state.forks import call_after_fork

_log = logging.getLogger("seawall.state")

SCHEMA: Final = 1
"""What `PRAGMA user_version` says of a file of this version."""
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


class _DamagedError(Exception):
    """The file is no database, or one of a later version; the word for that names what is set aside."""


class SQLiteStore:
    """Keeps documents in a file that all processes of this machine may use.

    The file must not be on a network drive. Usable from all threads, and after a fork. A damaged file, or one
    that a later version of Seawall wrote, is set aside under another name, with a warning, and a new one
    begun; so is one that is deleted while it is used.

    Args:
        path: The file; the folder it is in is made if need be. Beside it are files with `-wal`, `-shm` and
            `-lock` after its name. Only this user can read them.
        timeout: Seconds after which a step fails that waits for other processes or threads.

    Raises:
        StoreUnavailableError: The file cannot be made or written.
    """

    blocks = True
    """Steps wait for the disk and for other processes."""

    def __init__(self, path: Path | str, *, timeout: float = 5.0) -> None:
        self.path = Path(path)
        self._timeout = timeout
        self._thread_lock = threading.Lock()
        self._file_lock: FileLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._is_closed = False
        call_after_fork(self)
        with self._connected():
            pass

    def step(self, step: Step[R], /, *, key: str, **arguments: Any) -> R:
        """Change the document of `key`; return the step's result.

        Raises:
            StoreError: The disk is full, the file cannot be used, or others did not let go of it in time.
            StepError: The new document is not JSON.
        """
        for _ in range(_TRIES):
            # a damaged file has been set aside when this is done
            with suppress(_DamagedError), self._connected() as connection:
                return _transaction(connection, step, key, arguments)
        raise StoreError(str(self.path), "a new one is damaged as well")

    def close(self) -> None:
        """Close the file; a step after that raises `StoreError`."""
        with self._thread_lock:
            self._is_closed = True
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def after_fork(self) -> None:
        """Leave to the parent what is its own."""
        self._thread_lock = threading.Lock()
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
        if self._file_lock is not None:
            self._file_lock.close()
            self._file_lock = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Exclude all others, and give the connection.

        Raises:
            _DamagedError: The file was damaged; it has been set aside.
        """
        deadline = time.monotonic() + self._timeout
        if not self._thread_lock.acquire(timeout=self._timeout):
            raise self._late("other threads")
        try:
            if self._is_closed:
                raise StoreError(str(self.path), "it was closed")
            lock = self._locked(deadline)
            try:
                yield self._connection or self._connect()
            except _DamagedError as error:
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
                connection = _open(self.path, self._timeout)
            except _DamagedError as error:
                self._set_aside(str(error))
                connection = _open(self.path, self._timeout)
        except (sqlite3.Error, OSError, _DamagedError) as error:
            raise StoreUnavailableError(self.path, getattr(error, "strerror", None) or str(error)) from error
        self._connection, self._opened = connection, _identity(self.path)
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if self._file_lock is not None:
            self._file_lock.close()
            self._file_lock = None

    def _set_aside(self, why: str) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
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
        _log.warning("state file %s %s; it is kept as %s, and state begins anew", self.path, what, aside.name)


def _open(path: Path, timeout: float) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
    if path.stat().st_mode & 0o077:
        path.chmod(_MODE)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        with _damage_noticed():
            _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise _DamagedError("newer")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if version < SCHEMA:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE documents (key TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")


def _transaction(connection: sqlite3.Connection, step: Step[R], key: str, arguments: Mapping[str, Any]) -> R:
    try:
        with _damage_noticed():
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT document FROM documents WHERE key = ?", (key,)).fetchone()
        before = row[0] if row else ""
        document, result = step.function(_kept(before), arguments)
        after = encoded(document, step.name, key)
        with _damage_noticed():
            if after != before:
                _write(connection, key, after)
            connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return result


def _kept(text: str) -> Document:
    try:
        return decoded(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise _DamagedError("damaged") from error


def _write(connection: sqlite3.Connection, key: str, text: str) -> None:
    if text:
        connection.execute("REPLACE INTO documents (key, document) VALUES (?, ?)", (key, text))
    else:
        connection.execute("DELETE FROM documents WHERE key = ?", (key,))


@contextmanager
def _damage_noticed() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED:
            raise _DamagedError("damaged") from error
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file from another one of the same name."""
    try:
        status = os.stat(path)  # noqa: PTH116 - in every step
    except OSError:
        return None
    return status.st_dev, status.st_ino
