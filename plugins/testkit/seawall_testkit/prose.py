"""Deterministic text that is hard to splice: unusual words, Markdown, code, tables, CJK, emoji.

Words are drawn from millions of pseudo-words, so three consecutive words practically never recur: an overlap
that a client finds is the right one. A simulator token is one match of `PIECE`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

PIECE = re.compile(r"\s*\S{1,4}|\s+")
"""One simulator token: up to four characters with the white space before them; pieces join to the text."""

_DOUBLED = re.compile(r"(\w{4,})\1")
"""What begins with a token twice: an exact continuation after the first looks like one that repeats it."""

_ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
)
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_CODAS = ("", "l", "m", "n", "r", "s", "t", "nd", "rk", "sh")
_SYMBOLS = (
    "\U0001f642",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family: four emoji joined by ZWJ
    "\U0001f44d\U0001f3fd",  # a thumb with a skin tone
    "\U0001f1f3\U0001f1f4",  # a flag: two regional indicators
    "\u2764\ufe0f",  # a heart with a variation selector
    "e\u0301tude",  # combining acute
    "n\u0303a\u0308",  # two combining marks
)


def pieces(text: str) -> list[str]:
    """The simulator tokens of `text`, in order."""
    return PIECE.findall(text)


def prose(rng: random.Random, tokens: int) -> str:
    """A text of exactly `tokens` simulator tokens, not ending in white space.

    With an equal `rng` a shorter text is a prefix of a longer one.
    """
    text = [paragraph(rng)]
    count = len(pieces(text[0]))
    while count < tokens:
        for kind in rng.sample(_KINDS, len(_KINDS)):
            block = "\n\n" + kind(rng)
            text.append(block)
            count += len(pieces(block))
    return "".join(pieces("".join(text))[:tokens])


def word(rng: random.Random) -> str:
    """A pseudo-word of two or three syllables."""
    while True:
        syllables = (
            rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS)
            for _ in range(rng.choice((2, 2, 3)))
        )
        drawn = "".join(syllables)
        if not _DOUBLED.match(drawn):
            return drawn


def sentence(rng: random.Random) -> str:
    """Six to eleven words, sometimes with an emoji or a combining character among them."""
    words = [word(rng) for _ in range(rng.randint(6, 11))]
    words[0] = words[0].capitalize()
    if rng.randrange(2):
        words.insert(rng.randrange(1, len(words)), rng.choice(_SYMBOLS))
    if rng.choice((True, False, False)):
        words[rng.randrange(1, len(words) - 1)] += ","
    return " ".join(words) + rng.choice(("...", "!", "?", ".", ".", ".", "."))


def paragraph(rng: random.Random) -> str:
    """Two or three sentences on one line."""
    return " ".join(sentence(rng) for _ in range(rng.randint(2, 3)))


def _section(rng: random.Random) -> str:
    return f"{'#' * rng.randint(2, 4)} {word(rng).capitalize()} **{word(rng)}**\n\n{paragraph(rng)}"


def _items(rng: random.Random) -> str:
    ordered = rng.choice((True, False))
    marks = [f"{n}." if ordered else "-" for n in range(1, 4)]
    return "\n".join(f"{mark} {word(rng)} *{word(rng)}* {word(rng)} {word(rng)}" for mark in marks)


def _code(rng: random.Random) -> str:
    name, value = word(rng), word(rng)
    condition = f"if {value} > {word(rng)}:"
    return (
        f"```python\ndef {name}({value}: {word(rng)}) -> {word(rng)}:\n    {condition}\n"
        f'        return {value} * {word(rng)}\n    return {word(rng)}("{word(rng)}\\n")\n```'
    )


def _table(rng: random.Random) -> str:
    rule = f"|{'-' * rng.randint(3, 12)}|{'-' * rng.randint(3, 12)}|"
    rows = [f"|{word(rng)} | {word(rng)}|" for _ in range(3)]
    return "\n".join([rows[0], rule, *rows[1:]])


def _ideographs(rng: random.Random) -> str:
    def run(length: int) -> str:
        return "".join(chr(rng.randrange(0x4E00, 0x9F00)) for _ in range(length))

    first = f"{run(rng.randint(5, 9))}\uff0c{run(rng.randint(4, 8))}\u3002"
    return f"{first}{rng.choice(_SYMBOLS)}{run(rng.randint(4, 8))}\u3002"


_KINDS: tuple[Callable[[random.Random], str], ...] = (paragraph, _section, _items, _code, _table, _ideographs)
