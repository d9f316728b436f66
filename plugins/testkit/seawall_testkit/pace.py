"""How fast an answer is written."""

from __future__ import annotations

import asyncio
import math


class Pace:
    """Waits before frames; made when the stream begins, used in one event loop.

    Args:
        tokens_per_second: None is as fast as possible.
        ping_interval: seconds from ping to ping, None for no pings but the one every stream begins with.
    """

    def __init__(self, tokens_per_second: float | None, ping_interval: float | None) -> None:
        self._clock = asyncio.get_running_loop().time
        self._period = 1 / tokens_per_second if tokens_per_second else 0.0
        self._interval = ping_interval
        self._due = self._clock()
        self._next_ping = self._due + ping_interval if ping_interval else math.inf

    async def wants_ping(self, tokens: int) -> bool:
        """Waits until a ping is due (True), or until so many tokens are written (False)."""
        due = self._due + tokens * self._period
        if self._interval and self._next_ping <= max(due, self._clock()):
            await self._until(self._next_ping)
            self._next_ping += self._interval
            return True
        await self._until(due)
        self._due = due
        return False

    async def _until(self, moment: float) -> None:
        wait = moment - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)
