"""How often a spliced text equals the undisturbed one: kinds of text x ways of going on, at seeded cuts.

    uv run python benchmarks/seam.py [--cuts 1000] [--seed 1] [--kinds prose code ...] [--json FILE]

No sockets: the seam itself is measured, with deltas of one to twenty characters. Texts are generated, or
taken from Python's own sources and manual; recorded answers are added where there are any
(`SEAWALL_RECORDINGS`, or `../shared/data`). Printed are Markdown tables, those of docs/reference/seam.md.
"""

import argparse
import gzip
import json
import os
import pydoc_data.topics
import random
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from arguments import at_least

from seawall.seam import Diverged, Seam
from seawall_testkit.continuation import Misbehaviour, go_on
from seawall_testkit.prose import prose, word

Ending = Literal["identical", "typed error", "lost", "doubled", "mixed"]
Way = tuple[Misbehaviour, int]
"""What a continuation does, and how many words it repeats."""

_CUTS_IN_A_CHAIN = 5
_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\s\u3040-\u30ff\u3400-\u9fff]+")
"""A word; where words are not spaced, two characters."""

WAYS: dict[str, Way] = {
    "exact": (Misbehaviour.EXACT, 0),
    **{f"repeats {n} word{'s'[: n > 1]}": (Misbehaviour.REPEAT, n) for n in (1, 2, 3, 6, 20)},
    "preamble, repeats 6 words": (Misbehaviour.PREAMBLE, 6),
    "preamble, repeats nothing": (Misbehaviour.PREAMBLE, 0),
    "white space, repeats 6 words": (Misbehaviour.WHITESPACE, 6),
    "start-over": (Misbehaviour.START_OVER, 0),
    "language switch": (Misbehaviour.LANGUAGE_SWITCH, 0),
    "empty, then exact": (Misbehaviour.EMPTY, 0),
    "different": (Misbehaviour.DIFFERENT, 0),
}
CHAINS: dict[str, list[Way]] = {
    "five cuts, exact": [WAYS["exact"]],
    "five cuts, repeats 6 words": [WAYS["repeats 6 words"]],
    "five cuts, start-over": [WAYS["start-over"]],
    "five cuts, any of these": [way for name, way in WAYS.items() if name != "different"],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cuts", type=at_least(1), default=1000, help="cuts for each kind of text and way of going on"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the counts")
    parser.add_argument("--show", metavar="WAY", help="print the joins of this way that went wrong")
    options = parser.parse_args()
    counts = {
        (kind, name): measured(kind, name, options.cuts, options.seed, is_shown=options.show == name)
        for kind in options.kinds
        if kind != "recorded" or recorded()
        for name in (*WAYS, *CHAINS)
    }
    _print(counts)
    if options.json:
        rows = [{"text": kind, "way": name, **count} for (kind, name), count in counts.items()]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measured(kind: str, name: str, cuts: int, seed: int, *, is_shown: bool) -> Counter[Ending]:
    """How `cuts` joins of one kind of text and one way of going on ended."""
    endings: Counter[Ending] = Counter()
    for number in range(cuts):
        rng = random.Random(f"{seed} {kind} {number}")
        whole = KINDS[kind](rng)
        ways = [rng.choice(CHAINS[name]) for _ in range(_CUTS_IN_A_CHAIN)] if name in CHAINS else [WAYS[name]]
        ending, seams = joined(whole, ways, rng)
        endings[ending] += 1
        if is_shown and ending != "identical":
            print(number, kind, name, ending, *seams, sep="\n    ", file=sys.stderr)
    return endings


def joined(whole: str, ways: list[Way], rng: random.Random) -> tuple[Ending, list[str]]:
    """Cut `whole` once for each of `ways` and join it again; how it ended, and what each seam did."""
    cuts = sorted(rng.sample(range(1, len(whole)), len(ways)))
    caller = whole[: cuts[0]]
    seams: list[str] = []
    for (misbehaviour, words), end in zip(ways, [*cuts[1:], len(whole)], strict=True):
        before, seam = caller, Seam(caller)
        said = _said(whole[:end], caller.rstrip(), misbehaviour, words, rng)
        try:
            caller += _fed(seam, said, rng)
        except Diverged:
            return "typed error", seams
        seams.append(f"{seam.decision} {seam.overlap}: {before[-40:]!r} <- {said[:120]!r}")
        if misbehaviour is Misbehaviour.EMPTY:
            caller += _fed(Seam(caller), whole[len(caller.rstrip()) : end], rng)
        if caller.rstrip() != whole[:end].rstrip():
            if misbehaviour is Misbehaviour.DIFFERENT:
                return "mixed", seams
            return "lost" if len(caller) < end else "doubled", seams
    return "identical", seams


