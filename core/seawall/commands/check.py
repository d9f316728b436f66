"""What is wrong in a file of settings, and where: all of it, not only what stops a start first."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import BaseModel

from seawall.commands.places import Place, nearest, places
from seawall.errors import ConfigError
from seawall.fitness import model_of
from seawall.registry import STANDARD, Installed, enabled, entry_complaints, installed, load, manager_of
from seawall.settings import TOP, Configuration, CoreSettings
from seawall.state import open_store
from seawall.wording import MISPLACED, complaint, place_of, read, shown, unknown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Complaint = tuple[tuple[str, ...], str]
"""The path of a setting, and what is wrong with it."""
_PLACE: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")

_MARK: Final = "\ufeff"
"""The byte order mark, which Windows editors put in front."""


class Problem(NamedTuple):
    """Something that is wrong, and where."""

    place: Place
    said: str


def problems(file: Path, whole: Configuration | None = None) -> list[Problem]:
    """Return what is wrong in a file of settings, in the order of its lines.

    Args:
        file: As `seawall.toml`; of a `pyproject.toml` the table `[tool.seawall]` is looked at.
        whole: All that holds, of which this file is a part: what another part says is not missing here.

    Raises:
        ConfigError: The file cannot be read, or two distributions have a plugin of one name.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode().removeprefix(_MARK)
        tables: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return [_unreadable(error, content)]
    path: tuple[str, ...] = ()
    is_project = file.name == "pyproject.toml"
    if is_project and "seawall" in tables:
        return [Problem(nearest(places(text), ("seawall",)), MISPLACED)]
    for key in ("tool", "seawall") if is_project else ():
        if isinstance(tables, Mapping):
            path, tables = (*path, key), tables.get(key)
    if tables is None:
        return []  # it says nothing about Seawall
    found = places(text)
    if not isinstance(tables, Mapping):
        return [Problem(nearest(found, path), f"{'.'.join(path)} = {shown(tables)}: a table is expected")]
    said = [Problem(nearest(found, (*path, *where)), what) for where, what in _complaints(tables, whole)]
    return sorted(said, key=lambda problem: problem.place)


def configured() -> Configuration | None:
    """Return all that holds here; `None` where it cannot be read."""
    try:
        there, configuration = installed(), Configuration()
        configuration.know({name: model_of(there[name].load()) for name in enabled(there, configuration)})
    except ConfigError:
        return None
    return configuration


def obstacle() -> list[str]:
    """Return what keeps all that is configured from being used, variables too; empty if nothing."""
    try:
        load()
        configuration = Configuration()
        core = configuration.core()
    except ConfigError as error:
        return [str(error)]
    return [f"{configuration.place(path)}: {said}" for path, said in _of_store(core)]


def _unreadable(error: Exception, content: bytes) -> Problem:
    """Return the problem of a file that is no TOML."""
    said, place = str(error), Place(1, 1)
    if isinstance(error, UnicodeDecodeError):
        lines = content[: error.start].decode().removeprefix(_MARK).split("\n")
        place = Place(len(lines), len(lines[-1]) + 1)
    elif told := _PLACE.search(said):
        said, place = said[: told.start()], Place(int(told[1]), int(told[2]))
    elif said != (said := said.removesuffix(" (at end of document)")):
        lines = content.decode().removeprefix(_MARK).split("\n")
        place = Place(len(lines), len(lines[-1]) + 1)
    return Problem(place, f"cannot be read as TOML: {said}")


def _complaints(tables: Mapping[str, Any], whole: Configuration | None) -> Iterator[_Complaint]:
    there = installed()
    core = {name: tables[name] for name in TOP if name in tables}
    settings, wrong = read(CoreSettings, core)
    yield from _of_model(wrong, CoreSettings, core, ())
    if settings is not None:
        yield from _of_store(settings)
    names = core.get("plugins") if settings is not None else []
    entries = [name for name in STANDARD if name in there] if names is None else names
    for number, said in entry_complaints(entries, there):
        yield ("plugins", str(number)), f"plugins: {said}"
    valid = {*TOP, *there}
    for key in tables:
        if key not in valid:
            yield (key,), unknown((key,), valid)
    for name, plugin in there.items():
        if name in entries or name in tables:
            at = ("plugins", str(entries.index(name))) if name in entries and "plugins" in core else (name,)
            yield from _of_plugin(plugin, tables.get(name, {}), at, whole, runs=name in entries)


def _of_model(
    wrong: Iterable["ErrorDetails"],
    model: type[BaseModel],
    table: object,
    path: tuple[str, ...],
    whole: Configuration | None = None,
) -> Iterator[_Complaint]:
    for one in wrong:
        place = place_of(one, table, path)
        if one["type"] != "missing" or whole is None or not whole.source(place).sets(place):
            yield place, complaint(one, model, table, path)


def _of_store(core: CoreSettings) -> Iterator[_Complaint]:
    if core.state == "sqlite":
        return  # it would be made
    try:
        open_store(core.state).close()
    except ConfigError as error:
        yield ("state",), str(error)


def _of_plugin(
    plugin: Installed, table: object, at: tuple[str, ...], whole: Configuration | None, *, runs: bool
) -> Iterator[_Complaint]:
    """Yield what is wrong with a plugin, named at `at`, and with its table."""
    try:
        plugin_class = plugin.load()
        model = model_of(plugin_class)
        settings, wrong = read(model, table)
        yield from _of_model(wrong, model, table, (plugin.name,), whole)
        if runs and settings is not None:
            manager_of({plugin.name: plugin.make(plugin_class, settings)})
    except ConfigError as error:
        yield at, str(error)
