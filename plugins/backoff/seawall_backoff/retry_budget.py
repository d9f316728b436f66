"""A budget of retries for callers with deadlines, who would give up in the middle of a storm they add to.

The token bucket of the AWS SDKs (aws-sdk-js-v3, pull request 1258; `token_bucket.rs` of aws-smithy-runtime),
one for each API and model class of a process. Callers without a deadline are held instead: a budget would
fail a fifth of their calls in an outage of a minute (GOVERNOR.md, section 6).
"""

from collections import defaultdict
from typing import Final

from seawall.state import new_lock

SIZE: Final = 500
"""Tokens of a full bucket, which it is at first."""
COST: Final = 5
"""Tokens of a retry."""
RETURN: Final = 1
"""Tokens that come back with an attempt that was accepted."""


class RetryBudget:
    """Counts what retries cost. Threads may share it."""

    def __init__(self) -> None:
        self._left: defaultdict[str, int] = defaultdict(lambda: SIZE)
        self._lock = new_lock()

    def take(self, key: str) -> bool:
        """Pay for a retry; `False` when there is not enough left."""
        with self._lock:
            if self._left[key] < COST:
                return False
            self._left[key] -= COST
            return True

    def give_back(self, key: str) -> None:
        """An attempt was accepted."""
        with self._lock:
            if key in self._left:
                self._left[key] = min(self._left[key] + RETURN, SIZE)
