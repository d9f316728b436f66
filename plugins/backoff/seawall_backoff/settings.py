"""The table `[backoff]`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from seawall_backoff.delays import Jitter


class BackoffSettings(BaseModel):
    """Options of the backoff plugin; times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_attempts: PositiveInt = 16
    """Attempts in a row, the first one included, that bring nothing on; one whose output is continued starts
    the count again."""
    max_elapsed: PositiveFloat = 1800.0
    """Longest time without any output, from a failure or from when a call is held."""
    base: PositiveFloat = 0.5
    """Longest delay before the first retry; it doubles with each further one."""
    cap: PositiveFloat = 30.0
    """Longest delay of its own making."""
    jitter: Jitter = "full"
    """How delays are drawn; the module `delays` says how."""
    max_retry_after: PositiveFloat = 600.0
    """Longest delay it waits at the server's request; asked for more, it gives up at once."""
    mode: Literal["hold", "fail", "off"] = "hold"
    """While an API is down, calls wait until it is back, fail at once, or know nothing of each other."""
