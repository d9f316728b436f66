"""The commands `seawall usage` and `seawall count`."""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from seawall_tokens import report

_DEFAULT_MODEL: Final = "claude-opus-5-5"
_MAGIC: Final = (
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive (or an office document)"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


class BadInputError(click.ClickException):
    """What a user typed cannot be done; one line on stderr, exit code 2."""

    exit_code = 2


class _By(click.Choice[str]):
    """Fails in one line."""

    def fail(self, message: str, param: Any = None, ctx: Any = None) -> NoReturn:  # noqa: ARG002 - of click
        raise BadInputError(f"--by: {message}")


def usage_command(path: Path) -> click.Command:
    """Return `seawall usage` for the ledger at `path`."""

    @click.command("usage")
    @click.option(
        "--by", type=_By(report.ORDERS), default="model", show_default=True, help="One row for each."
    )
    @click.option("--since", metavar="DATE|7d", help="From this day (UTC) on, or so many d, h or w back.")
    @click.option("--json", "is_json", is_flag=True, help="Sums as JSON.")
    def usage(by: report.By, since: str | None, *, is_json: bool) -> None:
        """Show what calls cost: tokens, dollars, waste, by the ledger of this user."""
        try:
            begin = None if since is None else report.moment(since, datetime.now(UTC))
            found = report.read(path, by, begin)
        except (report.UnreadableError, ValueError) as error:
            raise BadInputError(str(error)) from error
        if is_json:
            _say(json.dumps(found.as_json(), indent=2))
        else:
            _say(_table(found, path))
        if found.unpriced:
            click.echo(
                f"seawall: {found.unpriced:,} attempts are of models without a known price and in no sum of "
                "dollars; set tokens.prices",
                err=True,
            )

    return usage


def _table(found: report.Report, path: Path) -> str:
    if not found.rows:
        return f"nothing is in the ledger {path}"
    lines = [
        f"{text}  {click.style(bar, fg='cyan') if bar else ''}".rstrip()
        for text, bar in report.table(found, is_plain=not _writes("█▏…"))
    ]
    if found.lost:
        lines.append(f"lost: {found.lost:,} attempts whose process died; counted as far as they had streamed")
    text = "\n".join(lines)
    return text if report.is_colored() else click.unstyle(text)


def count_command(estimate: Callable[[str, str], int]) -> click.Command:
    """Return `seawall count`.

    Args:
        estimate: Tokens of a text for a model, as the hook `estimate_tokens` has it.
    """

    @click.command("count")
    @click.argument("files", metavar="FILES...", nargs=-1, required=True)
    @click.option("--model", default=_DEFAULT_MODEL, show_default=True)
    def count(files: tuple[str, ...], model: str) -> None:
        """Estimate the tokens of text FILES (- for stdin); nothing is sent."""
        if files.count("-") > 1:
            raise BadInputError("stdin (-) can be read only once")
        counted = [(estimate(_text(name), model), click.format_filename(name)) for name in files]
        if len(counted) > 1:
            counted.append((sum(tokens for tokens, _ in counted), "total"))
        width = max(len(f"{tokens:,}") for tokens, _ in counted)
        _say("\n".join(f"{tokens:>{width},}  {name}" for tokens, name in counted))

    return count


def _text(name: str) -> str:
    """Return the text of a file."""
    shown = repr(click.format_filename(name))
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return _decoded(data, shown)
    except IsADirectoryError as error:
        raise BadInputError(f"{shown} is a folder; name its files") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise BadInputError(f"cannot read {shown}: {said}") from error


def _decoded(data: bytes, shown: str) -> str:
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if kind is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "a WebP image"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        said = kind or f"not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        raise BadInputError(f"{shown} is {said}; only text can be counted") from error
    if kind is None and "\0" in text:
        kind = f"binary data: byte {data.index(0)} is 0x00"
    if kind is not None:
        raise BadInputError(f"{shown} is {kind}; only text can be counted")
    return text


def _writes(signs: str) -> bool:
    """Whether stdout can show them."""
    try:
        signs.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _say(text: str) -> None:
    """Write to stdout; a reader who has seen enough, such as `head`, is no error."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered would fail again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
