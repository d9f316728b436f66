"""What a model does that is asked to go on with a broken answer, well behaved or not."""

from __future__ import annotations

import itertools
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from seawall_testkit.blocks import STOP
from seawall_testkit.conversation import blocks_of, text_of
from seawall_testkit.position import rest_of
from seawall_testkit.prose import pieces, prose

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

NOT_A_PREFIX = "[the partial answer is not a prefix of this conversation's answer]"
"""The whole continuation when the client sent back a text that the simulator never wrote."""

_AGREED = 100
"""Characters that a different answer has in common with the first one."""

_PREAMBLES = (
    "Continuing from where I left off:",
    "Here is the rest of my previous response.",
    "Picking up where the text stopped:",
    "I will continue from the point of the interruption.",
)

_OTHER_LANGUAGES = (
    "\u7d9a\u304d\u304b\u3089\u66f8\u304d\u307e\u3059\u3002",  # Japanese
    "\u041f\u0440\u043e\u0434\u043e\u043b\u0436\u0435\u043d\u0438\u0435:",  # Russian
    "\u0627\u0644\u062a\u062a\u0645\u0629:",  # Arabic
    "\u63a5\u7740\u4e0a\u6587\u7ee7\u7eed\uff1a",  # Chinese
    "Weiter geht es an der Stelle, an der ich unterbrochen wurde:",
)


class Misbehaviour(StrEnum):
    """How a continued answer begins."""

    EXACT = "exact"
    """Right after the partial text."""
    REPEAT = "repeat"
    """With the last words of the partial text, verbatim; then exactly."""
    PREAMBLE = "preamble"
    """With a sentence and an empty line, then as `repeat`."""
    WHITESPACE = "whitespace"
    """As `repeat`, but with leading white space and every run of white space in the repeated part changed."""
    START_OVER = "start_over"
    """With the first character of the whole answer."""
    DIFFERENT = "different"
    """With the first characters of the whole answer, which then turns into another one; it must never be
    spliced."""
    LANGUAGE_SWITCH = "language_switch"
    """With a sentence in another language and an empty line, then exactly: nothing is repeated."""
    EMPTY = "empty"
    """Not at all: an empty text block and `end_turn`."""


def go_on(
    content: Sequence[dict[str, Any]],
    delivered: str | Sequence[Mapping[str, Any]],
    misbehaviour: Misbehaviour,
    repeat_words: int,
    rng: random.Random,
) -> list[dict[str, Any]]:
    """The blocks of the continuation of `content` after `delivered`, the blocks or the text the client has.

    White space that the client stripped from the end of a text is sent again. A text that is already whole is
    followed by the blocks after it, or by an empty text block.
    """
    delivered = blocks_of(delivered)
    whole, partial = text_of(content), text_of(delivered)
    rest = rest_of(content, delivered)
    if rest is None:
        return [_text(NOT_A_PREFIX)]
    said = until_stop(rest)
    if not text_of(said).strip() and all(block["type"] == "text" for block in said):
        return [_text(""), *rest[len(said) : len(said) + 1]]
    match misbehaviour:
        case Misbehaviour.START_OVER:
            return list(content)
        case Misbehaviour.DIFFERENT:
            return [_text(whole[:_AGREED] + prose(rng, max(len(pieces(whole)), 40)))]
        case Misbehaviour.EMPTY:
            return [_text("")]
    return _led_by(_lead(partial, misbehaviour, repeat_words, rng), rest)


def until_stop(content: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks before the first mark of `blocks.stop`."""
    return list(itertools.takewhile(lambda block: block["type"] != STOP, content))


def last_words(text: str, count: int) -> str:
    """The end of `text` from the start of its `count`-th last word on."""
    words = list(re.finditer(r"\S+", text))[-count:] if count else []
    return text[words[0].start() :] if words else ""


def _lead(partial: str, misbehaviour: Misbehaviour, repeat_words: int, rng: random.Random) -> str:
    repeated = last_words(partial, repeat_words)
    match misbehaviour:
        case Misbehaviour.REPEAT:
            return repeated
        case Misbehaviour.PREAMBLE:
            return f"{rng.choice(_PREAMBLES)}\n\n{repeated}"
        case Misbehaviour.WHITESPACE:
            return rng.choice(("\n", " ", "\n\n")) + re.sub(r"\s+", _other_space, repeated)
        case Misbehaviour.LANGUAGE_SWITCH:
            return f"{rng.choice(_OTHER_LANGUAGES)}\n\n"
    return ""


def _other_space(run: re.Match[str]) -> str:
    return "\n" if run.group() == " " else " "


def _led_by(lead: str, rest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not lead:
        return rest
    if rest[0]["type"] == "text":
        return [{**rest[0], "text": lead + rest[0]["text"]}, *rest[1:]]
    return [_text(lead), *rest]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
