"""The settings of the streaming plugin."""

from collections.abc import Mapping
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from seawall import Resume

_CONFIG = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(BaseModel):
    """How a broken message goes on; what is left out in a table of `models` is as for all models."""

    model_config = _CONFIG

    hold: Literal["none", "blocks"] = "none"
    """`"blocks"`: a caller that streams gets tool calls only when the message is whole. A stream that breaks
    in one can then go on; otherwise it ends in an error."""
    continue_after_tokens: NonNegativeInt = Resume().continue_after_tokens
    """Tokens: for a caller that waits for a `Message`, less than this is generated again and not continued.
    A continuation is paid for with its input; below this a new start is cheaper."""
    continuation_prompt: str = Field(default=Resume().prompt, min_length=1)
    """The user turn that asks a model to go on which takes no prefill. `{previous_response}` becomes the last
    words of the broken message."""
    max_continuations: NonNegativeInt = 30
    """How often one message may be continued; 0 is no limit."""


class StreamingSettings(ModelSettings):
    """Options of the streaming plugin; times are in seconds."""

    enforce_above: NonNegativeInt = 4096
    """Tokens: a call with a larger `max_tokens` is streamed on the wire."""
    enforce_thinking_above: NonNegativeInt = 4096
    """Tokens: a call with a larger `thinking.budget_tokens` is streamed on the wire. Adaptive thinking counts
    as larger than any."""
    idle_timeout: PositiveFloat = 120.0
    """Seconds without a byte, pings included, after which a stream is cut; a timeout of the caller's own goes
    before."""
    content_timeout: PositiveFloat | None = None
    """Seconds with nothing but pings, from the first of them on, after which a stream is cut. Off by default:
    long silent thinking is normal."""
    heartbeat: NonNegativeFloat | None = 30.0
    """Seconds between two log lines about a call that is running, as long as it runs; 0 or `None` for
    none."""
    runaway_after: PositiveInt | None = None
    """Characters of nothing but one passage, over and over, after which an answer is stopped. Off by
    default."""
    models: Mapping[str, ModelSettings] = {}
    """Other settings for the models whose name begins with a key; the longest key counts."""

    def of_model(self, model: str) -> ModelSettings:
        """Return how a message of `model` goes on."""
        key = max(filter(model.startswith, self.models), key=len, default=None)
        if key is None:
            return self
        chosen = self.models[key]
        return self.model_copy(update={name: getattr(chosen, name) for name in chosen.model_fields_set})
