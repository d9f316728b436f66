"""Families of Claude models that count tokens alike."""

import re
from typing import Final, Literal

Family = Literal["claude-3", "claude-3.5", "claude-4", "claude-4.5", "claude-4.6", "claude-4.7"]
"""Named after the first of their models; `claude-3.5` includes 3.7, `claude-4` 4.1, and `claude-4.7` all
later ones."""

_PATTERNS: Final[tuple[tuple[str, Family], ...]] = (
    (r"claude-(?:instant|2|3-(?:opus|sonnet|haiku))", "claude-3"),
    (r"claude-3-[57]", "claude-3.5"),
    (r"claude-(?:opus|sonnet|haiku)-4-5", "claude-4.5"),
    (r"claude-(?:opus|sonnet|haiku)-4-6", "claude-4.6"),
    (r"claude-(?:opus|sonnet|haiku)-4-[789]", "claude-4.7"),
    (r"claude-(?:opus|sonnet|haiku)-4", "claude-4"),
)
"""The first pattern that fits."""


def family(model: str) -> Family:
    """Return the family of `model`; a model not known is taken for a new one."""
    return next((name for pattern, name in _PATTERNS if re.search(pattern, model)), "claude-4.7")
