"""Notices an answer that repeats one passage over and over."""

from typing import Final

_MIN_TIMES: Final = 4
"""How often a passage must come in the watched text."""
_PROBE: Final = 32
"""Characters by which a passage is looked for."""


class Repetition:
    """Watches the end of a text, of `length` characters."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._tail = ""
        self._new: list[str] = []
        self._unseen = 0
        """Characters that came since the last look, which costs the length and so is not taken every time."""

    def is_found_with(self, text: str) -> bool:
        """Take the next text; return whether the last `length` characters are one passage, repeated."""
        self._new.append(text)
        self._unseen += len(text)
        if self._unseen * 8 < self._length:
            return False
        self._tail = "".join((self._tail, *self._new))[-self._length :]
        self._new, self._unseen = [], 0
        return len(self._tail) == self._length and is_repeated(self._tail)


def is_repeated(text: str) -> bool:
    """Whether `text` is one passage at least four times, the last one perhaps cut short."""
    longest = len(text) // _MIN_TIMES
    # what comes again is still whole after the longest period
    probe = text[: min(_PROBE, len(text) - longest)]
    period = text.find(probe, 1)
    while 0 < period <= longest:
        if text.startswith(text[period:]):
            return True
        period = text.find(probe, period + 1)
    return False
