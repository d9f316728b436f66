"""Wakes an event loop from any thread."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

Wake: TypeAlias = Callable[[], None]


def waker(action: Callable[[], Any]) -> Wake:
    """Return what has the event loop that runs here, do `action`; for any thread, of asyncio or trio."""
    # one of the two runs here and was imported; importing asyncio takes as long as all of this plugin
    asyncio: Any = sys.modules.get("asyncio")
    trio: Any = sys.modules.get("trio")
    soon: Callable[..., Any]
    try:
        soon = asyncio.get_running_loop().call_soon_threadsafe
    except (AttributeError, RuntimeError):
        soon = trio.lowlevel.current_trio_token().run_sync_soon

    def wake() -> None:
        # the loop may have ended since
        with suppress(RuntimeError):
            soon(action)

    return wake
