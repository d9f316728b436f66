"""What is wrong with a setting, in the words of an error."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

from pydantic import AliasChoices, BaseModel, Secret, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Model = TypeVar("_Model", bound=BaseModel)
_EXPECTED: Final = {
    **dict.fromkeys(("model_type", "dict_type"), "a table"),
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "sequence_str", "Sequence"), "a list"
    ),
}
"""What pydantic's words for a wrong type are in the words of a configuration file."""
_AS_JSON: Final = {"a table": '{"key": 1}', "a list": '["a", "b"]'}
_LONGEST_VALUE: Final = 80
"""Characters of a value in an error."""
_CREDENTIALS: Final = re.compile(r"//[^/\s]*@")
"""In the address of a server."""


def read(model: type[_Model], table: object) -> tuple[_Model | None, Sequence["ErrorDetails"]]:
    """Return a table as an instance of its model, or what is wrong with it, the first ones first."""
    try:
        return model.model_validate(table), ()
    except ValidationError as error:
        # a name that is wrong is why another is missing
        wrong = error.errors(include_url=False)
        return None, sorted(wrong, key=lambda one: one["type"] != "extra_forbidden")
    except Exception as error:  # noqa: BLE001 - whatever a validator of a plugin raises is its own failure
        said = f"{model.__module__}.{model.__qualname__} raises {told(error)}; its plugin has to be mended"
        return None, [{"type": "value_error", "loc": (), "msg": said, "input": table}]


def told(error: BaseException) -> str:
    """Return the class and the words of an exception, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


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
        table = _model_in(_annotation_at(model, error["loc"][:-1]))
        return unknown(where, _settings(table) if table else ())
    if error["type"] == "missing":
        return f"{key} is missing; it has no default"
    said = " ".join(error["msg"].split())
    said = said[:1].lower() + said[1:]
    if expected := _EXPECTED.get(error.get("ctx", {}).get("class", error["type"])):
        said = f"{expected} is expected" + f", as JSON: {_AS_JSON[expected]}" * as_json
    return f"{key} = {shown_at(error['input'], model, error['loc'])}: {said}"


def place_of(error: "ErrorDetails", path: Sequence[str]) -> tuple[str, ...]:
    """Return the path of the setting that an error about the table at `path` is about."""
    return (*path, *map(str, error["loc"]))


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


def shown_at(value: object, model: type[BaseModel] | None, loc: Iterable[str | int]) -> str:
    """Return the value at `loc` inside a table as an error shows it: not where a secret may be in it."""
    return "***" if _holds_secret(_annotation_at(model, loc)) else shown(value)


def shown(value: object) -> str:
    """Return a value as an error shows it, without passwords in addresses."""
    try:
        text = _CREDENTIALS.sub("//***@", repr(value))
    except ValueError:
        # a hexadecimal number is read at any length, and written up to `sys.get_int_max_str_digits()`
        return "a number too long to be shown"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def written(name: str, field: FieldInfo) -> str:
    """Return the name of a setting as people write it: that of its field, or an alias of it."""
    alias = field.validation_alias
    alias = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    return alias if isinstance(alias, str) else name


def _settings(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {written(name, field): field for name, field in model.model_fields.items()}


def _annotation_at(model: type[BaseModel] | None, loc: Iterable[str | int]) -> Any:
    """Return the type of the setting at `loc` inside a table."""
    annotation: Any = model
    for part in loc:
        # what is no setting is an index or the name of a table among tables
        table = _model_in(annotation)
        if table and (field := _settings(table).get(str(part))):
            annotation = field.annotation
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model an annotation speaks of, as in `list[Budget] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _holds_secret(annotation: Any, seen: Sequence[Any] = ()) -> bool:
    """Whether an annotation, or a model it speaks of, has a type for secrets."""
    kind, parts = get_origin(annotation) or annotation, get_args(annotation)
    if isinstance(kind, type) and issubclass(kind, Secret | SecretBytes | SecretStr):
        return True
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen = (*seen, kind)
        parts = (*parts, *(field.annotation for field in kind.model_fields.values()))
    return any(_holds_secret(part, seen) for part in parts)
