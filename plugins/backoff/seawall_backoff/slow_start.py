"""How calls come back after an outage: at about the rate that worked before, in turns.

All that was held would come at once: the second outage. GOVERNOR.md, section 6, measured that a start near
the rate before (12 a second where 10 were usual) costs nothing, and one at 40 a second is rejected in part.
"""

from collections import deque
from typing import Final

_SLOT: Final = 5.0
"""Seconds in one count."""
_SLOTS: Final = 12
LEAST: Final = 1.0
"""Attempts a second at least; what a process that knows no rate begins with."""
ABOVE: Final = 1.15
"""What is held comes at so much more than the rate that worked before."""
RAMP: Final = 3.0
"""Seconds from half of that rate to all of it."""
STEADY: Final = 15.0
"""Seconds until the rate grows beyond: what came before may be too little for what waits now."""
DOUBLES: Final = 10.0
"""Seconds in which it doubles then."""


class Throughput:
    """Counts attempts that were accepted, over about a minute. Not locked."""

    def __init__(self) -> None:
        self._slots: deque[list[float]] = deque(maxlen=_SLOTS)
        """Pairs: when a slot began, and the count in it."""
        self._last = 0.0

    def count(self, now: float) -> None:
        """An attempt was accepted."""
        if not self._slots or now - self._slots[-1][0] >= _SLOT:
            self._slots.append([now, 0])
        self._slots[-1][1] += 1
        self._last = now

    def rate(self, now: float) -> float:
        """Return how many were accepted in a second, until the last one was."""
        slots = [slot for slot in self._slots if now - slot[0] <= _SLOT * _SLOTS * 2]
        if not slots:
            return 0.0
        return sum(count for _, count in slots) / max(self._last - slots[0][0], _SLOT)


def pace(known: float, age: float) -> float:
    """Return the attempts a second that are let through.

    Args:
        known: The rate that worked before the outage; 0 where none did, and it is to be found: it doubles as
            often as a known one takes to come back ("slow start", RFC 5681, section 3.1).
        age: Seconds since it was over.
    """
    if not known:
        return float(LEAST * 2.0 ** min(max(age, 0.0) / RAMP, 60))
    rate = max(known * ABOVE, LEAST)
    if age < RAMP:
        return rate * (0.5 + 0.5 * max(age, 0.0) / RAMP)
    if age > STEADY:
        return float(rate * 2.0 ** min((age - STEADY) / DOUBLES, 60))
    return rate
