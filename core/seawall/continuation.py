"""How a broken message goes on: the way, and the request of that way. Sans-I/O. Rules: CONTINUATION.md.

What goes back to the model is the longest beginning of the message that the API takes as an assistant turn
and that ends in text. For a caller that waits for a `Message` the rest is generated again. For one that
streams nothing can be taken back: where the rest holds more than unfinished thinking, the call ends in an
error with the partial message, never in a wrong answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from seawall.assembly import THINKING, Assembly
from seawall.decisions import Resume, Way
from seawall.models import takes_prefill

MIN_TOKENS: Final = 256
"""`max_tokens` of a continuation at least: what is left is an estimate, and must not make an answer silently
short."""
_MIN_THINKING: Final = 1024
"""The API's smallest `thinking.budget_tokens`."""
_QUOTED: Final = 200
"""Characters of the interrupted response that the user turn quotes."""

_TOOLS_OF_THE_SERVER: Final = ("server_tool_use", "mcp_tool_use")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair: an answer may hold it as an escape, a request in UTF-8 may not."""

Block = Mapping[str, Any]


def ways(
    params: Mapping[str, Any], so_far: Assembly, resume: Resume, *, stream: bool, tokens: int
) -> list[Way]:
    """Return the ways a broken message may go on, best first; empty when there is none.

    Args:
        params: The request.
        so_far: What the caller has; for a caller that waits, what was received.
        resume: What the plugins ask for.
        stream: Whether the caller streams, so that nothing it has can be taken back.
        tokens: Estimated tokens of `so_far`.
    """
    blocks = so_far.blocks
    if not any(map(_is_content, blocks)):
        return ["restart"]
    again: list[Way] = [] if stream else ["restart"]
    turn, end = assistant_turn(so_far)
    if not turn or _is_indivisible(params) or _HALF_PAIR.search(so_far.spoken()):
        return again
    if any(map(_is_content, blocks[end:])) if stream else tokens < resume.continue_after_tokens:
        return again
    thinks = (params.get("thinking") or {}).get("type", "disabled") != "disabled"
    thinks = thinks or any(block.get("type") in THINKING for block in turn)
    prefill: list[Way] = ["prefill"] if takes_prefill(str(params.get("model"))) and not thinks else []
    return [*prefill, "user_turn", *again]


def _is_content(block: Block) -> bool:
    """Whether a block holds a part of the answer: neither thinking nor nothing."""
    return block.get("type") not in THINKING and not _is_blank(block)


def _is_blank(block: Block) -> bool:
    is_text = block.get("type") == "text" and not block.get("citations")
    return is_text and not (block.get("text") or "").strip()


def _is_indivisible(params: Mapping[str, Any]) -> bool:
    """Whether the answer is one document, or a thread's, of which the server takes each turn once."""
    output = params.get("output_config") or {}
    return bool(output.get("format") or params.get("output_format") or params.get("thread"))


def assistant_turn(so_far: Assembly) -> tuple[list[dict[str, Any]], int]:
    """Return the blocks that go back, as they are, and how many blocks of the message they cover.

    Of the last text the API refuses white space at the end. Left out are unfinished thinking, which has no
    signature, and text without content. The turn ends before a call of the caller's own tools, whose result
    is not known yet, before an unfinished call of the server's, and before what Seawall does not know.
    """
    turn: list[dict[str, Any]] = []
    length, end = 0, 0
    unanswered: set[str] = set()
    for number, block in enumerate(so_far.blocks, 1):
        kind = str(block.get("type"))
        if kind in _TOOLS_OF_THE_SERVER:
            unanswered.add(str(block.get("id")))
        elif kind.endswith("_tool_result"):
            unanswered.discard(str(block.get("tool_use_id")))
        elif kind not in (*THINKING, "text", "compaction") or (
            number > len(so_far.whole) and block.get("citations")
        ):
            break
        if _is_blank(block) or _is_unfinished(block):
            continue
        turn.append(block)
        if kind == "text" and not unanswered:
            length, end = len(turn), number
    del turn[length:]
    if turn:
        turn[-1] = {**turn[-1], "text": turn[-1]["text"].rstrip()}
    return turn, end


def continued(
    params: Mapping[str, Any], so_far: Assembly, way: Way, resume: Resume, *, tokens: int
) -> dict[str, Any]:
    """Return the request that goes on with `so_far`, about `tokens` long, by prefill or user turn.

    Prompt-cache markers stay where they are, so what came before is read from the cache. The assistant turn
    gets none: its text is longer after the next break, and the cache knows whole blocks only.
    """
    turn, _ = assistant_turn(so_far)
    messages = [*params["messages"], {"role": "assistant", "content": turn}]
    if way == "user_turn":
        prompt = resume.prompt.replace("{previous_response}", turn[-1]["text"][-_QUOTED:])
        messages.append({"role": "user", "content": prompt})
    body = {**params, "messages": messages, "max_tokens": max(int(params["max_tokens"]) - tokens, MIN_TOKENS)}
    thinking = params.get("thinking") or {}
    if "budget_tokens" in thinking:
        budget = max(min(thinking["budget_tokens"], body["max_tokens"] - MIN_TOKENS), _MIN_THINKING)
        body["thinking"] = {**thinking, "budget_tokens": budget}
        body["max_tokens"] = max(body["max_tokens"], budget + MIN_TOKENS)
    return body


def without_unfinished_thinking(messages: Sequence[Any]) -> list[Any]:
    """Return `messages` less the thinking that a break left without a signature: the API refuses it."""
    return [_finished(message) for message in messages]


def _finished(message: Any) -> Any:
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list) or message.get("role") != "assistant":
        return message
    kept = [block for block in content if not _is_unfinished(block)]
    return message if len(kept) == len(content) else {**message, "content": kept}


def _is_unfinished(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "thinking" and not block.get("signature")
