"""Ending what the garbage collector finds.

It strikes anywhere, also in the middle of a thread that holds a lock, ours or another's: what it finds must
not be ended there, as that may take the same lock again.
"""

import _thread
import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

_collecting: Final[set[int]] = set()
"""The threads in which it is at work."""


def _note(phase: str, _info: dict[str, int]) -> None:
    thread = _thread.get_ident()
    if phase == "start":
        _collecting.add(thread)
    else:
        _collecting.discard(thread)


gc.callbacks.append(_note)


def outside_collector(work: Callable[..., object], *args: Any) -> None:
    """Do `work`: at once, or in a thread of its own if the collector is at work in this one."""
    if _thread.get_ident() not in _collecting:
        work(*args)
        return
    # not `threading`, whose locks this thread may hold; none can be started while the interpreter ends
    with suppress(RuntimeError):
        _thread.start_new_thread(work, args)
