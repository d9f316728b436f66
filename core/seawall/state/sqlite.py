"""State of all processes of a machine, in one SQLite file."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from seawall.state.documents import Document, R, Step, decoded, encoded
from seawall.state.sqlite_file import SQLiteFile
from seawall.state.sqlite_opening import DamagedError

SCHEMA: Final = 1
"""The version of the table."""
_TABLE: Final = "CREATE TABLE documents (key TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID"


class SQLiteStore:
    """Keeps documents in a file that all processes of this machine may use; arguments as of `SQLiteFile`.

    Raises:
        StoreUnavailableError: The file cannot be made or written.
    """

    blocks = True
    """Steps wait for the disk and for other processes."""

    def __init__(
        self, path: Path | str, *, timeout: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = SQLiteFile(path, table=_TABLE, version=SCHEMA, timeout=timeout, clock=clock)
        self.path = self._file.path
        self._file.run(lambda _: None)

    def step(self, step: Step[R], /, *, key: str, **arguments: Any) -> R:
        """Change the document of `key`; return the step's result.

        Raises:
            StoreError: The disk is full, the file cannot be used, or others did not let go of it in time.
            StepError: The new document is not JSON.
        """

        def work(connection: sqlite3.Connection) -> R:
            row = connection.execute("SELECT document FROM documents WHERE key = ?", (key,)).fetchone()
            before = row[0] if row else ""
            document, result = step.function(_kept(before), arguments)
            after = encoded(document, step.name, key)
            if after != before:
                _write(connection, key, after)
            return result

        return self._file.run(work)

    def close(self) -> None:
        """Close the file; a step after that raises `StoreError`."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _kept(text: str) -> Document:
    try:
        return decoded(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise DamagedError("damaged") from error


def _write(connection: sqlite3.Connection, key: str, text: str) -> None:
    if text:
        connection.execute("REPLACE INTO documents (key, document) VALUES (?, ?)", (key, text))
    else:
        connection.execute("DELETE FROM documents WHERE key = ?", (key,))
