"""Whether the ledger says what was billed: many calls with random faults, reconciled token by token.

    uv run python benchmarks/ledger.py [--calls 10000] [--seed 1]

Half of the calls are made in threads with a sync client, half in tasks with an async one, to simulators that
each fail in their own way; the input of some is read from the prompt cache. A hook counts the text of broken
answers as the simulator bills it, so that all is exact that a client can know:

- `whole`: answers that came to their end, and errors, are in the ledger as they were billed.
- `cut`: of an answer that broke, the input and what was sent of the output. What the server had generated and
  not sent is billed, and told to nobody: the column `never sent`.
- `left`: after a reset, or when the client had to leave (bad JSON), some of what was sent may not have been
  read. It is never more than was sent: the column `not read`.

The exit code is 1 when an attempt is missing or too many, or a count of one is not as above.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import anthropic

import seawall
import seawall_tokens
from seawall_testkit import Fault, Received, Simulator
from seawall_testkit.prose import pieces

MODELS = ("claude-opus-5-5", "claude-haiku-4-5")
SETTINGS = {"backoff": {"base": 0.001, "cap": 0.002}, "streaming": {"hold": "blocks"}}
BEFORE_THE_BODY = ("status", "reset_before_headers", "empty", "html")
IN_THE_BODY = ("eof", "fin", "cut_frame", "error_event", "malformed_json", "reset")
CALLS_OF_ONE = 20
"""Calls to one simulator."""
TOGETHER = 8
CACHED = [{"type": "text", "text": "Be brief. " * 900, "cache_control": {"type": "ephemeral"}}]


class AsBilled:
    """Counts a text as the simulator does."""

    @seawall.hookimpl(tryfirst=True)
    def estimate_tokens(self, text: str, model: str) -> int:  # noqa: ARG002 - of the hook
        return len(pieces(text))


@dataclass
class Tokens:
    """Of one attempt, or of many."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0

    @classmethod
    def billed(cls, sent: Received) -> "Tokens":
        return cls(
            sent.input_tokens,
            sent.cache_read_input_tokens,
            sent.cache_creation_input_tokens,
            sent.output_tokens,
        )

    @classmethod
    def written(cls, row: Mapping[str, Any]) -> "Tokens":
        return cls(*(row[f"{field.name}_tokens"] for field in fields(cls)))

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(mine + theirs for mine, theirs in zip(self.all, other.all, strict=True)))

    @property
    def all(self) -> list[int]:
        return [getattr(self, field.name) for field in fields(self)]


@dataclass
class Account:
    """Attempts of one kind."""

    attempts: int = 0
    billed: Tokens = field(default_factory=Tokens)
    ledger: Tokens = field(default_factory=Tokens)
    never_sent: Tokens = field(default_factory=Tokens)
    not_read: Tokens = field(default_factory=Tokens)
    wrong: int = 0
    """Attempts whose counts are not as they should be."""

    def enter(self, kind: str, sent: Received, row: Mapping[str, Any]) -> None:
        billed, told, ledger = Tokens.billed(sent), told_of(sent, row), Tokens.written(row)
        self.attempts += 1
        self.billed += billed
        self.ledger += ledger
        self.never_sent += less(billed, told)
        self.not_read += less(told, ledger)
        is_right = ledger == told if kind != "left" else all(v >= 0 for v in less(told, ledger).all)
        if not is_right or (kind == "whole" and billed != told):
            self.wrong += 1
            print(f"wrong: {sent.ended} {sent.status}: billed {billed}, told {told}, ledger {dict(row)}")


def less(more: Tokens, fewer: Tokens) -> Tokens:
    return Tokens(*(mine - theirs for mine, theirs in zip(more.all, fewer.all, strict=True)))


def kind_of(sent: Received, row: Mapping[str, Any]) -> str:
    if row["ended"] == "ok" or not sent.input_tokens:
        return "whole"
    # what was wrong in a stream that the server sent to its end was for the client to find
    is_left = sent.ended in ("fault:reset", "client_closed") or (sent.stream and sent.ended == "complete")
    return "left" if is_left else "cut"


def told_of(sent: Received, row: Mapping[str, Any]) -> Tokens:
    """What was sent whole of the answer: all that a client can know of."""
    if not sent.stream:
        # a document tells all or nothing
        return Tokens.billed(sent) if row["ended"] == "ok" else Tokens()
    if not sent.tokens_sent:
        # not even its `message_start`
        return Tokens()
    told = Tokens.billed(sent)
    if sent.ended != "complete":
        told.output = sent.tokens_sent
    return told


def random_fault(rng: random.Random, attempt: int, events: int) -> Fault:
    kind = rng.choice(BEFORE_THE_BODY + IN_THE_BODY)
    if kind == "status":
        return Fault(kind, attempt, status=rng.choice((429, 500, 529)), retry_after="0")
    return Fault(kind, attempt, event=rng.randrange(events) if kind in IN_THE_BODY else None)


def parameters(rng: random.Random, number: int) -> dict[str, Any]:
    words = f"Report {number}. " + "All of it, please. " * rng.randrange(40)
    return {
        "model": rng.choice(MODELS),
        # the larger ones are streamed on the wire, whatever the caller asks for
        "max_tokens": rng.choice((1_000, 64_000)),
        "messages": [{"role": "user", "content": words}],
        **({"system": CACHED} if rng.random() < 0.5 else {}),  # noqa: PLR2004
    }


def caller_of(number: object) -> str:
    return f"caller {number}"


