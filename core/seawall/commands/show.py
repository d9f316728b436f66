"""The settings that hold, and who said so."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from seawall.commands.places import Place, nearest, places
from seawall.fitness import model_of
from seawall.registry import configured_folder, enabled, installed
from seawall.settings import Configuration
from seawall.state.store import shown

DEFAULT = "default"


class Setting(NamedTuple):
    """A setting that holds."""

    name: str
    value: str
    """As JSON; `none` where it is not set."""
    said_by: str
    """A file and line, a variable, or `default`."""


def effective(arguments: Mapping[str, Any] | None = None) -> Iterator[Setting]:
    """Yield the settings that hold: those of the core, and those of the plugins that run.

    Args:
        arguments: As of `protect`.

    Raises:
        ConfigError: One of them is wrong.
    """
    there, names = installed(), enabled(installed(), arguments)
    models = {name: model_of(there[name].load()) for name in names}
    configuration = Configuration(models, arguments)
    configuration.check_names(there)
    core, folder = configuration.core(), configured_folder(arguments)
    yield _setting(configuration, ("plugins",), names)
    # a password may be in it
    yield _setting(configuration, ("state",), shown(core.state)[1:-1])
    yield _setting(configuration, ("state_dir",), None if folder is None else str(folder))
    for name, model in models.items():
        table = configuration.table(name, model).model_dump(mode="json", fallback=str)
        for key, value in table.items():
            yield _setting(configuration, (name, key), value)


def said_by(configuration: Configuration, path: tuple[str, ...]) -> str:
    """Return who said last what is at `path`: a file and line, a variable, or `default`."""
    source = configuration.source(path)
    if not source.sets(path):
        return DEFAULT
    if source.file is None:
        return source.name
    return f"{source.file}:{nearest(_places(source.file), (*source.beneath, *path)).line}"


def _setting(configuration: Configuration, path: tuple[str, ...], value: object) -> Setting:
    said = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return Setting(".".join(path), said, said_by(configuration, path))


@cache
def _places(file: Path) -> dict[tuple[str, ...], Place]:
    return places(file.read_text(encoding="utf-8-sig"))
