"""What a model's name tells, whatever a platform puts around it. Sans-I/O."""

import re
from collections.abc import Mapping
from typing import Any, Final

_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?v?(\d+)(?:[-.](\d{1,2}))?(?!\d)", re.IGNORECASE)
"""A date after the version is no part of it."""
_LINE: Final = re.compile(r"opus|sonnet|haiku|fable|mythos", re.IGNORECASE)
_LAST_WITH_PREFILL: Final = (4, 5)
"""Newer models answer a prefill with 400 (API.md, section 4)."""
_ONE_CLASS: Final = {"fable": ((5, 0), (5, 99)), "mythos": ((5, 0), (5, 99))} | dict.fromkeys(
    ("opus", "sonnet"), ((4, 5), (4, 8))
)
"""Versions of a line, first and last, that share one rate limit (API.md, section 2)."""


def named(message: Mapping[str, Any]) -> str | None:
    """Return the model that an answer names as the one that served; `None` when it names none."""
    name = message.get("model")
    return name if isinstance(name, str) else None


def version(model: str) -> tuple[int, int] | None:
    """Return major and minor version; `None` when the name tells none."""
    found = _VERSION.search(model)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def takes_prefill(model: str) -> bool:
    """Whether `model` goes on with an assistant turn that ends the messages."""
    known = version(model)
    return known is not None and known <= _LAST_WITH_PREFILL


def model_class(model: str) -> str:
    """Return the name of the models that share a rate limit with `model`, such as `opus-4.x` or `opus-5.5`.

    A name that tells no line or no version is a class of its own.
    """
    line, known = _LINE.search(model), version(model)
    if line is None or known is None:
        return model
    name = line[0].lower()
    first, last = _ONE_CLASS.get(name, ((0, 0), (0, 0)))
    if first <= known <= last:
        return f"{name}-{known[0]}.x"
    return f"{name}-{known[0]}.{known[1]}"
