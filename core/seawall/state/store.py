"""The place where state lives, as hooks see it, and how it is opened."""

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self

from seawall.decisions import Offload
from seawall.errors import ConfigError
from seawall.state.documents import R, Step
from seawall.state.errors import StoreUnavailableError
from seawall.state.forks import new_lock
from seawall.state.memory import MemoryStore

_log = logging.getLogger("seawall.state")

FILE: Final = "state.sqlite"
"""The name of the file in the state directory."""
_REDIS: Final = ("redis", "rediss", "unix")


class Store(Protocol):
    """Small JSON documents under keys. Usable from all threads.

    `seawall_testkit.stores.StoreConformance` tests whether a class is one.
    """

    @property
    def blocks(self) -> bool:
        """Whether a step may wait for I/O, so that hooks must put it into `Offload`."""

    def step(self, step: Step[R], /, *, key: str, **arguments: Any) -> R:
        """Change the document of `key` by one atomic step; return the step's result.

        Args:
            step: What is done.
            key: Any text that UTF-8 can hold.
            arguments: What the step gets as its second argument: JSON.

        Raises:
            StoreError: The store failed or did not answer in time.
            StepError: The step made something that is not JSON, or its Lua failed. What the step's function
                raises comes out as it is. In all these cases the document is as it was.
        """

    def close(self) -> None:
        """Give back connections and files; the documents stay, unless the store is memory."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_store(url: str = "sqlite", state_dir: Path | None = None) -> Store:
    """Open the store that a configuration names.

    Args:
        url: `"memory"`: this process; `"sqlite"`: all processes of this user on this machine;
            `"redis://..."`, `"rediss://..."` or `"unix://..."`: all that use this Redis.
        state_dir: Where the file of `"sqlite"` is; by default where this system keeps state of a user. It is
            made if need be. If it cannot be written, state is kept in memory, and a warning says so.

    Raises:
        ConfigError: No such store, or the package it needs is missing, or no folder can have the name.
        StoreError: Another process keeps the file of `"sqlite"` locked.
    """
    if url == "memory":
        return MemoryStore()
    if url == "sqlite":
        return _sqlite(state_dir)
    if url.partition("://")[0] in _REDIS and "://" in url:
        return _redis(url)
    raise ConfigError(f'state = {shown(url)}: "memory", "sqlite" or "redis://host:port/number" is expected')


class _SharedStores:
    """Opens each store once, in whichever thread asks first; the others wait for it."""

    def __init__(self) -> None:
        self._stores: dict[tuple[str, Path | None], Store] = {}
        self._lock = new_lock()

    def get(self, url: str, state_dir: Path | None) -> Store:
        named = url, state_dir
        if named not in self._stores:
            with self._lock:
                if named not in self._stores:
                    self._stores[named] = open_store(url, state_dir)
        return self._stores[named]


_shared: Final = _SharedStores()


def shared_store(url: str = "sqlite", state_dir: Path | None = None) -> Store:
    """As `open_store`, but one for all in this process who name the same; nobody closes it."""
    return _shared.get(url, state_dir)


def reach(store: Store, work: Callable[[], Any]) -> Any:
    """Return what a hook answers whose decision needs `store`: that of `work`, or an `Offload` of it.

    Example::

        def pre_request(self, call):
            return seawall.state.reach(call.store, lambda: self._admit(call))
    """
    return Offload(work) if store.blocks else work()


def _sqlite(state_dir: Path | None) -> Store:
    try:
        # some builds of Python have no sqlite3
        from seawall.state.sqlite import SQLiteStore  # noqa: PLC0415 - only who uses it loads it

        return SQLiteStore(state_folder(state_dir) / FILE)
    except (ImportError, StoreUnavailableError) as error:
        _log.warning(
            "%s; state is kept in memory: other processes do not see it, and it ends with this one. "
            "Set `state_dir` to a folder that can be written, or `state` to another store",
            error,
        )
        return MemoryStore()


def state_folder(state_dir: Path | None = None) -> Path:
    """Return the folder for what is kept on this machine, which may have to be made.

    Args:
        state_dir: It, as configured; `None` is where this system keeps state of a user.

    Raises:
        ConfigError: No folder can have this name.
        StoreUnavailableError: The user has no home directory.
    """
    if state_dir is not None:
        if "\0" in str(state_dir):
            raise ConfigError(f"state_dir = {str(state_dir)!r}: no folder has NUL in its name; take it out")
        return Path(os.path.expanduser(state_dir))  # noqa: PTH111 - never raises
    import platformdirs  # noqa: PLC0415 - only who uses it loads it

    try:
        path = platformdirs.user_state_path("seawall", appauthor=False)
    except RuntimeError:
        path = Path("~")
    if not path.is_absolute():
        # older versions leave "~" as it is
        raise StoreUnavailableError(path, "this user has no home directory")
    return path


def _redis(url: str) -> Store:
    if url.startswith("unix:") and not hasattr(socket, "AF_UNIX"):
        raise ConfigError(
            f"state = {shown(url)}: Python has no Unix sockets on this system; "
            'name host and port: "redis://host:port/number"'
        )
    try:
        from seawall.state.redis import RedisStore  # noqa: PLC0415 - only who uses it loads it
    except ImportError as error:
        raise ConfigError(
            f"state = {shown(url)}: the Redis client is missing; install seawall-core[redis]"
        ) from error
    try:
        return RedisStore(url)
    except ValueError as error:
        raise ConfigError(
            f'state = {shown(url)}: not an address of a Redis server, "redis://host:port/number", '
            "with options of `redis.Redis.from_url`"
        ) from error


def shown(url: str) -> str:
    """Return the address of a store without what may be a password, quoted."""
    scheme, _, rest = url.partition(":")
    credentials, _, place = rest.rpartition("@")
    place = place.partition("?")[0]
    return repr(f"{scheme}://***@{place}" if credentials else url.partition("?")[0])
