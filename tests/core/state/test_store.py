"""Which store a configuration names."""

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forks import forked
from seawall import ConfigError
from seawall.state import MemoryStore, RedisStore, SQLiteStore, open_store, shared_store, state_folder
from seawall.state.store import FILE
from seawall_testkit.stores import COUNT


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the folder of a user in its registry")
def test_sqlite_is_the_default_in_the_folder_of_this_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_store() as store:
        assert isinstance(store, SQLiteStore)
        assert store.blocks
        assert store.path.is_relative_to(tmp_path)
        assert store.path.name == FILE


def test_a_folder_may_be_given(tmp_path):
    with open_store("sqlite", tmp_path) as store:
        assert store.path == tmp_path / FILE


@pytest.mark.parametrize("name", ["a\0b", "~a\0b/c", "\0"])
def test_a_folder_whose_name_holds_nul_is_an_error_that_shows_it(name, tmp_path):
    with pytest.raises(ConfigError) as caught:
        open_store("sqlite", tmp_path / name)
    assert str(caught.value).startswith(f"state_dir = {str(tmp_path / name)!r}: ")
    with pytest.raises(ConfigError):
        state_folder(Path(name))


def test_memory_does_not_block():
    with open_store("memory") as store:
        assert isinstance(store, MemoryStore)
        assert not store.blocks


def test_an_address_of_redis_opens_redis(redis_server):
    with open_store(redis_server.url) as store:
        assert isinstance(store, RedisStore)
        assert store.blocks
        assert store.place == f"127.0.0.1:{redis_server.port}"


@pytest.mark.parametrize("url", ["redis", "postgres://host", "", "SQLite", "sqlite://x"])
def test_another_store_is_refused_with_those_there_are(url):
    with pytest.raises(
        ConfigError, match='"memory", "sqlite" or "redis://host:port/number" is expected'
    ) as caught:
        open_store(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user:hunter2@host/1",
        "redis://:hunter2@host:port/0",
        "redis:hunter2@host",
        "postgres://host?password=hunter2",
        "postgres://:hun?hunter2@host",
    ],
)
def test_an_error_shows_no_password(url):
    with pytest.raises(ConfigError, match="host") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://host?ssl=true", "redis://host?passwort=hunter2", "rediss://host?ssl_cert_reqs=maybe"]
)
def test_an_option_that_redis_does_not_have_is_an_error_at_once(url):
    with pytest.raises(ConfigError, match="not an address of a Redis server") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://host/test", "rediss://:hunter2@host:6380/0x1"])
def test_a_database_that_is_no_number_is_an_error_and_not_number_0(url):
    with pytest.raises(ConfigError, match='Redis server, "redis://host:port/number"') as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host/", "redis://host/?db=3", "redis://host/a?db=3"]
)
def test_a_database_may_be_left_out_or_be_an_option(url):
    open_store(url).close()


def test_state_that_cannot_be_written_is_kept_in_memory_and_said_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    with open_store("sqlite", tmp_path / "file") as store:
        assert [store.step(COUNT, key="a"), store.step(COUNT, key="a")] == [1, 2]
        assert not store.blocks
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert str(tmp_path / "file" / FILE) in warning
    assert "state is kept in memory" in warning


@pytest.mark.skipif(os.name == "nt", reason="a database of users as POSIX has it")
def test_a_user_without_a_home_has_state_in_memory(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)

    def unknown(uid):
        raise KeyError(uid)

    # as for the user of a container that its image does not know
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with open_store() as store:
        assert isinstance(store, MemoryStore)
    assert list(tmp_path.iterdir()) == []
    assert "no home directory" in caplog.text


def test_a_system_without_unix_sockets_says_so(monkeypatch):
    monkeypatch.delattr("socket.AF_UNIX", raising=False)
    with pytest.raises(ConfigError, match=r"state = 'unix:///run/redis\.sock': Python has no Unix sockets"):
        open_store("unix:///run/redis.sock")


def test_a_python_without_sqlite_keeps_state_in_memory(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    monkeypatch.delitem(sys.modules, "seawall.state.sqlite")
    with open_store() as store:
        assert isinstance(store, MemoryStore)
    assert "sqlite3" in caplog.text


def test_without_the_client_redis_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    for module in ("redis", "redis_connections"):
        monkeypatch.delitem(sys.modules, f"seawall.state.{module}")
    with pytest.raises(ConfigError, match=r"seawall-core\[redis\]"):
        open_store("redis://host")


def test_importing_the_state_loads_no_store(modules_after):
    loaded = modules_after("import seawall, seawall.state; dir(seawall.state)")
    assert not {"redis", "sqlite3", "platformdirs"} & loaded
    loaded = modules_after("import seawall.state; seawall.state.open_store('memory')")
    assert not {"redis", "sqlite3"} & loaded


def test_a_folder_may_be_in_the_home_of_this_user(tmp_path, monkeypatch):
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    with open_store("sqlite", Path("~/seawall")) as store:
        assert store.path == tmp_path / "seawall" / FILE


def test_sixteen_threads_that_ask_at_once_share_one_store(monkeypatch, tmp_path):
    opened, start = [], threading.Barrier(16)

    def open_one(url, state_dir):
        opened.append(sum(range(1_000_000)))  # long enough for the others to come
        return MemoryStore()

    def ask(_):
        start.wait()
        return shared_store("sqlite", tmp_path)

    monkeypatch.setattr("seawall.state.store.open_store", open_one)
    with ThreadPoolExecutor(16) as pool:
        stores = set(pool.map(ask, range(16)))
    assert (len(opened), len(stores)) == (1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_forked_while_a_store_is_opened_opens_its_own(monkeypatch, tmp_path):
    begun, is_forked = threading.Event(), threading.Event()

    def open_slowly(url, state_dir):
        if state_dir == tmp_path:
            begun.set()
            is_forked.wait()
        return MemoryStore()

    monkeypatch.setattr("seawall.state.store.open_store", open_slowly)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(shared_store, "sqlite", tmp_path)
        begun.wait()
        child = forked(lambda: isinstance(shared_store("sqlite", tmp_path / "another"), MemoryStore))
        is_forked.set()
        assert os.waitpid(child, 0)[1] == 0
