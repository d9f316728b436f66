"""How long is waited before a retry.

Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015. With
`c = min(cap, base * 2**(n - 1))` before retry *n*, a delay is drawn uniformly from:

- `full`: `[0, c]`
- `equal`: `[c / 2, c]`
- `decorrelated`: `[b, max(b, min(cap, 3 * before))]` with `b = min(base, cap)`, where `before` is the delay
  before, at first `b`
- `none`: it is `c`
"""

import random
from typing import Final, Literal, TypeAlias

Jitter: TypeAlias = Literal["full", "equal", "decorrelated", "none"]

_MOST_DOUBLINGS: Final = 1000
"""A larger power would be beyond a float."""


def ceiling(retry: int, *, base: float, cap: float) -> float:
    """Return the longest delay before a retry, counted from 1."""
    return min(cap, base * 2.0 ** min(retry - 1, _MOST_DOUBLINGS))


def delay(
    jitter: Jitter, retry: int, *, base: float, cap: float, before: float | None, rng: random.Random
) -> float:
    """Return the seconds to wait before a retry, counted from 1.

    Args:
        jitter: How it is drawn.
        retry: The number of the retry.
        base: Longest delay before the first one.
        cap: Longest delay.
        before: The delay before this one; `None` when it is the first.
        rng: Draws it.
    """
    longest = ceiling(retry, base=base, cap=cap)
    match jitter:
        case "none":
            return longest
        case "equal":
            return rng.uniform(longest / 2, longest)
        case "decorrelated":
            least = min(base, cap)
            return rng.uniform(least, max(least, min(cap, 3 * (least if before is None else before))))
    return rng.uniform(0, longest)
