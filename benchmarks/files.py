"""Saving answers, reading by tokens and staying in a workspace: how fast, in how much memory, against whom.

    uv run python benchmarks/files.py [--quick] [--only journalling|chunking|corpus|races]

- journalling: thread CPU time of a text delta in a protected stream that is saved and in one that is not,
  interleaved, with the settings as they are by default; the body is served from memory. The bar is 1 us more.
  Beside it, what opening the journal and replacing the file take.
- chunking: a file of prose, code, tables and other scripts, by size of the chunks; the bar is 20 MB/s at
  8,000 tokens, by the clock; the CPU time beside it tells how busy the machine was. Memory is what the
  process takes for 1 GB more than for 8 MB, in chunks of one size; the bar is 8 MB. With `--quick` it is
  48 MB in place of 1 GB. "whole, cut" reads the file as Python does and cuts it
  anywhere: no token is counted.
- corpus: each path of `tests/files/traps.py` with each operation and each way to open folders; the bars are
  150 paths and none that gets out.
- races: a process exchanges folders and files of a workspace for links that lead out, 10 s for each race and
  each way to open folders, with `--quick` 1 s; the bar is no operation that gets out. "look, then open" is
  how most programs do it, and shows that the races can be won.

The exit code is 1 when a bar is missed.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import anthropic
import httpx2

import seawall
from seawall.frames import events_of, frame_of

# in place of this folder, in which `files` would be this script
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from files.races import RACES, escapes  # noqa: E402 - after the path
from files.traps import CORPUS, DESCENTS, HELD, OPERATIONS, SECRET, Trap  # noqa: E402 - after the path
from seawall_files import Workspace, WorkspaceError, chunks, saving  # noqa: E402 - after the path
from seawall_files.descent import by_pinning  # noqa: E402 - after the path

MEGABYTE = 1_000_000
SMALL = 8 * MEGABYTE
BAR_SPEED, BAR_MEMORY = 20.0, 8.0
"""MB/s at `AT` tokens a chunk, and MB."""
BAR_DELTA, BAR_PATHS = 1.0, 150
"""Microseconds that saving adds to a delta, and paths."""
DELTAS = 4000
PARAMS = {
    "model": "claude-opus-5-5",
    "max_tokens": 64_000,
    "messages": [{"role": "user", "content": "Write."}],
}
AT = 8000
_SIZES = ((1000, 0), (AT, 0), (AT, 400), (50_000, 0))
"""Tokens of a chunk, and of its overlap."""
_WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "all",
    "her",
    "she",
    "there",
    "would",
    "their",
    "we",
    "him",
    "been",
    "has",
    "when",
    "who",
    "will",
    "more",
    "no",
    "if",
    "out",
    "so",
    "government",
    "mathematics",
    "Beethoven",
    "reinsurance",
    "photosynthesis",
    "interoperability",
    "1984",
    "3.14159",
    "naïve",
    "façade",
]


def pattern(rng: random.Random) -> str:
    """About a megabyte of prose, code, a table and other scripts, in paragraphs."""
    parts = []
    for _ in range(900):
        prose = ". ".join(" ".join(rng.choices(_WORDS, k=rng.randint(5, 25))) for _ in range(5))
        rows = "".join(
            f"{rng.randint(0, 10**6)},{rng.random():.6f},item-{rng.randint(1, 99)}\n" for _ in range(5)
        )
        code = "".join(
            f"    self._x{rng.randint(1, 99)} = call(arguments[{n}], key={n!r})\n" for n in range(4)
        )
        parts += [
            f"{prose}.\n\n",
            f"{rows}\n",
            f"def f():\n{code}\n",
            "人人生而自由,在尊严和权利上一律平等。\n\n",
        ]
    return "".join(parts)


def fill(path: Path, size: int) -> None:
    """Write a file of about `size` bytes."""
    megabytes = [pattern(random.Random(seed)).encode() for seed in range(8)]
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(megabytes[file.tell() // MEGABYTE % len(megabytes)])


class Read(NamedTuple):
    """What reading a file took."""

    speed: float
    """MB/s by the clock."""
    busy_speed: float
    """MB for a second of CPU time."""
    peak: float
    """MB that the process had at most."""
    chunks: int


def read(path: str, tokens: int, overlap: int) -> Read:
    """Read a file in chunks."""
    next(chunks(path, tokens=1))  # what is loaded once
    begun, busy = time.perf_counter(), time.process_time()
    number = sum(1 for _ in chunks(path, tokens=tokens, overlap=overlap))
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    size = Path(path).stat().st_size / MEGABYTE
    return Read(size / seconds, size / busy, peak(), number)


def read_whole(path: str, tokens: int) -> Read:
    """Read a file as a whole and cut it into pieces of four characters a token."""
    begun, busy = time.perf_counter(), time.process_time()
    text = Path(path).read_text(encoding="utf-8")
    pieces = [text[start : start + 4 * tokens] for start in range(0, len(text), 4 * tokens)]
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    size = Path(path).stat().st_size / MEGABYTE
    return Read(size / seconds, size / busy, peak(), len(pieces))


def peak() -> float:
    """Megabytes that this process had at most; not a number where that cannot be told."""
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return float("nan")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / MEGABYTE


def alone(work: Callable[..., Read], *arguments: object) -> Read:
    """Do work in a process of its own, which finds no memory that another one left."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(work, *arguments).result()


