"""Entry points and settings in, hooks out: which plugins there are, which of them run, their instances."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

import pluggy
from pydantic import BaseModel

from seawall import hookspecs
from seawall.errors import ConfigError
from seawall.hooks import Hooks
from seawall.settings import Configuration, NoSettings, hint
from seawall.state import Store, StoreUnavailableError, shared_store, state_folder

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # it would evaluate annotations, whose names may be there for type checkers only
    _UNEVALUATED: Final[Mapping[str, Any]] = {"annotation_format": Format.FORWARDREF}
else:
    _UNEVALUATED: Final[Mapping[str, Any]] = {}

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
            ConfigError: It cannot be imported, or is no class, or its `Settings` are no pydantic model.
        """
        try:
            plugin_class = self.point.load()
        except Exception as error:
            raise ConfigError(f"{self} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(plugin_class, type):
            raise ConfigError(f"{self}: its entry point names {self.point.value!r}, which is no class")
        model = _model_of(plugin_class)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ConfigError(f"{self}: its Settings are no pydantic model: {model!r}")
        return plugin_class

    def make(self, plugin_class: type[Any], settings: BaseModel) -> object:
        """Return the plugin.

        Raises:
            ConfigError: Its constructor raises.
        """
        try:
            return plugin_class(settings) if hasattr(plugin_class, "Settings") else plugin_class()
        except Exception as error:
            raise ConfigError(f"{self} cannot be made: {type(error).__name__}: {error}") from error


def installed() -> dict[str, Installed]:
    """Return the installed plugins by name, the standard ones first.

    Raises:
        ConfigError: Two distributions name a plugin alike.
    """
    found: dict[str, Installed] = {}
    for point in entry_points(group=GROUP):
        # what a broken uninstall leaves behind has neither name nor version
        name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
        there = Installed(point.name, name or "unknown", version or "unknown", point)
        other = found.setdefault(point.name, there)
        if other.distribution != there.distribution:
            raise ConfigError(
                f"distributions {other.distribution!r} and {there.distribution!r} both have a plugin "
                f"{point.name!r}; uninstall one"
            )
    order = {name: place for place, name in enumerate(FIRST_PARTY)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def enabled(there: Mapping[str, Installed], arguments: Mapping[str, Any] | None = None) -> list[str]:
    """Return the names of the plugins configured to run, in order; the standard ones when nothing says.

    Raises:
        ConfigError: A name is that of no installed plugin, or is there twice.
    """
    configuration = Configuration({}, arguments)
    names = configuration.core().plugins
    if names is None:
        return [name for name in STANDARD if name in there]
    _check_entries(names, there, configuration.place(("plugins",)))
    return names


def load(arguments: Mapping[str, Any] | None = None, plugins: Sequence[str | object] | None = None) -> Hooks:
    """Return the hooks of the plugins that run; arguments as of `protect`.

    Raises:
        ConfigError: A setting or a plugin is wrong.
    """
    return Hooks.of(manager_of(instances(arguments, plugins)))


def configured_store(arguments: Mapping[str, Any] | None = None) -> Store:
    """Return the store that is configured; the same one for the same settings in one process.

    Raises:
        ConfigError: There is no such store, or the package it needs is missing.
        StoreError: Another process keeps the file of the store locked.
    """
    configuration = Configuration({}, arguments)
    core = configuration.core()
    try:
        return shared_store(core.state, core.state_dir)
    except ConfigError as error:
        raise ConfigError(f"{configuration.place(('state',))}: {error}") from error


def configured_folder(arguments: Mapping[str, Any] | None = None) -> Path | None:
    """Return the folder for what is kept on this machine; `None`: none is configured, and the user has none.

    Raises:
        ConfigError: A setting is wrong.
    """
    with suppress(StoreUnavailableError):
        return state_folder(Configuration({}, arguments).core().state_dir)
    return None


def instances(
    arguments: Mapping[str, Any] | None = None, plugins: Sequence[str | object] | None = None
) -> dict[str, object]:
    """Return the plugins that run, by name, in their order.

    Raises:
        ConfigError: A setting or a plugin is wrong.
    """
    there = installed()
    entries = _given(plugins, there) if plugins is not None else enabled(there, arguments)
    classes = {name: there[name].load() for name in entries if isinstance(name, str)}
    models = {name: _model_of(plugin_class) for name, plugin_class in classes.items()}
    configuration = Configuration(models, arguments)
    configuration.check_names(there)
    return {
        name_of(entry): there[entry].make(classes[entry], configuration.table(entry, models[entry]))
        if isinstance(entry, str)
        else entry
        for entry in entries
    }


def name_of(plugin: object) -> str:
    """Return the name of an entry: itself, or the `name` of an instance, or that of its class."""
    return plugin if isinstance(plugin, str) else str(getattr(plugin, "name", type(plugin).__name__))


def _given(plugins: Sequence[str | object], there: Mapping[str, Installed]) -> list[Any]:
    """Return the entries given to `protect`."""
    place = "plugins given to protect()"
    if isinstance(plugins, str):
        raise ConfigError(f"{place}: plugins = {plugins!r}: a list is expected")
    try:
        entries = list(plugins)
    except TypeError as error:
        raise ConfigError(f"{place}: plugins = {plugins!r}: a list is expected") from error
    _check_entries(entries, there, place)
    return entries


def _check_entries(entries: Sequence[str | object], there: Mapping[str, Installed], place: str) -> None:
    seen = set()
    for entry in entries:
        name = name_of(entry)
        if isinstance(entry, type):
            raise ConfigError(f"{place}: plugins: {entry.__name__} is a class; give its name or an instance")
        if isinstance(entry, str) and name not in there:
            how = f"; install it: pip install seawall-{name}" if name in STANDARD else hint(name, there)
            raise ConfigError(f"{place}: plugins: no plugin {name!r} is installed{how}")
        if name in seen:
            raise ConfigError(f"{place}: plugins: {name!r} is there twice")
        seen.add(name)


def manager_of(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Return a manager in which `plugins` are registered so that they run in their order.

    Raises:
        ConfigError: A plugin implements no hook, one that does not exist, or one as it cannot be called.
    """
    manager = pluggy.PluginManager("seawall")
    manager.add_hookspecs(hookspecs)
    # pluggy asks the last registered first
    for name, plugin in reversed(list(plugins.items())):
        if complaint := _complaint(manager, plugin):
            raise ConfigError(f"{_whose(name, plugin)}: {complaint}")
        try:
            manager.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ConfigError(f"{_whose(name, plugin)} does not fit: {error}") from error
    return manager


def _complaint(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Return what is wrong with the hook implementations of a plugin."""
    specs = {name: list(caller.spec.argnames) for name, caller in vars(manager.hook).items() if caller.spec}
    implemented = False
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            continue
        hook = options["specname"] or attribute
        if hook not in specs:
            if options["optionalhook"]:
                continue
            return f"there is no hook {hook!r}{hint(hook, specs)}"
        implemented = True
        if options["wrapper"] or options["hookwrapper"]:
            return f"{hook} is a wrapper; hooks decide, they do not wrap each other"
        if complaint := _complaint_of(getattr(plugin, attribute), specs[hook]):
            return f"{hook} {complaint}"
    return None if implemented else "it implements no hook; mark its methods with @seawall.hookimpl"


def _complaint_of(function: Callable[..., Any], names: list[str]) -> str | None:
    """Return what is wrong with a function that is called with the arguments of a hook, or some of them."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is async; a hook is a plain function, and work that may block is answered as `Offload`"
    if inspect.isgeneratorfunction(function):
        return "is a generator; a hook returns its decision"
    for name, parameter in inspect.signature(function, **_UNEVALUATED).parameters.items():
        is_optional = parameter.default is not parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            bare = parameter.replace(annotation=parameter.empty)
            return f"takes {bare}; name the arguments it uses: {', '.join(names)}"
        if name not in names and not is_optional:
            return f"takes {name!r}, which this hook does not give{hint(name, names)}"
        # pluggy gives neither of these, and says nothing
        if name in names and (is_optional or parameter.kind is parameter.KEYWORD_ONLY):
            return f"takes {name!r} with a default or as a keyword; take it as a plain argument"
    return None


def _whose(name: str, plugin: object) -> str:
    there, module = installed().get(name), type(plugin).__module__
    if there is not None and re.split("[.:]", there.point.value)[0] == module.partition(".")[0]:
        return str(there)
    return f"plugin {name!r} ({module}.{type(plugin).__qualname__})"


def _model_of(plugin_class: type[Any]) -> type[BaseModel]:
    model: type[BaseModel] = getattr(plugin_class, "Settings", NoSettings)
    return model
