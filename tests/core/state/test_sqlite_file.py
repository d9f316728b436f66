"""A table of one's own in a file for all processes; what may happen to the file is in `test_sqlite.py`."""

import gc
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack

import pytest

from seawall.state import SQLiteFile, StoreError

TABLE = "CREATE TABLE words (word TEXT)"


@pytest.fixture
def file_at(tmp_path):
    """Makes a file, and closes it in the end."""
    with ExitStack() as stack:

        def file_at(name="words.sqlite", version=1):
            file = SQLiteFile(tmp_path / name, table=TABLE, version=version)
            stack.callback(file.close)
            return file

        yield file_at


def write(word):
    return lambda connection: connection.execute("INSERT INTO words VALUES (?)", (word,))


def read(connection):
    return [word for (word,) in connection.execute("SELECT word FROM words")]


def test_what_was_written_is_there_for_others(file_at):
    file_at().run(write("one"))
    assert file_at().run(read) == ["one"]


def test_two_who_have_one_file_in_a_process_share_it_with_other_processes(file_at, tmp_path):
    look = f"""
from seawall.state import SQLiteFile
file = SQLiteFile({str(tmp_path / "words.sqlite")!r}, table={TABLE!r}, version=1)
print(*file.run(lambda connection: [word for (word,) in connection.execute("SELECT word FROM words")]))
file.close()
"""

    def seen_by_another():
        command = [sys.executable, "-c", look]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    first, second = file_at(), file_at()
    first.run(write("one"))
    second.run(write("two"))
    # who closes last removes the log of the database: another process must not take itself for that one
    assert seen_by_another() == "one two"
    first.run(write("three"))
    assert seen_by_another() == "one two three"


def test_nothing_is_made_before_it_is_needed(file_at, tmp_path):
    file_at()
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_dropped_leaves_no_connection_open(tmp_path):
    connections = []
    file = SQLiteFile(tmp_path / "words.sqlite", table=TABLE, version=1)
    file.run(connections.append)
    del file
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        read(connections[0])


def test_work_that_raises_changes_nothing(file_at):
    def fail(connection):
        write("one")(connection)
        raise KeyError

    file = file_at()
    with pytest.raises(KeyError):
        file.run(fail)
    assert file.run(read) == []


def test_what_sqlite_refuses_is_told_with_the_file(file_at):
    with pytest.raises(StoreError, match=r"words\.sqlite: .*no such table: poems") as caught:
        file_at().run(lambda connection: connection.execute("SELECT * FROM poems"))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


@pytest.mark.skipif(os.name == "nt", reason="Windows moves no file that is open")
def test_an_older_version_leaves_the_file_of_a_later_one_alone(file_at, caplog):
    file_at(version=2).run(write("later"))
    older = file_at()
    assert older.run(read) == []
    assert "words.sqlite.newer-1" in caplog.text
    aside = file_at("words.sqlite.newer-1", version=2)
    assert aside.run(read) == ["later"]
