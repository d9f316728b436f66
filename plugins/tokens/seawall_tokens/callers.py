"""On whose behalf calls are made."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from seawall.scopes import scoped


class Caller(NamedTuple):
    """Who makes calls."""

    name: str = ""
    """Empty for nobody in particular."""
    weight: float = 1.0
    """Its share of a rate limit that several callers wait for, beside theirs."""


_NOBODY: Final = Caller()
_caller: Final = ContextVar("seawall_tokens_caller", default=_NOBODY)


@contextmanager
def caller(name: str, *, weight: float = 1.0) -> Iterator[None]:
    """Make the calls inside those of `name`, in this thread or task and in tasks started there.

    Raises:
        TypeError: `name` is no text.
        ValueError: `weight` is not a positive, finite number.
    """
    if not isinstance(name, str):
        raise TypeError(f"caller({name!r}): a name is a str; use caller(str(...))")
    if not 0 < weight < float("inf"):
        raise ValueError(f"caller({name!r}, weight={weight!r}): a positive, finite weight is expected")
    with scoped(_caller, Caller(name, weight)):
        yield


def current() -> Caller:
    """Return the innermost `caller`; nobody in particular outside of any."""
    return _caller.get()


def current_caller() -> str:
    """Return the name of the innermost `caller`; empty outside of any."""
    return _caller.get().name
