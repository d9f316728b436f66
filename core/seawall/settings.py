"""Settings from files, from the environment and from arguments, and errors that tell which of them is wrong.

In this order: `seawall.toml`, `[tool.seawall]` in `pyproject.toml`, `SEAWALL_*` variables, what `protect` was
given. Later wins, key by key. The two files are looked for in the working directory and above it, the nearest
one each; a `pyproject.toml` without that table is passed over.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model

from seawall.errors import ConfigError
from seawall.wording import MISPLACED, complaint, hint, place_of, read, shown, shown_at, unknown

_PREFIX: Final = "SEAWALL_"


class NoSettings(BaseModel):
    """The table of a plugin without settings: empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CoreSettings(BaseModel):
    """Settings that belong to no plugin."""

    model_config = ConfigDict(frozen=True)

    plugins: list[str] | None = None
    """The names of the plugins that run, in their order; `None`: the standard ones."""
    state: str = "sqlite"
    """Where the state is that calls share: `"sqlite"`, all processes of this user on this machine;
    `"memory"`, this process; `"redis://host:port/number"`, all hosts that use this Redis."""
    state_dir: Path | None = None
    """The folder for what is kept on this machine, in a file relative to it; `None`: the system's own."""


TOP: Final[Mapping[str, Any]] = {name: field.annotation for name, field in CoreSettings.model_fields.items()}
"""The types of the settings that belong to no plugin, by name."""


@dataclass(frozen=True, slots=True)
class Source:
    """What one place says, as nested tables."""

    name: str
    """As an error names it."""
    tables: Mapping[str, Any]
    is_variable: bool = False
    file: Path | None = None
    beneath: tuple[str, ...] = ()
    """The table of the file that it is."""

    def sets(self, path: Sequence[str]) -> bool:
        """Whether it says something about what is at `path`."""
        found: Any = self.tables
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return True


NOWHERE: Final = Source("configuration", {})
"""Who says what nobody says."""


class Configuration:
    """What all sources say together, and who said what.

    Args:
        arguments: What was passed to `protect`.

    Raises:
        ConfigError: A source cannot be read.
    """

    def __init__(self, arguments: Mapping[str, Any] | None = None) -> None:
        self._files = _files()
        self._arguments = _arguments({} if arguments is None else arguments)
        self.know({})

    def know(self, models: Mapping[str, type[BaseModel]]) -> None:
        """Note which tables will be asked for; variables are read in their types.

        Raises:
            ConfigError: A variable cannot be read.
        """
        self.sources = [*self._files, *_variables(models), self._arguments]
        """Who says something, in the order in which later ones win."""
        self.tables: dict[str, Any] = {}
        for source in self.sources:
            self.tables = _updated(self.tables, source.tables)

    def core(self) -> CoreSettings:
        """Return the settings that belong to no plugin.

        Raises:
            ConfigError: Names the place, the key and the value.
        """
        said = {name: value for name in TOP if (value := self.tables.get(name)) is not None}
        core = self._validated(CoreSettings, said, ())
        assert isinstance(core, CoreSettings)  # noqa: S101 - for the type checker
        if core.state_dir is None:
            return core
        # the same folder wherever below its file a program runs, and wherever it goes
        file, folder = self.source(("state_dir",)).file, os.path.expanduser(core.state_dir)  # noqa: PTH111
        with suppress(FileNotFoundError):  # the working directory was deleted
            folder = os.path.abspath(folder if file is None else file.parent / folder)  # noqa: PTH100
        return core.model_copy(update={"state_dir": Path(folder)})

    def table(self, name: str, model: type[BaseModel]) -> BaseModel:
        """Return the table `name` as an instance of `model`.

        Raises:
            ConfigError: Names the place, the key, the value and the nearest valid name.
        """
        return self._validated(model, self.tables.get(name, {}), (name,))

    def check_names(self, valid: Iterable[str]) -> None:
        """Raise the `ConfigError` for a top-level key or a variable that is none of `valid`."""
        valid = {*TOP, *valid}
        for key in self.tables:
            if key not in valid:
                raise ConfigError(f"{self.place((key,))}: {unknown((key,), valid)}")
        for variable in sorted(filter(_is_ours, os.environ)):
            _check_variable(variable, {name.lower() for name in valid})

    def place(self, path: Sequence[str]) -> str:
        """Return where the setting at `path`, or the table it is missing from, was said last."""
        return self.source(path).name

    def source(self, path: Sequence[str]) -> Source:
        """Return who said last what is at `path`, or the table it is missing from."""
        for depth in range(len(path), 0, -1):
            for source in reversed(self.sources):
                if source.sets(path[:depth]):
                    return source
        return NOWHERE

    def _validated(self, model: type[BaseModel], table: object, path: tuple[str, ...]) -> BaseModel:
        made, wrong = read(model, table)
        if made is not None:
            return made
        source = self.source(place_of(wrong[0], table, path))
        said = complaint(wrong[0], model, table, path, as_json=source.is_variable)
        raise ConfigError(f"{source.name}: {said}")


