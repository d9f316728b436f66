"""What a model does that is asked to go on with a broken answer, well behaved or not."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from seawall_testkit.conversation import text_of
from seawall_testkit.prose import pieces, prose

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

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
    EMPTY = "empty"
    """Not at all: an empty text block and `end_turn`."""


def go_on(
    content: Sequence[dict[str, Any]],
    partial: str,
    misbehaviour: Misbehaviour,
    repeat_words: int,
    rng: random.Random,
) -> list[dict[str, Any]]:
    """The blocks of the continuation of `content` after `partial`, the joined text the client has.

    White space that the client stripped from the end of `partial` is sent again. A partial text that is
    already whole is followed by the blocks after it, or by an empty text block.
    """
    whole = text_of(content)
    if not whole.startswith(partial.rstrip()):
        return [_text(NOT_A_PREFIX)]
    rest = blocks_after(content, len(partial) if whole.startswith(partial) else len(partial.rstrip()))
    if not text_of(rest).strip() and all(block["type"] == "text" for block in rest):
        return [_text("")]
    match misbehaviour:
        case Misbehaviour.START_OVER:
            return list(content)
        case Misbehaviour.DIFFERENT:
            return [_text(whole[:_AGREED] + prose(rng, max(len(pieces(whole)), 40)))]
        case Misbehaviour.EMPTY:
            return [_text("")]
    return _led_by(_lead(partial, misbehaviour, repeat_words, rng), rest)


def blocks_after(content: Sequence[dict[str, Any]], position: int) -> list[dict[str, Any]]:
    """What follows the first `position` characters of the joined text, without the blocks before that."""
    rest: list[dict[str, Any]] = []
    for block in content:
        if rest or (block["type"] != "text" and position == 0):
            rest.append(block)
        elif block["type"] == "text":
            if position < len(block["text"]):
                rest.append({**block, "text": block["text"][position:]})
            position = max(0, position - len(block["text"]))
    return rest


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