def measure_chunking(folder: Path, size: int) -> bool:
    """Print the speed and memory of chunking; returns whether the bars are met."""
    small, large = folder / "small", folder / "large"
    fill(small, SMALL)
    fill(large, size)
    print(f"chunking a file of {size / MEGABYTE:,.0f} MB")
    print(
        f"{'tokens':>10} {'overlap':>8} {'MB/s':>8} {'MB/CPU s':>9} {'chunks':>9} "
        f"{'MB more than for 8 MB':>22}"
    )
    is_met = True
    for tokens, overlap in _SIZES:
        # the smallest chunks are counted whole, and take as long as that does
        path = large if tokens >= AT else small
        least = alone(read, str(small), tokens, overlap).peak
        found = alone(read, str(path), tokens, overlap)
        print_read(f"{tokens:,}", overlap, found, least)
        is_met &= found.peak - least <= BAR_MEMORY or path is small or math.isnan(found.peak)
        is_met &= found.speed >= BAR_SPEED or tokens != AT
    least = alone(read_whole, str(small), AT).peak
    print_read("whole, cut", 0, alone(read_whole, str(large), AT), least)
    return is_met


def print_read(what: str, overlap: int, found: Read, least: float) -> None:
    """Print a line of the table."""
    print(
        f"{what:>10} {overlap:>8,} {found.speed:>8.1f} {found.busy_speed:>9.1f} {found.chunks:>9,} "
        f"{found.peak - least:>22.1f}"
    )


def measure_corpus(folder: Path) -> bool:
    """Print how many paths get out; returns whether the bars are met."""
    done = got_out = 0
    for number, (descend, path) in enumerate(itertools.product(DESCENTS, CORPUS)):
        place = folder / f"corpus-{number}"
        place.mkdir()
        trap = Trap.set_in(place)
        before = trap.seen()
        said = []
        with Workspace(trap.root, descend=descend) as workspace:
            for operate in OPERATIONS.values():
                with suppress(WorkspaceError, OSError, ValueError):
                    said.append(repr(operate(workspace, path)))
                done += 1
        got_out += any(SECRET in one for one in said) or trap.seen() != before
        shutil.rmtree(place)
    print(f"\ncorpus: {len(CORPUS)} paths, {done:,} operations, {got_out} got out")
    return len(CORPUS) >= BAR_PATHS and not got_out


