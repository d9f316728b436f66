"""How much output to expect of a request: a share of `max_tokens`, learned from answers."""

import math
from collections import deque
from typing import Final

from seawall.state import new_lock

_QUANTILE: Final = 0.8
_PRIOR: Final = 0.5
"""Share expected while there are fewer answers than `_ENOUGH`."""
_ENOUGH: Final = 8
_REMEMBERED: Final = 200
"""Answers by which the share is learned."""
_KEYS: Final = 1024
"""Models and callers; the ones longest not learned of are forgotten."""


class Outputs:
    """The shares learned. Threads may share it; the lock is held for arithmetic only."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._shares: dict[tuple[str, str], deque[float]] = {}

    def expected(self, model: str, caller: str, max_tokens: int) -> float:
        """Return the output tokens that 8 of 10 such requests stay below; never more than `max_tokens`."""
        with self._lock:
            shares = sorted(self._shares.get((model, caller), ()))
        if len(shares) < _ENOUGH:
            return _PRIOR * max_tokens
        return shares[math.ceil(_QUANTILE * len(shares)) - 1] * max_tokens

    def learn(self, model: str, caller: str, *, output: int, max_tokens: int) -> None:
        """Learn from an answer that came to its end; what is no count changes nothing."""
        if output < 0 or max_tokens <= 0:
            return
        with self._lock:
            shares = self._shares.pop((model, caller), None) or deque(maxlen=_REMEMBERED)
            shares.append(min(output / max_tokens, 1.0))
            self._shares[model, caller] = shares
            if len(self._shares) > _KEYS:
                del self._shares[next(iter(self._shares))]
