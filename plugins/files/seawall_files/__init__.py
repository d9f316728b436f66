"""Safe file operations. So far: files that are the old one or the whole new one, as `seawall run` writes.

Journals, crash resume, the workspace and token-aware reading are not there yet.
"""

from typing import TYPE_CHECKING

from seawall import hookimpl
from seawall_files.atomic import write_atomic

if TYPE_CHECKING:
    import click

__all__ = ["Files", "write_atomic"]


class Files:
    """Adds `seawall run` to the command line."""

    @hookimpl
    def register_commands(self, cli: "click.Group") -> None:
        from seawall_files.cli import run  # noqa: PLC0415 - only the command line needs it

        cli.add_command(run)
