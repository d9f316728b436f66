"""What `seawall run` does: one prompt, one answer, all enabled protections."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anthropic
import click

import seawall
from seawall_files.atomic import write_atomic

if TYPE_CHECKING:
    from anthropic.types import Message


def run(prompt: Path, output: Path | None, model: str, max_tokens: int, system: str | None) -> None:
    """Send a prompt and write the answer; leaves by `sys.exit` where that fails."""
    text = _read(prompt)
    if output is not None and not output.absolute().parent.is_dir():
        raise click.UsageError(
            f"the folder of {str(output)!r} does not exist; make it first, as nothing has been sent yet"
        )
    params: dict[str, Any] = {"system": system} if system else {}
    try:
        client = seawall.protect(anthropic.Anthropic())
        if not (client.api_key or client.auth_token or client.credentials):
            raise click.UsageError("the SDK finds no key; set ANTHROPIC_API_KEY")
        message = client.messages.create(
            model=model, max_tokens=max_tokens, messages=[{"role": "user", "content": text}], **params
        )
    except seawall.ConfigError as error:
        raise click.UsageError(str(error)) from error
    except (anthropic.AnthropicError, seawall.SeawallError) as error:
        _fail(error, output)
    except KeyboardInterrupt as interrupt:
        click.echo(f"interrupted; {_kept(interrupt, output)}", err=True)
        sys.exit(130)
    _write(message, output)


def _read(prompt: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(prompt) == "-" else prompt.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"cannot read {str(prompt)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{str(prompt)!r} is not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        ) from error
    if not text.strip():
        raise click.UsageError(f"{str(prompt)!r} is empty; the API takes no empty message")
    return text


def _write(message: "Message", output: Path | None) -> None:
    text = _text_of(message)
    if output is None:
        click.echo(text)
    else:
        try:
            write_atomic(output, text.encode())
        except OSError as error:
            click.echo(text)
            click.echo(
                f"seawall: cannot write {str(output)!r}: {error.strerror}; the answer is on stdout", err=True
            )
            sys.exit(1)
        click.echo(f"{output}: {message.usage.output_tokens:,} tokens, {message.stop_reason}", err=True)
    if message.stop_reason == "max_tokens":
        click.echo("seawall: the answer was cut by --max-tokens; give it more", err=True)
    if message.stop_reason == "refusal":
        click.echo("seawall: the model refused to go on", err=True)
        sys.exit(1)


def _fail(error: Exception, output: Path | None) -> NoReturn:
    click.echo(f"seawall: {_said(error)}\nseawall: {_kept(error, output)}", err=True)
    sys.exit(1)


def _said(error: Exception) -> str:
    status = (
        f" ({error.status_code}, request {error.request_id})"
        if isinstance(error, anthropic.APIStatusError)
        else ""
    )
    return "\n".join([f"{type(error).__name__}{status}: {error}", *getattr(error, "__notes__", ())])


def _kept(error: BaseException, output: Path | None) -> str:
    """Save what an ended call had of its answer; returns a sentence that says where."""
    partial: Message | None = getattr(error, "partial_message", None)
    text = _text_of(partial) if partial is not None else ""
    old = f"{output} is as it was" if output is not None else "nothing was written"
    if not text:
        return f"nothing was received; {old}"
    path = (output or Path("seawall-answer.md")).with_suffix(".partial.md")
    try:
        write_atomic(path, text.encode())
    except OSError as failure:
        return (
            f"{len(text):,} characters were received, but {path} cannot be written: {failure.strerror}; {old}"
        )
    return f"the {len(text):,} characters that were received are in {path}; {old}"


def _text_of(message: "Message") -> str:
    return "".join(block.text for block in message.content if block.type == "text")
