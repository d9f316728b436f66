"""Entry points and settings in, hooks out: which plugins there are, which of them run, their instances."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

import pluggy
from pydantic import BaseModel

from seawall.errors import ConfigError
from seawall.fitness import class_complaint, complaint, import_complaint, model_of, new_manager
from seawall.hooks import Hooks
from seawall.settings import TOP, Configuration
from seawall.state import Store, StoreUnavailableError, shared_store, state_folder
from seawall.wording import hint, shown, told

GROUP: Final = "seawall"
STANDARD: Final = ("streaming", "backoff", "tokens", "progress", "files")
"""The plugins that run when nothing is configured, as far as they are installed."""
FIRST_PARTY: Final = (*STANDARD, "testkit")
"""Plugins whose commands are there whether they are enabled or not."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin class named by an entry point in group `seawall`."""

    name: str
    distribution: str
    version: str
    point: EntryPoint

    def __str__(self) -> str:
        return f"plugin {self.name!r} of distribution {self.distribution!r}"

    def load(self) -> type[Any]:
        """Import the plugin class.

        Raises:
            ConfigError: It cannot be imported, is no class, is written for another version of the plugin API,
                its `Settings` are no pydantic model, or its table would be a setting of the core.
        """
        if self.name in TOP:
            raise ConfigError(f"{self} has the name of a setting of the core: it needs another entry point")
        if not self.point.pattern.fullmatch(self.point.value):
            raise ConfigError(f"{self}: its entry point names {self.point.value!r}; module:Class is expected")
        try:
            plugin_class: type[Any] = self.point.load()
        except (Exception, SystemExit) as error:
            said = import_complaint(error, self.point.module, self.distribution)
            raise ConfigError(f"{self} {said}") from error
        if said_of_class := class_complaint(plugin_class, self.point.value):
            raise ConfigError(f"{self}: {said_of_class}")
        return plugin_class

    def make(self, plugin_class: type[Any], settings: BaseModel) -> object:
        """Return the plugin.

        Raises:
            ConfigError: Its constructor raises.
        """
        try:
            return plugin_class(settings) if hasattr(plugin_class, "Settings") else plugin_class()
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{self} cannot be made: {told(error)}") from error


