"""A moment by which the calls made until then must have ended."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from seawall.scopes import scoped

_moment: ContextVar[float] = ContextVar("seawall_deadline", default=math.inf)
"""On the clock of `time.monotonic`."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Give the calls made inside `seconds` in all, for their waits, retries and reads alike.

    A call that cannot keep it ends in a `DeadlineExceededError` with the message so far; one that would have
    to wait beyond it does so at once. Within another deadline the earlier one holds. It applies to the thread
    or task it is set in, and to tasks started there.

    Raises:
        ValueError: `seconds` is not a positive number.
    """
    if not isinstance(seconds, int | float) or not seconds > 0:
        raise ValueError(f"deadline({seconds!r}): a positive number of seconds is expected")
    with scoped(_moment, min(_moment.get(), time.monotonic() + seconds)):
        yield


def remaining_time() -> Callable[[], float]:
    """Return a function that tells the seconds left of the deadline that holds here, `inf` without one."""
    moment = _moment.get()
    return lambda: moment - time.monotonic()
