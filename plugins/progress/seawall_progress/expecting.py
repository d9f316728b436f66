"""How many output tokens a caller expects of its calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from seawall.scopes import scoped

_expected: Final[ContextVar[int | None]] = ContextVar("seawall_progress_expected", default=None)


@contextmanager
def expect(*, tokens: int) -> Iterator[None]:
    """Let each call inside be measured against so many output tokens, thinking included.

    For this thread or task and for tasks started there; the innermost one counts.

    Raises:
        ValueError: `tokens` is no positive number.
    """
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens <= 0:
        raise ValueError(f"expect(tokens={tokens!r}): a whole number above 0 is expected")
    with scoped(_expected, tokens):
        yield


def said() -> int | None:
    """Return what the innermost `expect` says; `None` outside of any."""
    return _expected.get()
