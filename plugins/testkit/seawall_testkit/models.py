"""What the simulator knows about models: which parameters they take and which share a rate limit.

From the published tables: prefill in build-with-claude/streaming, classes in api/rate-limits, thinking and
forced tools in the model pages of platform.claude.com/docs (state of November 2026).
"""

from __future__ import annotations

import re
from typing import Any, get_args

from anthropic.types import ModelParam

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
"""What `GET /v1/models` lists, newest first."""

OF_THE_SDK = frozenset(name for name in get_args(get_args(ModelParam)[0]) if isinstance(name, str))
"""Those that the installed SDK names: a newer one names newer models."""
_VERSIONS = {
    "opus": {(3, 0), (4, 0), (4, 1), (4, 5), (4, 6), (4, 7), (4, 8), (5, 0), (5, 5)},
    "sonnet": {(3, 0), (3, 5), (3, 7), (4, 0), (4, 5), (4, 6), (5, 0), (5, 5)},
    "haiku": {(3, 0), (3, 5), (4, 5), (5, 5)},
    "fable": {(5, 0), (5, 1), (5, 2)},
    "mythos": {(5, 0), (5, 1), (5, 2)},
}
"""Every version that there has been of a line, retired ones too."""
_NAME = re.compile(
    r"claude-(?:3(?:-[57])?-(?:opus|sonnet|haiku)-(?:\d{8}|latest)"
    r"|(?:opus|sonnet|haiku|fable|mythos)-\d(?:-\d)?(?:-\d{8})?"
    r"|mythos-preview|2\.[01])"
)
"""Up to version 3 the line came last and a date was needed; recorded: `claude-4-5-haiku` is not found."""


def is_known(model: str) -> bool:
    """Whether a model of this name exists, or did; of a snapshot any date is taken for right."""
    if model in OF_THE_SDK:
        return True
    return bool(_NAME.fullmatch(model)) and version(model) in _VERSIONS.get(family(model), {version(model)})


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


def accepts_sampling(model: str) -> bool:
    """Whether it takes `temperature`, `top_p` and `top_k`: 4.6 and older."""
    return family(model) not in _NEVER_PREFILL and version(model) <= (4, 6)


def accepts_both_samplings(model: str) -> bool:
    """Whether it takes `temperature` and `top_p` together: 4.0 and older, as recorded."""
    return version(model) <= (4, 0)


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
