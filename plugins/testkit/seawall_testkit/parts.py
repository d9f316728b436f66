"""Content blocks as a stream tells them: a start, deltas of a few tokens each, and the block that results."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seawall_testkit.conversation import DELTAS
from seawall_testkit.prose import pieces

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_TOOL_INPUT = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_LONGEST_CUT = 12
"""Characters in one delta of a tool input that is cut anywhere."""
_Group = tuple[str, int]
"""What one delta brings, and its tokens."""


@dataclass(frozen=True)
class Delta:
    """One `content_block_delta`."""

    body: dict[str, Any]
    tokens: int = 0


@dataclass(frozen=True)
class Part:
    """One content block."""

    block: dict[str, Any]
    """As a message holds it."""
    start: dict[str, Any]
    """As `content_block_start` shows it."""
    deltas: tuple[Delta, ...] = ()

    @property
    def tokens(self) -> int:
        """Output tokens of the block."""
        return sum(delta.tokens for delta in self.deltas)


def parts_of(
    content: Sequence[dict[str, Any]],
    *,
    max_tokens: int | None,
    tokens_per_event: int,
    eager_tools: Collection[str] = (),
) -> tuple[list[Part], bool]:
    """The parts of `content` within `max_tokens` (None: no limit), and whether something had to be left out.

    A block of which nothing fits is left out; blocks without deltas, such as tool results, count no tokens.
    The input of `eager_tools` is cut anywhere, also within an escape or a word.
    """
    parts: list[Part] = []
    left = max_tokens
    for block in content:
        value = _value(block)
        tokens = pieces(value) if value is not None else []
        if left is not None and len(tokens) > left:
            if left:
                groups = _groups(block, tokens[:left], tokens_per_event, eager_tools)
                parts.append(_part(block, groups, whole=False))
            return parts, True
        parts.append(_part(block, _groups(block, tokens, tokens_per_event, eager_tools), whole=True))
        left = None if left is None else left - len(tokens)
    return parts, False


def _value(block: dict[str, Any]) -> str | None:
    """The text a block's deltas bring, None for a block that its start brings whole."""
    if block["type"] in {"text", "thinking"}:
        text: str = block[block["type"]]
        return text
    if block["type"] in _TOOL_INPUT:
        return json.dumps(block["input"], ensure_ascii=False)
    return None


def _groups(
    block: dict[str, Any], tokens: list[str], per_event: int, eager_tools: Collection[str]
) -> list[_Group]:
    """What each delta brings."""
    if block["type"] == "tool_use" and block["name"] in eager_tools:
        return _cut_anywhere("".join(tokens), len(tokens))
    groups = (tokens[start : start + per_event] for start in range(0, len(tokens), per_event))
    return [("".join(group), len(group)) for group in groups]


def _cut_anywhere(text: str, tokens: int) -> list[_Group]:
    rng = random.Random(text)  # noqa: S311 - repeatable
    groups: list[_Group] = []
    place = counted = 0
    while place < len(text):
        end = min(len(text), place + rng.randint(1, _LONGEST_CUT))
        count = tokens * end // len(text) - counted
        groups.append((text[place:end], count))
        place, counted = end, counted + count
    return groups


def _part(block: dict[str, Any], groups: list[_Group], *, whole: bool) -> Part:
    kind = block["type"]
    if kind == "text":
        return _text_part(block, groups)
    if kind == "thinking":
        return _thinking_part(block, groups)
    if kind in _TOOL_INPUT:
        deltas = [Delta({"type": "input_json_delta", "partial_json": ""})]
        deltas += [
            Delta({"type": "input_json_delta", "partial_json": value}, tokens) for value, tokens in groups
        ]
        return Part(block if whole else {**block, "input": {}}, {**block, "input": {}}, tuple(deltas))
    if kind == "compaction":
        filled = {name: value for name, value in block.items() if name != "type"}
        start = {"type": kind, **dict.fromkeys(filled)}
        return Part(block, start, (Delta({"type": "compaction_delta", **filled}),))
    if DELTAS in block:
        plain = {name: value for name, value in block.items() if name != DELTAS}
        return Part(plain, plain, tuple(Delta(delta) for delta in block[DELTAS]))
    return Part(block, block)


def _text_part(block: dict[str, Any], groups: list[_Group]) -> Part:
    deltas = [Delta({"type": "text_delta", "text": value}, tokens) for value, tokens in groups]
    start = {**block, "text": ""}
    if block.get("citations"):
        start["citations"] = []
        deltas = [
            *(Delta({"type": "citations_delta", "citation": citation}) for citation in block["citations"]),
            *deltas,
        ]
    text = "".join(value for value, _ in groups)
    return Part({**block, "text": text}, start, tuple(deltas))


def _thinking_part(block: dict[str, Any], groups: list[_Group]) -> Part:
    """A thinking block always ends in its signature, also one that `max_tokens` cuts."""
    deltas = [Delta({"type": "thinking_delta", "thinking": value}, tokens) for value, tokens in groups]
    deltas = deltas or [Delta({"type": "thinking_delta", "thinking": ""})]
    deltas.append(Delta({"type": "signature_delta", "signature": block["signature"]}))
    thinking = "".join(value for value, _ in groups)
    return Part({**block, "thinking": thinking}, {**block, "thinking": "", "signature": ""}, tuple(deltas))
