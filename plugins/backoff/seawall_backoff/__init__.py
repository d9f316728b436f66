"""Retries transient failures with capped exponential backoff and full jitter.

The delay before retry *n* is drawn uniformly from `[0, min(cap, base * 2**(n - 1))]` seconds: "full jitter"
in Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015. What the server asks for in
`retry-after` is a lower bound.
"""

import random

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from seawall import Call, GiveUp, Retry, hookimpl
from seawall_backoff.classification import is_transient
from seawall_backoff.retry_after import retry_after


class BackoffSettings(BaseModel):
    """Options of the backoff plugin; times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_attempts: PositiveInt = 8
    """Attempts in a row, the first one included, that bring nothing on; one whose output is continued starts
    the count again."""
    base: PositiveFloat = 0.5
    """Longest delay before the first retry; it doubles with each further one."""
    cap: PositiveFloat = 30.0
    """Longest delay of its own making."""
    max_retry_after: PositiveFloat = 600.0
    """Longest delay it waits at the server's request; asked for more, it gives up at once."""


class Backoff:
    """Answers `on_error` with `Retry` while attempts are left."""

    Settings = BackoffSettings

    def __init__(self, settings: BackoffSettings | None = None, *, rng: random.Random | None = None) -> None:
        self._settings = settings or BackoffSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret

    @hookimpl
    def on_error(self, call: Call, error: Exception) -> Retry | GiveUp | None:
        if not is_transient(error):
            return None
        failures = call.failures
        if failures >= self._settings.max_attempts:
            return GiveUp(f"max_attempts = {self._settings.max_attempts} is used up")
        asked = retry_after(error)
        if asked > self._settings.max_retry_after:
            longest = self._settings.max_retry_after
            return GiveUp(f"the server asks to wait {asked:g} s, more than max_retry_after = {longest:g} s")
        # 2**64 half-seconds is beyond any cap, and a larger power would be beyond a float
        ceiling = min(self._settings.cap, self._settings.base * 2.0 ** min(failures - 1, 64))
        return Retry(max(self._rng.uniform(0, ceiling), asked))
