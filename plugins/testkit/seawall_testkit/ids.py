"""Identifiers as the API makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_id(prefix: str, rng: random.Random) -> str:
    """An identifier such as `msg_01` + 22 or `req_` + 24 base58 characters: 24 after the underscore."""
    length = 24 - len(prefix.partition("_")[2])
    return prefix + "".join(rng.choices(_BASE58, k=length))
