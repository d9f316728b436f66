"""One file for all processes, whatever happens to it."""

import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from seawall.state import READ, SQLiteStore, Step, StoreError, StoreUnavailableError
from seawall.state.file_lock import FileLock
from seawall_testkit.stores import COUNT

KEY = "org:opus"

posix = pytest.mark.skipif(os.name != "posix", reason="modes, limits and descriptors of POSIX")
movable = pytest.mark.skipif(os.name == "nt", reason="Windows moves and deletes no file that is open")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user whom modes of files stop."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def warnings_of(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_documents_outlive_the_store(path):
    with SQLiteStore(path) as store:
        store.step(COUNT, key=KEY)
    with SQLiteStore(str(path)) as store:
        assert store.step(READ, key=KEY) == {"count": 1}


@posix
def test_its_files_can_be_read_by_this_user_only(path):
    with SQLiteStore(path) as store:
        store.step(COUNT, key=KEY)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(
        ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "state.sqlite-lock"], 0o600
    )


@posix
def test_a_file_that_others_could_read_is_closed_to_them(path):
    path.touch()
    path.chmod(0o644)
    SQLiteStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_its_folder_is_made(path):
    SQLiteStore(path.parent / "a" / "b" / "state.sqlite").close()
    assert (path.parent / "a" / "b").is_dir()


@posix
def test_its_folder_is_for_this_user_only(path):
    SQLiteStore(path.parent / "a" / "b" / "state.sqlite").close()
    assert (path.parent / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_step_that_changes_nothing_writes_nothing(path):
    with SQLiteStore(path) as store:
        store.step(COUNT, key=KEY)
        wal = path.with_name("state.sqlite-wal")
        before = wal.stat().st_size
        store.step(READ, key=KEY)
        store.step(COUNT, key=KEY, by=0)
        assert wal.stat().st_size == before


def damaged_by(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(b"not a database " * 1000)
    elif how == "page":
        # past the header: found only when the document is read
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:4096])
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE documents SET document = '{'")


@pytest.mark.parametrize("how", ["garbage", "page", "cut", "document"])
def test_a_damaged_file_is_set_aside_and_work_goes_on(path, caplog, how):
    with SQLiteStore(path) as store:
        store.step(COUNT, key=KEY)
    damaged_by(path, how)
    damaged = path.read_bytes()
    with SQLiteStore(path) as store:
        assert [store.step(COUNT, key=KEY), store.step(COUNT, key=KEY)] == [1, 2]
    assert path.with_name("state.sqlite.damaged-1").read_bytes() == damaged
    (warning,) = warnings_of(caplog)
    assert str(path) in warning
    assert "state.sqlite.damaged-1" in warning


def test_a_second_damaged_file_does_not_replace_the_first(path, caplog):
    for content in (b"one" * 500, b"two" * 500):
        path.write_bytes(content)
        SQLiteStore(path).close()
    aside = [path.with_name(f"state.sqlite.damaged-{number}").read_bytes()[:3] for number in (1, 2)]
    assert aside == [b"one", b"two"]


@movable
def test_a_file_damaged_while_it_is_used_is_set_aside(path, caplog):
    with SQLiteStore(path) as store, SQLiteStore(path) as other:
        store.step(COUNT, key=KEY)
        other.step(COUNT, key=KEY)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE documents SET document = '[]'")
        # the second store finds that the file of its name is another one
        assert [store.step(COUNT, key=KEY), other.step(COUNT, key=KEY), store.step(COUNT, key=KEY)] == [
            1,
            2,
            3,
        ]
    assert len(warnings_of(caplog)) == 1


def test_a_file_of_a_later_version_is_set_aside(path, caplog):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE later (x)")
        connection.execute("PRAGMA user_version = 2")
    with SQLiteStore(path) as store:
        assert store.step(COUNT, key=KEY) == 1
    (warning,) = warnings_of(caplog)
    assert "later version" in warning
    with closing(sqlite3.connect(path.with_name("state.sqlite.newer-1"))) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


@movable
def test_work_goes_on_when_the_file_is_deleted(path):
    with SQLiteStore(path) as store, SQLiteStore(path) as other:
        store.step(COUNT, key=KEY)
        for file in path.parent.iterdir():
            file.unlink()
        path.parent.rmdir()
        assert [store.step(COUNT, key=KEY), other.step(COUNT, key=KEY)] == [1, 2]


@posix
def test_a_folder_that_cannot_be_written_is_named():
    # not under `tmp_path`, which other users may not look into
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        with without_privileges(), pytest.raises(StoreUnavailableError, match="Permission denied") as caught:
            SQLiteStore(folder / "state.sqlite")
    assert caught.value.path == folder / "state.sqlite"
    assert str(folder) in str(caught.value)


@posix
def test_a_file_that_cannot_be_written_is_named():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        SQLiteStore(folder / "state.sqlite").close()
        folder.chmod(0o777)
        (folder / "state.sqlite-lock").chmod(0o666)
        (folder / "state.sqlite").chmod(0o444)
        with without_privileges(), pytest.raises(StoreUnavailableError, match="Permission denied"):
            SQLiteStore(folder / "state.sqlite")


