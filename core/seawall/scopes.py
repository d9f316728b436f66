"""Values that hold inside a block: for this thread or task, and for tasks started there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

_Value = TypeVar("_Value")


@contextmanager
def scoped(variable: ContextVar[_Value], value: _Value) -> Iterator[None]:
    """Let `variable` have `value` inside the block."""
    token = variable.set(value)
    try:
        yield
    finally:
        # a generator may be ended in another context than it began in, which is gone then
        with suppress(ValueError):
            variable.reset(token)
