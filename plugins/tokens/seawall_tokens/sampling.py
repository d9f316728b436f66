"""A long text is counted by a sample of it, so that a count takes milliseconds whatever its length.

Windows of the text, one in each of as many equal stretches, cut where words end. Where in its stretch a
window lies follows the golden ratio: evenly spread, and in step with no period of the text. The same text
always gives the same sample.
"""

import re
from typing import Final

WHOLE: Final = 50_000
"""Characters up to which a text is counted whole."""
_WINDOWS: Final = 512
_WIDTH: Final = 80
"""Characters of a window, before it is cut at white space."""
_GOLDEN: Final = 0.6180339887498949
_SPACE: Final = re.compile(r"\s")


def sample(text: str) -> tuple[str, float]:
    """Return a part of `text` to count, and by what to multiply the count."""
    if len(text) <= WHOLE:
        return text, 1.0
    stride = len(text) / _WINDOWS
    starts = (int(stride * place + place * _GOLDEN % 1 * (stride - _WIDTH)) for place in range(_WINDOWS))
    part = "".join(text[_cut(text, start) : _cut(text, start + _WIDTH)] for start in starts)
    return part, len(text) / len(part)


def _cut(text: str, place: int) -> int:
    """Return the next white space, near enough, after `place`; else `place` itself."""
    found = _SPACE.search(text, place, place + _WIDTH // 2)
    return found.start() if found else place
