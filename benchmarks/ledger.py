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
- `untold`: an answer that broke before it had told anything, such as half a JSON document. The ledger has an
  estimate of the input, and no output.

The exit code is 1 when an attempt is missing or too many, or a count of one is not as above. A call may
end in an error of the SDK; any other one ends the benchmark.
"""

import argparse
import asyncio
import json
import logging
import operator
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
from arguments import at_least

import seawall
import seawall_tokens
from seawall_testkit import Fault, Received, Simulator
from seawall_testkit.prose import pieces

MODELS = ("claude-opus-5-5", "claude-haiku-4-5")
SETTINGS = {
    # a circuit would hold nearly all calls of a simulator that fails so often
    "backoff": {"base": 0.001, "cap": 0.002, "mode": "off"},
    "streaming": {"hold": "blocks"},
    "tokens": {"pace": False},  # every 429 would hold the others for a moment
}
BEFORE_THE_BODY = ("status", "reset_before_headers", "empty", "html")
IN_THE_BODY = ("eof", "fin", "cut_frame", "error_event", "malformed_json", "reset")
CALLS_OF_ONE = 20
"""Calls to one simulator."""
TOGETHER = 8
COLUMNS = ("billed", "ledger", "never_sent", "not_read")
Calls = Iterable[tuple[int, dict[str, Any]]]
CACHED = [{"type": "text", "text": "Be brief. " * 900, "cache_control": {"type": "ephemeral"}}]


class AsBilled:
    """Counts a text as the simulator does."""

    @seawall.hookimpl(tryfirst=True)
    def estimate_tokens(self, text: str, model: str) -> int:  # noqa: ARG002 - of the hook
        return len(pieces(text))


class Tokens(NamedTuple):
    """Of one attempt, or of many."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0

    def plus(self, other: "Tokens") -> "Tokens":
        """Return the sums."""
        return Tokens(*map(operator.add, self, other))

    def less(self, other: "Tokens") -> "Tokens":
        """Return the differences."""
        return Tokens(*map(operator.sub, self, other))


NONE = Tokens()


@dataclass
class Account:
    """Attempts of one kind."""

    attempts: int = 0
    billed: Tokens = NONE
    ledger: Tokens = NONE
    never_sent: Tokens = NONE
    not_read: Tokens = NONE
    wrong: int = 0
    """Attempts whose counts are not as they should be."""

    def enter(self, kind: str, sent: Received, row: Mapping[str, Any]) -> None:
        """Compare an attempt with its row."""
        billed, told = billed_of(sent), told_of(sent, row) if kind != "untold" else NONE
        ledger = Tokens(*(row[f"{name}_tokens"] for name in Tokens._fields))
        self.attempts += 1
        self.billed = self.billed.plus(billed)
        self.ledger = self.ledger.plus(ledger)
        self.never_sent = self.never_sent.plus(billed.less(told))
        if kind == "untold":
            is_right = ledger.input > 0 or not billed.input
        else:
            self.not_read = self.not_read.plus(told.less(ledger))
            is_right = min(told.less(ledger)) >= 0 if kind == "left" else ledger == told
        if not is_right or (kind == "whole" and billed != told):
            self.wrong += 1
            print(f"wrong: {sent.ended} {sent.status}: billed {billed}, told {told}, ledger {dict(row)}")


def kind_of(sent: Received, row: Mapping[str, Any]) -> str:
    """Return the account of an attempt."""
    is_unread = sent.ended in ("fault:reset", "client_closed")
    # it is the server that knows whether it told anything: a row that lost what it was told is no such one;
    # an event that is the error tells nothing
    telling = sent.events_sent - (sent.ended == "fault:error_event")
    may_be_untold = not sent.stream or telling < 1 or is_unread
    if may_be_untold and row["is_estimated"] and not row["output_tokens"]:
        return "untold"
    if row["ended"] == "ok" or not sent.input_tokens:
        return "whole"
    # what was wrong in a stream that the server sent to its end was for the client to find
    return "left" if is_unread or (sent.stream and sent.ended == "complete") else "cut"


def billed_of(sent: Received) -> Tokens:
    """Return what the simulator billed for a request."""
    written = sent.cache_creation_input_tokens
    return Tokens(sent.input_tokens, sent.cache_read_input_tokens, written, sent.output_tokens)