def protected(client: Any, folder: Path) -> Any:
    plugins = ["streaming", "backoff", "tokens", AsBilled()]
    return seawall.protect(client, settings={**SETTINGS, "state_dir": str(folder)}, plugins=plugins)


def call_in_threads(simulator: Simulator, folder: Path, calls: Iterable[tuple[int, dict[str, Any]]]) -> None:
    def one(client: anthropic.Anthropic, number: int, params: dict[str, Any]) -> None:
        with suppress(anthropic.APIError), seawall_tokens.caller(caller_of(number)):
            if number % 3:
                client.messages.create(**params)
            else:
                with client.messages.stream(**params) as stream:
                    stream.get_final_message()

    with (
        anthropic.Anthropic(base_url=simulator.base_url, api_key="k") as bare,
        ThreadPoolExecutor(TOGETHER) as pool,
    ):
        client = protected(bare, folder)
        for made in [pool.submit(one, client, *call) for call in calls]:
            made.result()


async def call_in_tasks(
    simulator: Simulator, folder: Path, calls: Iterable[tuple[int, dict[str, Any]]]
) -> None:
    gate = asyncio.Semaphore(TOGETHER)

    async def one(client: anthropic.AsyncAnthropic, number: int, params: dict[str, Any]) -> None:
        async with gate:
            with suppress(anthropic.APIError), seawall_tokens.caller(caller_of(number)):
                if number % 3:
                    await client.messages.create(**params)
                else:
                    async for _ in await client.messages.create(stream=True, **params):
                        pass

    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="k") as bare:
        client = protected(bare, folder)
        await asyncio.gather(*(one(client, *call) for call in calls))


def called(folder: Path, rng: random.Random, first: int, calls: int) -> list[Received]:
    """Make calls to one simulator; return the requests that it got."""
    tokens = rng.randrange(5, 400)
    faults = [random_fault(rng, attempt, 5 + tokens // 4) for attempt in range(1, rng.randrange(1, 9))]
    with Simulator(faults=faults, answer_tokens=tokens, seed=first) as simulator:
        made = [(number, parameters(rng, number)) for number in range(first, first + calls)]
        call_in_threads(simulator, folder, made[::2])
        asyncio.run(call_in_tasks(simulator, folder, made[1::2]))
        simulator.wait_until(lambda: not simulator.active_responses)
        return simulator.requests


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of the ledger by caller, each in the order of its attempts."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in connection.execute("SELECT * FROM attempts ORDER BY caller, attempt"):
            found[row["caller"]].append(dict(row))
        return found


def reconciled(requests: list[Received], rows: dict[str, list[dict[str, Any]]]) -> dict[str, Account]:
    """The accounts by kind, after every attempt was compared with its row."""
    by_caller: defaultdict[str, list[Received]] = defaultdict(list)
    for sent in requests:
        words = sent.body["messages"][0]["content"]
        text = words if isinstance(words, str) else words[0]["text"]
        by_caller[caller_of(text.split(".")[0].removeprefix("Report "))].append(sent)
    accounts: defaultdict[str, Account] = defaultdict(Account)
    for caller in {*by_caller, *rows}:
        mine, theirs = rows.get(caller, []), by_caller[caller]
        if len(mine) != len(theirs):
            accounts["missing"].wrong += 1
            print(f"wrong: {caller} made {len(theirs)} attempts, the ledger has {len(mine)}")
        for sent, row in zip(theirs, mine, strict=False):
            kind = kind_of(sent, row)
            accounts[kind].enter(kind, sent, row)
    return accounts


def show(accounts: dict[str, Account], said: dict[str, Any]) -> bool:
    """Print the books; return whether they agree."""
    total = Account()
    print(f"{'':8}{'attempts':>10}  {'':12}{'billed':>12}{'ledger':>12}{'never sent':>12}{'not read':>10}")
    for kind, account in sorted(accounts.items(), reverse=True):
        for name in ("attempts", "billed", "ledger", "never_sent", "not_read", "wrong"):
            setattr(total, name, getattr(total, name) + getattr(account, name))
        lines(kind, account)
    lines("all", total)
    agrees = not total.wrong
    for field in fields(Tokens):
        agrees &= said[f"{field.name}_tokens"] == getattr(total.ledger, field.name)
    agrees &= said["attempts"] == total.attempts
    print(f"\n`seawall usage --json` says the sums of the ledger, and each attempt is right: {agrees}")
    return bool(agrees)


def lines(kind: str, account: Account) -> None:
    for place, field in enumerate(fields(Tokens)):
        head = f"{kind:8}{account.attempts:>10,}" if not place else ""
        billed, ledger, unsent, unread = (
            getattr(tokens, field.name)
            for tokens in (account.billed, account.ledger, account.never_sent, account.not_read)
        )
        print(f"{head:18}  {field.name:12}{billed:>12,}{ledger:>12,}{unsent:>12,}{unread:>10,}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}: {options.calls:,} calls\n")
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, requests = Path(name), []
        for first in range(0, options.calls, CALLS_OF_ONE):
            requests += called(folder, rng, first, min(CALLS_OF_ONE, options.calls - first))
        command = [Path(sys.executable).with_name("seawall"), "usage", "--json"]
        done = subprocess.run(
            command, capture_output=True, check=True, cwd=name, env={"SEAWALL_STATE_DIR": name}
        )
        agrees = show(reconciled(requests, rows_of(folder)), json.loads(done.stdout)["totals"])
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
