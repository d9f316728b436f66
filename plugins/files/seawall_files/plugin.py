"""The plugin: adds `seawall run` to the command line."""

from typing import TYPE_CHECKING

from seawall import hookimpl

if TYPE_CHECKING:
    import click


class Files:
    """Adds `seawall run` to the command line."""

    seawall_api = 1

    @hookimpl
    def register_commands(self, cli: "click.Group") -> None:
        from seawall_files.cli import run  # noqa: PLC0415 - only the command line needs it

        cli.add_command(run)
