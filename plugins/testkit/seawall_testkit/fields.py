"""Fields that a part of a request may not have: those that the types of the installed SDK do not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict


def strange_field(value: object, kind: Any, where: str) -> str | None:
    """Return the path of a field that `kind` does not know; `None` where there is none.

    Whether values are right is not looked at, nor anything in what has a `type` that `kind` does not know.

    Args:
        value: a part of a request.
        kind: its type, as the SDK has it: a `TypedDict`, an iterable, a union of such or any other.
        where: its path.
    """
    if isinstance(value, list):
        return next(_of_items(value, kind, where), None)
    alternatives = _alternatives(kind)
    if not isinstance(value, Mapping) or any(get_origin(each) is dict for each in alternatives):
        return None  # in a schema anything goes
    dicts = [each for each in alternatives if is_typeddict(each)]
    found = [
        next(_of_fields(value, each, where + _tag_of(value, each, dicts, where)), None)
        for each in dicts
        if _may_be(value, each)
    ]
    return None if None in found else next(iter(found), None)


def _may_be(value: Mapping[str, Any], kind: type) -> bool:
    """Whether a part may be of this type of a union, by what tells them apart."""
    said = ((value.get(name), _values(kind, name)) for name in ("type", "role"))
    return all(told in values for told, values in said if values and isinstance(told, str))


def _tag_of(value: Mapping[str, Any], kind: type, alternatives: list[type], where: str) -> str:
    """What the path has of the type of a part: as the API, nothing for an item that is of one type only."""
    tags = _values(kind, "type")
    is_item = where.rpartition(".")[2].isdigit()
    is_sole_item = is_item and len({_values(each, "type") for each in alternatives}) == 1
    return f".{value.get('type') or min(tags)}" if tags and not is_sole_item else ""


def _of_items(value: list[Any], kind: Any, where: str) -> Iterator[str]:
    kinds = tuple(item for each in _alternatives(kind) for item in _items_of(each))
    for index, item in enumerate(value if kinds else ()):
        if found := strange_field(item, Union[kinds], f"{where}.{index}"):  # noqa: UP007 - made here
            yield found


def _of_fields(value: Mapping[str, Any], kind: Any, where: str) -> Iterator[str]:
    known = _hints(kind)
    for name, inner in value.items():
        path = f"{where}.{name}"
        if found := strange_field(inner, known[name], path) if name in known else path:
            yield found


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _items_of(kind: Any) -> tuple[Any, ...]:
    """The type of the items of an iterable type; empty for any other."""
    origin = get_origin(kind)
    is_iterable = (
        isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping)
    )
    return get_args(kind) if is_iterable else ()


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _values(kind: type, name: str) -> frozenset[str]:
    """The values that a field of a `TypedDict` may have; empty where any text will do."""
    said = _alternatives(_hints(kind).get(name))
    return frozenset(value for each in said if get_origin(each) is Literal for value in get_args(each))
