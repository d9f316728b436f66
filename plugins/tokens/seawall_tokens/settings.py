"""The settings of the tokens plugin."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from seawall_tokens.budget import Different
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
    budgets: Different = ()
    """What may be spent; a call must fit into all that apply to it."""
    on_store_error: Literal["closed", "open"] | None = None
    """What becomes of calls when the store of the state fails: `"closed"`: they are refused; `"open"`: they
    go on without it. `None`: what concerns budgets is closed, what concerns pacing open."""
