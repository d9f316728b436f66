"""How many tokens a text is, by a sample: counting all of a long text takes longer than reading it."""

import re
from collections.abc import Callable
from typing import Final

Count = Callable[[str], int]

WHOLE: Final = 4_000
"""Characters up to which a text is counted whole."""
_SHARE: Final = 0.02
"""Of what is longer; so much more is counted."""
_WIDTH: Final = 100
"""Characters of a window, before it is cut at white space."""
_GOLDEN: Final = 0.6180339887498949
_SPACE: Final = re.compile(r"\s")


def measure(text: str, count: Count) -> float:
    """Return the tokens of `text`.

    Of a long one, windows are counted, one in each of as many equal stretches. Where in its stretch a window
    lies follows the golden ratio: evenly spread, and in step with no period of the text.
    """
    if len(text) <= WHOLE:
        return count(text)
    windows = int((WHOLE * 0.75 + _SHARE * len(text)) / _WIDTH)
    stride = len(text) / windows
    starts = (int(stride * place + place * _GOLDEN % 1 * (stride - _WIDTH)) for place in range(windows))
    sample = "".join(text[_cut(text, start) : _cut(text, start + _WIDTH)] for start in starts)
    return count(sample) * len(text) / len(sample)


def _cut(text: str, place: int) -> int:
    """Return the next white space, near enough, after `place`; else `place` itself."""
    found = _SPACE.search(text, place, place + _WIDTH // 2)
    return found.start() if found else place
