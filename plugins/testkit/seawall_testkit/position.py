"""How far a client has come in an answer: which of its blocks are in what it sends back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seawall_testkit.blocks import STOP
from seawall_testkit.conversation import DELTAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_MAY_BE_MISSING = _THOUGHTS | {"fallback"}
"""Blocks that a client may leave out when it sends an answer back."""


def rest_of(
    content: Sequence[dict[str, Any]], delivered: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]] | None:
    """What of `content` follows `delivered`, from the very character on; None when it is no part of it.

    Texts are compared as joined, so neighbouring text blocks may be divided otherwise. White space that the
    client stripped from the end of a text, or added to the last one, makes no difference. Thoughts may be
    missing, and those of earlier continuations may be there in addition. All other blocks must be unchanged.
    """
    reader = _Reader(content)
    if reader.read(delivered):
        return reader.rest()
    if not delivered or delivered[-1].get("type") != "text":
        return None
    *before, last = delivered
    reader = _Reader(content)
    return reader.rest() if reader.read([*before, {**last, "text": last["text"].rstrip()}]) else None


def is_pause(block: Mapping[str, Any]) -> bool:
    """Whether the answer pauses here."""
    return bool(block["type"] == STOP and block["stop_reason"] == "pause_turn")


class _Reader:
    """A position in the content: a block, and a character of it if it is a text."""

    def __init__(self, content: Sequence[dict[str, Any]]) -> None:
        self._content = content
        self._block = 0
        self._character = 0

    def read(self, delivered: Sequence[Mapping[str, Any]]) -> bool:
        """Advances over `delivered`; whether it is there."""
        return all(self._one(block) for block in delivered)

    def rest(self) -> list[dict[str, Any]]:
        """The blocks from here on."""
        blocks = list(self._content[self._block :])
        if not self._character:
            return blocks
        text = blocks[0]["text"][self._character :]
        return [{**blocks[0], "text": text}, *blocks[1:]] if text else blocks[1:]

    def _one(self, block: Mapping[str, Any]) -> bool:
        return self._text(str(block["text"])) if block["type"] == "text" else self._other(block)

    def _text(self, text: str) -> bool:
        while text:
            block = self._now()
            if block is None or (block["type"] != "text" and not _may_be_passed(block)):
                return False
            here = block["text"][self._character :] if block["type"] == "text" else ""
            length = min(len(here), len(text))
            if here[:length] != text[:length]:
                return False
            text = text[length:]
            self._character += length
            if length == len(here):
                self._next()
        return True

    def _other(self, wanted: Mapping[str, Any]) -> bool:
        start = (self._block, self._character)
        while (block := self._now()) is not None:
            if block["type"] == "text" and not block["text"][self._character :].strip():
                self._next()
            elif _is_same(block, wanted):
                self._next()
                return True
            elif _may_be_passed(block):
                self._next()
            else:
                break
        self._block, self._character = start
        return wanted.get("type") in _THOUGHTS

    def _now(self) -> dict[str, Any] | None:
        return self._content[self._block] if self._block < len(self._content) else None

    def _next(self) -> None:
        self._block, self._character = self._block + 1, 0


def _may_be_passed(block: Mapping[str, Any]) -> bool:
    return block["type"] in _MAY_BE_MISSING or is_pause(block)


def _is_same(block: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    left_out = {DELTAS, "signature"} if block["type"] == "thinking" else {DELTAS}
    return all(other.get(name) == value for name, value in block.items() if name not in left_out)
