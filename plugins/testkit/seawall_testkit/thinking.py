"""Thinking blocks: written, signed and checked when they come back."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from seawall_testkit.errors import RequestError
from seawall_testkit.prose import prose

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping


def signature(seed: int, thinking: str) -> str:
    """The signature of a thinking text, 152 characters of base64; derived from seed and text alone."""
    key = f"seawall-testkit {seed}".encode()
    digests = (hmac.digest(key, f"{n}{thinking}".encode(), hashlib.sha256) for n in range(3))
    return base64.b64encode(
        b"\x12\xba\x01" + b"".join(digests)[:96] + b"\x18\x01" + b"seawall-testkit"
    ).decode()


def thinking_block(seed: int, rng: random.Random, tokens: int, *, shown: bool) -> dict[str, Any]:
    """A signed thinking block of `tokens` simulator tokens; without its text if it is not `shown`."""
    text = prose(rng, tokens) if shown else ""
    return {"type": "thinking", "thinking": text, "signature": signature(seed, text)}


def check_thinking(seed: int, messages: Iterable[Mapping[str, Any]]) -> None:
    """Refuses thinking blocks that are not, character for character, what the simulator wrote.

    Raises:
        RequestError: 400, as the API answers an invalid signature.
    """
    for position, message in enumerate(messages):
        if message["role"] != "assistant" or isinstance(message["content"], str):
            continue
        for index, block in enumerate(message["content"]):
            if block.get("type") != "thinking":
                continue
            expected = signature(seed, str(block.get("thinking", "")))
            if not hmac.compare_digest(expected.encode(), str(block.get("signature", "")).encode()):
                text = f"messages.{position}.content.{index}: Invalid `signature` in `thinking` block"
                raise RequestError(400, text)
