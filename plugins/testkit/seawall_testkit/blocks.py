"""Content blocks for `Simulator(answer=...)`: the same arguments always make the same blocks.

```python
answer = [thinking(), text("Let me look."), *web_search("ships"), stop("pause_turn"), cited("Four sank.")]
with Simulator(answer=answer) as sim:
    ...
```

Ids and signatures that a block leaves out are filled in by the simulator.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

from seawall_testkit.conversation import DELTAS
from seawall_testkit.ids import new_id
from seawall_testkit.prose import prose
from seawall_testkit.thinking import sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STOP = "seawall_stop"
"""The type of the mark that `stop` makes; it is never sent."""

_REASONS = frozenset(
    {"end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal", "model_context_window_exceeded"}
)


def text(said: str | None = None, *, tokens: int = 40, seed: int = 0) -> dict[str, Any]:
    """A text; without `said`, prose of so many simulator tokens."""
    return {"type": "text", "text": prose(_rng("text", seed), tokens) if said is None else said}


def cited(said: str | None = None, *, sources: int = 1, tokens: int = 40, seed: int = 0) -> dict[str, Any]:
    """A text with citations of so many search results."""
    citations = [
        {
            "type": "web_search_result_location",
            "url": f"https://example.com/{seed}/{number}",
            "title": f"Source {number}",
            "encrypted_index": sealed(f"index {seed} {number}"),
            "cited_text": prose(_rng("citation", seed, number), 12),
        }
        for number in range(sources)
    ]
    return {**text(said, tokens=tokens, seed=seed), "citations": citations}


def thinking(said: str | None = None, *, tokens: int = 30, seed: int = 0) -> dict[str, Any]:
    """A thought, signed by the simulator; its text is left out for `display: "omitted"`."""
    return {"type": "thinking", "thinking": prose(_rng("thought", seed), tokens) if said is None else said}


def redacted(*, seed: int = 0) -> dict[str, Any]:
    """A thought of which the client gets opaque data; it must come back unchanged."""
    return {"type": "redacted_thinking", "data": sealed(f"redacted {seed}")}


def tool_use(name: str, value: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A call of one of the client's tools with the input `value`."""
    return {"type": "tool_use", "name": name, "input": dict(value or {})}


def web_search(query: str, *, results: int = 2, name: str = "web_search") -> list[dict[str, Any]]:
    """A search by the server and its results: two blocks."""
    use = new_id("srvtoolu_01", _rng("search", query))
    found = [
        {
            "type": "web_search_result",
            "url": f"https://example.com/{number}",
            "title": f"{query} {number}",
            "encrypted_content": sealed(f"{query} {number}"),
            "page_age": None,
        }
        for number in range(results)
    ]
    return [
        {"type": "server_tool_use", "id": use, "name": name, "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": use, "content": found},
    ]


def mcp(
    name: str, value: Mapping[str, Any] | None = None, *, result: str = "done", server: str = "mcp"
) -> list[dict[str, Any]]:
    """A call of an MCP server's tool and its result: two blocks."""
    use = new_id("mcptoolu_01", _rng("mcp", server, name, sorted((value or {}).items())))
    called = {"type": "mcp_tool_use", "id": use, "name": name, "server_name": server}
    answered = {"type": "mcp_tool_result", "tool_use_id": use, "is_error": False}
    return [
        {**called, "input": dict(value or {})},
        {**answered, "content": [{"type": "text", "text": result}]},
    ]


def compaction(summary: str = "What was said so far.") -> dict[str, Any]:
    """The summary that takes the place of a long conversation."""
    return {"type": "compaction", "content": summary, "encrypted_content": sealed(f"compaction {summary}")}


def fallback(declined: str = "claude-fable-5-2", to: str = "claude-opus-5-5") -> dict[str, Any]:
    """Where one model declined and another one takes over."""
    trigger = {"type": "refusal", "category": None}
    return {"type": "fallback", "from": {"model": declined}, "to": {"model": to}, "trigger": trigger}


def unknown(
    kind: str = "seawall_unknown_block", *, deltas: Iterable[Mapping[str, Any]] = (), **fields: Any
) -> dict[str, Any]:
    """A block of a type that no client knows: its start carries all `fields`.

    Args:
        kind: the block's type.
        deltas: bodies of its deltas; none of them may be needed to understand the block.
        fields: what else the block holds.
    """
    block = {"type": kind, **(fields or {"note": "clients pass over this"})}
    sent = [dict(delta) for delta in deltas]
    return {**block, DELTAS: sent} if sent else block


def stop(reason: str, *, category: str | None = None, explanation: str | None = None) -> dict[str, Any]:
    """A mark in a script: the answer ends here with this `stop_reason`.

    What follows a `pause_turn` answers the request whose messages end in the paused assistant turn; what
    follows another reason is never sent.

    Args:
        reason: one of the API's stop reasons, but for `tool_use`, which follows from the blocks.
        category: of a `refusal`, for `stop_details`.
        explanation: of a `refusal`, for `stop_details`.

    Raises:
        ValueError: there is no such reason, or one that is no refusal has details.
    """
    if reason not in _REASONS:
        raise ValueError(f"unknown stop reason {reason!r}; valid are {', '.join(sorted(_REASONS))}")
    if reason != "refusal" and (category or explanation):
        raise ValueError(f"only a refusal has a category and an explanation, not {reason!r}")
    details = {"type": "refusal", "category": category, "explanation": explanation}
    return {"type": STOP, "stop_reason": reason, "stop_details": details if reason == "refusal" else None}


def _rng(*purpose: object) -> random.Random:
    return random.Random(hashlib.sha256(repr(purpose).encode()).hexdigest())  # noqa: S311 - repeatable