def _said(whole: str, shown: str, misbehaviour: Misbehaviour, words: int, rng: random.Random) -> str:
    """The continuation of `shown` by a model that would have written `whole`."""
    if misbehaviour is Misbehaviour.REPEAT:
        starts = [match.start() for match in _UNIT.finditer(shown)][-words:]
        return shown[starts[0] if starts else len(shown) :] + whole[len(shown) :]
    blocks = go_on([{"type": "text", "text": whole}], shown, misbehaviour, words, rng)
    return "".join(block["text"] for block in blocks)


def _fed(seam: Seam, said: str, rng: random.Random) -> str:
    return "".join([*map(seam.feed, _deltas(said, rng)), seam.flush()])


def _deltas(text: str, rng: random.Random) -> Iterator[str]:
    at = 0
    while at < len(text):
        # what comes long after the seam needs no small deltas
        size = rng.randint(1, 20) if at < len(text) // 2 + 400 else 4000
        yield text[at : at + size]
        at += size


# -- kinds of text


def code(rng: random.Random) -> str:
    """A part of a source file of Python's, in fences between two paragraphs."""
    lines = rng.choice(_sources())
    start = rng.randrange(max(len(lines) - 40, 1))
    source = "".join(lines[start : start + rng.randint(20, 40)]).strip("\n")
    return f"{prose(rng, 30)}\n\n```python\n{source}\n```\n\n{prose(rng, 30)}"


@cache
def _sources() -> list[list[str]]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted([*folder.glob("*.py"), *folder.glob("json/*.py"), *folder.glob("asyncio/*.py")])
    return [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in files]


def manual(rng: random.Random) -> str:
    """A part of Python's manual: English, with words that recur."""
    texts = [text for _, text in sorted(pydoc_data.topics.topics.items()) if len(text) > 1000]
    text = rng.choice(texts)
    start = rng.randrange(len(text) - 900)
    return text[start : start + rng.randint(900, 2400)].strip()


def table(rng: random.Random) -> str:
    """A Markdown table whose cells are few words and small numbers, which recur."""
    names = [word(rng).capitalize() for _ in range(6)]
    states = ("ok", "ok", "failed", "n/a", "in progress", "yes", "-")

    def cell() -> str:
        number = f"{rng.choice((0, 1, 10, 25, rng.randint(1, 999)))}{rng.choice(('', ' %', '.0'))}"
        return rng.choice((rng.choice(names), rng.choice(states), number, number))

    width = rng.randint(3, 6)
    rows = [[rng.choice(names), *(cell() for _ in range(width - 1))] for _ in range(rng.randint(12, 30))]
    lines = [f"| {' | '.join(row)} |" for row in [[word(rng) for _ in range(width)], ["---"] * width, *rows]]
    return f"{prose(rng, 20)}\n\n" + "\n".join(lines) + f"\n\n{prose(rng, 20)}"


def lists(rng: random.Random) -> str:
    """Indented JSON with keys that recur, or a nested list."""
    names = [word(rng) for _ in range(8)]
    records = [
        {
            "id": number,
            "name": rng.choice(names),
            "tags": rng.sample(names, 2),
            "is_active": rng.choice((True, False)),
            "parent": None,
            "position": {"x": rng.randint(0, 3), "y": rng.randint(0, 3)},
        }
        for number in range(rng.randint(4, 9))
    ]
    if rng.randrange(2):
        return json.dumps(records, indent=2)
    return "\n".join(
        f"{number}. **{record['name']}** ({record['is_active']})\n   - `{record['tags']}`\n"
        f"   - {prose(rng, 12)}\n   - none"
        for number, record in enumerate(records, 1)
    )


