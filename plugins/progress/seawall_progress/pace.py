"""How fast a call generates: lately, and over all."""

from typing import Final

_WINDOW: Final = 10.0
"""Seconds that are lately."""
_APART: Final = 0.5
"""Seconds between two marks at least."""
_LEAST: Final = 1.0
"""Seconds over which a rate is told at least."""


class Pace:
    """Takes what was generated at moments somebody looked; one thread at a time may."""

    __slots__ = ("_before", "_began", "_marks")

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []
        """Moments, and the tokens of the attempt then: one that is ten seconds old, and those after it."""
        self._began: float | None = None
        self._before = (0.0, 0)
        """Seconds and tokens of the attempts before."""

    def begin(self, now: float) -> None:
        """The answer of an attempt begins; said again, nothing happens."""
        if self._began is None:
            # in this order: another thread may look in between
            self._marks.append((now, 0))
            self._began = now

    def end(self, now: float, tokens: int) -> None:
        """The attempt ended, with so many tokens."""
        if self._began is not None:
            seconds, before = self._before
            self._before = seconds + now - self._began, before + tokens
        self._began = None
        self._marks.clear()

    def lately(self, now: float, tokens: int) -> float | None:
        """Return tokens per second; `tokens` are those of the attempt now."""
        marks = self._marks
        if self._began is None:
            return None
        if now - marks[-1][0] >= _APART:
            marks.append((now, tokens))
        while len(marks) > 1 and marks[1][0] <= now - _WINDOW:
            marks.pop(0)
        then, before = marks[0]
        return max(tokens - before, 0) / (now - then) if now - then >= _LEAST else None

    def overall(self, now: float, tokens: int) -> float | None:
        """Return tokens per second in all answers, up to `now`, when the attempt has so many tokens."""
        seconds, before = self._before
        if self._began is not None:
            seconds, before = seconds + now - self._began, before + tokens
        return before / seconds if seconds >= _LEAST else None
