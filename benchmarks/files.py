"""Reading by tokens and staying in a workspace: how fast, in how much memory, and against whom.

    uv run python benchmarks/files.py [--quick] [--only chunking|races]

- chunking: a file of prose, code, tables and other scripts, by size of the chunks; the bar is 20 MB/s at
  8,000 tokens. Memory is what the process takes for 1 GB more than for 8 MB, in chunks of one size; the bar
  is 8 MB. With `--quick` it is 48 MB in place of 1 GB.
- races: a process exchanges folders and files of a workspace for links that lead out, 10 s for each race and
  each way to open folders, with `--quick` 1 s; the bar is no operation that gets out. "look, then open" is
  how most programs do it, and shows that the races can be won.

The exit code is 1 when a bar is missed.
"""

import argparse
import math
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# in place of this folder, in which `files` would be this script
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from files.races import RACES, escapes  # noqa: E402 - after the path
from files.traps import HELD  # noqa: E402 - after the path
from seawall_files import chunks  # noqa: E402 - after the path
from seawall_files.descent import by_pinning  # noqa: E402 - after the path

MEGABYTE = 1_000_000
SMALL = 8 * MEGABYTE
BAR_SPEED, BAR_MEMORY = 20.0, 8.0
"""MB/s at `AT` tokens a chunk, and MB."""
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


def read(path: str, tokens: int, overlap: int) -> tuple[float, float, int]:
    """Read a file in chunks; returns MB/s, MB that the process had at most, and chunks."""
    next(chunks(path, tokens=1))  # what is loaded once
    begun = time.perf_counter()
    number = sum(1 for _ in chunks(path, tokens=tokens, overlap=overlap))
    seconds = time.perf_counter() - begun
    return Path(path).stat().st_size / MEGABYTE / seconds, peak(), number


def peak() -> float:
    """Megabytes that this process had at most; not a number where that cannot be told."""
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return float("nan")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / MEGABYTE


def alone(work: Callable[..., tuple[float, float, int]], *arguments: object) -> tuple[float, float, int]:
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
    print(f"{'tokens':>8} {'overlap':>8} {'MB/s':>8} {'chunks':>9} {'MB more than for 8 MB':>22}")
    is_met = True
    for tokens, overlap in _SIZES:
        # the smallest chunks are counted whole, and take as long as that does
        path = large if tokens >= AT else small
        _, least, _ = alone(read, str(small), tokens, overlap)
        speed, most, number = alone(read, str(path), tokens, overlap)
        print(f"{tokens:>8,} {overlap:>8,} {speed:>8.1f} {number:>9,} {most - least:>22.1f}")
        is_met &= most - least <= BAR_MEMORY or path is small or math.isnan(most)
        is_met &= speed >= BAR_SPEED or tokens != AT
    return is_met


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
    parser.add_argument("--only", choices=["chunking", "races"])
    options = parser.parse_args()
    is_met = True
    with tempfile.TemporaryDirectory() as name:
        if options.only != "races":
            is_met &= measure_chunking(Path(name), (48 if options.quick else 1000) * MEGABYTE)
        if options.only != "chunking":
            is_met &= measure_races(Path(name), 1.0 if options.quick else 10.0)
    print("every bar is met" if is_met else "a bar is missed")
    sys.exit(not is_met)


if __name__ == "__main__":
    main()
