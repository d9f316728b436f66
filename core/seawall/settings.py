"""Settings from files, from the environment and from arguments, and errors that tell which of them is wrong.

In this order: `seawall.toml`, `[tool.seawall]` in `pyproject.toml`, `SEAWALL_*` variables, what `protect` was
given. Later wins, key by key. The two files are looked for in the working directory and above it, the nearest
one each.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from seawall.errors import ConfigError

_PREFIX: Final = "SEAWALL_"
_EXPECTED: Final = {"model_type": "a table", "dict_type": "a table", "list_type": "a list"}
"""What pydantic's words for a wrong type are in the words of a configuration file."""
_AS_JSON: Final = {"a table": '{"key": 1}', "a list": '["a", "b"]'}
_LONGEST_VALUE: Final = 80
"""Characters of a value in an error."""


class NoSettings(BaseModel):
    """The table of a plugin without settings: empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CoreSettings(BaseModel):
    """Settings that belong to no plugin."""

    model_config = ConfigDict(frozen=True)

    plugins: list[str] | None = None
    """The names of the plugins that run, in their order; `None`: the standard ones."""
    state: str = "sqlite"
    """Where the state is that calls share: as of `seawall.state.open_store`."""
    state_dir: Path | None = None
    """The folder for what is kept on this machine; `None`: where the system keeps state of a user."""


_TOP: Final[Mapping[str, Any]] = {name: field.annotation for name, field in CoreSettings.model_fields.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """What one place says, as nested tables."""

    name: str
    """As an error names it."""
    tables: Mapping[str, Any]
    is_variable: bool = False

    def sets(self, path: Sequence[str]) -> bool:
        """Whether it says something about what is at `path`."""
        found: Any = self.tables
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return True


_NOWHERE: Final = Source("configuration", {})


class Configuration:
    """What all sources say together, and who said what.

    Args:
        models: The tables that will be asked for, by name; variables are read in their types.
        arguments: What was passed to `protect`.

    Raises:
        ConfigError: A source cannot be read.
    """

    def __init__(self, models: Mapping[str, type[BaseModel]], arguments: Mapping[str, Any] | None) -> None:
        self._sources = [*_files(), *_variables(models), _arguments({} if arguments is None else arguments)]
        self.tables: dict[str, Any] = {}
        for source in self._sources:
            self.tables = _deep_update(self.tables, source.tables)

    def core(self) -> CoreSettings:
        """Return the settings that belong to no plugin.

        Raises:
            ConfigError: Names the place, the key and the value.
        """
        said = {name: value for name in _TOP if (value := self.tables.get(name)) is not None}
        core = self._validated(CoreSettings, said, ())
        assert isinstance(core, CoreSettings)  # noqa: S101 - for the type checker
        return core

    def table(self, name: str, model: type[BaseModel]) -> BaseModel:
        """Return the table `name` as an instance of `model`.

        Raises:
            ConfigError: Names the place, the key, the value and the nearest valid name.
        """
        return self._validated(model, self.tables.get(name, {}), (name,))

    def check_names(self, valid: Iterable[str]) -> None:
        """Raise the `ConfigError` for a top-level key or a variable that is none of `valid`."""
        valid = {*_TOP, *valid}
        for key in self.tables:
            if key not in valid:
                raise self._unknown((key,), valid)
        for variable in sorted(filter(_is_ours, os.environ)):
            _check_variable(variable, {name.lower() for name in valid})

    def place(self, path: Sequence[str]) -> str:
        """Return where the setting at `path`, or the table it is missing from, was said last."""
        return self._source(path).name

    def _source(self, path: Sequence[str]) -> Source:
        for depth in range(len(path), 0, -1):
            for source in reversed(self._sources):
                if source.sets(path[:depth]):
                    return source
        return _NOWHERE

    def _validated(self, model: type[BaseModel], table: object, path: tuple[str, ...]) -> BaseModel:
        try:
            return model.model_validate(table)
        except ValidationError as error:
            # a name that is wrong is why another is missing
            first = min(error.errors(include_url=False), key=lambda said: said["type"] != "extra_forbidden")
        where = (*path, *map(str, first["loc"]))
        source, key = self._source(where), ".".join(where)
        if first["type"] == "extra_forbidden":
            raise self._unknown(where, _fields(model, first["loc"][:-1]))
        if first["type"] == "missing":
            raise ConfigError(f"{source.name}: {key} is missing; it has no default")
        said = first["msg"][0].lower() + first["msg"][1:]
        if expected := _EXPECTED.get(first["type"]):
            said = f"{expected} is expected" + f", as JSON: {_AS_JSON[expected]}" * source.is_variable
        raise ConfigError(f"{source.name}: {key} = {_shown(first['input'])}: {said}")

    def _unknown(self, where: tuple[str, ...], valid: Iterable[str]) -> ConfigError:
        name = ".".join(where)
        return ConfigError(f"{self.place(where)}: unknown setting {name!r}{hint(where[-1], valid)}")


def hint(name: str, valid: Iterable[str]) -> str:
    """Return the end of an error: the nearest valid name, or all of them."""
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid here: {', '.join(names)}" if names else "; nothing can be set here"


def _files() -> list[Source]:
    found = []
    if path := _nearest("seawall.toml"):
        found.append(Source(str(path), _toml(path)))
    if path := _nearest("pyproject.toml"):
        tool = _as_table(str(path), "tool", _toml(path).get("tool", {}))
        if "seawall" in tool:
            found.append(
                Source(f"{path} [tool.seawall]", _as_table(str(path), "tool.seawall", tool["seawall"]))
            )
    return found


def _nearest(name: str) -> Path | None:
    try:
        here = Path.cwd()
    except OSError:
        # the working directory was deleted: nothing is in it, and nothing is known to be above it
        return None
    # not `Path.is_file`, which raises where a folder above may not be looked into
    return next((path for folder in (here, *here.parents) if os.path.isfile(path := folder / name)), None)  # noqa: PTH113


def _toml(path: Path) -> dict[str, Any]:
    try:
        # Windows editors put a byte order mark in front
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error


def _as_table(place: str, key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place}: {key} = {_shown(value)}: a table is expected")
    return value


def _arguments(arguments: object) -> Source:
    place = "settings given to protect()"
    for key in (tables := _as_table(place, "settings", arguments)):
        if not isinstance(key, str):
            raise ConfigError(f"{place}: key {_shown(key)}: keys should be strings")
    return Source(place, tables)


def _is_ours(variable: str) -> bool:
    return variable.upper().startswith(_PREFIX)


def _variables(models: Mapping[str, type[BaseModel]]) -> list[Source]:
    """Return one source for each variable, so that an error can name it; an empty variable says nothing."""
    ours = sorted(variable for variable, value in os.environ.items() if value and _is_ours(variable))
    if not ours:
        return []
    # a third of the start of `seawall plugins`, and mostly not needed
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict  # noqa: PLC0415

    # aliases, since a plugin may be called like an attribute of the model
    fields: dict[str, Any] = {
        f"table_{number}": (kind | None, Field(None, validation_alias=_PREFIX + name))
        for number, (name, kind) in enumerate({**_TOP, **models}.items())
    }
    base = type("Base", (BaseSettings,), {"model_config": SettingsConfigDict(env_nested_delimiter="__")})
    reader = EnvSettingsSource(create_model("Root", __base__=base, **fields))
    sources = []
    for variable in ours:
        reader.env_vars = {variable.lower(): os.environ[variable]}
        try:
            tables = {alias.removeprefix(_PREFIX): value for alias, value in reader().items()}
        except (ValueError, RecursionError) as error:
            shown = _shown(os.environ[variable])
            raise ConfigError(
                f"variable {variable} = {shown}: a list or a table is expected, as JSON"
            ) from error
        sources.append(Source(f"variable {variable}", tables, is_variable=True))
    return sources


def _check_variable(variable: str, valid: Iterable[str]) -> None:
    name, nested, _ = variable[len(_PREFIX) :].lower().partition("__")
    if name in valid:
        return
    for table in valid:
        if name.startswith(f"{table}_"):
            meant = _PREFIX + table.upper() + "__" + name.removeprefix(f"{table}_").upper()
            raise ConfigError(f"variable {variable}: unknown setting {name!r}; did you mean {meant!r}?")
    # SEAWALL_ANYTHING may be somebody else's, unless it looks like a setting
    if nested or difflib.get_close_matches(name, valid, n=1):
        raise ConfigError(f"variable {variable}: unknown setting {name!r}{hint(name, valid)}")


def _deep_update(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = (
            _deep_update(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def _fields(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the names of the settings of the table at `loc` inside a table."""
    for part in loc:
        # what is no field is an index or the name of a table among tables
        if field := model.model_fields.get(str(part)):
            model = _model_in(field.annotation) or NoSettings
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model an annotation speaks of, as in `list[Budget] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:
        # a hexadecimal number is read at any length, and written up to `sys.get_int_max_str_digits()`
        return "a number too long to be shown"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
