"""A document, and a step on it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from seawall.state.errors import StepError

R = TypeVar("R")

Document: TypeAlias = dict[str, Any]
"""JSON: strings, floats, integers up to 2**53, booleans, `None`, lists and dicts with string keys. Steps that
are also written in Lua keep no empty list in it: Lua cannot tell one from an empty dict."""

ENCODER: Final = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"))
DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Step(Generic[R]):
    """A change of one document that a store makes atomically.

    Example::

        COUNT = Step("count", lambda document, arguments: ({"n": document.get("n", 0) + 1}, None))
        store.step(COUNT, key="calls")
    """

    name: str
    """For errors."""
    function: Callable[[Document, Mapping[str, Any]], tuple[Document, R]]
    """`(document, arguments) -> (document, result)`. Pure: it reads no clock and does not change what it is
    given; a store may call it again with a newer document. A document nobody has written is `{}`, and one
    that becomes `{}` is deleted."""
    lua: str | None = None
    """The same in Lua: statements that see the tables `document` and `arguments`, may change `document`, and
    end in `return document, result`. Redis then needs one round trip instead of two or more. Runs in Lua
    5.1."""


READ: Final[Step[Document]] = Step(
    "read", lambda document, _: (document, document), lua="return document, document"
)
"""Returns the document."""


def encoded(document: Document, step: str, key: str) -> str:
    """Return the document as JSON; `""` for `{}`.

    Raises:
        StepError: It is not JSON: what `step` made of the document of `key` cannot be kept.
    """
    if not isinstance(document, dict):
        raise StepError(step, key, f"a dict is expected as the document, not {document!r}")
    if not document:
        return ""
    try:
        return ENCODER.encode(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise StepError(step, key, f"the new document is not JSON: {error}") from error


def decoded(text: str | None) -> Document:
    """Return the document that `encoded` made `text` from; `None` is a missing one.

    Raises:
        ValueError: It is no document.
    """
    if not text:
        return {}
    document, end = DECODER.raw_decode(text)
    if not isinstance(document, dict) or end != len(text):
        raise ValueError(f"not a document: {text[:80]!r}")
    return document
