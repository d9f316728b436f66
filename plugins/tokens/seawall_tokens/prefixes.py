"""What requests put into the prompt cache, and what they read from it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

_KNOWN: Final = 256
"""Prefixes of which it is known what the cache gives; the ones longest not used are forgotten."""


def cached_prefix(params: Mapping[str, Any]) -> str:
    """Return a digest of what a request puts into the prompt cache before its messages; empty if nothing.

    Requests that share it read it from the cache, once the answer to the first has begun.
    """
    parts = [params.get("tools"), params.get("system")]
    if not any(_is_marked(part) for part in parts):
        return ""
    text = json.dumps([params.get("model"), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _is_marked(part: object) -> bool:
    blocks = part if isinstance(part, list | tuple) else ()
    return any(isinstance(block, Mapping) and block.get("cache_control") for block in blocks)


class CacheReads:
    """Tokens that the last request with a prefix read from the cache. Threads may share it."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}

    def expected(self, prefix: str) -> int:
        """Return what the next one will read."""
        return self._tokens.get(prefix, 0)

    def learn(self, prefix: str, tokens: int) -> None:
        """Note what one has read."""
        if not prefix:
            return
        # each of these is atomic; the newest is last
        self._tokens.pop(prefix, None)
        self._tokens[prefix] = tokens
        if len(self._tokens) > _KNOWN:
            self._tokens.pop(next(iter(self._tokens)), None)
