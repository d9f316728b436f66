"""A text that comes in pieces, to parts of so many tokens each; no more of it is held than a part needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from seawall_files.boundaries import first_end, last_end
from seawall_files.measure import WHOLE, Count, measure

_DENSITY: Final = 0.25
"""Tokens of a character, before anything was counted."""
_LEAST_DENSITY: Final = 0.01
_FILL: Final = 0.97
"""How full a part is planned, so that most plans need no second count."""
_OVERLAP_FILL: Final = 0.9
"""The same of an overlap, which is short and so less like the part that it ends."""
_SPARSE: Final = 0.8
"""A plan with less than so much of what a part may hold is made again, larger."""
_PLANS: Final = 8
"""Plans for one part, as long as one of them fits."""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A part of a text."""

    text: str
    tokens: int
    """Estimated."""
    start: int
    """Characters before it; less than the `end` of the one before where they overlap."""

    @property
    def end(self) -> int:
        """Characters up to its end."""
        return self.start + len(self.text)


def split(pieces: Iterable[str], tokens: int, overlap: int, counted: Count) -> Iterator[TextChunk]:
    """Yield the parts of a text, in order; together they are all of it.

    Args:
        pieces: The text.
        tokens: Of a part, at most; a character is never cut.
        overlap: Tokens at the end of a part that are the beginning of the next again, at most; not more than
            half of `tokens`.
        counted: Tokens of a text.
    """
    splitting = _Splitting(iter(pieces), tokens, overlap, counted)
    while (chunk := splitting.next()) is not None:
        yield chunk


class _Splitting:
    """Where one splitting is: what of the text is held, and how dense it is."""

    def __init__(self, pieces: Iterator[str], tokens: int, overlap: int, counted: Count) -> None:
        self._pieces = pieces
        self._tokens = tokens
        self._overlap = overlap
        self._counted = counted
        self._held = ""
        self._is_all = False
        """The text ends with what is held."""
        self._before = 0
        """Characters before what is held."""
        self._at = 0
        """Where in it the next part begins."""
        self._covered = 0
        """Up to where in it parts were made."""
        self._density = _DENSITY

    def next(self) -> TextChunk | None:
        size, tokens = self._planned()
        if self._at + size <= self._covered:
            # the overlap fills the part: go on without
            self._at = self._covered
            size, tokens = self._planned()
        if not size:
            return None
        start, end = self._at, self._at + size
        if end < len(self._held) or not self._is_all:
            end = last_end(self._held, max(start + size // 2, self._covered), end)
        text = self._held[start:end]
        if len(text) < size:
            tokens = self._measured(text) if len(text) <= WHOLE else tokens * len(text) / size
        self._covered = end
        is_last = end == len(self._held) and self._is_all
        self._at = end if is_last else self._overlapping(start, end, tokens)
        return TextChunk(text, round(tokens), self._before + start)

    def _planned(self) -> tuple[int, float]:
        """Return how many characters a part may have here, and their tokens."""
        size = max(1, int(self._tokens * _FILL / self._density))
        fits, too_many = (0, 0.0), 0
        counted, tokens = 0, 0.0
        for plan in count():
            self._hold(size + 1)
            size = min(size, len(self._held) - self._at)
            if not size:
                break
            tokens = self._recounted(size, counted, tokens)
            counted = size
            self._density = max(tokens / size, _LEAST_DENSITY)
            if tokens > self._tokens and size > 1:
                if fits[0] and plan >= _PLANS:
                    break
                too_many = size
                # a count that hardly falls with the text is halved down to one character, which always fits
                less = _FILL * self._tokens / tokens if plan < _PLANS else 0.5
                size = max(fits[0] + 1, int(size * less))
                if size >= too_many:
                    break
                continue
            fits = size, tokens
            is_full = tokens >= _SPARSE * self._tokens or len(self._held) - self._at == size
            size = min(
                int(self._tokens * _FILL / self._density), 4 * size, too_many - 1 if too_many else 4 * size
            )
            if is_full or plan >= _PLANS or size <= fits[0]:
                break
        return fits

    def _recounted(self, size: int, counted: int, tokens: float) -> float:
        """Return the tokens of a plan, where another one of `counted` characters has `tokens`."""
        middle, last = sorted((size, counted))
        if middle <= WHOLE or last > 2 * middle:
            return self._measured(self._held[self._at : self._at + size])
        # a long text is measured by a sample: what another plan adds or lacks is shorter and more exact
        difference = self._measured(self._held[self._at + middle : self._at + last])
        return tokens + difference if size > counted else tokens - difference

    def _hold(self, size: int) -> None:
        """Hold so many characters from where the next part begins, if there are so many."""
        missing = self._at + size - len(self._held)
        if missing <= 0 or self._is_all:
            return
        pieces = [self._held[self._at :]]
        while missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                self._is_all = True
                break
            pieces.append(piece)
            missing -= len(piece)
        self._held = "".join(pieces)
        self._before += self._at
        self._covered -= self._at
        self._at = 0

    def _overlapping(self, start: int, end: int, tokens: float) -> int:
        """Return where the part after the one from `start` to `end` begins."""
        size = int(_OVERLAP_FILL * self._overlap * (end - start) / max(tokens, 1))
        low = max(start + 1, end - size)
        for _ in range(_PLANS):
            if low >= end or (found := self._measured(self._held[low:end])) <= self._overlap:
                break
            low = end - int((end - low) * _FILL * self._overlap / found)
        return first_end(self._held, low, end) if low < end else end

    def _measured(self, text: str) -> float:
        return measure(text, self._counted)
