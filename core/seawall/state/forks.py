"""What a forked child must not use: locks that a thread of its parent held, and open files."""

import os
import threading
import weakref
from typing import Protocol


class _Forked(Protocol):
    def after_fork(self) -> None: ...


_stores: "weakref.WeakSet[_Forked]" = weakref.WeakSet()
_locks: "weakref.WeakSet[threading.Lock]" = weakref.WeakSet()


def new_lock() -> threading.Lock:
    """Return a lock that is free in every child forked from now on, whatever thread of its parent held it."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def call_after_fork(store: _Forked) -> None:
    """Have `store.after_fork()` called in every child forked from now on, before anything else runs there."""
    _stores.add(store)


def _after_fork() -> None:
    for lock in list(_locks):
        if lock.locked():
            lock.release()
    for store in list(_stores):
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
