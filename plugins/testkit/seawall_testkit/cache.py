"""The prompt cache: marked prefixes of requests, read back while they live (docs, prompt-caching)."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seawall_testkit.conversation import blocks_of, characters_of, count_input_tokens
from seawall_testkit.models import least_cacheable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_MARKERS = 4
"""How many `cache_control` markers a request may have."""
_LOOKBACK = 20
"""How many blocks before a marker an earlier entry is looked for."""
LIFETIMES = {"5m": 300.0, "1h": 3600.0}
"""The values of a marker's `ttl`, and seconds."""


@dataclass(frozen=True)
class InputUsage:
    """The input tokens of a request, told apart by what the cache did with them."""

    input_tokens: int
    """Neither read from the cache nor written to it."""
    cache_read_input_tokens: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def cache_creation_input_tokens(self) -> int:
        """Written, for whatever time."""
        return self.written_5m + self.written_1h

    @property
    def limited(self) -> int:
        """What counts against the input tokens per minute: all but what was read."""
        return self.input_tokens + self.cache_creation_input_tokens


@dataclass(frozen=True)
class Lookup:
    """What the cache holds for a request, and what it will hold once the response begins."""

    usage: InputUsage
    entries: tuple[tuple[str, float], ...] = ()
    """Prefixes that are written or refreshed, and for how many seconds."""


@dataclass(frozen=True)
class _Boundary:
    digest: str
    tokens: int
    lifetime: str
    """`5m`, `1h`, or empty where the request has no marker."""


class PromptCache:
    """Belongs to the server's thread.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expiries: dict[str, float] = {}

    def look_up(self, body: Mapping[str, Any]) -> Lookup:
        """What a request reads and writes; changes nothing."""
        total = count_input_tokens(body)
        boundaries = _boundaries(body, total)
        marks = [place for place, boundary in enumerate(boundaries) if boundary.lifetime]
        near = {place for mark in marks for place in range(max(0, mark - _LOOKBACK), mark + 1)}
        read = max((place for place in near if self._is_live(boundaries[place].digest)), default=-1)
        least = least_cacheable(str(body.get("model", "")))
        written = [mark for mark in marks if mark > read and boundaries[mark].tokens >= least]
        covered = boundaries[read].tokens if read >= 0 else 0
        usage = {"cache_read_input_tokens": covered, "written_5m": 0, "written_1h": 0}
        for mark in written:
            usage[f"written_{boundaries[mark].lifetime}"] += boundaries[mark].tokens - covered
            covered = boundaries[mark].tokens
        kept = [mark for mark in marks if mark <= read and self._is_live(boundaries[mark].digest)]
        entries = [(boundaries[m].digest, LIFETIMES[boundaries[m].lifetime]) for m in [*kept, *written]]
        if read >= 0 and read not in marks:
            entries.append((boundaries[read].digest, LIFETIMES["5m"]))
        return Lookup(InputUsage(input_tokens=total - covered, **usage), tuple(entries))

    def commit(self, lookup: Lookup) -> None:
        """The response begins: entries are written, and those that were read live on."""
        now = self._clock()
        self._expiries = {digest: expiry for digest, expiry in self._expiries.items() if expiry > now}
        for digest, lifetime in lookup.entries:
            self._expiries[digest] = max(self._expiries.get(digest, 0.0), now + lifetime)

    def _is_live(self, digest: str) -> bool:
        return self._expiries.get(digest, -math.inf) > self._clock()


def markers_of(body: Mapping[str, Any]) -> list[Any]:
    """The `cache_control` markers of a request."""
    places = [*(block for _, block in _blocks(body)), body]
    return [place["cache_control"] for place in places if place.get("cache_control")]


def _boundaries(body: Mapping[str, Any], total: int) -> list[_Boundary]:
    """After each tool, system block and content block: the prefix up to there."""
    digest = hashlib.sha256(str(body.get("model")).encode())
    boundaries: list[_Boundary] = []
    tools: list[dict[str, Any]] = []
    characters = 0
    blocks = list(_blocks(body))
    for place, (where, block) in enumerate(blocks):
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        digest.update(json.dumps([where, plain], sort_keys=True).encode())
        if where == "tools":
            tools.append(block)
            characters = len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))
        else:
            characters += characters_of(plain)
        marker = block.get("cache_control") or {}
        if place == len(blocks) - 1:
            marker = marker or body.get("cache_control") or {}
        lifetime = marker.get("ttl", "5m") if marker else ""
        tokens = min(total, math.ceil(characters / 4))
        boundaries.append(_Boundary(digest.hexdigest(), tokens, lifetime))
    return boundaries


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything that may be marked, in the order of the prompt, and where it stands."""
    for tool in body.get("tools") or ():
        yield "tools", tool
    for block in blocks_of(body.get("system") or [], markers=True):
        yield "system", block
    for position, message in enumerate(body.get("messages") or ()):
        for block in blocks_of(message.get("content"), markers=True):
            yield f"{position} {message.get('role')}", block
