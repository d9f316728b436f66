"""What the simulator knows about models: which parameters they take and which share a rate limit.

From the published tables: prefill in build-with-claude/streaming, classes in api/rate-limits, thinking and
forced tools in the model pages of platform.claude.com/docs (state of November 2026).
"""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
_FAMILY = re.compile(r"opus|sonnet|haiku|fable|mythos")
_NEVER_PREFILL = frozenset({"fable", "mythos"})
_LEAST_CACHEABLE = {
    ("sonnet", (5, 0)): 1_024,
    ("opus", (4, 7)): 2_048,
    ("opus", (4, 6)): 4_096,
    ("opus", (4, 5)): 4_096,
    ("haiku", (4, 5)): 4_096,
}
"""Where it is neither 512 (5.0 and later) nor 1,024 (before)."""

CATALOGUE = (
    "claude-fable-5-2",
    "claude-mythos-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-fable-5-1",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-opus-4-8",
    "claude-opus-4-7",
    "claude-opus-4-6",
    "claude-sonnet-4-6",
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
)
"""What `GET /v1/models` lists, newest first. Requests may name any model that begins with `claude-`."""


def family(model: str) -> str:
    """The model's line, such as `opus`; the empty string when the name tells none."""
    found = _FAMILY.search(model)
    return found.group() if found else ""


def version(model: str) -> tuple[int, int]:
    """Major and minor version; a name without a number, such as `claude-mythos-preview`, counts as 5.0."""
    numbers = [int(number) for number in _NUMBER.findall(model)]
    if not numbers:
        return (5, 0)
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def accepts_prefill(model: str) -> bool:
    """Whether the last message may be an assistant turn: 4.5 and older."""
    return family(model) not in _NEVER_PREFILL and version(model) <= (4, 5)


def accepts_forced_tools(model: str) -> bool:
    """Whether `tool_choice` may be `any` or `tool`."""
    newest = (5, 1) if family(model) in _NEVER_PREFILL else (5, 5)
    return family(model) == "haiku" or version(model) < newest


def thinking_types(model: str) -> frozenset[str]:
    """The values `thinking.type` may have."""
    types = {"enabled", "adaptive", "disabled", "between_tools"}
    if version(model) <= (4, 5):
        types.discard("adaptive")
    if version(model) > (4, 6):
        types.discard("enabled")
    if family(model) != "sonnet" or version(model) < (5, 5):
        types.discard("between_tools")
    always_on = family(model) in _NEVER_PREFILL or (family(model), version(model)) == ("opus", (5, 5))
    if always_on:
        types.discard("disabled")
    return frozenset(types)


def accepts_system_messages(model: str) -> bool:
    """Whether messages may have the role `system`; recorded of opus-4-8 and fable-5."""
    return version(model) >= (4, 8)


def efforts(model: str) -> frozenset[str]:
    """The values `output_config.effort` may have; recorded: opus-4-6 refuses `xhigh`, opus-4-7 takes it."""
    levels = {"low", "medium", "high", "xhigh", "max"}
    return frozenset(levels if version(model) >= (4, 7) else levels - {"xhigh"})


def max_output(model: str) -> int | None:
    """The largest `max_tokens`, None where the simulator does not check it (models before 4.5)."""
    if version(model) < (4, 5):
        return None
    return 64_000 if version(model) == (4, 5) else 128_000


def context_window(model: str) -> int:
    """The most tokens of a prompt."""
    return 200_000 if version(model) <= (4, 5) else 1_000_000


def least_cacheable(model: str) -> int:
    """The fewest tokens of a prefix that the prompt cache takes."""
    return _LEAST_CACHEABLE.get((family(model), version(model)), 512 if version(model) >= (5, 0) else 1_024)


def rate_limit_class(model: str) -> str:
    """Models of one class share their buckets."""
    major, minor = version(model)
    line = family(model)
    if line in _NEVER_PREFILL or (line in {"opus", "sonnet"} and (4, 5) <= (major, minor) <= (4, 8)):
        return f"{line}-{major}.x"
    return f"{line or model}-{major}.{minor}"


def model_info(model: str) -> dict[str, Any]:
    """The Models API's object for a model of the catalogue."""
    return {
        "type": "model",
        "id": model,
        "display_name": model.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "line": family(model),
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": context_window(model),
        "max_tokens": max_output(model),
        "capabilities": None,
    }
