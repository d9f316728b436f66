"""The commands `seawall usage` and `seawall count`; what they run is imported when they run."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click

if TYPE_CHECKING:
    from seawall_tokens.report import By, Report

_DEFAULT_MODEL: Final = "claude-opus-5-5"
_MAGIC: Final = (
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive (or an office document)"),
    (b"\x1f\x8b", "gzip data"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


@click.command()
@click.option(
    "--by",
    type=click.Choice(["model", "caller", "day"]),
    default="model",
    show_default=True,
    help="A row for each.",
)
@click.option("--since", metavar="DATE|7d", help="From this day (UTC) on, or so many h, d or w back.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def usage(by: "By", since: str | None, *, is_json: bool) -> None:
    """Show what calls cost: attempts, tokens, waste, dollars.

    It is read from the ledger in the state directory, which all calls of this user write. Days are of UTC.
    """
    from seawall.registry import configured_folder  # noqa: PLC0415
    from seawall_tokens import report  # noqa: PLC0415
    from seawall_tokens.rows import FILE  # noqa: PLC0415

    if (folder := configured_folder()) is None:
        raise click.ClickException("this user has no home directory; set `state_dir` to a folder")
    try:
        begin = None if since is None else report.moment(since, datetime.now(UTC))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        found = report.read(folder / FILE, by, begin)
    except report.UnreadableError as error:
        raise click.ClickException(str(error)) from error
    _say(json.dumps(found.as_json(), indent=2) if is_json else _table(found, folder / FILE, begin))
    if found.unpriced:
        click.echo(
            f"seawall: attempts whose price is not known, in no sum of dollars: {found.unpriced:,}; "
            "set tokens.prices",
            err=True,
        )


def _table(found: "Report", path: Path, begin: datetime | None) -> str:
    from seawall_tokens.table import SIGNS, table  # noqa: PLC0415

    if not found.rows:
        since = "" if begin is None else f" since {begin:%Y-%m-%d %H:%M %Z}"
        return f"nothing is in the ledger {path}{since}"
    lines = [
        f"{text}  {click.style(bar, fg='cyan') if bar else ''}".rstrip()
        for text, bar in table(found, is_plain=not _writes(SIGNS))
    ]
    if found.estimated:
        lines.append(f"estimated: {found.estimated:,} (broke before the API had counted all of it)")
    if found.lost:
        lines.append(f"lost: {found.lost:,} (the process died; counted as far as it had streamed)")
    text = "\n".join(lines)
    # https://no-color.org
    return click.unstyle(text) if os.environ.get("NO_COLOR") else text


@click.command()
@click.argument("files", metavar="FILES...", nargs=-1, required=True)
@click.option("--model", default=_DEFAULT_MODEL, show_default=True)
def count(files: tuple[str, ...], model: str) -> None:
    """Estimate the tokens of text files; nothing is sent.

    `-` among the FILES is stdin.
    """
    import seawall  # noqa: PLC0415

    if files.count("-") > 1:
        raise click.UsageError("stdin (-) can be read only once")
    counted = [(seawall.estimate_tokens(_text(name), model), click.format_filename(name)) for name in files]
    if len(counted) > 1:
        counted.append((sum(tokens for tokens, _ in counted), "total"))
    width = max(len(f"{tokens:,}") for tokens, _ in counted)
    _say("\n".join(f"{tokens:>{width},}  {name}" for tokens, name in counted))


def _text(name: str) -> str:
    """Return the text of a file."""
    shown = repr(click.format_filename(name))
    stdin: TextIO | None = sys.stdin
    if name == "-" and stdin is None:
        raise click.UsageError("cannot read '-': stdin is closed")
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except IsADirectoryError as error:
        raise click.UsageError(f"{shown} is a folder; name its files") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise click.UsageError(f"cannot read {shown}: {said}") from error
    return _decoded(data, shown)


def _decoded(data: bytes, shown: str) -> str:
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    try:
        # a byte order mark, which Windows editors put in front
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        said = kind or f"not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        raise click.UsageError(f"{shown} is {said}; only text can be counted") from error
    if kind is None and "\0" in text:
        kind = f"binary data: byte {data.index(0)} is 0x00"
    if kind is not None:
        raise click.UsageError(f"{shown} is {kind}; only text can be counted")
    return text


def _writes(signs: str) -> bool:
    """Whether stdout can show them."""
    try:
        signs.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _say(text: str) -> None:
    """Write to stdout, unless it is closed; a reader who has seen enough, such as `head`, is no error."""
    stdout: TextIO | None = sys.stdout
    if stdout is None:
        return
    try:
        click.echo(text)
        stdout.flush()
    except BrokenPipeError:
        # what is still buffered would fail again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