def cjk(rng: random.Random) -> str:
    """Chinese or Japanese in form: frequent words of one to three characters, particles, no spaces."""
    is_japanese = rng.randrange(2)
    particles = (
        "\u306e\u3092\u306b\u306f\u304c\u3068\u3067"
        if is_japanese
        else "\u7684\u4e86\u662f\u5728\u548c\u4e0d\u6709"
    )
    endings = ("\u3067\u3059\u3002", "\u307e\u3059\u3002") if is_japanese else ("\u3002", "\uff01", "\u3002")
    words = [
        "".join(chr(rng.randrange(0x4E00, 0x5A00)) for _ in range(rng.choice((1, 2, 2, 2, 3))))
        for _ in range(150)
    ]

    def sentence() -> str:
        drawn = [words[min(int(rng.paretovariate(0.6)) - 1, 149)] for _ in range(rng.randint(6, 15))]
        chosen = [drawn[0], *(one for before, one in pairwise(drawn) if one != before)]
        pieces = [piece + (rng.choice(particles) if rng.randrange(2) else "") for piece in chosen]
        pieces[len(pieces) // 2] += "\uff0c"
        return "".join(pieces) + rng.choice(endings)

    return "\n\n".join(
        "".join(sentence() for _ in range(rng.randint(2, 5))) for _ in range(rng.randint(3, 8))
    )


def marks(rng: random.Random) -> str:
    """Letters with combining marks, joined emoji, flags, skin tones, Devanagari, Thai, Hangul jamo."""
    emoji = (
        "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
        "\U0001f44d\U0001f3fd",
        "\U0001f1f3\U0001f1f4\U0001f1e9\U0001f1ea",
        "\u2764\ufe0f\u200d\U0001f525",
        "1\ufe0f\u20e3",
    )
    scripts = (
        ("bdfgklmnprst", "aeiou", "\u0301\u0308\u0303\u0323"),
        ("\u0915\u0916\u0917\u0924\u0928\u092e\u0930", "\u0938\u0939\u0935", "\u093f\u0947\u094d\u0902"),
        ("\u0e01\u0e02\u0e04\u0e19\u0e21", "\u0e23\u0e2a\u0e2d", "\u0e35\u0e48\u0e49\u0e31"),
        ("\u1100\u1102\u1103\u1106", "\u1161\u1165\u1169", "\u11a8\u11ab\u11af"),
    )

    def piece() -> str:
        if not rng.randrange(4):
            return rng.choice(emoji)
        first, second, above = rng.choice(scripts)
        return "".join(
            rng.choice(first) + rng.choice(second) + rng.choice((rng.choice(above), ""))
            for _ in range(rng.randint(1, 4))
        )

    return "\n\n".join(
        " ".join(piece() for _ in range(rng.randint(10, 30))) + "." for _ in range(rng.randint(3, 8))
    )


def logs(rng: random.Random) -> str:
    """Lines of a log: the same few messages, with times that hardly differ."""
    messages = ("request done", "retrying", "connection reset by peer", "GET /v1/messages 200", "queue empty")
    second = rng.randrange(50_000)
    lines = []
    for _ in range(rng.randint(15, 40)):
        second += rng.choice((0, 0, 1, 2))
        level = rng.choice(("INFO", "INFO", "WARN"))
        at = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
        lines.append(f"{at} {level} worker-{rng.randint(1, 3)} {rng.choice(messages)}")
    return "```\n" + "\n".join(lines) + "\n```"


def of_recordings(rng: random.Random) -> str:
    """A recorded answer of the real API."""
    return rng.choice(recorded())


@cache
def recorded() -> list[str]:
    """Texts of at least 120 characters in recorded answers; none without recordings."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    place = Path(os.environ.get("SEAWALL_RECORDINGS") or beside)
    files = sorted(place.glob("exchanges*.jsonl.gz")) if place.is_dir() else [place]
    lines = [
        line for file in files if file.is_file() for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    texts = {text.strip() for line in lines for text in _texts(json.loads(line))}
    return sorted(text for text in texts if len(text) >= 120)


def _texts(row: dict[str, object]) -> Iterator[str]:
    body = str(row["response_body"])
    if row["sse"]:
        found = re.findall(r'^data: (\{.*"text_delta".*\})$', body, re.MULTILINE)
        yield "".join(json.loads(event)["delta"]["text"] for event in found)
    elif row["status"] == 200 and body.startswith("{"):
        for block in json.loads(body).get("content") or ():
            if isinstance(block, dict) and isinstance(block.get("text"), str):
                yield block["text"]


KINDS: dict[str, Callable[[random.Random], str]] = {
    "prose": lambda rng: prose(rng, rng.randint(40, 500)),
    "manual": manual,
    "code": code,
    "table": table,
    "lists": lists,
    "cjk": cjk,
    "marks": marks,
    "logs": logs,
    "recorded": of_recordings,
}


# -- what is printed


def _print(counts: dict[tuple[str, str], Counter[Ending]]) -> None:
    kinds = list(dict.fromkeys(kind for kind, _ in counts))
    print(f"| identical, % | {' | '.join(kinds)} |")
    print("| --- |" + " ---: |" * len(kinds))
    for name in (*WAYS, *CHAINS):
        shares = (_share(counts[kind, name], "identical") for kind in kinds)
        print(f"| {name} | {' | '.join(shares)} |")
    endings = Ending.__args__  # type: ignore[attr-defined]
    print(f"\n| all kinds, % | {' | '.join(endings)} |")
    print("| --- |" + " ---: |" * len(endings))
    for name in (*WAYS, *CHAINS):
        total = sum((counts[kind, name] for kind in kinds), Counter[Ending]())
        print(f"| {name} | {' | '.join(_share(total, ending) for ending in endings)} |")


def _share(count: Counter[Ending], ending: Ending) -> str:
    if not count[ending]:
        return "-"
    share = f"{100 * count[ending] / count.total():.1f}"
    if share == "100.0" and count[ending] < count.total():
        return "> 99.9"
    return "< 0.1" if share == "0.0" else share


if __name__ == "__main__":
    main()
