"""The table `[backoff]`."""

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from seawall_backoff.delays import Jitter


class BackoffSettings(BaseModel):
    """Options of the backoff plugin; times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_attempts: PositiveInt = 16
    """Attempts in a row, the first one included, that bring nothing on; one whose output is continued starts
    the count again, as long as the answer has not had its `max_tokens`."""
    max_elapsed: PositiveFloat = 1800.0
    """Longest time without any output, from a failure or from when a call is held."""
    base: PositiveFloat = 0.5
    """Longest delay before the first retry; it doubles with each further one."""
    cap: PositiveFloat = 30.0
    """Longest delay of its own making."""
    jitter: Jitter = "full"
    """How delays are drawn, with `c = min(cap, base * 2**(n - 1))` before retry n: `"full"`, from 0 to c;
    `"equal"`, from c / 2 to c; `"decorrelated"`, from `base` to three times the delay before, at most `cap`;
    `"none"`, it is c."""
    max_retry_after: PositiveFloat = 600.0
    """Longest delay it waits at the server's request; asked for more, it gives up at once."""
    mode: Literal["hold", "fail", "off"] = "hold"
    """While an API is down, calls wait until it is back, fail at once, or know nothing of each other."""
    fallbacks: tuple[str, ...] = ()
    """Models that are asked, the first that is not down, when the one that was asked for is; by default none
    is."""
    fallback_after: NonNegativeFloat = 30.0
    """Seconds that a model is down before another one is asked."""

    @field_validator("fallbacks")
    @classmethod
    def _check_fallbacks(cls, fallbacks: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for model in fallbacks:
            if not model.strip() or fallbacks.count(model) > 1:
                raise ValueError(f"{model!r} is no name of a model, or is there twice")
        if fallbacks and info.data.get("mode") == "off":
            raise ValueError('mode = "off" does not notice that a model is down; take "hold" or "fail"')
        return fallbacks