def test_a_folder_in_the_place_of_the_file_is_named(path):
    path.mkdir()
    with pytest.raises(StoreUnavailableError, match="directory"):
        SQLiteStore(path)


def test_a_file_in_the_place_of_the_folder_is_named(path):
    path.touch()
    with pytest.raises(StoreUnavailableError):
        SQLiteStore(path / "state.sqlite")


def test_a_lock_that_another_process_keeps_ends_in_an_error(path):
    with SQLiteStore(path, timeout=0.01) as store:
        lock = FileLock(path.with_name("state.sqlite-lock"), 0o600)
        assert lock.acquire(0)
        with pytest.raises(StoreError, match=r"state.sqlite: another process held it for 0.01 s"):
            store.step(COUNT, key=KEY)
        lock.release()
        assert store.step(COUNT, key=KEY) == 1
        lock.close()


def test_a_database_that_another_program_keeps_ends_in_an_error(path):
    with (
        SQLiteStore(path, timeout=0.01) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"another program held it for 0\.01 s"):
            store.step(COUNT, key=KEY)
        other.execute("ROLLBACK")
        assert store.step(COUNT, key=KEY) == 1


def test_a_new_file_that_another_program_keeps_is_one_that_may_be_had_later(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (key)")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program held it") as caught:
            SQLiteStore(path, timeout=0.01)
        assert not isinstance(caught.value, StoreUnavailableError)


def test_a_file_that_others_keep_has_a_tenth_of_the_time_for_ten_seconds_or_until_it_is_free(path):
    now = 100.0
    with (
        SQLiteStore(path, timeout=0.2, clock=lambda: now) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):

        def fails(reason: str) -> None:
            with pytest.raises(StoreError, match=reason):
                store.step(COUNT, key=KEY)

        other.execute("BEGIN IMMEDIATE")
        fails(r"another program held it for 0\.2 s")
        fails(r"another program held it for 0\.02 s")
        other.execute("ROLLBACK")
        assert store.step(COUNT, key=KEY) == 1
        lock = FileLock(path.with_name("state.sqlite-lock"), 0o600)
        assert lock.acquire(0)
        fails(r"another process held it for 0\.2 s")
        now = 109.9
        fails(r"another process held it for 0\.02 s")
        now = 110.1  # whoever waited short did not prolong it
        fails(r"another process held it for 0\.2 s")
        lock.close()
        assert store.step(COUNT, key=KEY) == 2


def test_a_step_inside_a_step_ends_in_an_error(path):
    with SQLiteStore(path, timeout=0.01) as store:
        nested = Step("nested", lambda *_: ({}, store.step(COUNT, key=KEY)))
        with pytest.raises(StoreError, match="other threads held it"):
            store.step(nested, key=KEY)
        assert store.step(COUNT, key=KEY) == 1


def test_after_close_a_step_is_refused(path):
    store = SQLiteStore(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.step(COUNT, key=KEY)


FILL = """
import resource, signal, sys
from seawall.state import READ, SQLiteStore, Step, StoreError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
grow = Step("grow", lambda document, _: ({"text": document.get("text", "") + "x" * 10_000}, None))
store = SQLiteStore(sys.argv[1])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
steps = 0
try:
    while True:
        store.step(grow, key="a")
        steps += 1
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(steps * 10_000, len(store.step(READ, key="a")["text"]))
store.step(grow, key="a")
print(len(store.step(READ, key="a")["text"]))
"""
"""Writes until files may grow no further, as on a full disk; then goes on when they may."""


@posix
def test_a_full_disk_is_an_error_that_loses_nothing(path):
    said = subprocess.check_output([sys.executable, "-c", FILL, str(path)], text=True)
    error, kept, after = said.splitlines()
    assert str(path) in error
    done, still_there = map(int, kept.split())
    assert still_there == done > 0
    assert int(after) == done + 10_000


@posix
def test_a_damaged_file_that_cannot_be_set_aside_is_named():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        SQLiteStore(folder / "state.sqlite").close()
        (folder / "state.sqlite").write_bytes(b"not a database" * 100)
        for file in folder.iterdir():
            file.chmod(0o666)
        folder.chmod(0o555)
        if os.geteuid() == 0:
            os.chown(folder / "state.sqlite", 65_534, 65_534)
        with (
            without_privileges(),
            pytest.raises(StoreUnavailableError, match="damaged, and stays: Permission"),
        ):
            SQLiteStore(folder / "state.sqlite")


@posix
def test_an_unused_store_keeps_no_file_open(path):
    store = SQLiteStore(path)
    assert opened_in(path.parent)
    store.close()
    lock = FileLock(path, 0o600)
    del lock
    assert not opened_in(path.parent)


def opened_in(folder: Path) -> set[tuple[int, int]]:
    """Which files of a folder this process has open, by device and number."""
    files = {(status.st_dev, status.st_ino) for status in map(Path.stat, folder.iterdir())}
    found = set()
    for descriptor in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        with suppress(OSError):  # what another thread has closed meanwhile, and that of the list itself
            status = os.fstat(int(descriptor))
            found.add((status.st_dev, status.st_ino))
    return files & found
