"""The event loop that runs here, if one does, and how any thread wakes it."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

Wake: TypeAlias = Callable[[], None]


def is_looping() -> bool:
    """Whether an event loop runs in this thread, of asyncio or trio."""
    return _soon() is not None


def waker(action: Callable[[], Any]) -> Wake:
    """Return what has the event loop that runs here, do `action`; for any thread, of asyncio or trio."""
    soon = _soon()
    if soon is None:
        raise RuntimeError("no event loop of asyncio or trio runs here")

    def wake() -> None:
        # the loop may have ended since
        with suppress(RuntimeError):
            soon(action)

    return wake


def _soon() -> Any:
    """Return what has the event loop that runs here do something, from any thread; `None` without one."""
    # what runs here was imported; importing asyncio takes as long as all of this plugin
    asyncio: Any = sys.modules.get("asyncio")
    trio: Any = sys.modules.get("trio")
    with suppress(AttributeError, RuntimeError):
        return asyncio.get_running_loop().call_soon_threadsafe
    with suppress(AttributeError, RuntimeError):
        return trio.lowlevel.current_trio_token().run_sync_soon
    return None
