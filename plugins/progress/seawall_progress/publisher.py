"""Tells the shared state which calls of this process run, while somebody watches.

A thread does, once a second while there are calls; no hook and no chunk waits for it. While nobody watches,
it asks for one small document and that is all.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from seawall import Call
from seawall.state import Pulse, Store, StoreError, call_after_fork, owners
from seawall_progress.running import RUNNING
from seawall_progress.sharing import KEY, LEAVE, MOST, PUT, REPORT, calls_key
from seawall_progress.values import CallProgress

_log = logging.getLogger("seawall.progress")

_LEFT_OUT: Final = (
    "status",
    "is_exact",
    "hides_thinking",
    "overall_rate",
    "first_token",
    "longest_gap",
    "silent",
)
_LONGEST: Final = 200
"""Characters of a name or a reason."""


class Publisher:
    """Follows the calls of a process that have a store which others see. Threads may share it.

    Args:
        look: What the calls of the process are doing.
        clock: That of all who share the store.
        interval: Seconds between two looks.
    """

    def __init__(
        self,
        look: Callable[[], Sequence[CallProgress]],
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - a default
        interval: float = 1.0,
    ) -> None:
        self._look = look
        self._clock = clock
        self._interval = interval
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Leave to the parent what is its own."""
        self._lock = threading.Lock()
        self._owner = owners.new_owner()
        self._calls: weakref.WeakKeyDictionary[Call, Store] = weakref.WeakKeyDictionary()
        """The store of each running call; one that is gone without its end runs no more."""
        self._told: dict[int, Store] = {}
        """Stores that know of calls of this process."""
        self._is_failing = False
        self._pulse = Pulse(self.tell, self._is_needed, interval=self._interval, name="seawall-publisher")

    def follow(self, call: Call) -> None:
        """A call runs; may be said again. Of one whose state is this process's own nobody else learns."""
        if call.store.blocks and call not in self._calls:
            with self._lock:
                self._calls[call] = call.store
            self._pulse.start()

    def leave(self, call: Call) -> None:
        """A call ended."""
        with self._lock:
            self._calls.pop(call, None)

    def tell(self) -> None:
        """Tell each store what runs, if somebody watches it."""
        with self._lock:
            calls = {call.id: store for call, store in self._calls.items()}
            stores = {id(store): store for store in (*calls.values(), *self._told.values())}
        for store in stores.values():
            ids = {call for call, its in calls.items() if its is store}
            try:
                self._tell(store, ids)
            except StoreError as error:
                self._say(error)
                with self._lock:
                    self._told.pop(id(store), None)
            else:
                self._is_failing = False

    def _tell(self, store: Store, ids: set[str]) -> None:
        if not ids:
            with self._lock:
                self._told.pop(id(store), None)
            store.step(LEAVE, key=KEY, owner=self._owner)
            store.step(PUT, key=calls_key(self._owner), document={})
            return
        told = store.step(REPORT, key=KEY, now=self._clock(), owner=self._owner, calls=len(ids), dead=[])
        for owner in told["ended"]:
            store.step(PUT, key=calls_key(owner), document={})
        if told["is_watched"]:
            with self._lock:
                self._told[id(store)] = store
            store.step(PUT, key=calls_key(self._owner), document=self._document(ids))

    def _document(self, ids: set[str]) -> dict[str, Any]:
        """Return what is told of calls: counts and names, as values of JSON."""
        calls = [_plain(progress) for progress in self._look() if progress.call in ids]
        return {"calls": calls[:MOST], "more": max(len(calls) - MOST, 0)}

    def _is_needed(self) -> bool:
        with self._lock:
            return bool(self._calls or self._told)

    def _say(self, error: StoreError) -> None:
        if not self._is_failing:
            self._is_failing = True
            _log.warning("who watches does not see the calls of this process: %s", error)


def _plain(progress: CallProgress) -> Mapping[str, Any]:
    told = {name: value for name, value in asdict(progress).items() if name not in _LEFT_OUT}
    return {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in told.items()}


PUBLISHER: Final = Publisher(RUNNING.calls)
"""Tells of the calls of this process, of all clients."""
