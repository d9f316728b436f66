"""Families of Claude models that count tokens alike."""

import re
from typing import Final

_MULTIPLIERS: Final = (
    (r"claude-(?:instant|2|3-(?:opus|sonnet|haiku))", 0.8919),
    (r"claude-3-[57]", 0.8752),
    (r"claude-(?:opus|sonnet|haiku)-4-5", 0.9525),
    (r"claude-(?:opus|sonnet|haiku)-4-6", 1.0156),
    (r"claude-(?:opus|sonnet|haiku)-4-[789]", 1.2743),
    (r"claude-(?:opus|sonnet|haiku)-4", 0.9137),
)
"""Tokens over characters / 4, the first pattern that fits; fitted constants of TOKENS.md, section 3."""
_NEWEST: Final = 1.2743
"""Claude 4.7 and newer: the tokenizer that makes some 30 % more tokens of the same text."""


def multiplier(model: str) -> float:
    """Return tokens over characters / 4 for `model`; a model not known is taken for a new one."""
    return next((factor for pattern, factor in _MULTIPLIERS if re.search(pattern, model)), _NEWEST)
