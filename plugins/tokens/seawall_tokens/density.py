"""How many output tokens a character stands for at most, learned from answers."""

import threading
from typing import Final

_PRIOR: Final = 1 / 3
"""Tokens; text of the newest models has 0.25 to 0.35, code and JSON more."""
_SPREAD: Final = 1.25
"""A single answer may be so much denser than all of them together: code among prose."""
_PRIOR_WEIGHT: Final = 2_000
"""Characters that the prior counts for."""
_REMEMBERED: Final = 200_000
"""Characters; when there are more, all count half."""
_MODELS: Final = 64
"""The ones longest not learned of are forgotten."""
_MOST: Final = 100.0
"""Tokens a character of thinking that is mostly not shown."""


class Density:
    """Tokens a character, by model. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, tuple[float, float]] = {}

    def of(self, model: str) -> float:
        """Return the most tokens of a character that `model` writes, thinking that is not shown included."""
        tokens, characters = self._sums.get(model, (0.0, 0.0))
        return _SPREAD * (tokens + _PRIOR * _PRIOR_WEIGHT) / (characters + _PRIOR_WEIGHT)

    def learn(self, model: str, *, tokens: int, characters: int) -> None:
        """Learn from an answer that the API counted."""
        if tokens <= 0 or characters <= 0:
            return
        tokens_now = min(tokens, _MOST * characters)
        with self._lock:
            before = self._sums.pop(model, (0.0, 0.0))
            sums = (before[0] + tokens_now, before[1] + characters)
            half = sums[1] > _REMEMBERED
            # the newest is last
            self._sums[model] = (sums[0] / 2, sums[1] / 2) if half else sums
            if len(self._sums) > _MODELS:
                del self._sums[next(iter(self._sums))]
