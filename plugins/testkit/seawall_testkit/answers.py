"""What the simulated model answers to a request."""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seawall_testkit.continuation import go_on
from seawall_testkit.conversation import Conversation, count_input_tokens, text_of
from seawall_testkit.ids import new_id
from seawall_testkit.parts import Part, parts_of
from seawall_testkit.prose import prose
from seawall_testkit.structured import value_for
from seawall_testkit.thinking import signature, thinking_block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seawall_testkit.options import Options

_CACHED_ANSWERS = 64
_INTRODUCTION = 24
"""Simulator tokens of the text before a tool_use block."""
_THINKING_SHARE = 4
"""A thinking text is at most this fraction of the answer's length."""


@dataclass(frozen=True)
class Answer:
    """A whole answer: what a message holds and what a stream tells."""

    message_id: str
    model: str
    parts: tuple[Part, ...]
    stop_reason: str
    stop_sequence: str | None
    input_tokens: int

    @property
    def output_tokens(self) -> int:
        """Simulator tokens of all blocks."""
        return sum(part.tokens for part in self.parts)

    @property
    def text(self) -> str:
        """The texts of the text blocks, joined."""
        return text_of(part.block for part in self.parts)


class Composer:
    """Writes answers: the same for the same seed and conversation, whatever the attempt."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._texts: OrderedDict[str, str] = OrderedDict()

    def answer(self, conversation: Conversation, body: Mapping[str, Any], attempt: int = 1) -> Answer:
        """The answer to a request, within its `max_tokens` and up to its first stop sequence."""
        options = self._options
        content = self.content(conversation, body)
        if conversation.way != "plain":
            rng = self._rng(conversation.key, f"continuation {len(conversation.partial)}")
            content = go_on(content, conversation.partial, options.misbehaviour, options.repeat_words, rng)
        content = [
            *self._thinking(conversation, body),
            *(self._completed(block, conversation) for block in content),
        ]
        content, stop_sequence = _stopped(content, body.get("stop_sequences") or ())
        parts, was_cut = parts_of(
            content, max_tokens=body.get("max_tokens"), tokens_per_event=options.tokens_per_event
        )
        return Answer(
            message_id=new_id("msg_01", self._rng(conversation.key, f"id {attempt}")),
            model=str(body.get("model", "")),
            parts=tuple(parts),
            stop_reason=_stop_reason(parts, was_cut=was_cut, stop_sequence=stop_sequence),
            stop_sequence=None if was_cut else stop_sequence,
            input_tokens=count_input_tokens(body),
        )

    def content(self, conversation: Conversation, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The undisturbed answer of the conversation, before thinking, `max_tokens` and stop sequences."""
        answer = self._options.answer
        if callable(answer):
            return answer({**body, "messages": [dict(message) for message in conversation.messages]})
        if answer is not None and answer != "tool_use":
            return [{"type": "text", "text": answer}]
        tool = None if conversation.answers_a_tool else self._tool(body)
        if tool is not None:
            rng = self._rng(conversation.key, "tool")
            introduction = prose(rng, _INTRODUCTION)
            called = {
                "type": "tool_use",
                "name": tool["name"],
                "input": value_for(tool.get("input_schema", {}), rng),
            }
            return [{"type": "text", "text": introduction}, called]
        schema = _schema(body)
        if schema is not None:
            document = value_for(schema, self._rng(conversation.key, "document"))
            return [{"type": "text", "text": json.dumps(document, ensure_ascii=False)}]
        return [{"type": "text", "text": self._text(conversation.key)}]

    def undisturbed(self, conversation: Conversation, body: Mapping[str, Any]) -> Answer:
        """The answer that a plain, unbroken request of the conversation gets."""
        base = {**body, "messages": list(conversation.messages)}
        return self.answer(replace(conversation, partial="", way="plain"), base)

    def rng(self, conversation: Conversation, attempt: int) -> random.Random:
        """Randomness of one response: padding, request id."""
        return self._rng(conversation.key, f"response {attempt}")

    def _text(self, key: str) -> str:
        text = self._texts.pop(key, None)
        if text is None:
            text = prose(self._rng(key, "text"), self._options.answer_tokens)
        self._texts[key] = text
        if len(self._texts) > _CACHED_ANSWERS:
            self._texts.popitem(last=False)
        return text

    def _tool(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        tools = [tool for tool in body.get("tools") or () if tool.get("type", "custom") == "custom"]
        choice = body.get("tool_choice") or {"type": "auto"}
        if choice["type"] == "tool":
            return next((tool for tool in tools if tool["name"] == choice["name"]), None)
        wanted = choice["type"] == "any" or (self._options.answer == "tool_use" and choice["type"] == "auto")
        return tools[0] if tools and wanted else None

    def _thinking(self, conversation: Conversation, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A new thought for each request that asks for thinking, also for one that continues."""
        thinking = body.get("thinking") or {}
        if thinking.get("type") not in {"enabled", "adaptive"} or callable(self._options.answer):
            return []
        budget = thinking.get("budget_tokens", self._options.answer_tokens)
        tokens = max(1, min(budget, self._options.answer_tokens // _THINKING_SHARE))
        rng = self._rng(conversation.key, f"thinking {conversation.way} {len(conversation.partial)}")
        return [thinking_block(self._options.seed, rng, tokens, shown=thinking.get("display") != "omitted")]

    def _completed(self, block: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
        """The block with the id or signature that a test's own answer may leave out."""
        if block["type"] == "tool_use" and "id" not in block:
            rng = self._rng(conversation.key, f"tool id {json.dumps(block, sort_keys=True)}")
            return {"type": "tool_use", "id": new_id("toolu_01", rng), **block}
        if block["type"] == "thinking" and "signature" not in block:
            return {**block, "signature": signature(self._options.seed, block["thinking"])}
        return block

    def _rng(self, key: str, purpose: str) -> random.Random:
        return random.Random(f"{self._options.seed} {key} {purpose}")  # noqa: S311 - repeatable


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema: dict[str, Any] | None = wanted.get("schema") if wanted.get("type") == "json_schema" else None
    return schema


def _stopped(
    content: list[dict[str, Any]], sequences: Sequence[str]
) -> tuple[list[dict[str, Any]], str | None]:
    """The content up to its first stop sequence, and that sequence."""
    for index, block in enumerate(content):
        if block["type"] != "text":
            continue
        found = [
            (block["text"].find(sequence), sequence) for sequence in sequences if sequence in block["text"]
        ]
        if found:
            position, sequence = min(found)
            return [*content[:index], {**block, "text": block["text"][:position]}], sequence
    return content, None


def _stop_reason(parts: Sequence[Part], *, was_cut: bool, stop_sequence: str | None) -> str:
    if was_cut:
        return "max_tokens"
    if stop_sequence is not None:
        return "stop_sequence"
    return "tool_use" if any(part.block["type"] == "tool_use" for part in parts) else "end_turn"
