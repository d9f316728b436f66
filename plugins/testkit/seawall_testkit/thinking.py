"""Thinking blocks: written, signed and checked when they come back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from seawall_testkit.conversation import DELTAS, blocks_of
from seawall_testkit.errors import RequestError
from seawall_testkit.prose import prose

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence


_SEALED_SIZE = 96


def signature(seed: int, thinking: str, binding: str = "") -> str:
    """The signature of a thinking text, 152 characters of base64; derived from the arguments alone."""
    key = f"seawall-testkit {seed}".encode()
    digests = (hmac.digest(key, f"{n}{binding}{thinking}".encode(), hashlib.sha256) for n in range(3))
    return base64.b64encode(
        b"\x12\xba\x01" + b"".join(digests)[:96] + b"\x18\x01" + b"seawall-testkit"
    ).decode()


def thinking_block(seed: int, rng: random.Random, tokens: int, *, shown: bool) -> dict[str, Any]:
    """A signed thinking block of `tokens` simulator tokens; without its text if it is not `shown`."""
    text = prose(rng, tokens) if shown else ""
    return {"type": "thinking", "thinking": text, "signature": signature(seed, text)}


def sealed(content: str) -> str:
    """Opaque data as the API gives it out, derived from `content` alone; `is_sealed` knows it again."""
    payload = hashlib.sha256(f"seawall-testkit {content}".encode()).digest() * 2
    return base64.b64encode(payload + hashlib.sha256(payload).digest()).decode()


def is_sealed(data: object) -> bool:
    """Whether these are data of `sealed`, unchanged."""
    try:
        raw = base64.b64decode(str(data), validate=True)
    except ValueError:
        return False
    return len(raw) == _SEALED_SIZE and raw[-32:] == hashlib.sha256(raw[:-32]).digest()


def bound(
    seed: int, messages: Sequence[Mapping[str, Any]], content: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The content of an answer to `messages`, each thought signed for just what comes before it."""
    return [
        {**block, "signature": signature(seed, block["thinking"], _binding(messages, content[:index]))}
        if block["type"] == "thinking"
        else block
        for index, block in enumerate(content)
    ]


def check_thinking(seed: int, messages: Sequence[Mapping[str, Any]], *, is_bound: bool = False) -> None:
    """Refuses thinking blocks that are not, character for character, what the simulator wrote.

    The data of a `redacted_thinking` block must be that of `blocks.redacted`.

    Args:
        seed: of the simulator.
        messages: of the request.
        is_bound: whether what comes before a thought must be unchanged too.

    Raises:
        RequestError: 400, as the API answers an invalid signature.
    """
    for position, message in enumerate(messages):
        if message["role"] != "assistant" or isinstance(message["content"], str):
            continue
        blocks = blocks_of(message["content"])
        for index, block in enumerate(blocks):
            binding = _binding(messages[:position], blocks[:index]) if is_bound else ""
            problem = _problem(seed, block, binding)
            if problem:
                raise RequestError(400, f"messages.{position}.content.{index}{problem}")


def _problem(seed: int, block: Mapping[str, Any], binding: str) -> str:
    """What is wrong with a thought that comes back; the empty string if nothing is."""
    if block.get("type") == "redacted_thinking":
        return "" if is_sealed(block.get("data")) else ": Invalid `data` in `redacted_thinking` block"
    if block.get("type") != "thinking":
        return ""
    for name in ("thinking", "signature"):
        if not isinstance(block.get(name), str):
            return f".thinking.{name}: Field required"
    expected = signature(seed, block["thinking"], binding)
    if hmac.compare_digest(expected.encode(), block["signature"].encode()):
        return ""
    why = ", which is bound to a different conversation" if binding else ""
    return f": Invalid `signature` in `thinking` block{why}"


def _binding(messages: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> str:
    """A hash of what comes before a thought: `messages`, and the blocks of its own turn."""
    turns: list[list[Any]] = []
    for message in [*messages, {"role": "assistant", "content": list(before)}]:
        blocks = [_essence(block) for block in blocks_of(message["content"])]
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1] += blocks
        elif blocks:
            turns.append([message["role"], blocks])
    return hashlib.sha256(json.dumps(turns, sort_keys=True).encode()).hexdigest()


def _essence(block: Mapping[str, Any]) -> dict[str, Any]:
    """What of a block clients cannot but send back."""
    left_out = {"signature", "citations", DELTAS}
    return {name: value for name, value in block.items() if name not in left_out and value is not None}
