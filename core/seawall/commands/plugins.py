"""`seawall plugins`: what is installed, what of it runs, and who said so."""

import click

from seawall.fitness import implemented, new_manager
from seawall.registry import FIRST_PARTY, STANDARD, Installed, installed, instances
from seawall.settings import Configuration

_HEAD = ("plugin", "version", "distribution", "runs", "required", "hooks")
_BY_DEFAULT = (
    "Nothing sets `plugins`: the standard ones run, as far as they are installed. To run others, or in\n"
    'another order, name all that shall run in seawall.toml: plugins = ["streaming", "backoff", ...]'
)


@click.command("plugins")
def list_plugins() -> None:
    """List the installed plugins and whether they run.

    Those of others that do not run are not imported, and nothing is known of their hooks.
    """
    there = installed()
    running = instances()  # one that is wrong does not run
    rows = [_HEAD, *(_row(plugin, running) for plugin in there.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    configuration = Configuration()
    is_said = configuration.core().plugins is not None
    click.echo()
    click.echo(
        f"`plugins` is set by {configuration.place(('plugins',))}: what it names runs, in its order."
        if is_said
        else _BY_DEFAULT
    )


def _row(plugin: Installed, running: dict[str, object]) -> tuple[str, ...]:
    told = (plugin.name, plugin.version, plugin.distribution, _runs(plugin, list(running)))
    if plugin.name not in running and plugin.name not in FIRST_PARTY:
        return (*told, "-", "-")
    known = running[plugin.name] if plugin.name in running else plugin.load()
    is_required = getattr(known, "required", True)
    return (*told, "yes" if is_required else "no", ", ".join(implemented(new_manager(), known)))


def _runs(plugin: Installed, names: list[str]) -> str:
    if plugin.name in names:
        return f"yes, number {names.index(plugin.name) + 1}"
    return "commands only" if plugin.name in FIRST_PARTY and plugin.name not in STANDARD else "no"
