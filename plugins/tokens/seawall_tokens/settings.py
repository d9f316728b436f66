"""The settings of the tokens plugin."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

from seawall_tokens.budget import Different
from seawall_tokens.prices import ModelPrice
from seawall_tokens.tool_prompts import ToolPrompt


class RateLimits(BaseModel):
    """What may be sent in a minute; `None` leaves it to what the API's answers tell."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    requests: PositiveFloat | None = None
    """Attempts of calls."""
    input_tokens: PositiveFloat | None = None
    """Those read from the prompt cache do not count."""
    output_tokens: PositiveFloat | None = None
    """Thinking included."""

    def by_dimension(self) -> dict[str, float]:
        """Return those that are set."""
        said = {"requests": self.requests, "input": self.input_tokens, "output": self.output_tokens}
        return {name: limit for name, limit in said.items() if limit is not None}


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
    pace: bool = True
    """Whether attempts wait until the rate limits leave room for them."""
    limits: Mapping[str, RateLimits] = {}
    """Upper bounds of the limits that the API tells, for the models whose name begins with a key; the longest
    key counts."""
    max_wait: NonNegativeFloat | None = None
    """Seconds a call waits for room at most; one that would have to wait longer is refused at once."""
    max_concurrent: PositiveInt | None = None
    """Attempts of one model class that run at the same time, in all processes that share the state."""
    otpm_mode: Literal["actual", "reserve_max_tokens"] = "actual"
    """How the server counts output tokens: as they are written, or `max_tokens` when a request comes."""
    clamp: bool = False
    """Whether a `max_tokens` above what the model can write is lowered; else the call is refused."""

    on_store_error: Literal["closed", "open"] | None = None
    """What becomes of calls when the store of the state fails: `"closed"`: they are refused; `"open"`: they
    go on without it. `None`: what concerns budgets is closed, what concerns pacing open."""

    def limits_of(self, model: str) -> dict[str, float]:
        """Return the limits that are configured for a model, by dimension."""
        keys = [key for key in self.limits if model.startswith(key)]
        return self.limits[max(keys, key=len)].by_dimension() if keys else {}