def told_of(sent: Received, row: Mapping[str, Any]) -> Tokens:
    """Return what was sent whole of the answer: all that a client can know of."""
    told = billed_of(sent)
    if not sent.stream:
        # a document tells all or nothing
        return told if row["ended"] == "ok" else NONE
    return told if sent.ended == "complete" else told._replace(output=sent.tokens_sent)


def random_fault(rng: random.Random, attempt: int, events: int) -> Fault:
    """Return a fault of any kind for an attempt."""
    kind = rng.choice(BEFORE_THE_BODY + IN_THE_BODY)
    if kind == "status":
        return Fault(kind, attempt, status=rng.choice((429, 500, 529)), retry_after="0")
    return Fault(kind, attempt, event=rng.randrange(events) if kind in IN_THE_BODY else None)


def parameters(rng: random.Random, number: int) -> dict[str, Any]:
    """Return those of one call."""
    words = f"Report {number}. " + "All of it, please. " * rng.randrange(40)
    return {
        "model": rng.choice(MODELS),
        # the larger ones are streamed on the wire, whatever the caller asks for
        "max_tokens": rng.choice((1_000, 64_000)),
        "messages": [{"role": "user", "content": words}],
        **({"system": CACHED} if rng.random() < 0.5 else {}),
    }


def caller_of(number: object) -> str:
    """Return the name in the ledger of who makes a call."""
    return f"caller {number}"


def protected(client: Any, folder: Path) -> Any:
    """Return a protected client that keeps its ledger in a folder."""
    plugins = ["streaming", "backoff", "tokens", AsBilled()]
    return seawall.protect(client, settings={**SETTINGS, "state_dir": str(folder)}, plugins=plugins)


def call_in_threads(simulator: Simulator, folder: Path, calls: Calls) -> None:
    """Make calls with one sync client."""

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


async def call_in_tasks(simulator: Simulator, folder: Path, calls: Calls) -> None:
    """Make calls with one async client."""
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
    """Return the rows of the ledger by caller, each in the order of its attempts."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in connection.execute("SELECT * FROM attempts ORDER BY caller, attempt"):
            found[row["caller"]].append(dict(row))
        return found


def reconciled(requests: list[Received], rows: dict[str, list[dict[str, Any]]]) -> dict[str, Account]:
    """Return the accounts by kind, after every attempt was compared with its row."""
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
    """Print the books; return whether they agree with each other and with what the command said."""
    total = Account()
    print(f"{'':8}{'attempts':>10}  {'':12}{'billed':>12}{'ledger':>12}{'never sent':>12}{'not read':>10}")
    for kind, account in sorted(accounts.items(), reverse=True):
        total.attempts += account.attempts
        total.wrong += account.wrong
        for name in COLUMNS:
            setattr(total, name, getattr(total, name).plus(getattr(account, name)))
        show_one(kind, account)
    show_one("all", total)
    told = [said[f"{name}_tokens"] for name in Tokens._fields]
    agrees = not total.wrong and told == list(total.ledger) and said["attempts"] == total.attempts
    print(f"\neach attempt is as above, and `seawall usage --json` says the sums of the ledger: {agrees}")
    return agrees


def show_one(kind: str, account: Account) -> None:
    """Print the lines of one account."""
    for place, name in enumerate(Tokens._fields):
        head = f"{kind:8}{account.attempts:>10,}" if not place else ""
        billed, ledger, unsent, unread = (getattr(account, column)[place] for column in COLUMNS)
        print(f"{head:18}  {name:12}{billed:>12,}{ledger:>12,}{unsent:>12,}{unread:>10,}")


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=at_least(1), default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}: {options.calls:,} calls\n")
    # that an answer may be short which broke behind its last word
    logging.getLogger("seawall.engine").setLevel(logging.ERROR)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, requests = Path(name), []
        for first in range(0, options.calls, CALLS_OF_ONE):
            requests += called(folder, rng, first, min(CALLS_OF_ONE, options.calls - first))
        command = [str(Path(sys.executable).with_name("seawall")), "usage", "--json"]
        done = subprocess.run(  # noqa: S603 - a command of ours
            command, capture_output=True, check=True, cwd=name, env={"SEAWALL_STATE_DIR": name}
        )
        agrees = show(reconciled(requests, rows_of(folder)), json.loads(done.stdout)["totals"])
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
