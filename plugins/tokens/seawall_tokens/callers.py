"""On whose behalf calls are made."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_caller: Final = ContextVar("seawall_tokens_caller", default="")


@contextmanager
def caller(name: str) -> Iterator[None]:
    """Make the calls inside those of `name`, in this thread or task and in tasks started there."""
    token = _caller.set(name)
    try:
        yield
    finally:
        _caller.reset(token)


def current_caller() -> str:
    """Return the name of the innermost `caller`; empty outside of any."""
    return _caller.get()
