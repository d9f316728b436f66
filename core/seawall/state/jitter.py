"""Short waits between attempts of those that want the same thing."""

import random
from collections.abc import Iterator


def waits(base: float, cap: float, rng: random.Random) -> Iterator[float]:
    """Yield seconds without end: the n-th drawn uniformly from `[0, min(cap, base * 2**(n - 1))]`."""
    bound = base
    while True:
        yield rng.uniform(0, bound)
        bound = min(cap, bound * 2)
