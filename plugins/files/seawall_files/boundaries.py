"""Where a text is cut in two: best between paragraphs, then lines, sentences, words."""

import unicodedata
from typing import Final

_ENDS: Final = (
    ("\n\n", "\r\n\r\n", "\r\r", "\u2029"),
    ("\n", "\r", "\u2028"),
    (". ", "! ", "? ", ".\t", "… ", "。", "！", "？"),  # noqa: RUF001 - those of Chinese and Japanese
    (" ", "\t"),
)
"""What paragraphs, lines, sentences and words end in."""
_JOINERS: Final = frozenset("\u200c\u200d")
_LONGEST_CHARACTER: Final = 16
"""Code points of what a reader takes for one character."""


def last_end(text: str, low: int, high: int) -> int:
    """Return the best place to cut, more than `low` and at most `high`, else one near `high`."""
    if text[high - 1 : high + 1] == "\r\n" and high - 1 > low:
        high -= 1
    for ends in _ENDS:
        found = [(text.rfind(end, max(low + 1 - len(end), 0), high), len(end)) for end in ends]
        if places := [place + length for place, length in found if place >= 0]:
            return max(places)
    return _before_mark(text, low, high)


def first_end(text: str, low: int, high: int) -> int:
    """Return the best place to begin at, `low` or more and less than `high`, near `low`."""
    middle = low + (high - low) // 2
    for ends in _ENDS:
        found = [(text.find(end, max(low - len(end), 0), middle), len(end)) for end in ends]
        if places := [place + length for place, length in found if place >= 0]:
            # a paragraph ends in a line that ends, a line with "\r\n" in two
            return min(places) + (text[min(places) - 1 : min(places) + 1] == "\r\n")
    for place in range(low, min(high, low + _LONGEST_CHARACTER)):
        if not _continues(text, place):
            return place
    return low


def _before_mark(text: str, low: int, high: int) -> int:
    """Return `high`, or a place before it where it would tear a character as readers see it, above `low`."""
    for place in range(high, max(low, high - _LONGEST_CHARACTER), -1):
        if place >= len(text) or not _continues(text, place):
            return place
    return high


def _continues(text: str, place: int) -> bool:
    after = text[place]
    return unicodedata.category(after).startswith("M") or after in _JOINERS or text[place - 1] in _JOINERS
