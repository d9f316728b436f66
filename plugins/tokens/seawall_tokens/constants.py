"""Constants of the estimate, fitted by robust regression to 519 recorded requests and their `usage`.

Two sets: for counts by the Claude 2 vocabulary, and by characters, fitted as four to a token. All are tokens,
but for multipliers. Those of the vocabulary's count of a text are from 232 recorded answers of text alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from seawall_tokens.families import Family


@dataclass(frozen=True, slots=True)
class Structure:
    """What a request costs beside its text; the models before 4.7 share one, those since another."""

    base: float
    message: float
    """Each message after the first."""
    system: float
    """There is a system prompt."""
    thinking: float
    """Thinking is on."""
    tool_use: float
    """Each `tool_use` block, and each `tool_result` block."""
    tool: float
    """Each custom tool."""
    schema: float
    """Multiplier of the count of names and schemas of tools."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What an estimate is made of, for one way to count a text."""

    text: Mapping[Family, float]
    """Multiplier of the count of a text."""
    tools: Mapping[Family, float]
    """Once, if there is a custom tool; a remainder of the fit."""
    old: Structure
    new: Structure
    thinking_4_6: float
    not_parallel: float
    """`disable_parallel_tool_use`."""
    end_turn: float
    """Of an answer that ends by itself; counted as output."""
    bound: float
    """Multiplier of the upper bound, which 8 tokens are added to; 99 % of true over estimated are less."""


CLAUDE_2: Final = Constants(
    text={
        "claude-3": 1.047,
        "claude-3.5": 1.059,
        "claude-4": 1.023,
        "claude-4.5": 1.032,
        "claude-4.6": 1.046,
        "claude-4.7": 1.337,
    },
    tools={
        "claude-3": 16.6107,
        "claude-3.5": -0.6154,
        "claude-4": 4.5529,
        "claude-4.5": 0.9608,
        "claude-4.6": -2.0843,
        "claude-4.7": 12.5826,
    },
    old=Structure(
        base=7.0389, message=1.5903, system=0.0, thinking=29.4099, tool_use=27.683, tool=3.4083, schema=1.3788
    ),
    new=Structure(
        base=7.291,
        message=3.1346,
        system=1.9312,
        thinking=2.5092,
        tool_use=5.9857,
        tool=3.0077,
        schema=1.8856,
    ),
    thinking_4_6=16.6809,
    not_parallel=-15.1935,
    end_turn=3.2376,
    bound=1.267,
)
CHARACTERS: Final = Constants(
    text={
        "claude-3": 0.8919,
        "claude-3.5": 0.8752,
        "claude-4": 0.9137,
        "claude-4.5": 0.9525,
        "claude-4.6": 1.0156,
        "claude-4.7": 1.2743,
    },
    tools={
        "claude-3": 18.1494,
        "claude-3.5": -6.3872,
        "claude-4": -0.291,
        "claude-4.5": -0.5294,
        "claude-4.6": -11.4835,
        "claude-4.7": 25.4074,
    },
    old=Structure(
        base=8.2371,
        message=3.5639,
        system=0.0,
        thinking=31.3546,
        tool_use=28.7975,
        tool=3.1739,
        schema=1.3956,
    ),
    new=Structure(
        base=8.1211,
        message=5.4405,
        system=1.9957,
        thinking=5.1638,
        tool_use=6.447,
        tool=3.0146,
        schema=1.4476,
    ),
    thinking_4_6=16.788,
    not_parallel=-15.8916,
    end_turn=8.1802,
    bound=1.385,
)
