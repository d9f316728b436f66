"""The commands `seawall run` and `seawall journals`."""

from pathlib import Path

import click

_DEFAULT_MODEL = "claude-opus-5-5"
_DEFAULT_MAX_TOKENS = 64_000
_FILE = click.Path(dir_okay=False, allow_dash=True)
"""No `pathlib.Path`, for which `./-` is `-`."""


@click.command()
@click.argument("prompt", type=_FILE)
@click.option("-o", "--output", type=_FILE, default="-", help="File for the answer; else, or if -, stdout.")
@click.option("--model", default=_DEFAULT_MODEL, show_default=True)
@click.option("--max-tokens", type=click.IntRange(min=1), default=_DEFAULT_MAX_TOKENS, show_default=True)
@click.option("--system", help="System prompt.")
def run(prompt: str, output: str, model: str, max_tokens: int, system: str | None) -> None:
    """Send the file PROMPT (or - for stdin) and write the answer.

    With -o the file is the old one or the whole new one, whatever happens, and the same command again goes on
    where the last one ended. Key and address are the SDK's own: ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL.
    """
    from seawall_files.run import run as send

    send(prompt, None if output == "-" else Path(output), model, max_tokens, system)


class _ListsByDefault(click.Group):
    """A group whose command `list` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in where there is none."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


_JOURNAL = click.argument("journal", type=click.Path(dir_okay=False, path_type=Path))


@click.group(cls=_ListsByDefault)
def journals() -> None:
    """List answers that are not whole yet; show, resume or discard one.

    `seawall journals FOLDER` lists those of a folder. A JOURNAL is given by its path, or by that of the file
    which is saved to.
    """


@journals.command("list")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
def list_(folder: Path) -> None:
    """List the journals in FOLDER, here by default."""
    from seawall_files.journals import list_journals

    list_journals(folder)


@journals.command("show")
@_JOURNAL
def show(journal: Path) -> None:
    """Print the text of what there is of an answer."""
    from seawall_files.journals import show as print_it

    print_it(journal)


@journals.command("resume")
@_JOURNAL
def resume(journal: Path) -> None:
    """Go on with an answer and write its file."""
    from seawall_files.journals import resume as go_on

    go_on(journal)


@journals.command("discard")
@click.argument("paths", metavar="JOURNAL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def discard(paths: tuple[Path, ...], *, yes: bool) -> None:
    """Remove journals: what is in them is lost."""
    from seawall_files.journals import discard as remove_them

    remove_them(paths, is_sure=yes)
