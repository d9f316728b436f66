"""The system prompt that the API adds to a request with tools, in tokens.

From the pricing table of the documentation, "Tool use with Claude", as far as it names a model. These numbers
have changed over time, so they can be set.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeInt


class ToolPrompt(BaseModel):
    """Tokens of the system prompt for tools."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    auto: NonNegativeInt
    """With `tool_choice` `auto` or `none`, or without it."""
    forced: NonNegativeInt
    """With `any` or `tool`."""


_PROMPTS: Final = (
    (r"(?:sonnet|haiku)-[5-9]", 354, 474),
    (r"opus-4-8|opus-[5-9]|fable|mythos", 290, 410),
    (r"opus-4-7", 675, 804),
    (r"-4-6", 497, 589),
    (r"-4-5", 496, 588),
    (r"(?:opus|sonnet)-4", 313, 315),
    (r"3-5-sonnet-20240620", 294, 261),
    (r"3-[57]-sonnet", 346, 313),
    (r"3-5-haiku", 264, 355),
    (r"3-opus", 530, 281),
    (r"3-sonnet", 159, 235),
    (r"3-haiku", 264, 340),
)
"""The first pattern that fits; auto, forced."""
_OTHER: Final = ToolPrompt(auto=346, forced=346)


def tool_prompt(model: str, overrides: Mapping[str, ToolPrompt]) -> ToolPrompt:
    """Return the prompt for `model`; of the overrides, the longest that its name begins with counts."""
    key = max(filter(model.startswith, overrides), key=len, default=None)
    if key is not None:
        return overrides[key]
    for pattern, auto, forced in _PROMPTS:
        if re.search(pattern, model):
            return ToolPrompt(auto=auto, forced=forced)
    return _OTHER
