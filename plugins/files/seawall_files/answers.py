"""An answer that goes to stdout; where that takes nothing it goes to a file, as it is paid for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from seawall_files.atomic import write_in
from seawall_files.folder import Folder

if TYPE_CHECKING:
    from anthropic.types import Message
    from anthropic.types.beta import BetaMessage


def text_of_message(message: "Message | BetaMessage") -> str:
    """Return what is saved of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")


def echo_answer(text: str) -> None:
    """Write an answer to stdout, in UTF-8 if that is no terminal; leaves by `sys.exit` where that fails."""
    stdout: TextIO | None = sys.stdout
    if stdout is None:
        _give_up(text, "it is closed")
    try:
        # half a surrogate pair is nothing that a console of Windows takes
        data = text.encode(errors="replace")
        # a file of the shell's holds what one of -o would, whatever encoding this system prefers
        click.echo(data.decode() if stdout.isatty() else data)
    except BrokenPipeError:
        # who reads has seen enough
        raise
    except OSError as error:
        _give_up(text, error.strerror or str(error))


def _give_up(text: str, why: str) -> NoReturn:
    click.echo(f"seawall: stdout cannot be written: {why}; {keep_answer(text, 'seawall-answer')}", err=True)
    sys.exit(1)


def keep_answer(text: str, stem: str) -> str:
    """Save a text to a new file in the working directory; returns what is to be said of that."""
    length, name, number = f"the {len(text):,} characters that were received", f"{stem}.md", 1
    while True:
        try:
            with Folder.at(Path.cwd()) as folder:
                write_in(folder, name, text.encode(errors="replace"))
        except FileExistsError:
            # of an earlier call, which said that its answer is there
            number += 1
            name = f"{stem}-{number}.md"
        except OSError as error:
            return f"{length} are lost, {name} cannot be written: {error.strerror}"
        else:
            return f"{length} are in {name}"
