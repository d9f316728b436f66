"""The settings that hold, and who said so."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from seawall.commands.places import Place, nearest, places
from seawall.fitness import model_of
from seawall.registry import configured_folder, enabled, installed
from seawall.settings import Configuration
from seawall.state.store import shown
from seawall.wording import written

if TYPE_CHECKING:
    from pathlib import Path


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
    there, configuration = installed(), Configuration(arguments)
    names = enabled(there, configuration)
    models = {name: model_of(there[name].load()) for name in names}
    configuration.know(models)
    configuration.check_names(there)
    core, folder = configuration.core(), configured_folder(configuration)
    said = _Sources(configuration)
    yield said.setting(("plugins",), names)
    # a password may be in it
    yield said.setting(("state",), shown(core.state)[1:-1])
    yield said.setting(("state_dir",), None if folder is None else str(folder))
    for name, model in models.items():
        table = configuration.table(name, model).model_dump(mode="json", fallback=str)
        aliases = {key: written(key, field) for key, field in model.model_fields.items()}
        for key, value in table.items():
            yield said.setting((name, aliases.get(key, key)), value)


class _Sources:
    """Who said what; each file is read once."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._places: dict[Path, dict[tuple[str, ...], Place]] = {}

    def setting(self, path: tuple[str, ...], value: object) -> Setting:
        """Return the setting at `path`."""
        said = "none" if value is None else json.dumps(value, ensure_ascii=False)
        return Setting(".".join(path), said, self._said_by(path))

    def _said_by(self, path: tuple[str, ...]) -> str:
        source = self._configuration.source(path)
        if not source.sets(path):
            return "default"
        if (file := source.file) is None:
            return source.name
        if file not in self._places:
            self._places[file] = places(file.read_text(encoding="utf-8-sig"))
        return f"{file}:{nearest(self._places[file], (*source.beneath, *path)).line}"
