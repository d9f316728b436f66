"""What is wrong with a setting, in the words of an error."""

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED: Final = {"model_type": "a table", "dict_type": "a table", "list_type": "a list"}
"""What pydantic's words for a wrong type are in the words of a configuration file."""
_AS_JSON: Final = {"a table": '{"key": 1}', "a list": '["a", "b"]'}
_LONGEST_VALUE: Final = 80
"""Characters of a value in an error."""


def complaint(
    error: "ErrorDetails", model: type[BaseModel], path: Sequence[str], *, as_json: bool = False
) -> str:
    """Return what pydantic found wrong with the table at `path`, an instance of `model`.

    Args:
        error: One of its errors.
        model: That of the table.
        path: Where the table is.
        as_json: Whether the value was said as JSON.
    """
    where = place_of(error, path)
    key = ".".join(where)
    if error["type"] == "extra_forbidden":
        return unknown(where, _fields(model, error["loc"][:-1]))
    if error["type"] == "missing":
        return f"{key} is missing; it has no default"
    said = error["msg"][0].lower() + error["msg"][1:]
    if expected := _EXPECTED.get(error["type"]):
        said = f"{expected} is expected" + f", as JSON: {_AS_JSON[expected]}" * as_json
    return f"{key} = {shown(error['input'])}: {said}"


def place_of(error: "ErrorDetails", path: Sequence[str]) -> tuple[str, ...]:
    """Return the path of the setting that an error about the table at `path` is about."""
    return (*path, *map(str, error["loc"]))


def by_weight(errors: Iterable["ErrorDetails"]) -> list["ErrorDetails"]:
    """Return errors, the first ones first: a name that is wrong is why another is missing."""
    return sorted(errors, key=lambda error: error["type"] != "extra_forbidden")


def unknown(where: Sequence[str], valid: Iterable[str]) -> str:
    """Return what is wrong with a name that is none of `valid`."""
    return f"unknown setting {'.'.join(where)!r}{hint(where[-1], valid)}"


def hint(name: str, valid: Iterable[str]) -> str:
    """Return the end of an error: the nearest valid name, or all of them."""
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid here: {', '.join(names)}" if names else "; nothing can be set here"


def shown(value: object) -> str:
    """Return a value as an error shows it."""
    try:
        text = repr(value)
    except ValueError:
        # a hexadecimal number is read at any length, and written up to `sys.get_int_max_str_digits()`
        return "a number too long to be shown"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _fields(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the names of the settings of the table at `loc` inside a table."""
    for part in loc:
        # what is no field is an index or the name of a table among tables
        if field := model.model_fields.get(str(part)):
            model = _model_in(field.annotation) or _Nothing
    return list(model.model_fields)


class _Nothing(BaseModel):
    """A table in which nothing can be set."""


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model an annotation speaks of, as in `list[Budget] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
