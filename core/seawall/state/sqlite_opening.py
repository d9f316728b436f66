"""A file that is a database: made, opened, and set aside when it cannot be used."""

import errno
import logging
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.state.errors import StoreUnavailableError

_log = logging.getLogger("seawall.state")

_MODE: Final = 0o600
_SIDES: Final = ("", "-wal", "-shm")
"""What belongs to a database, as endings of its name."""
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY: Final = 0xFF
"""The bits of an error code that are its kind: https://www.sqlite.org/rescode.html#pve."""


class DamagedError(Exception):
    """The file is no database, or one of a later version; the word for that names what is set aside."""


def opened(path: Path, *, table: str, version: int, timeout: float) -> sqlite3.Connection:
    """Open a database, which is made if need be; arguments as of `SQLiteFile`.

    Raises:
        DamagedError: It is none, or one of a later version.
        sqlite3.Error, OSError: It cannot be made, or not be used.
    """
    _make(path)
    if path.stat().st_mode & 0o077:
        path.chmod(_MODE)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, table, version)
    except BaseException as error:
        connection.close()
        notice_damage(error)
        raise
    return connection


def set_aside(path: Path, why: str) -> None:
    """Give a database, to which nobody is connected, another name.

    Raises:
        StoreUnavailableError: It cannot be given one.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.{why}-{number}")).exists():
        number += 1
    try:
        for side in _SIDES:
            with suppress(FileNotFoundError):
                Path(f"{path}{side}").replace(f"{aside}{side}")
    except OSError as error:
        raise StoreUnavailableError(path, f"it is {why}, and stays: {error.strerror}") from error
    what = "was damaged" if why == "damaged" else "was written by a later version of Seawall"
    _log.warning("%s %s; it is kept as %s, and a new one is begun", path, what, aside.name)


def notice_damage(error: BaseException) -> None:
    """Raise `DamagedError` if that is what `error` tells."""
    if kind_of(error) in _DAMAGED:
        raise DamagedError("damaged") from error


def kind_of(error: BaseException) -> int:
    """Return the primary code of an error of SQLite; 0 if it is none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file from another one of the same name."""
    try:
        status = os.stat(path)  # noqa: PTH116 - in every step
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _prepare(connection: sqlite3.Connection, table: str, version: int) -> None:
    (made_by,) = connection.execute("PRAGMA user_version").fetchone()
    if made_by > version:
        raise DamagedError("newer")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if made_by < version:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(table)
        connection.execute(f"PRAGMA user_version = {version}")
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
