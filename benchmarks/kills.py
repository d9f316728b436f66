"""Answers whose processes are killed at random moments: what is lost, and what is paid twice.

    uv run python benchmarks/kills.py [--kills 200] [--each 3] [--seed N] [--tokens N] [--at-once N]

Each answer is written by `seawall run`, which is killed (SIGKILL; on Windows TerminateProcess) some times and
then left alone. The bars: after every kill the file is the old one or the whole new one and the journal can
be read; after the last run the answer is the undisturbed one, byte for byte, with nothing beside it; no
answer is billed more than 1.10 times its tokens. The exit code is 1 when one is missed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from arguments import at_least

sys.path[0] = str(Path(__file__).parents[1] / "tests")

from files.kills import Killer, cases_of, run_until, told  # noqa: E402 - after the path
from seawall_testkit import Simulator  # noqa: E402 - after the path

BAR = 1.10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=at_least(1), default=200)
    parser.add_argument("--each", type=at_least(1), default=3, help="kills of one answer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens", type=at_least(1), default=8000, help="of one answer")
    parser.add_argument("--pace", type=at_least(1.0), default=1500.0, help="tokens a second")
    parser.add_argument("--at-once", type=at_least(1), default=2, help="answers")
    options = parser.parse_args()
    print(
        f"{options.kills} kills, {options.each} an answer of {options.tokens:,} tokens, seed {options.seed}",
        flush=True,
    )
    with (
        tempfile.TemporaryDirectory() as root,
        Simulator(
            answer_tokens=options.tokens, tokens_per_event=8, tokens_per_second=options.pace
        ) as simulator,
    ):
        killer = Killer(simulator, options.pace)
        cases = []
        drawn = cases_of(options.seed, options.each, Path(root))
        for case in run_until(options.kills, killer, drawn, at_once=options.at_once):
            print(f"{case.prompt.strip():<20} {case.ratio:.3f}  {', '.join(case.found)}", flush=True)
            cases.append(case)
    print(*told(cases), sep="\n")
    is_met = not any(case.wrong for case in cases) and max(case.ratio for case in cases) <= BAR
    print("every bar is met" if is_met else "a bar is missed")
    sys.exit(not is_met)


if __name__ == "__main__":
    main()
