"""Arguments of benchmarks."""

import argparse
from collections.abc import Callable
from typing import TypeVar

N = TypeVar("N", int, float)


def at_least(least: N) -> Callable[[str], N]:
    """Return a `type` for an argument that is a number from `least` on."""

    def number(text: str) -> N:
        value = type(least)(text)
        # so that NaN is none
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text}: {least} or more is expected")
        return value

    # argparse says it of what is no number at all
    number.__name__ = type(least).__name__
    return number
