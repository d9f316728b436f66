"""What is wrong with a plugin, in the words of an error: said at start, before anything is sent."""

import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import pluggy
from pydantic import BaseModel

from seawall import hookspecs
from seawall.settings import NoSettings
from seawall.wording import hint, shown, told

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # it would evaluate annotations, whose names may be there for type checkers only
    _UNEVALUATED: Final[Mapping[str, Any]] = {"annotation_format": Format.FORWARDREF}
else:
    _UNEVALUATED: Final[Mapping[str, Any]] = {}


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows the hooks and no plugin."""
    manager = pluggy.PluginManager("seawall")
    manager.add_hookspecs(hookspecs)
    return manager


def model_of(plugin_class: type[Any]) -> type[BaseModel]:
    """Return the model of the table of a plugin."""
    model: type[BaseModel] = getattr(plugin_class, "Settings", NoSettings)
    return model


def implemented(manager: pluggy.PluginManager, plugin: object) -> list[str]:
    """Return the names of the hooks that a plugin, or its class, implements."""
    found = {hook for _, hook, _ in _hooks(manager, plugin)}
    return [name for name in vars(hookspecs) if name in found]


def class_complaint(plugin_class: object, value: str) -> str | None:
    """Return what is wrong with what the entry point `value` names."""
    if not isinstance(plugin_class, type):
        return f"its entry point names {value!r}, which is no class"
    model = model_of(plugin_class)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return f"its Settings are no pydantic model: {model!r}"
    return _version_complaint(plugin_class)


def complaint(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Return what is wrong with a plugin that shall be registered with `manager`."""
    if said := _version_complaint(plugin) or _instance_complaint(manager, plugin):
        return said
    specs = {name: list(caller.spec.argnames) for name, caller in vars(manager.hook).items() if caller.spec}
    there: set[str] = set()
    for attribute, hook, options in _hooks(manager, plugin):
        if hook not in specs:
            if options["optionalhook"]:
                continue
            return f"there is no hook {hook!r}{hint(hook, specs)}"
        there.add(hook)
        if options["wrapper"] or options["hookwrapper"]:
            return f"{hook} is a wrapper; hooks decide, they do not wrap each other"
        if said := _function_complaint(getattr(plugin, attribute), specs[hook]):
            return f"{hook} {said}"
    return _absence_complaint(plugin, there, specs)


def import_complaint(error: BaseException, module: str, distribution: str) -> str:
    """Return why the module of a plugin cannot be imported, and what to do."""
    said = f"cannot be loaded: {told(error)}"
    missing = error.name or "" if isinstance(error, ImportError) else ""
    if missing.partition(".")[0] == "seawall":
        return f"{said}; it wants another version of Seawall: upgrade {distribution} and seawall-core"
    if not isinstance(error, ModuleNotFoundError):
        return said
    if missing == module or module.startswith(f"{missing}."):
        return f"{said}; reinstall {distribution}"
    return f"{said}; install what {distribution} needs"


def _hooks(manager: pluggy.PluginManager, plugin: object) -> Iterator[tuple[str, str, pluggy.HookimplOpts]]:
    """Yield the marked attributes of a plugin, the hooks they implement and how."""
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            yield attribute, options["specname"] or attribute, options


def _version_complaint(plugin: object) -> str | None:
    version, ours = getattr(plugin, "seawall_api", 1), hookspecs.API_VERSION
    if not isinstance(version, int) or isinstance(version, bool):
        return f"seawall_api = {version!r}: the number of an API version is expected, such as {ours}"
    if version == ours:
        return None
    what = "seawall-core" if version > ours else "the plugin"
    written = f"it is written for version {version} of the plugin API"
    return f"{written}, and this Seawall has version {ours}; upgrade {what}"


def _instance_complaint(manager: pluggy.PluginManager, plugin: object) -> str | None:
    if not isinstance(required := getattr(plugin, "required", True), bool):
        return f"required = {shown(required)}: True or False is expected"
    if other := next((name for name, there in manager.list_name_plugin() if there == plugin), None):
        return f"it is equal to plugin {other!r}, and cannot be told from it; a dataclass needs eq=False"
    return None


def _absence_complaint(plugin: object, there: Collection[str], hooks: Iterable[str]) -> str | None:
    """Return which hook a plugin seems to have and has not; `there` are those it has."""
    if not there:
        return "it implements no hook; mark its methods with @seawall.hookimpl"
    for hook in hooks:
        # one that overrides a marked method would leave the plugin without it, and nobody is told
        if hook not in there and inspect.isroutine(inspect.getattr_static(plugin, hook, None)):
            return (
                f"{hook} is called like a hook and not marked; put @seawall.hookimpl above it, or rename it"
            )
    return None


def _function_complaint(function: Callable[..., Any], names: list[str]) -> str | None:
    """Return what is wrong with a function that is called with the arguments of a hook, or some of them."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is async; a hook is a plain function, and work that may block is answered as `Offload`"
    if inspect.isgeneratorfunction(function):
        return "is a generator; a hook returns its decision"
    return next(_complaints_of_parameters(function, names), None)


def _complaints_of_parameters(function: Callable[..., Any], names: list[str]) -> Iterator[str]:
    if inspect.ismethod(function) and (first := next(iter(_parameters(function.__func__)), "")) in names:
        yield f"takes {first!r} where self belongs"
    for name, parameter in _parameters(function).items():
        is_optional = parameter.default is not parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            bare = parameter.replace(annotation=parameter.empty)
            yield f"takes {bare}; name the arguments it uses: {', '.join(names)}"
        elif name not in names and not is_optional:
            yield f"takes {name!r}, which this hook does not give{hint(name, names)}"
        # pluggy gives neither of these, and says nothing
        elif name in names and (is_optional or parameter.kind is parameter.KEYWORD_ONLY):
            yield f"takes {name!r} with a default or as a keyword; take it as a plain argument"


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function, **_UNEVALUATED).parameters
