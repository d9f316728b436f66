"""What is wrong with a setting, in the words of an error."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

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
MISPLACED: Final = "the table [seawall] is read by nobody; in pyproject.toml it is [tool.seawall]"
_FIRST: Final = {
    "tool": "here it is [backoff], not [tool.seawall.backoff]",
    "seawall": "here it is [backoff], not [seawall.backoff]",
}
"""What is said of tables in which people look for settings of Seawall."""
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
    error: "ErrorDetails",
    model: type[BaseModel],
    table: object,
    path: Sequence[str],
    *,
    as_json: bool = False,
) -> str:
    """Return what pydantic found wrong with the `table` at `path`, an instance of `model`.

    Args:
        error: One of its errors.
        model: That of the table.
        table: What it was read from.
        path: Where the table is.
        as_json: Whether the value was said as JSON.
    """
    where = place_of(error, table, path)
    key = ".".join(where)
    if error["type"] == "extra_forbidden":
        tables = _tables_in(_annotations_at(model, error["loc"][:-1]))
        return unknown(where, [name for table in tables for name in _settings(table)])
    if error["type"] == "missing":
        return f"{key} is missing; it has no default"
    said = " ".join(error["msg"].split())
    said = said[:1].lower() + said[1:]
    if expected := _EXPECTED.get(error.get("ctx", {}).get("class", error["type"])):
        said = f"{expected} is expected" + f", as JSON: {_AS_JSON[expected]}" * as_json
    return f"{key} = {shown_at(error['input'], model, error['loc'])}: {said}"


def place_of(error: "ErrorDetails", table: object, path: Sequence[str]) -> tuple[str, ...]:
    """Return the path of the setting that an error about the `table` at `path` is about.

    What pydantic calls a member of a union is in its `loc` too, and in no file.
    """
    where, value = list(path), table
    for left, part in zip(range(len(error["loc"]))[::-1], error["loc"], strict=True):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(part, int):
            value = value[part] if isinstance(value, list | tuple) else None
        elif left or error["type"] != "missing":
            continue
        where.append(str(part))
    return tuple(where)


def unknown(where: Sequence[str], valid: Iterable[str]) -> str:
    """Return what is wrong with a name that is none of `valid`."""
    said = _FIRST.get(".".join(where))
    return f"unknown setting {'.'.join(where)!r}{f'; {said}' if said else hint(where[-1], valid)}"


def hint(name: str, valid: Iterable[str]) -> str:
    """Return the end of an error: the nearest valid name, or all of them."""
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid here: {', '.join(names)}" if names else "; nothing can be set here"


def shown_at(value: object, model: type[BaseModel] | None, loc: Iterable[str | int]) -> str:
    """Return the value at `loc` inside a table as an error shows it: not where a secret may be in it."""
    return "***" if any(map(_holds_secret, _annotations_at(model, loc))) else shown(value)


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


def _settings(table: type[Any]) -> dict[str, Any]:
    """Return the types of the settings in a table: of a model, a dataclass or a `TypedDict`."""
    if issubclass(table, BaseModel):
        return {written(name, field): field.annotation for name, field in table.model_fields.items()}
    try:
        return get_type_hints(table)
    except NameError:
        # pydantic found names that cannot be found from here: any of them may be that of a secret
        return dict.fromkeys(table.__annotations__, SecretStr)


def _annotations_at(model: type[BaseModel] | None, loc: Iterable[str | int]) -> Sequence[Any]:
    """Return the types that the setting at `loc` inside a table may have; several in a union of tables."""
    found: Sequence[Any] = [model]
    for part in loc:
        tables = _tables_in(found)
        named = [table for table in tables if _is_named(table, part)] if len(tables) > 1 else []
        fields = [_settings(table)[str(part)] for table in tables if str(part) in _settings(table)]
        # what is neither is an index, the name of a table among tables, or a type that is no table
        found = named or fields or found
    return found


def _is_named(table: type[Any], part: str | int) -> bool:
    """Whether pydantic calls a table of a union so: by its class, or by a value that tells which it is."""
    tags = (get_args(kind) for kind in _settings(table).values() if get_origin(kind) is Literal)
    return part in (table.__name__, *(tag for values in tags for tag in values))


def _tables_in(annotations: Iterable[Any]) -> list[type[Any]]:
    """Return the tables that annotations speak of, as in `list[Budget] | None`."""
    found: list[type[Any]] = []
    for annotation in annotations:
        is_table = isinstance(annotation, type) and (
            issubclass(annotation, BaseModel) or is_dataclass(annotation) or _is_typed_dict(annotation)
        )
        found += [annotation] if is_table else _tables_in(_parts(annotation))
    return found


def _is_typed_dict(kind: type[Any]) -> bool:
    # those of `typing_extensions`, which pydantic takes on older Pythons, are none to `typing`
    return issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def _parts(annotation: Any) -> Sequence[Any]:
    """Return the types that an annotation is made of: its arguments, or what it is another name for."""
    named = getattr(annotation, "__value__", None) or getattr(annotation, "__supertype__", None)
    return get_args(annotation) if named is None else (named,)


def _holds_secret(annotation: Any, seen: Sequence[Any] = ()) -> bool:
    """Whether an annotation, or a table it speaks of, has a type for secrets."""
    kind, parts = get_origin(annotation) or annotation, _parts(annotation)
    if isinstance(kind, type) and issubclass(kind, Secret | SecretBytes | SecretStr):
        return True
    if kind in _tables_in([kind]) and kind not in seen:
        seen = (*seen, kind)
        parts = (*parts, *_settings(kind).values())
    return any(_holds_secret(part, seen) for part in parts)
