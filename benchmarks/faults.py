"""What becomes of a streamed answer when the network fails: the same faults for everyone, in one run.

    uv run --group bench python benchmarks/faults.py [--calls 40] [--seed 1] [--json FILE] [--plot FILE.svg]

For each family of faults each contender asks for `--calls` answers of 2,000 tokens; a fault strikes the first
attempt at a drawn event, and in a quarter of the calls another one strikes the second attempt. The seed
decides about questions, answers, faults and the order of the contenders, who take turns.

- whole: the text is that of the undisturbed answer; silent: no error, yet another text
- repeated: who watched the stream saw something that is no beginning of the answer
- paid: output tokens billed, to the tokens of the answers that came whole
- time: mean time of a call, to that of an undisturbed one of the bare SDK

The exit code is 1 where Seawall misses its bar: everything whole, nothing silent or repeated, and at most
1.10 tokens paid for one where the answer can be continued. `--quick` is the form for CI: one call of fewer
families.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import anthropic
import httpx2
from arguments import at_least
from faults_contenders import CONTENDERS, Task, retrying_transport
from own_state import own_state

from seawall_testkit import Fault, Simulator

ANSWER_TOKENS = 2000
TOKENS_PER_SECOND = 8_000.0
"""A hundred times as fast as a model. Not faster: what the server writes while a client notices a fault is
paid, and what is in the socket's buffer when a connection is reset is lost."""
SILENCE = 0.4
"""Seconds without a byte that every client allows."""
BAR_PAID = 1.10
UNDISTURBED = "undisturbed"
MIDWAY = ("reset", "fin", "eof", "cut_frame", "stall", "error_event", "malformed_json")
"""Families that strike within the answer, which can be continued."""
FAMILIES = (UNDISTURBED, *MIDWAY, "529", "429")
QUICK = (UNDISTURBED, "reset", "eof", "stall", "error_event", "529")
"""What a client can tell apart; the others are much like one of these."""
_EVENTS = range(8, 480)
"""Where a fault may strike; the answer has some 500 events."""
_BYTES_PER_EVENT = 140
_SECOND_FAULTS = 0.25


@dataclass(frozen=True)
class Clients:
    """One of each for all calls, so that nobody pays for making them."""

    bare: anthropic.AsyncAnthropic
    retrying: anthropic.AsyncAnthropic


@dataclass(frozen=True)
class Observed:
    """How one call ended."""

    contender: str
    family: str
    is_whole: bool
    is_silent: bool
    is_repeated: bool
    error: str
    shown: int
    """Characters that were streamed."""
    characters: int
    """Characters of the whole answer."""
    tokens: int
    """Tokens of the answer if it came whole, else 0."""
    paid: int
    seconds: float


@dataclass(frozen=True)
class Figures:
    """The shares and ratios of a contender in a family."""

    contender: str
    family: str
    calls: int
    whole: float
    silent: float
    repeated: float
    paid: float | None
    """None: nothing came whole."""
    time: float


