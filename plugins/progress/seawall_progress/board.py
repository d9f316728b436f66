"""What is on the page: the running calls of all processes, and the panels of all plugins."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from seawall import Panel
from seawall.state import READ, Store, StoreError, new_lock, owners
from seawall_progress.sharing import KEY, LEAVE, PUT, WATCH, calls_key

_FRESH: Final = 0.9
"""Seconds for which all who look see the same."""
_MOST_PROCESSES: Final = 200
_MOST_ROWS: Final = 200


class Board:
    """Reads the shared state for everybody who looks at once. Threads may share it; it waits for the store.

    Args:
        store: Where calls share state.
        describe: What plugins tell of it, at a moment.
        clock: That of all who share it.
    """

    def __init__(
        self,
        store: Store,
        describe: Callable[[float], Sequence[Panel]],
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - a default
    ) -> None:
        self._store = store
        self._describe = describe
        self._clock = clock
        self._owner = owners.new_owner()
        self._lock = new_lock()
        self._last: tuple[float, dict[str, Any]] | None = None

    def look(self) -> dict[str, Any]:
        """Return all of it, as values of JSON; whoever looks watches for some seconds."""
        with self._lock:
            now = self._clock()
            if self._last is None or not 0 <= now - self._last[0] < _FRESH:
                self._last = now, self._read(now)
            return self._last[1]

    def leave(self) -> None:
        """Watch no more."""
        try:
            self._store.step(LEAVE, key=KEY, owner=self._owner)
        except StoreError:
            # it ends by itself
            return

    def _read(self, now: float) -> dict[str, Any]:
        failure = ""
        processes: list[dict[str, Any]] = []
        try:
            processes = self._processes(now)
        except StoreError as error:
            failure = f"The running calls cannot be shown: {error}"
        panels = [_shown(panel) for panel in self._describe(now)]
        return {"now": now, "processes": processes, "panels": panels, "failure": failure}

    def _processes(self, now: float) -> list[dict[str, Any]]:
        dead = owners.dead_owners(self._store.step(READ, key=KEY))
        there, ended = self._store.step(WATCH, key=KEY, now=now, owner=self._owner, dead=dead)
        for owner in ended:
            self._store.step(PUT, key=calls_key(owner), document={})
        found = []
        for owner in there[:_MOST_PROCESSES]:
            document = self._store.step(READ, key=calls_key(owner))
            if document:
                found.append({"process": _name(owner), **document})
        return found


def _name(owner: str) -> str:
    """Return a process as people call it."""
    host, pid, *_ = owner.rsplit("|", 3)
    return f"{host.rpartition('.')[0]}, process {pid}"


def _shown(panel: Panel) -> dict[str, Any]:
    told = asdict(panel)
    return {**told, "rows": told["rows"][:_MOST_ROWS], "more": max(len(told["rows"]) - _MOST_ROWS, 0)}
