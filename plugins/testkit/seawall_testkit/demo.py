"""What `seawall demo` shows: one long call twice through the same broken network, bare and protected.

Each side has a simulator of its own with the same seed and the same faults, so that neither meets the
other's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anthropic
import click
import httpx2

import seawall
from seawall_testkit.faults import Fault
from seawall_testkit.prose import pieces
from seawall_testkit.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anthropic.types import Message

_Result = TypeVar("_Result")

_MODEL = "claude-opus-5-5"
_MESSAGES: list[Any] = [
    {"role": "user", "content": "Write the annual report of the harbour authority, all of it."}
]
_TOKENS = 6_500
_TOKENS_PER_SECOND = 1_200.0
_IDLE_TIMEOUT = 1.5
"""Seconds; a demonstration does not wait the two minutes that are the default."""
_LIVE_INTERVAL = 0.1
_PLAIN_INTERVAL = 2.0
_FAULTS = (
    Fault("status", attempt=1, status=429, retry_after="1"),
    Fault("reset", attempt=2, event=500),
    Fault("stall", attempt=3, event=450),
    Fault("eof", attempt=4, event=400),
)
_STORY = (
    "attempt 1: HTTP 429, retry-after 1",
    "attempt 2: connection reset in the middle of the answer",
    "attempt 3: the connection falls silent",
    "attempt 4: the stream ends early, without an error",
)


@dataclass
class _Row:
    """One line of the closing table."""

    who: str
    result: str
    tokens: int
    """Tokens of the answer that the caller has in the end."""


@dataclass
class _Answer:
    """What the protected side came to."""

    row: _Row
    text: str
    undisturbed: str
    """The text without faults."""


@dataclass
class _Side:
    """What one side is doing, for the progress line; a plugin on the protected side."""

    label: str
    said: str = "starting"
    characters: int = 0
    resumed_at: list[int] = field(default_factory=list)
    """Tokens, about, that had arrived when an attempt went on with the message."""
    name = "demo"

    @seawall.hookimpl
    def pre_request(self, call: seawall.Call) -> None:
        attempt = call.attempts[-1]
        self.said = f"attempt {attempt.number}"
        if attempt.way in ("prefill", "user_turn"):
            self.resumed_at.append(self.tokens)
            self.said += f", resuming at token {self.tokens:,}"

    @seawall.hookimpl
    def on_chunk(self, chunk: seawall.Chunk) -> None:
        self.characters += len(chunk.text)

    @seawall.hookimpl
    def on_error(self, error: Exception) -> None:
        self.said = f"{type(error).__name__}, will retry"

    @seawall.hookimpl
    def post_response(self, outcome: seawall.Outcome) -> None:
        self.said = outcome.status

    @property
    def tokens(self) -> int:
        """About how many tokens have arrived."""
        return self.characters // 4


def show(output: Path | None) -> bool:
    """Run both sides and print what became of them; returns whether the protected answer is exact."""
    logging.getLogger("seawall").setLevel(logging.WARNING)
    click.echo("The same call, messages.create(max_tokens=64_000), meets on either side:")
    for line in _STORY:
        click.echo(f"  {line}")
    bare, protected = _Side("bare SDK"), _Side("Seawall")
    folder = Path(tempfile.mkdtemp(prefix="seawall-demo-"))
    bare_run, protected_run = _started(_run_bare, bare), _started(partial(_run_protected, folder), protected)
    _show_progress([bare_run, protected_run], bare, protected)
    rows, answer = bare_run.result(), protected_run.result()
    _print_table([*rows, answer.row])
    path = output or folder / "answer.md"
    # not as text, in which Windows would write other line ends than were counted in the checksum
    path.write_bytes(answer.text.encode())
    wanted, got = (hashlib.sha256(text.encode()).hexdigest() for text in (answer.undisturbed, answer.text))
    click.echo(f"\nanswer: {path}")
    click.echo(
        f"checksum: {got[:16]}, undisturbed: {wanted[:16]}: {'equal' if got == wanted else 'DIFFERENT'}"
    )
    return got == wanted


def _started(run: Callable[[_Side], _Result], side: _Side) -> Future[_Result]:
    """Run one side in a thread that does not keep Ctrl-C waiting, as those of a pool do."""
    future: Future[_Result] = Future()

    def settle() -> None:
        try:
            future.set_result(run(side))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=settle, daemon=True).start()
    return future


def _simulator() -> Simulator:
    return Simulator(faults=_FAULTS, answer_tokens=_TOKENS, tokens_per_second=_TOKENS_PER_SECOND, seed=2026)


def _run_bare(side: _Side) -> list[_Row]:
    """The bare SDK: the plain call, then the stream its error asks for, again whenever that fails."""
    timeout = httpx2.Timeout(600.0, read=_IDLE_TIMEOUT)
    with (
        _simulator() as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="demo") as client,
    ):
        rows = [_tried("bare SDK, create()", side, lambda: _create(client))]
        for run in ("stream()", "stream() again", "stream() once more"):
            side.characters = 0
            rows.append(
                _tried(f"bare SDK, {run}", side, lambda: _stream(client.with_options(timeout=timeout), side))
            )
    return rows


def _tried(who: str, side: _Side, call: Callable[[], Message]) -> _Row:
    side.said = who.partition(", ")[2]
    try:
        message = call()
    except (anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
        side.said = type(error).__name__
        lost = f"{side.tokens:,} tokens that had come are lost" if side.tokens else "nothing was sent"
        return _Row(who, f"{type(error).__name__}; {lost}", 0)
    tokens = len(pieces(_text_of(message)))
    return _Row(
        who, f"NO error, stop_reason {message.stop_reason}; {_TOKENS - tokens:,} tokens are missing", tokens
    )


def _create(client: anthropic.Anthropic) -> Message:
    return client.messages.create(model=_MODEL, max_tokens=64_000, messages=_MESSAGES)


def _stream(client: anthropic.Anthropic, side: _Side) -> Message:
    with client.messages.stream(model=_MODEL, max_tokens=64_000, messages=_MESSAGES) as stream:
        for text in stream.text_stream:
            side.characters += len(text)
        return stream.get_final_message()


def _run_protected(folder: Path, side: _Side) -> _Answer:
    settings = {
        "streaming": {"idle_timeout": _IDLE_TIMEOUT},
        "backoff": {"base": 0.2},
        "state_dir": str(folder),  # a call that cost nothing belongs into nobody's ledger
    }
    with _simulator() as simulator, anthropic.Anthropic(base_url=simulator.base_url, api_key="demo") as bare:
        client = seawall.protect(bare, settings=settings, plugins=["streaming", "backoff", "tokens", side])
        text = _text_of(_create(client))
        paid = simulator.billed.output_tokens
        resumed = " and ".join(f"{tokens:,}" for tokens in side.resumed_at)
        result = f"whole; {len(simulator.requests)} attempts, resumed at {resumed}; {paid:,} tokens paid"
        row = _Row("Seawall, create()", result, len(pieces(text)))
        return _Answer(row, text, simulator.text_for(_MESSAGES))


def _text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _show_progress(runs: Sequence[Future[Any]], *sides: _Side) -> None:
    """Say what both sides do until they are done: on a terminal in one line, else in a line at times."""
    # who closed it before the start has none
    live = sys.stderr is not None and sys.stderr.isatty()
    while wait(runs, timeout=_LIVE_INTERVAL if live else _PLAIN_INTERVAL).not_done:
        line = " | ".join(f"{side.label}: {side.tokens:>5,} tokens, {side.said}" for side in sides)
        if live:
            # not of stdout, which may be a file; one that does not tell has none
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
            line = f"\r{line[:width]:<{width}}"
        click.echo(line, err=True, nl=not live)
    if live:
        click.echo(err=True)


def _print_table(rows: Sequence[_Row]) -> None:
    click.echo(f"\n{'who':<28}{'answer':>15}  result")
    for row in rows:
        click.echo(f"{row.who:<28}{f'{row.tokens:,} of {_TOKENS:,}':>15}  {row.result}")
