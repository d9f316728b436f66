"""What the simulated model answers to a request."""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seawall_testkit.blocks import STOP
from seawall_testkit.cache import InputUsage
from seawall_testkit.continuation import Misbehaviour, go_on, until_stop
from seawall_testkit.conversation import Conversation, count_input_tokens, text_of
from seawall_testkit.errors import RequestError
from seawall_testkit.ids import new_id
from seawall_testkit.options import blocks_in
from seawall_testkit.parts import Part, parts_of
from seawall_testkit.position import is_pause, rest_of
from seawall_testkit.prose import prose
from seawall_testkit.structured import value_for
from seawall_testkit.thinking import bound, signature, thinking_block

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
    usage: InputUsage
    stop_details: dict[str, Any] | None = None
    """Why it was refused; None for any other stop reason."""

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

    def answer(
        self,
        conversation: Conversation,
        body: Mapping[str, Any],
        attempt: int = 1,
        *,
        misbehaviour: Misbehaviour = Misbehaviour.EXACT,
        usage: InputUsage | None = None,
    ) -> Answer:
        """The answer to a request, within its `max_tokens` and up to its first stop sequence.

        Args:
            conversation: of the request.
            body: of the request.
            attempt: of the conversation; the message's id depends on it.
            misbehaviour: how it begins if it continues another one.
            usage: of the input; None counts it, without a cache.
        """
        content = self._wanted(conversation, body, misbehaviour)
        said = [*self._thinking(conversation, body), *until_stop(content)]
        if self._options.switches.bound_thinking:
            said = bound(self._options.seed, body["messages"], said)
        end = next((block for block in content if block["type"] == STOP), {})
        said, stop_sequence = _stopped(said, body.get("stop_sequences") or ())
        parts, was_cut = parts_of(
            said,
            max_tokens=body.get("max_tokens"),
            tokens_per_event=self._options.tokens_per_event,
            eager_tools=_eager_tools(body),
        )
        is_by_script = bool(end) and not was_cut and stop_sequence is None
        reason = _stop_reason(parts, was_cut=was_cut, stop_sequence=stop_sequence)
        return Answer(
            message_id=new_id("msg_01", self._rng(conversation.key, f"id {attempt}")),
            model=str(body.get("model", "")),
            parts=tuple(parts),
            stop_reason=end["stop_reason"] if is_by_script else reason,
            stop_sequence=None if was_cut else stop_sequence,
            usage=usage or InputUsage(count_input_tokens(body)),
            stop_details=end["stop_details"] if is_by_script else None,
        )

    def resumed(self, conversation: Conversation, body: Mapping[str, Any]) -> Conversation:
        """The conversation as it is: told apart from a prefill if its end is a turn that was paused."""
        if conversation.way != "prefill":
            return conversation
        rest = rest_of(self._script(conversation, body), conversation.delivered)
        return (
            replace(conversation, way="paused") if rest and _after_pause(rest) is not None else conversation
        )

    def _wanted(
        self, conversation: Conversation, body: Mapping[str, Any], misbehaviour: Misbehaviour
    ) -> list[dict[str, Any]]:
        """The blocks from where the request stands on, and the marks among them."""
        script = self._script(conversation, body)
        match conversation.way:
            case "plain":
                return script
            case "paused":
                return _after_pause(rest_of(script, conversation.delivered) or []) or []
        rng = self._rng(conversation.key, f"continuation {len(conversation.partial)}")
        return go_on(script, conversation.delivered, misbehaviour, self._options.repeat_words, rng)

    def _script(self, conversation: Conversation, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The whole answer with its ids and signatures, before thinking that no script asked for."""
        script: list[dict[str, Any]] = []
        shown = (body.get("thinking") or {}).get("display") != "omitted"
        content = self.content(conversation, body)
        for place, block in enumerate(content):
            earlier = content[:place].count(block)
            script.append(self._completed(block, conversation, earlier, shown=shown))
        return script

    def content(self, conversation: Conversation, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The undisturbed answer of the conversation, before thinking, `max_tokens` and stop sequences."""
        answer = self._options.answer
        if callable(answer):
            asked = {**body, "messages": [dict(message) for message in conversation.messages]}
            return blocks_in(answer(asked))
        if isinstance(answer, str) and answer != "tool_use":
            return [{"type": "text", "text": answer}]
        if answer is not None and not isinstance(answer, str):
            return list(answer)
        tool = None if conversation.answers_a_tool else self._tool(body)
        if tool is not None:
            rng = self._rng(conversation.key, "tool")
            introduction = prose(rng, _INTRODUCTION)
            called = {
                "type": "tool_use",
                "name": tool["name"],
                "input": _fitting(tool.get("input_schema", {}), rng),
            }
            return [{"type": "text", "text": introduction}, called]
        schema = _schema(body)
        if schema is not None:
            document = _fitting(schema, self._rng(conversation.key, "document"))
            return [{"type": "text", "text": json.dumps(document, ensure_ascii=False)}]
        return [{"type": "text", "text": self._text(conversation.key)}]

    def undisturbed(self, conversation: Conversation, body: Mapping[str, Any]) -> Answer:
        """The answer that a plain, unbroken request of the conversation gets."""
        base = {**body, "messages": list(conversation.messages)}
        return self.answer(replace(conversation, delivered=(), way="plain"), base)

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
        is_scripted = not isinstance(self._options.answer, str | None)
        if thinking.get("type") not in {"enabled", "adaptive"} or is_scripted:
            return []
        budget = thinking.get("budget_tokens", self._options.answer_tokens)
        tokens = max(1, min(budget, self._options.answer_tokens // _THINKING_SHARE))
        rng = self._rng(conversation.key, f"thinking {conversation.way} {len(conversation.partial)}")
        return [thinking_block(self._options.seed, rng, tokens, shown=thinking.get("display") != "omitted")]

    def _completed(
        self, block: dict[str, Any], conversation: Conversation, earlier: int, *, shown: bool
    ) -> dict[str, Any]:
        """The block with the id or signature that a test's own answer may leave out.

        Args:
            block: of the script.
            conversation: of the request.
            earlier: how many blocks before it are equal.
            shown: whether the text of thinking is.
        """
        if block["type"] == "tool_use" and "id" not in block:
            purpose = f"tool id {json.dumps(block, sort_keys=True)}" + (f" {earlier}" if earlier else "")
            rng = self._rng(conversation.key, purpose)
            return {"type": "tool_use", "id": new_id("toolu_01", rng), **block}
        if block["type"] == "thinking" and "signature" not in block:
            thought = block["thinking"] if shown else ""
            return {**block, "thinking": thought, "signature": signature(self._options.seed, thought)}
        return block

    def _rng(self, key: str, purpose: str) -> random.Random:
        return random.Random(f"{self._options.seed} {key} {purpose}")  # noqa: S311 - repeatable


def _after_pause(rest: Sequence[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """What follows the pause that `rest` begins with, None where it begins with none."""
    before = until_stop(rest)
    is_here = not any(block["type"] != "text" or block["text"].strip() for block in before)
    found = rest[len(before) :]
    return list(found[1:]) if is_here and found and is_pause(found[0]) else None


def _eager_tools(body: Mapping[str, Any]) -> set[str]:
    return {tool["name"] for tool in body.get("tools") or () if tool.get("eager_input_streaming")}


def _schema(body: Mapping[str, Any]) -> Any:
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return wanted.get("schema") if wanted.get("type") == "json_schema" else None


def _fitting(schema: Any, rng: random.Random) -> Any:
    """A value for a schema of the request.

    Raises:
        RequestError: 400, there is none.
    """
    try:
        return value_for(schema, rng)
    except ValueError as error:
        raise RequestError(400, str(error)) from None


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
