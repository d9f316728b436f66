"""What `seawall run` does: one prompt, one answer, all enabled protections."""

import os
import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import anthropic
import click

import seawall
from seawall.cli import say
from seawall.registry import enabled, installed
from seawall_files.answers import echo_answer, keep_answer, text_of_message
from seawall_files.errors import JournalError, NotSavedError, SavingError, TargetLockedError
from seawall_files.places import untouched
from seawall_files.saving import Saving

if TYPE_CHECKING:
    from anthropic.types import Message

RESUME: Final = "seawall journals resume"


def run(prompt: str, output: Path | None, model: str, max_tokens: int, system: str | None) -> None:
    """Send a prompt and write the answer; leaves by `sys.exit` where that fails."""
    for option, said in (("--model", model), ("--system", system or "")):
        _check_text(option, said)
    text = _read(prompt)
    if output is not None:
        _check(output, prompt)
    params: dict[str, Any] = {"system": system} if system else {}
    messages: list[Any] = [{"role": "user", "content": text}]
    params |= {"model": model, "max_tokens": max_tokens, "messages": messages}
    deliver(lambda client: client.messages.create(**params), output, command="seawall run")


def deliver(ask: Callable[[anthropic.Anthropic], "Message"], output: Path | None, *, command: str) -> None:
    """Let a protected client ask, and write the answer; leaves by `sys.exit` where that fails.

    Args:
        ask: Makes one call.
        output: Where the answer is saved; `None`: it goes to stdout.
        command: What this is.
    """
    saved = None if output is None else Saving(output, command=command)
    try:
        names = enabled(installed())
        # what is saved is saved, whatever else runs
        plugins = None if "files" in names else [*names, "files"]
        with anthropic.Anthropic() as bare:
            client = seawall.protect(bare, plugins=plugins)
            if not (client.api_key or client.auth_token or client.credentials):
                raise click.UsageError("the SDK finds no key; set ANTHROPIC_API_KEY")
            with saved or nullcontext():
                message = ask(client)
    except seawall.ConfigError as error:
        raise click.UsageError(str(error)) from error
    except NotSavedError as error:
        say(f"seawall: {error}; it is on stdout too")
        echo_answer(error.text)
        sys.exit(1)
    except (anthropic.AnthropicError, seawall.SeawallError) as error:
        _fail(error, saved)
    except KeyboardInterrupt as interrupt:
        say(f"interrupted; {_kept(interrupt, saved)}")
        sys.exit(130)
    _tell(message, output)


def _check_text(option: str, said: str) -> None:
    try:
        said.encode()
    except UnicodeEncodeError as error:
        # bytes that are no text here, of which Python makes half surrogate pairs
        raise click.UsageError(f"{option} {said!r} is not UTF-8") from error


def _check(output: Path, prompt: str) -> None:
    # what cannot be looked at, such as a name that is too long, is refused as what it is where it is saved to
    with suppress(OSError):
        if not output.absolute().parent.is_dir():
            raise click.UsageError(
                f"the folder of {str(output)!r} does not exist; make it first, as nothing has been sent yet"
            )
        if prompt != "-" and output.samefile(prompt):
            raise click.UsageError(f"the answer would replace its prompt, {prompt!r}; give -o another name")


def _read(prompt: str) -> str:
    try:
        data = _stdin() if prompt == "-" else Path(prompt).read_bytes()
        # a byte order mark, which Windows editors put in front
        text = data.decode().removeprefix("\ufeff")
    except OSError as error:
        raise click.UsageError(f"cannot read {prompt!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{prompt!r} is not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        ) from error
    if not text.strip():
        raise click.UsageError(f"{prompt!r} is empty; the API takes no empty message")
    return text


def _stdin() -> bytes:
    stdin: TextIO | None = sys.stdin
    if stdin is None:
        raise click.UsageError("cannot read '-': stdin is closed")
    return stdin.buffer.read()


def _tell(message: "Message", output: Path | None) -> None:
    """Say what came of a call; its answer, if it is not in a file. Leaves by `sys.exit` if there is none."""
    text, came = text_of_message(message), f"{message.usage.output_tokens:,} tokens, {message.stop_reason}"
    if not text:
        say(f"seawall: there is nothing to write, the answer has no text: {came}")
    elif output is None:
        echo_answer(text)
    else:
        say(f"{_shown(output)}: {came}")
    if message.stop_reason == "max_tokens":
        say("seawall: the answer was cut by --max-tokens; give it more")
    if message.stop_reason == "refusal":
        say("seawall: the model refused to go on")
    if not text or message.stop_reason == "refusal":
        sys.exit(1)


def _fail(error: Exception, saved: Saving | None) -> NoReturn:
    say(f"seawall: {_said(error)}\nseawall: {_kept(error, saved)}")
    sys.exit(1)


def _said(error: Exception) -> str:
    status = (
        f" ({error.status_code}, request {error.request_id})"
        if isinstance(error, anthropic.APIStatusError)
        else ""
    )
    return "\n".join([f"{type(error).__name__}{status}: {error}", *getattr(error, "__notes__", ())])


def _kept(error: BaseException, saved: Saving | None) -> str:
    """Return a sentence that says where what an ended call had of its answer is, and how to go on."""
    if saved is None:
        return _kept_in_a_file(error)
    standing = untouched(saved.path, str(_shown(saved.path)))
    if isinstance(error, JournalError | SavingError | TargetLockedError):
        # a journal that is there is not of this call
        return f"nothing was sent; {standing}"
    if not saved.journal.exists():
        return f"nothing was received; {standing}"
    again = "the same command again"
    if saved.command != RESUME:
        again += f", or `{RESUME} {_quoted(_shown(saved.path))}`,"
    return f"what was received is in {_shown(saved.journal)}, and {again} goes on; {standing}"


def _quoted(path: Path) -> str:
    """Return a path as a shell takes it, and a command, which takes `-x.md` for options."""
    name = f".{os.sep}{path}" if str(path).startswith("-") else str(path)
    return shlex.quote(name) if os.name == "posix" else f'"{name}"'


def _shown(path: Path) -> Path:
    """Return a path as short as it can be said here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _kept_in_a_file(error: BaseException) -> str:
    """Save what a call had of its answer that was to go to stdout; returns a sentence that says where."""
    partial = seawall.partial_message(error)
    text = text_of_message(partial) if partial is not None else ""
    if not text:
        return "nothing was received; nothing was written"
    return f"{keep_answer(text, 'seawall-answer.partial')}; with -o a call can go on"
