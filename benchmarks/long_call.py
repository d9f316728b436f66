"""One call that streams for longer than any connection lasts: a reset every minute, and the exact answer.

    uv run python benchmarks/long_call.py [--minutes 10.5] [--tokens-per-second 80] [--speed-up 1]

The simulator writes at the pace of a model; sped up it writes the same answer, broken at the same places,
that many times as fast. The caller streams with a sync client and the protection of everyone. The exit code
is 1 when what it was shown is not the undisturbed answer, character for character.
"""

import argparse
import sys
import time
from typing import Any

import anthropic
from arguments import at_least
from own_state import own_state

import seawall
from seawall_testkit import Fault, Simulator

_PARAMS: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 128_000}
_TOKENS_PER_EVENT = 4


class _Witness:
    """A plugin that keeps how the call ended."""

    name = "witness"

    def __init__(self) -> None:
        self.outcome: seawall.Outcome | None = None

    @seawall.hookimpl
    def post_response(self, outcome: seawall.Outcome) -> None:
        self.outcome = outcome


def main() -> None:
    """Make the call, print, and say whether the answer is exact."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes",
        type=at_least(0.1),
        default=10.5,
        help="of writing; no answer has more than 128,000 tokens",
    )
    parser.add_argument("--tokens-per-second", type=at_least(1.0), default=80.0)
    parser.add_argument("--speed-up", type=at_least(0.1), default=1.0)
    options = parser.parse_args()
    a_minute = options.tokens_per_second * 60
    resets = [
        Fault("reset", attempt=attempt, event=int(a_minute / _TOKENS_PER_EVENT))
        for attempt in range(1, int(options.minutes) + 1)
    ]
    simulator = Simulator(
        faults=resets,
        answer_tokens=int(options.minutes * a_minute),
        tokens_per_event=_TOKENS_PER_EVENT,
        tokens_per_second=options.tokens_per_second * options.speed_up,
        ping_interval=10.0,
        misbehaviour=("exact", "repeat", "preamble"),
    )
    with simulator:
        sys.exit(0 if _is_exact(simulator) else 1)


def _is_exact(simulator: Simulator) -> bool:
    messages: Any = [{"role": "user", "content": "Write the whole history of seafaring."}]
    answer = simulator.answer_for(messages)
    witness = _Witness()
    plugins = ["streaming", "backoff", "tokens", "progress", "files", witness]
    shown: list[str] = []
    began, longest, last = time.monotonic(), 0.0, time.monotonic()
    with anthropic.Anthropic(api_key="test", base_url=simulator.base_url) as bare:
        client = seawall.protect(bare, plugins=plugins)
        with client.messages.stream(messages=messages, **_PARAMS) as stream:
            for text in stream.text_stream:
                now = time.monotonic()
                longest, last = max(longest, now - last), now
                shown.append(text)
            text_at_end = stream.get_final_text()
    seconds = time.monotonic() - began
    outcome = witness.outcome
    assert outcome is not None
    for attempt in outcome.attempts:
        print(
            f"attempt {attempt.number:>2} ({attempt.way:<9}) {attempt.events:>6} events, "
            f"{'about ' if attempt.usage.is_estimated else ''}{attempt.usage.output_tokens} output tokens, "
            f"seam {attempt.seam or '-'}, {attempt.overlap} characters cut"
            + (f", {type(attempt.error).__name__}" if attempt.error else "")
        )
    paid = simulator.billed
    is_exact = "".join(shown) == answer.text == text_at_end
    seams = len(outcome.attempts) - 1
    print(
        f"{seconds:.0f} s, {len(outcome.attempts)} attempts, {seams} seams, "
        f"{len(answer.text)} characters; longest silence {longest:.1f} s"
    )
    print(
        f"output tokens paid for one: {paid.output_tokens / answer.output_tokens:.3f}; "
        f"input tokens paid for one of output: {paid.input_tokens / answer.output_tokens:.2f}"
    )
    print("exact" if is_exact else "NOT exact")
    return is_exact


if __name__ == "__main__":
    with own_state():
        main()
