"""A sentence that a model puts in front when it goes on, and one that only says that it does. Sans-I/O."""

import re
import unicodedata
from typing import Final

_LONGEST: Final = 200
"""Characters; so much new text is held back at most."""
_STOPS = ":.!\u2026\uff1a\u3002\uff01\u061b\u06d4\u0964"
"""What a sentence or an announcement ends with; also the full-width, Arabic and Devanagari forms."""
_PREAMBLE = re.compile(rf"[^\n]{{1,{_LONGEST - 2}}}[{_STOPS}][^\S\n]?\n\s*")
_ANNOUNCEMENT = re.compile(rf"([^\n]{{1,{_LONGEST - 2}}}[{_STOPS}])[^\S\n]?\n\n")
_GOES_ON = re.compile(
    r"\b(contin|resum|pick|rest of|weiter|fortsetz|repren|sigo|seguir|retom|riprend)"
    r".*\b(where|left off|stop|interr|cut off|previous|unterbr|aufgeh|arr\u00eat|donde|onde|dove)"
    r"|^(\u63a5\u7740\u4e0a\u6587|\u63a5\u4e0a\u6587|\u7ee7\u7eed\u4e0a\u6587|\u7d9a\u304d[\u304b\u3092]|\uc774\uc5b4\uc11c|"
    r"\u041f\u0440\u043e\u0434\u043e\u043b\u0436|\u0627\u0644\u062a\u062a\u0645\u0629|\u0645\u062a\u0627\u0628\u0639\u0629|\u091c\u093e\u0930\u0940)",
    re.IGNORECASE,
)
"""Words with which a model says that it goes on, in the languages most used."""
_MIN_FOREIGN: Final = 3
"""Letters of scripts that the text does not use, for a line to be an announcement in another language."""


def starts(held: str) -> list[int]:
    """Where in `held` the continuation proper may begin: at once, or after a preamble."""
    preamble = _PREAMBLE.match(held)
    is_one = preamble and may_be_sentence(held) and preamble[0].count("\u3002") < 2  # noqa: PLR2004
    return [0, preamble.end()] if preamble and is_one else [0]


def may_become_one(held: str) -> bool:
    """Whether the first line may yet end like a preamble; a long one, or the rest of a sentence, is none."""
    return "\n" not in held and may_be_sentence(held) and len(held) < _LONGEST


def may_be_sentence(text: str) -> bool:
    """Whether `text` may begin with a sentence of its own: with a capital, or in a script without them."""
    return text[:1].isalpha() and not text[0].islower()


def announced(held: str, tail: str, ended: str) -> int:
    """How many characters at the start of `held` only say that the text goes on, and repeat nothing.

    Args:
        held: What the continuation began with.
        tail: The end of what was delivered.
        ended: The white space that this ends with.
    """
    found = _ANNOUNCEMENT.match(held)
    return found.end() if found and _is_announcement(found[1], tail, ended) else 0


def _is_announcement(line: str, tail: str, ended: str) -> bool:
    if not may_be_sentence(line) or ("\n" in ended and ended[-2:] != "  "):
        return False
    if _GOES_ON.search(line):
        return True
    letters, used = (
        [unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha()]
        for text in (line, tail[-1000:])
    )
    is_foreign = len(letters) >= _MIN_FOREIGN and set(letters).isdisjoint(used)
    return is_foreign and not ended and tail[-1] not in f'{_STOPS}?"'
