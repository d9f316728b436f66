"""The command `seawall run`."""

from pathlib import Path

import click

_DEFAULT_MODEL = "claude-opus-5-5"
_DEFAULT_MAX_TOKENS = 64_000


@click.command()
@click.argument("prompt", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the answer; else stdout.",
)
@click.option("--model", default=_DEFAULT_MODEL, show_default=True)
@click.option("--max-tokens", type=click.IntRange(min=1), default=_DEFAULT_MAX_TOKENS, show_default=True)
@click.option("--system", help="System prompt.")
def run(prompt: Path, output: Path | None, model: str, max_tokens: int, system: str | None) -> None:
    """Send the file PROMPT (or - for stdin) and write the answer.

    With -o the file is the old one or the whole new one, whatever happens. Key and address are the SDK's own:
    ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL.
    """
    from seawall_files.run import run as send

    send(prompt, output, model, max_tokens, system)
