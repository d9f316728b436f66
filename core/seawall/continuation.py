"""How a broken message goes on: the way, and the request of that way. Sans-I/O. Rules: CONTINUATION.md.

Covered are messages of text, with whole thinking blocks before it. For a caller that waits for a `Message`
everything else starts over; for one that streams it ends in an error with the partial message, never in a
wrong answer.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from seawall.assembly import Assembly
from seawall.call import Way

CONTINUE_AFTER_TOKENS: Final = 200
"""Tokens of the delivered part below which a `Message` is generated again instead of continued: it is
cheaper."""
MIN_TOKENS: Final = 256
"""`max_tokens` of a continuation at least: what is left is an estimate, and must not make an answer silently
short."""
_MIN_THINKING: Final = 1024
"""The API's smallest `thinking.budget_tokens`."""

CONTINUATION_PROMPT: Final = (
    "Your previous response was interrupted and ended with {previous_response}. "
    "Continue from where you left off."
)
"""The documented user turn: https://platform.claude.com/docs/en/build-with-claude/streaming (error
recovery)."""
_QUOTED: Final = 200
"""Characters of the interrupted response that the user turn quotes."""

_THINKING: Final = ("thinking", "redacted_thinking")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair: an answer may hold it as an escape, a request in UTF-8 may not."""
_VERSION = re.compile(r"claude-(?:[a-z]+-)?v?(\d+)(?:[-.](\d{1,2}))?(?!\d)", re.IGNORECASE)
"""The version in a model's name, whatever a platform puts around it; a date after it is none."""
_LAST_WITH_PREFILL: Final = (4, 5)
"""Newer models answer a prefill with 400 (API.md, section 4)."""


def takes_prefill(model: str) -> bool:
    """Whether `model` goes on with an assistant turn that ends the messages."""
    version = _VERSION.search(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) <= _LAST_WITH_PREFILL


def ways(params: Mapping[str, Any], so_far: Assembly, *, stream: bool, tokens: int) -> list[Way]:
    """Return the ways a broken message may go on, best first; empty when there is none.

    Args:
        params: The request.
        so_far: What the caller has; for a caller that waits, what was received.
        stream: Whether the caller streams, so that nothing it has can be taken back.
        tokens: Estimated tokens of `so_far`.
    """
    if not any(_is_shown(block) for block in so_far.blocks):
        return ["restart"]
    again: list[Way] = [] if stream else ["restart"]
    if not stream and tokens < CONTINUE_AFTER_TOKENS:
        return again
    if not _can_continue(params, so_far, stream=stream):
        return again
    thinks = (params.get("thinking") or {}).get("type", "disabled") != "disabled"
    thinks = thinks or any(block.get("type") in _THINKING for block in so_far.whole)
    prefill: list[Way] = ["prefill"] if takes_prefill(str(params.get("model"))) and not thinks else []
    return [*prefill, "user_turn", *again]


def _is_shown(block: Mapping[str, Any]) -> bool:
    """Whether a block holds anything that a caller could have used."""
    return block.get("type") != "text" or bool(str(block.get("text", "")).strip())


def _can_continue(params: Mapping[str, Any], so_far: Assembly, *, stream: bool) -> bool:
    if "format" in (params.get("output_config") or {}) or params.get("output_format") or params.get("thread"):
        # a document is either valid or not; a thread is the server's, and takes each turn once
        return False
    is_cut_back = so_far.open is not None and so_far.open.get("type") != "text"
    is_plain = all(
        block.get("type") in _THINKING or (block.get("type") == "text" and not block.get("citations"))
        for block in (so_far.whole if is_cut_back else so_far.blocks)
    )
    is_sendable = _HALF_PAIR.search(so_far.spoken()) is None
    return is_plain and is_sendable and not (is_cut_back and stream) and bool(_assistant_turn(so_far))


def continued(params: Mapping[str, Any], so_far: Assembly, way: Way, *, tokens: int) -> dict[str, Any]:
    """Return the request that goes on with `so_far`, about `tokens` long, by prefill or user turn."""
    turn = _assistant_turn(so_far)
    messages = [*params["messages"], {"role": "assistant", "content": turn}]
    if way == "user_turn":
        prompt = CONTINUATION_PROMPT.format(previous_response=turn[-1]["text"][-_QUOTED:])
        messages.append({"role": "user", "content": prompt})
    body = {**params, "messages": messages, "max_tokens": max(int(params["max_tokens"]) - tokens, MIN_TOKENS)}
    thinking = params.get("thinking") or {}
    if "budget_tokens" in thinking:
        budget = max(min(thinking["budget_tokens"], body["max_tokens"] - MIN_TOKENS), _MIN_THINKING)
        body["thinking"] = {**thinking, "budget_tokens": budget}
        body["max_tokens"] = max(body["max_tokens"], budget + MIN_TOKENS)
    return body


def _assistant_turn(so_far: Assembly) -> list[dict[str, Any]]:
    """The blocks that go back, as they are, up to the last text; of its end the API refuses white space."""
    blocks = [block for block in so_far.blocks if _is_shown(block)]
    while blocks and blocks[-1].get("type") != "text":
        blocks.pop()
    if blocks:
        blocks[-1] = {**blocks[-1], "text": blocks[-1]["text"].rstrip()}
    return blocks