def frames_of(deltas: int) -> list[bytes]:
    """A stream with so many text deltas."""
    text = [{"type": "text", "text": ""}]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": PARAMS["model"],
        "content": text,
    }
    message |= {"stop_reason": "end_turn", "stop_sequence": None}
    message |= {"usage": {"input_tokens": 9, "output_tokens": 4 * deltas}}
    frames = [frame_of(event) for event in events_of(message)]
    delta = {"type": "text_delta", "text": "sixteen letters "}
    more = frame_of({"type": "content_block_delta", "index": 0, "delta": delta})
    # after the starts of the message and of its block
    return [*frames[:2], *[more] * deltas, *frames[-3:]]


class Body(httpx2.SyncByteStream):
    """A body that is there already."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._frames)


def drained(client: anthropic.Anthropic) -> tuple[float, float]:
    """Thread CPU seconds of the text deltas of a stream, and seconds of all the rest of the call."""
    begun = time.perf_counter()
    at = []
    clock = []
    with client.messages.create(stream=True, **PARAMS) as stream:
        for event in stream:
            if event.type in ("content_block_start", "content_block_stop"):
                at.append(time.thread_time())
                clock.append(time.perf_counter())
    return at[1] - at[0], time.perf_counter() - begun - (clock[1] - clock[0])


def measure_journalling(folder: Path, rounds: int) -> bool:
    """Print what saving adds to a delta; returns whether the bar is met."""
    frames = frames_of(DELTAS)
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=Body(frames)))
    bare = anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport), timeout=600.0)
    client = seawall.protect(bare)
    plain, saved = [], []
    for number in range(rounds):
        plain.append(drained(client))
        with saving(folder / f"{number}.md"):
            saved.append(drained(client))
    without, within = (min(one[0] for one in found) / DELTAS * 1e6 for found in (plain, saved))
    around = [statistics.median(one[1] for one in found) * 1e3 for found in (plain, saved)]
    print(f"journalling, {rounds} rounds of {DELTAS:,} deltas")
    print(f"a delta: {without:.2f} us, saved {within:.2f} us: {within - without:+.2f} us")
    print(f"before and after them: {around[0]:.1f} ms, saved {around[1]:.1f} ms\n")
    return within - without <= BAR_DELTA


def measure_races(folder: Path, seconds: float) -> bool:
    """Print who gets out; returns whether nobody does."""
    print(f"\nraces of {seconds:.0f} s")
    print(f"{'exchanged':>22} {'folders opened':>18} {'operations':>11} {'succeeded':>10} {'got out':>8}")
    is_met = True
    if os.name != "posix":
        print("only where anybody may make links")
        return is_met
    ways = {descend.__name__: descend for descend in HELD} | {"look, then open": by_pinning}
    for race in RACES:
        for way, descend in ways.items():
            if descend not in HELD and "folder" not in race:
                # it differs in how folders are opened, not files
                continue
            end = time.perf_counter() + seconds
            place = Path(tempfile.mkdtemp(dir=folder))
            done, succeeded, got_out = escapes(
                race, descend, place, lambda end=end: time.perf_counter() < end
            )
            print(f"{race:>22} {way:>18} {done:>11,} {succeeded:>10,} {got_out:>8,}")
            is_met &= got_out == 0 or descend not in HELD
    return is_met


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["journalling", "chunking", "corpus", "races"])
    options = parser.parse_args()
    is_met = True
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.environ["SEAWALL_STATE_DIR"] = name
        parts = {
            "journalling": lambda: measure_journalling(Path(name), 20 if options.quick else 40),
            "chunking": lambda: measure_chunking(Path(name), (48 if options.quick else 1000) * MEGABYTE),
            "corpus": lambda: measure_corpus(Path(name)),
            "races": lambda: measure_races(Path(name), 1.0 if options.quick else 10.0),
        }
        for part, measure in parts.items():
            if options.only in (None, part):
                is_met &= measure()
    print("every bar that was measured is met" if is_met else "a bar is missed")
    sys.exit(not is_met)


if __name__ == "__main__":
    main()
