"""What the headers of an answer say about rate limits (API.md, section 2.1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DIMENSIONS: Final[Mapping[str, str]] = {
    "requests": "requests",
    "input": "input-tokens",
    "output": "output-tokens",
}
"""What is limited, and how the headers call it."""
_LARGEST: Final = 1e12
"""A number above it is no limit of anybody's."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Limits per minute, and what was left of them when the request was admitted."""

    limits: dict[str, float]
    """By dimension; those that the headers leave out are not limited, as far as one knows."""
    remaining: dict[str, float]


def reading(headers: Mapping[str, str]) -> Reading | None:
    """Return what the headers tell; `None` when they tell nothing."""
    limits, remaining = {}, {}
    for dimension, name in DIMENSIONS.items():
        limit = _number(headers.get(f"anthropic-ratelimit-{name}-limit"))
        left = _number(headers.get(f"anthropic-ratelimit-{name}-remaining"))
        if limit:
            limits[dimension] = limit
            if left is not None:
                remaining[dimension] = min(left, limit)
    return Reading(limits, remaining) if limits else None


def organization(headers: Mapping[str, str]) -> str:
    """Return the organization that was served, and which of its workspaces, whose limits may be lower.

    Empty when the headers do not tell.
    """
    names = (headers.get(f"anthropic-{kind}-id", "") for kind in ("organization", "workspace"))
    return "/".join(filter(None, names))


def _number(text: str | None) -> float | None:
    """Return the number in a header; `None` for what is none, or cannot be a limit."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= _LARGEST else None
