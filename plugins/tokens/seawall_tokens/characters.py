"""How many tokens a text has, where there is no vocabulary to count it by: by the kinds of its characters.

Four characters are a token. A digit is one, with the signs between numbers: so in recorded requests. For each
byte that UTF-8 needs beyond one a character, 0.6 come on top: sentences in ten scripts, counted by the
vocabulary of Claude 2, have 0.4 (Chinese, Japanese, Russian) to 1.1 (Greek), most of them 0.5 to 0.7.
"""

import string
from typing import Final

_DIGIT: Final = 1.0
_OTHER: Final = 0.25
_BYTE: Final = 0.6


def by_characters(text: str) -> float:
    """Return the tokens, before the multiplier of a model's family."""
    digits = sum(map(text.count, string.digits))
    beyond = len(text.encode("utf-8", "replace")) - len(text)
    return digits * _DIGIT + (len(text) - digits) * _OTHER + beyond * _BYTE
