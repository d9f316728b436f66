"""A document, and a step on it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from pydantic_core import from_json, to_json

from seawall.state.errors import StepError

R = TypeVar("R")

Document: TypeAlias = dict[str, Any]
"""JSON: strings, floats, integers up to 2**53, booleans, `None`, lists and dicts with string keys. Steps that
are also written in Lua keep no empty list in it: Lua cannot tell one from an empty dict."""

_ENCODER: Final = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"))
_KEYS: Final = frozenset((str,))
_SCALARS: Final = frozenset((str, int, float, bool))


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
        return to_text(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise StepError(step, key, f"the new document is not JSON: {error}") from error


def decoded(text: str | None) -> Document:
    """Return the document that `encoded` made `text` from; `None` is a missing one.

    Raises:
        ValueError: It is no document.
    """
    if not text:
        return {}
    try:
        document = from_json(text)
    except ValueError:
        # half surrogates, for one
        document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError(f"not a document: {text[:80]!r}")  # noqa: TRY004 - it is the text that is wrong
    return document


def to_text(value: Mapping[str, Any]) -> str:
    """Return the value as JSON.

    Raises:
        TypeError: It is not JSON.
        ValueError: It is not JSON.
        RecursionError: It is nested too deep.
    """
    # both ways take less than `json` needs for this one (measured). Sets, moments, NaN are written as well:
    # what does not come back as it was, `json` judges
    try:
        written = to_json(value, inf_nan_mode="null")
        if (_is_plain(value) and b"null" not in written) or from_json(written) == value:
            return written.decode()
    except ValueError:
        pass
    return _ENCODER.encode(value)


def _is_plain(value: Mapping[str, Any]) -> bool:
    # written and read again it is what it was, unless a number is not finite: that is written as null
    return _SCALARS.issuperset(map(type, value.values())) and _KEYS.issuperset(map(type, value))