def files_here() -> list[Path]:
    """Return the files that may have settings for this working directory."""
    found = list(islice(_upwards("seawall.toml"), 1))
    for path in _upwards("pyproject.toml"):
        found.append(path)
        try:
            if _project(path):
                break
        except ConfigError:
            break
    return found


def _files() -> list[Source]:
    found = []
    if path := next(_upwards("seawall.toml"), None):
        found.append(Source(str(path), _toml(path), file=path))
    # those of the members of a workspace may be for other tools only
    project = next(filter(None, map(_project, _upwards("pyproject.toml"))), None)
    return [*found, project] if project else found


def _project(path: Path) -> Source | None:
    """Return what a `pyproject.toml` says, if it says anything."""
    tables = _toml(path)
    if "seawall" in tables:
        raise ConfigError(f"{path}: {MISPLACED}")
    tool = _as_table(str(path), "tool", tables.get("tool", {}))
    if "seawall" not in tool:
        return None
    said = _as_table(str(path), "tool.seawall", tool["seawall"])
    return Source(f"{path} [tool.seawall]", said, file=path, beneath=("tool", "seawall"))


def _upwards(name: str) -> Iterator[Path]:
    """Yield the files of a name in the working directory and above it, the nearest first."""
    try:
        here = Path.cwd()
    except OSError:
        # the working directory was deleted: nothing is in it, and nothing is known to be above it
        return
    # not `Path.is_file`, which raises where a folder above may not be looked into
    yield from (path for folder in (here, *here.parents) if os.path.isfile(path := folder / name))  # noqa: PTH113


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
        raise ConfigError(f"{place}: {key} = {shown(value)}: a table is expected")
    return value


def _arguments(arguments: object) -> Source:
    place = "settings given to protect()"
    for key in (tables := _as_table(place, "settings", arguments)):
        if not isinstance(key, str):
            raise ConfigError(f"{place}: key {shown(key)}: keys should be strings")
    return Source(place, tables)


def _is_ours(variable: str) -> bool:
    return variable.upper().startswith(_PREFIX)


def _variables(models: Mapping[str, type[BaseModel]]) -> list[Source]:
    """Return one source for each variable, so that an error can name it; an empty variable says nothing."""
    sources = []
    for variable in sorted(name for name, value in os.environ.items() if value and _is_ours(name)):
        try:
            said = _reader(tuple(models.items()))({variable.lower(): os.environ[variable]})
            tables = {alias.removeprefix(_PREFIX): value for alias, value in said.items()}
        except (ValueError, RecursionError) as error:
            table, *loc = variable.lower().removeprefix(_PREFIX.lower()).split("__")
            model = next((models[name] for name in models if name.lower() == table), None)
            value = shown_at(os.environ[variable], model, loc)
            raise ConfigError(
                f"variable {variable} = {value}: a list or a table is expected, as JSON"
            ) from error
        sources.append(Source(f"variable {variable}", tables, is_variable=True))
    return sources


@lru_cache(maxsize=8)
def _reader(models: tuple[tuple[str, type[BaseModel]], ...]) -> Callable[[dict[str, str]], dict[str, Any]]:
    """Return what reads variables, in small letters, in the types of the core and of these tables."""
    # a third of the start of `seawall plugins`, and mostly not needed
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict  # noqa: PLC0415

    # aliases, since a plugin may be called like an attribute of the model
    fields: dict[str, Any] = {
        f"table_{number}": (kind | None, Field(None, validation_alias=_PREFIX + name))
        for number, (name, kind) in enumerate((*TOP.items(), *models))
    }
    base = type("Base", (BaseSettings,), {"model_config": SettingsConfigDict(env_nested_delimiter="__")})
    root: type[BaseSettings] = create_model("Root", __base__=base, **fields)

    def read(variables: dict[str, str]) -> dict[str, Any]:
        source = EnvSettingsSource(root)
        source.env_vars = variables
        return source()

    return read


def _check_variable(variable: str, valid: Iterable[str]) -> None:
    name, nested, _ = variable[len(_PREFIX) :].lower().partition("__")
    if name in valid:
        return
    for table in valid:
        if table not in TOP and name.startswith(f"{table}_"):
            meant = _PREFIX + table.upper() + "__" + name.removeprefix(f"{table}_").upper()
            raise ConfigError(f"variable {variable}: unknown setting {name!r}; did you mean {meant!r}?")
    # SEAWALL_ANYTHING may be somebody else's, unless it looks like a setting
    if nested or difflib.get_close_matches(name, valid, n=1):
        raise ConfigError(f"variable {variable}: unknown setting {name!r}{hint(name, valid)}")


def _updated(old: Any, new: Any) -> Any:
    """Return `new`; if both are tables, with what only `old` says, at every depth."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return {**old, **{key: _updated(old.get(key), value) for key, value in new.items()}}
