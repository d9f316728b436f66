"""The command line `seawall`; plugins add commands by the hook `register_commands`."""

import errno
import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

import click

from seawall.commands.config import config
from seawall.commands.doctor import doctor
from seawall.commands.plugins import list_plugins
from seawall.errors import ConfigError, SeawallError
from seawall.hooks import CallHooks, Hooks
from seawall.registry import FIRST_PARTY, enabled, installed, load, load_without_settings

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class _Commands(click.Group):
    """The group of all commands; plugins are loaded when one is asked for that the core does not have."""

    _of_core: dict[str, click.Command] | None = None
    """The commands that are there before plugins are loaded."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command.

        Raises:
            ValueError: There is one of its name, which nobody would miss until it does something else.
        """
        if (name := name or cmd.name) in self.commands:
            raise ValueError(f"there is a command {name!r} already; take another name")
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of commands; of those that may need a configuration only where it can be read."""
        if error := self._load():
            click.echo(
                f"seawall: {error}\nNot all commands of plugins are listed; try `seawall config check`.\n",
                err=True,
            )
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command.

        Raises:
            ConfigError: A setting is wrong, and the command may need it.
        """
        error = None if cmd_name in self.commands else self._load()
        if error is not None and cmd_name not in self.commands:
            raise error
        return super().get_command(ctx, cmd_name)

    def _load(self) -> ConfigError | None:
        """Add the commands of plugins; of those without settings, and returns why, if a setting is wrong."""
        try:
            there = installed()
            names = dict.fromkeys([*(name for name in FIRST_PARTY if name in there), *enabled(there)])
            self._add(load(plugins=list(names)))
        except ConfigError as error:
            with suppress(ConfigError):
                self._add(load_without_settings())
            return error
        return None

    def _add(self, hooks: Hooks) -> None:
        self._of_core = self._of_core or dict(self.commands)
        self.commands = dict(self._of_core)
        for hook in hooks.register_commands:
            CallHooks(hooks).ask(hook, "register_commands", self)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seawall-core", prog_name="seawall")
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr what calls are doing.")
def cli(*, verbose: bool) -> None:
    """Protects long Claude operations: streamed, paced, resumed, accounted."""
    if verbose:
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger("seawall").setLevel(logging.INFO)


for command in (list_plugins, config, doctor):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; whatever a user can cause ends in one line on stderr and an exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        # a character that the encoding lacks is no reason to say nothing
        sys.stdout.reconfigure(errors="replace")
    options: dict[str, Any] = {"args": arguments, "prog_name": "seawall", "standalone_mode": False}
    try:
        code = cli.main(**options)
    except click.ClickException as error:
        code = error.exit_code
        with suppress(OSError):  # stderr may be as broken as stdout: the code says what happened
            error.show()
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
        say("interrupted")
    except SeawallError as error:
        code = EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED
        # an error of a plugin's own may have several lines
        say(f"seawall: {' '.join(str(error).split())}")
    except OSError as error:
        # click writes a line end for Ctrl-C
        code = EXIT_INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else EXIT_FAILED
        # a full disk behind stdout, a folder that may not be entered
        if not _is_of_closed_pipe(error):
            say(f"seawall: {error}")
    finally:
        _let_go_of(sys.stdout)
        _let_go_of(sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def say(text: str) -> None:
    """Say something on stderr; that nobody reads it, as after Ctrl-C in a pipe, changes no exit code."""
    with suppress(OSError):
        click.echo(text, err=True)


def _is_of_closed_pipe(error: OSError) -> bool:
    """Whether the reader of stdout has gone, as Windows says it; click knows how others do."""
    return os.name == "nt" and error.errno == errno.EINVAL and error.filename is None


def _let_go_of(stream: TextIO | None) -> None:
    """Drop what a stream did not take: the interpreter would try it again as it ends, with its own error."""
    if stream is None:  # who closed it before the start has none
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
