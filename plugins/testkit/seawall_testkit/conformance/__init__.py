"""Whether a plugin keeps the promises that all plugins make, by real calls against the simulator.

Example::

    def test_it_conforms():
        assert_conforms(Guard, settings={"limit": 1})
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from seawall import ConfigError
from seawall.fitness import class_complaint
from seawall.registry import manager_of, name_of
from seawall.wording import complaint, read
from seawall_testkit.conformance.checks import CHECKS
from seawall_testkit.conformance.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["assert_conforms"]


def assert_conforms(plugin: Callable[..., object], settings: Mapping[str, Any] | None = None) -> None:
    """Raise an `AssertionError` that says which promises a plugin breaks.

    What is checked: it settles what it reserves however a call ends; asked again within an attempt it answers
    the same; it changes nothing in `call.params`; events of types it does not know leave it alone; no hook
    blocks outside an `Offload`; it answers alike in sync and async clients; 16 threads may use it at once.
    Takes some seconds.

    Args:
        plugin: Its class, or a function that makes one; several are made.
        settings: The table it is made with, if its class has `Settings`: as tight as allows one call at a
            time, so that what is left reserved shows in the next one. A rate limit or a budget needs room for
            some dozen calls.

    Raises:
        ConfigError: A start would refuse the plugin, or its settings.
        TypeError: It is neither a class nor a function, or has no `Settings` for `settings`.
    """
    make = _maker(plugin, settings)
    manager_of({name_of(made := make()): made})
    with Stage(make) as stage:
        said = [f"- {what}" for check in CHECKS for what in check(stage)]
    name = getattr(plugin, "__name__", repr(plugin))
    if said:
        raise AssertionError("\n".join([f"{name} does not conform:", *dict.fromkeys(said)]))


def _maker(plugin: Callable[..., object], settings: Mapping[str, Any] | None) -> Callable[[], object]:
    if not callable(plugin):
        raise TypeError(f"{plugin!r}: the class of a plugin is expected, or a function that makes one")
    if isinstance(plugin, type) and (said := class_complaint(plugin, plugin.__name__)):
        raise ConfigError(f"{plugin.__name__}: {said}")
    model: Any = getattr(plugin, "Settings", None)
    if model is not None:
        table = settings or {}
        made, wrong = read(model, table)
        if made is None:
            raise ConfigError(f"{plugin.__name__}: {complaint(wrong[0], model, table, ('settings',))}")
        return partial(plugin, made)
    if settings is not None:
        raise TypeError(f"settings = {settings!r}: {plugin!r} has no `Settings`; leave them out")
    return plugin
