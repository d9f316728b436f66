"""What `seawall journals` does: says which answers are not whole yet, and what there is of them."""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from anthropic.types import Message

from seawall_files.answers import echo_answer
from seawall_files.earlier import earlier_attempts
from seawall_files.errors import JournalError
from seawall_files.glimpse import text_of
from seawall_files.journal import Recovered, recover, remove
from seawall_files.locks import TargetLock
from seawall_files.places import JOURNAL, journal_path, real_target
from seawall_files.run import RESUME, deliver

_NAME: Final = re.compile(rf"(.+){re.escape(JOURNAL)}(?:\.~[0-9]+~)?", re.DOTALL)
"""Of a journal, also of one that was set aside."""


def list_journals(folder: Path) -> None:
    """Print one line for each journal in a folder."""
    found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    if not found:
        click.echo(f"no journals in {folder}", err=True)
    for path in found:
        click.echo(f"{path}  {_summary(path)}")


def _summary(path: Path) -> str:
    try:
        recovered = recover(path)
    except JournalError as error:
        return error.reason
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return (
        f"{_state(recovered)}, {recovered.header.model}, begun {_moment(recovered)}, {recovered.end:,} bytes"
    )


def _state(recovered: Recovered) -> str:
    if recovered.is_done:
        return "whole"
    return "a part" if recovered.problem is None else f"a part ({recovered.problem})"


def _moment(recovered: Recovered) -> str:
    try:
        return f"{datetime.fromtimestamp(recovered.header.created, UTC):%Y-%m-%d %H:%M} UTC"
    except (OSError, OverflowError, ValueError):
        # no journal may keep the others from being listed
        return "at a time that is none"


def show(path: Path) -> None:
    """Print what there is of an answer, and on stderr what is known of it."""
    journal, recovered = _found(path)
    header = recovered.header
    click.echo(f"{journal}: {_state(recovered)} of the answer to be saved to {header.target}", err=True)
    click.echo(f"{header.model}, begun {_moment(recovered)}, by seawall {header.seawall}", err=True)
    try:
        attempts = earlier_attempts(recovered.records())
    except ValueError as error:
        raise JournalError(str(journal), f"cannot be used: {error}") from error
    click.echo(f"{len(attempts)} attempt{'s' * (len(attempts) != 1)} so far", err=True)
    echo_answer(text_of(attempts))


def resume(path: Path) -> None:
    """Make the request of a journal again: go on with its answer."""
    journal, recovered = _found(path)
    header = recovered.header
    if not header.request or header.details.get("beta"):
        raise JournalError(str(journal), "can be resumed by the program that wrote it only; run it again")
    target = _target(journal, recovered)
    place = journal_path(real_target(target))
    if place != real_target(journal):
        # nobody would look for it there, and all of the answer would be paid for once more
        raise JournalError(str(journal), f"was set aside; to go on with it, move it to {str(place)!r}")
    request = dict(header.request)
    deliver(lambda client: client.post("/v1/messages", cast_to=Message, body=request), target, command=RESUME)


def discard(paths: Sequence[Path], *, is_sure: bool) -> None:
    """Remove journals; asks before, unless that is not wanted."""
    for path in paths:
        journal = _journal(path)
        if not journal.exists():
            raise click.UsageError(f"there is no journal {str(journal)!r}")
        if not (is_sure or click.confirm(f"{journal}: {_summary(journal)}. Remove it?", err=True)):
            sys.exit(1)
        with TargetLock.take(_target_of(journal), timeout=0, command="seawall journals discard"):
            remove(journal)
        click.echo(f"{journal} is removed", err=True)


def _journal(path: Path) -> Path:
    """Return the path of a journal, given as that or as the file that is saved to."""
    return path if _NAME.fullmatch(path.name) else journal_path(real_target(path))


def _found(path: Path) -> tuple[Path, Recovered]:
    journal = _journal(path)
    try:
        return journal, recover(journal)
    except FileNotFoundError as error:
        raise click.UsageError(f"there is no journal {str(journal)!r}") from error


def _target_of(journal: Path) -> Path:
    found = _NAME.fullmatch(journal.name)
    return real_target(journal.with_name(found[1] if found else journal.name))


def _target(journal: Path, recovered: Recovered) -> Path:
    """Return what is saved to: beside its journal, wherever both were moved."""
    named = Path(recovered.header.target)
    # a long name is cut in that of its journal, and a link has another one
    for path in (journal.parent / named.name, named):
        if journal_path(real_target(path)) == real_target(journal):
            return path
    return _target_of(journal)