def installed() -> dict[str, Installed]:
    """Return the installed plugins by name, the standard ones first.

    Raises:
        ConfigError: Two distributions name a plugin alike.
    """
    found: dict[str, Installed] = {}
    for point in _points(tuple((folder, _changed(folder)) for folder in sys.path)):
        # what a broken uninstall leaves behind has neither name nor version
        said: Any = point.dist.metadata if point.dist else {}
        name, version = (said.get(key, "unknown") for key in ("Name", "Version"))
        there = Installed(point.name, name, version, point)
        other = found.setdefault(point.name, there)
        if other.distribution != there.distribution:
            one, two = sorted((other.distribution, there.distribution))
            raise ConfigError(
                f"distributions {one!r} and {two!r} both have a plugin {point.name!r}; uninstall one"
            )
    order = {name: place for place, name in enumerate(FIRST_PARTY)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


@lru_cache(maxsize=1)
def _points(_folders: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    """The entry points of the group: found anew when packages came into a folder or went from it."""
    return tuple(entry_points(group=GROUP))


def _changed(folder: str) -> int:
    """When something came into a folder of `sys.path` last; 0 where there is no such folder."""
    try:
        return Path(folder).stat().st_mtime_ns  # of '' it is the working directory
    except (OSError, ValueError):
        return 0


def enabled(there: Mapping[str, Installed], configuration: Configuration | None = None) -> list[str]:
    """Return the names of the plugins configured to run, in order; the standard ones when nothing says.

    Raises:
        ConfigError: A name is that of no installed plugin, or is there twice.
    """
    configuration = configuration or Configuration()
    names = configuration.core().plugins
    if names is None:
        return [name for name in STANDARD if name in there]
    _check_entries(names, there, configuration.place(("plugins",)))
    return names


def load(configuration: Configuration | None = None, plugins: Sequence[str | object] | None = None) -> Hooks:
    """Return the hooks of the plugins that run.

    Args:
        configuration: What is configured; `None`: what files and variables say.
        plugins: As of `protect`.

    Raises:
        ConfigError: A setting or a plugin is wrong.
    """
    return Hooks.of(manager_of(instances(configuration, plugins)))


def load_without_settings() -> Hooks:
    """Return the hooks of the first-party plugins that have no settings; no configuration is read for them.

    Raises:
        ConfigError: A plugin is wrong.
    """
    there = installed()
    classes = {name: there[name].load() for name in FIRST_PARTY if name in there}
    free = {name: made for name, made in classes.items() if not hasattr(made, "Settings")}
    return Hooks.of(manager_of({name: plugin_class() for name, plugin_class in free.items()}))


def configured_store(configuration: Configuration | None = None) -> Store:
    """Return the store that is configured; the same one for the same settings in one process.

    Raises:
        ConfigError: There is no such store, or the package it needs is missing.
        StoreError: Another process keeps the file of the store locked.
    """
    configuration = configuration or Configuration()
    core = configuration.core()
    try:
        return shared_store(core.state, core.state_dir)
    except ConfigError as error:
        raise ConfigError(f"{configuration.place(('state',))}: {error}") from error


def configured_folder(configuration: Configuration | None = None) -> Path | None:
    """Return the folder for what is kept on this machine; `None`: none is configured, and the user has none.

    Raises:
        ConfigError: A setting is wrong.
    """
    with suppress(StoreUnavailableError):
        return state_folder((configuration or Configuration()).core().state_dir)
    return None


def instances(
    configuration: Configuration | None = None, plugins: Sequence[str | object] | None = None
) -> dict[str, object]:
    """Return the plugins that run, by name, in their order; arguments as of `load`.

    Raises:
        ConfigError: A setting or a plugin is wrong.
    """
    there, configuration = installed(), configuration or Configuration()
    entries = _given(plugins, there) if plugins is not None else enabled(there, configuration)
    classes = {name: there[name].load() for name in entries if isinstance(name, str)}
    models = {name: model_of(plugin_class) for name, plugin_class in classes.items()}
    configuration.know(models)
    configuration.check_names(there)
    return {
        name_of(entry): there[entry].make(classes[entry], configuration.table(entry, models[entry]))
        if isinstance(entry, str)
        else entry
        for entry in entries
    }


def name_of(plugin: object) -> str:
    """Return the name of an entry: itself, or the `name` of an instance, or that of its class.

    Raises:
        ConfigError: The `name` is no text, or cannot be read.
    """
    if isinstance(plugin, str):
        return plugin
    kind = type(plugin)
    whose = f"plugin {kind.__module__}.{kind.__qualname__}"
    try:
        name = getattr(plugin, "name", kind.__name__)
    except Exception as error:
        raise ConfigError(f"{whose}: its `name` cannot be read: {told(error)}") from error
    if not (isinstance(name, str) and name):
        raise ConfigError(f"{whose}: name = {shown(name)}: a text is expected")
    return name


def _given(plugins: Sequence[str | object], there: Mapping[str, Installed]) -> list[Any]:
    """Return the entries given to `protect`."""
    place = "plugins given to protect()"
    if isinstance(plugins, str) or not isinstance(plugins, Iterable):
        raise ConfigError(f"{place}: plugins = {plugins!r}: a list is expected")
    entries = list(plugins)
    _check_entries(entries, there, place)
    return entries


def _check_entries(entries: Sequence[str | object], there: Mapping[str, Installed], place: str) -> None:
    for _, said in entry_complaints(entries, there):
        raise ConfigError(f"{place}: plugins: {said}")


def entry_complaints(
    entries: Sequence[str | object], there: Mapping[str, Installed]
) -> Iterator[tuple[int, str]]:
    """Yield the number of each entry of `plugins` that is wrong, from 0, and what is wrong with it."""
    seen = set()
    for number, entry in enumerate(entries):
        if isinstance(entry, type):
            yield number, f"{entry.__name__} is a class; give its name or an instance"
            continue
        name = name_of(entry)
        if isinstance(entry, str) and name not in there:
            how = f"; install it: pip install seawall-{name}" if name in STANDARD else hint(name, there)
            yield number, f"no plugin {name!r} is installed{how}"
        elif name in seen:
            how = "" if isinstance(entry, str) else "; give one of the two an attribute `name` of its own"
            yield number, f"{name!r} is there twice{how}"
        seen.add(name)


def manager_of(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Return a manager in which `plugins` are registered so that they run in their order.

    Raises:
        ConfigError: A plugin implements no hook, one that does not exist, or one as it cannot be called, or
            is written for another version of the plugin API.
    """
    manager = new_manager()
    # pluggy asks the last registered first
    for name, plugin in reversed(list(plugins.items())):
        try:
            if not (said := complaint(manager, plugin)):
                manager.register(plugin, name)
        except Exception as error:
            # to look at it runs code of its own: properties, `__getattr__`, `__dir__`, `__eq__`
            raise ConfigError(f"{_whose(name, plugin)} cannot be looked at: {told(error)}") from error
        if said:
            raise ConfigError(f"{_whose(name, plugin)}: {said}")
    return manager


def _whose(name: str, plugin: object) -> str:
    there, module = installed().get(name), type(plugin).__module__
    if there is not None and re.split("[.:]", there.point.value)[0] == module.partition(".")[0]:
        return str(there)
    return f"plugin {name!r} ({module}.{type(plugin).__qualname__})"
