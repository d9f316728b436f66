"""Test kit: a Messages API simulator with faults, for tests of programs and of Seawall plugins.

`Simulator` and its companions are imported when they are first asked for: the command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from seawall import hookimpl

if TYPE_CHECKING:
    import click

    from seawall_testkit.conformance import assert_conforms
    from seawall_testkit.continuation import Misbehaviour
    from seawall_testkit.faults import Fault
    from seawall_testkit.journal import Billed, Received
    from seawall_testkit.limits import Limits
    from seawall_testkit.options import Switches
    from seawall_testkit.simulator import Simulator

__all__ = [
    "Billed",
    "Fault",
    "Limits",
    "Misbehaviour",
    "Received",
    "Simulator",
    "Switches",
    "Testkit",
    "assert_conforms",
]

_HOMES = {
    "Billed": "journal",
    "Fault": "faults",
    "Limits": "limits",
    "Misbehaviour": "continuation",
    "Received": "journal",
    "Simulator": "simulator",
    "Switches": "options",
    "assert_conforms": "conformance",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class Testkit:
    """Adds `seawall simulate`; it protects nothing."""

    __test__ = False
    seawall_api = 1

    @hookimpl
    def register_commands(self, cli: click.Group) -> None:
        from seawall_testkit.cli import demo, new_plugin, simulate  # noqa: PLC0415 - only the command line needs click

        cli.add_command(simulate)
        cli.add_command(demo)
        cli.add_command(new_plugin)
