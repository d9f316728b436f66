"""How long a store waits for what does not come: once in full, and a short while those who ask next."""

import time
from collections.abc import Callable
from typing import Final

_FOR: Final = 10.0
"""Seconds in which a wait is short after one that was in vain."""
_PARTS: Final = 10
"""How many short waits are a whole one: a call asks several times, and would wait it out each time."""


class Patience:
    """Seconds to wait; a tenth of them for ten seconds after a wait in vain, or until one is not.

    Usable from all threads.

    Args:
        timeout: Seconds of a whole wait.
        clock: In seconds.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.whole: Final = timeout
        self.short: Final = timeout / _PARTS
        self._clock = clock
        self._short_until = 0.0
        """When a wait was in vain, the end of short ones; else 0."""

    def is_short(self) -> bool:
        """Return whether to wait a short while only."""
        return self._short_until > 0 and self._clock() < self._short_until

    def note_in_vain(self, *, was_short: bool) -> None:
        """Note that something did not come in the time it was given."""
        # what is only slow is found out by a whole wait each time
        if not was_short:
            self._short_until = self._clock() + _FOR

    def note_came(self) -> None:
        """Note that it came: the next wait is a whole one."""
        if self._short_until:
            self._short_until = 0.0