def main() -> None:
    """Run, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=at_least(1), default=40, help="of each contender in each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one call of fewer families, for CI")
    parser.add_argument("--json", type=Path, help="write every call and all figures to this file")
    parser.add_argument("--plot", type=Path, help="draw the outcomes to this SVG file")
    options = parser.parse_args()
    calls = 1 if options.quick else options.calls
    print(f"seed {options.seed}, {calls} calls of {ANSWER_TOKENS} tokens per contender and family")
    families = QUICK if options.quick else FAMILIES
    observed = asyncio.run(observe(calls, families, options.seed))
    figures = table(observed)
    show(figures)
    if options.json:
        found = {
            "seed": options.seed,
            "calls": calls,
            "figures": [asdict(row) for row in figures],
            "observed": [asdict(one) for one in observed],
        }
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        from faults_plot import draw  # noqa: PLC0415 - takes a second and is seldom asked for

        draw([asdict(one) for one in observed], list(CONTENDERS), options.plot)
    missed = misses(figures)
    print("\n".join(["the bar is missed:", *missed]) if missed else "the bar is met")
    sys.exit(bool(missed))


async def observe(calls: int, families: Sequence[str], seed: int) -> list[Observed]:
    """Make every call."""
    observed: list[Observed] = []
    timeout = httpx2.Timeout(5.0, read=SILENCE)
    http_client = httpx2.AsyncClient(transport=retrying_transport(), timeout=timeout)
    async with (
        anthropic.AsyncAnthropic(api_key="test", base_url="http://localhost", timeout=timeout) as client,
        client.with_options(http_client=http_client, max_retries=0) as retrying,
    ):
        clients = Clients(client, retrying)
        for name in CONTENDERS:  # what is loaded and compiled at a first call is nobody's
            await one_call(clients, name, UNDISTURBED, [], "warm-up")
        for number in range(calls):
            for family in families:
                rng = random.Random(f"{seed} {family} {number}")
                faults = drawn(family, rng)
                order = rng.sample(list(CONTENDERS), len(CONTENDERS))
                case = f"{seed} {number}"
                observed += [await one_call(clients, name, family, faults, case) for name in order]
    return observed


def drawn(family: str, rng: random.Random) -> list[Fault]:
    """The faults of one call: on its first attempt, and in some calls on its second."""
    if family == UNDISTURBED:
        return []
    attempts = [1, 2] if rng.random() < _SECOND_FAULTS else [1]
    return [_fault(family, attempt, rng.choice(_EVENTS)) for attempt in attempts]


def _fault(family: str, attempt: int, event: int) -> Fault:
    match family:
        case "529":
            return Fault("status", attempt=attempt, status=529)
        case "429":
            return Fault("status", attempt=attempt, status=429, retry_after="", retry_after_ms="50")
        case "cut_frame":
            return Fault("cut_frame", attempt=attempt, byte=event * _BYTES_PER_EVENT)
    return Fault(family, attempt=attempt, event=event)


async def one_call(clients: Clients, contender: str, family: str, faults: list[Fault], case: str) -> Observed:
    """One contender's call to a simulator of its own."""
    shown: list[str] = []
    question = f"Write a long report, number {case}."
    text, error = None, ""
    simulator = Simulator(faults=faults, answer_tokens=ANSWER_TOKENS, tokens_per_second=TOKENS_PER_SECOND)
    with simulator:
        call = CONTENDERS[contender](
            Task(
                question=question,
                client=clients.bare.with_options(base_url=simulator.base_url),
                retrying=clients.retrying.with_options(base_url=simulator.base_url),
                watch=shown.append,
                rng=random.Random(case),
            )
        )
        began = time.perf_counter()
        try:
            text = await call
        except Exception as raised:  # noqa: BLE001 - whatever a user would have to deal with
            error = type(raised).__name__
        seconds = time.perf_counter() - began
        simulator.wait_until(lambda: not simulator.active_responses)
        answer = simulator.answer_for([{"role": "user", "content": question}])
        paid = simulator.billed.output_tokens
    seen = "".join(shown)
    is_whole = text == answer.text
    return Observed(
        contender=contender,
        family=family,
        is_whole=is_whole,
        is_silent=text is not None and not is_whole,
        is_repeated=not answer.text.startswith(seen),
        error=error,
        shown=len(seen),
        characters=len(answer.text),
        tokens=answer.output_tokens if is_whole else 0,
        paid=paid,
        seconds=seconds,
    )


def table(observed: list[Observed]) -> list[Figures]:
    """Each family, the families within the answer together, and all faults together."""
    undisturbed = [
        one.seconds
        for one in observed
        if (one.family, one.contender) == (UNDISTURBED, next(iter(CONTENDERS)))
    ]
    unit = sum(undisturbed) / len(undisturbed)
    met = {one.family for one in observed}
    groups: dict[str, tuple[str, ...]] = {family: (family,) for family in FAMILIES if family in met}
    groups |= {"all midway": MIDWAY, "all faults": FAMILIES[1:]}
    return [
        _figures(
            name,
            contender,
            [one for one in observed if one.family in families and one.contender == contender],
            unit,
        )
        for name, families in groups.items()
        for contender in CONTENDERS
    ]


def _figures(family: str, contender: str, calls: list[Observed], unit: float) -> Figures:
    delivered = sum(one.tokens for one in calls)
    return Figures(
        contender=contender,
        family=family,
        calls=len(calls),
        whole=sum(one.is_whole for one in calls) / len(calls),
        silent=sum(one.is_silent for one in calls) / len(calls),
        repeated=sum(one.is_repeated for one in calls) / len(calls),
        paid=sum(one.paid for one in calls) / delivered if delivered else None,
        time=sum(one.seconds for one in calls) / len(calls) / unit,
    )


def show(figures: list[Figures]) -> None:
    """Print the table."""
    family = ""
    for row in figures:
        if row.family != family:
            family = row.family
            print(f"\n{family:<16}{'whole':>8}{'silent':>8}{'repeated':>10}{'paid':>8}{'time':>8}")
        paid = "-" if row.paid is None else f"{row.paid:.3f}"
        print(
            f"{row.contender:<16}{row.whole:>8.0%}{row.silent:>8.0%}{row.repeated:>10.0%}"
            f"{paid:>8}{row.time:>8.2f}"
        )
    print()


def misses(figures: list[Figures]) -> list[str]:
    """What Seawall did worse than it must."""
    rows = [row for row in figures if row.contender == "Seawall"]
    missed = [
        f"{row.family}: whole {row.whole:.1%}, silent {row.silent:.1%}, repeated {row.repeated:.1%}"
        for row in rows
        if (row.whole, row.silent, row.repeated) != (1.0, 0.0, 0.0)
    ]
    return missed + [
        f"{row.family}: {row.paid:.3f} tokens paid for one, more than {BAR_PAID:.2f}"
        for row in rows
        if row.family in {*MIDWAY, "all midway"} and row.paid is not None and row.paid > BAR_PAID
    ]


if __name__ == "__main__":
    with own_state():
        main()
