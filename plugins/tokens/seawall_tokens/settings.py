"""The settings of the tokens plugin."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from seawall_tokens.prices import ModelPrice
from seawall_tokens.tool_prompts import ToolPrompt


class TokensSettings(BaseModel):
    """Options of the tokens plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tool_prompts: Mapping[str, ToolPrompt] = {}
    """Other sizes of the system prompt for tools, for the models whose name begins with a key; the longest
    key counts."""
    prices: Mapping[str, ModelPrice] = {}
    """Prices of models by the name they are asked for, in dollars per million tokens: they go before the
    known ones."""
