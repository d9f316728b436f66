"""Token management: estimates, pacing under the rate limits, budgets."""

from seawall_tokens.calibration import InMemory, Learned, Memory
from seawall_tokens.callers import caller
from seawall_tokens.estimator import Estimate, Estimator
from seawall_tokens.plugin import Tokens
from seawall_tokens.settings import TokensSettings
from seawall_tokens.tool_prompts import ToolPrompt

__all__ = [
    "Estimate",
    "Estimator",
    "InMemory",
    "Learned",
    "Memory",
    "Tokens",
    "TokensSettings",
    "ToolPrompt",
    "caller",
]
