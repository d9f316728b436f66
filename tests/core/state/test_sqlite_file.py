"""A table of one's own in a file for all processes; what may happen to the file is in `test_sqlite.py`."""

import sqlite3

import pytest

from seawall.state import SQLiteFile, StoreError

TABLE = "CREATE TABLE words (word TEXT)"


def file_at(folder, version=1):
    return SQLiteFile(folder / "words.sqlite", table=TABLE, version=version)


def write(word):
    return lambda connection: connection.execute("INSERT INTO words VALUES (?)", (word,))


def read(connection):
    return [word for (word,) in connection.execute("SELECT word FROM words")]


def test_what_was_written_is_there_for_others(tmp_path):
    file_at(tmp_path).run(write("one"))
    assert file_at(tmp_path).run(read) == ["one"]


def test_nothing_is_made_before_it_is_needed(tmp_path):
    file_at(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_work_that_raises_changes_nothing(tmp_path):
    def fail(connection):
        write("one")(connection)
        raise KeyError

    file = file_at(tmp_path)
    with pytest.raises(KeyError):
        file.run(fail)
    assert file.run(read) == []


def test_what_sqlite_refuses_is_told_with_the_file(tmp_path):
    with pytest.raises(StoreError, match=r"words\.sqlite: .*no such table: poems") as caught:
        file_at(tmp_path).run(lambda connection: connection.execute("SELECT * FROM poems"))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_an_older_version_leaves_the_file_of_a_later_one_alone(tmp_path, caplog):
    file_at(tmp_path, version=2).run(write("later"))
    older = file_at(tmp_path)
    assert older.run(read) == []
    assert "words.sqlite.newer-1" in caplog.text
    aside = SQLiteFile(tmp_path / "words.sqlite.newer-1", table=TABLE, version=2)
    assert aside.run(read) == ["later"]
