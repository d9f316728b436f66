"""Which conversation a request belongs to, and whether it asks to go on with a broken answer."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Way = Literal["plain", "prefill", "user_turn", "paused"]
"""How a request asks for its answer: from the start, after an assistant prefill, by a user turn, or with
the assistant turn that the simulator paused."""

DELTAS = "seawall_deltas"
"""The field of an unknown block in a script that holds its deltas; it is never sent as a field."""
_INTERRUPTED = re.compile("interrupted", re.IGNORECASE)


@dataclass(frozen=True)
class Conversation:
    """A request's conversation, told apart from the continuation at its end."""

    key: str
    """Hash of system and messages without the continuation: the same for every attempt and model."""
    messages: tuple[dict[str, Any], ...]
    """The messages without the continuation; content is always a list of blocks, without cache markers."""
    delivered: tuple[dict[str, Any], ...]
    """The answer's blocks so far that the request brings along; none for `plain`."""
    way: Way

    @property
    def partial(self) -> str:
        """The texts of `delivered`, joined."""
        return text_of(self.delivered)

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]], system: object = None) -> Conversation:
        """Reads `messages`, and takes trailing continuations off.

        A continuation is an assistant turn at the end, or an assistant turn followed by a user turn whose
        text says "interrupted". Several in a row, as after several cuts, are one: their blocks join.
        """
        base = [{"role": message["role"], "content": blocks_of(message["content"])} for message in messages]
        way: Way = "plain"
        delivered: list[dict[str, Any]] = []
        while base:
            turns = _continuation_turns(base)
            if not turns:
                break
            if way == "plain":
                way = "prefill" if turns == 1 else "user_turn"
            delivered = base[-turns]["content"] + delivered
            del base[-turns:]
        identity = json.dumps([blocks_of(system or []), base], sort_keys=True)
        return cls(hashlib.sha256(identity.encode()).hexdigest()[:16], tuple(base), tuple(delivered), way)

    @property
    def answers_a_tool(self) -> bool:
        """Whether the last message brings the result of a tool; `system` messages after it do not count."""
        said = [message for message in self.messages if message["role"] != "system"]
        return bool(said) and _has_tool_result(said[-1]["content"])


def blocks_of(content: object, *, markers: bool = False) -> list[dict[str, Any]]:
    """Content as a list of dicts; a string is one block, models become dicts.

    Args:
        content: of a message, or a system prompt.
        markers: whether `cache_control` is kept.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list | tuple):
        return []
    plain = (
        block.model_dump(mode="json", exclude_unset=True) if hasattr(block, "model_dump") else block
        for block in content
    )
    return [
        {name: value for name, value in block.items() if markers or name != "cache_control"}
        for block in plain
        if isinstance(block, dict)
    ]


def text_of(blocks: Iterable[Mapping[str, Any]]) -> str:
    """The texts of the text blocks, joined."""
    return "".join(block.get("text", "") for block in blocks if block.get("type") == "text")


def count_input_tokens(body: Mapping[str, Any]) -> int:
    """Input tokens: a quarter of the characters of system, messages and tools, rounded up."""
    characters = sum(characters_of(body.get(part)) for part in ("system", "messages"))
    if body.get("tools"):
        characters += len(json.dumps(body["tools"], separators=(",", ":"), ensure_ascii=False))
    return max(1, math.ceil(characters / 4))


def characters_of(value: object) -> int:
    """How many characters of content are in a value, but for types, roles, signatures and cache markers."""
    return sum(len(text) for text in _strings(value))


def _continuation_turns(messages: list[dict[str, Any]]) -> int:
    """How many messages at the end are one continuation: 0, 1 (prefill) or 2 (assistant and user turn)."""
    if messages[-1]["role"] == "assistant":
        return 1
    content = messages[-1]["content"]
    if [message["role"] for message in messages[-2:]] != ["assistant", "user"]:
        return 0
    return 2 if _INTERRUPTED.search(text_of(content)) and not _has_tool_result(content) else 0


def _has_tool_result(blocks: Iterable[Mapping[str, Any]]) -> bool:
    return any(block.get("type") == "tool_result" for block in blocks)


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"type", "role", "cache_control", "signature"}:
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
