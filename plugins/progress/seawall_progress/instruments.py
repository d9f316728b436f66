"""The instruments: names, units, buckets, and how many values their attributes may have.

Names that begin with `gen_ai` are those of OpenTelemetry's semantic conventions for generative AI
(https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md), with their
buckets; the others are Seawall's own.
"""

import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Final

from seawall.state import new_lock
from seawall_progress.levels import Levels

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider

_API: Final = "opentelemetry.metrics"
_TOKENS: Final = [float(4**power) for power in range(14)]
_SECONDS: Final = [0.01 * 2**power for power in range(14)]
_WAITS: Final = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0]
_MOST: Final = 64
OTHER: Final = "_OTHER"
"""What stands for a value beyond those that are told apart: the conventions' own word for it."""


_lock: Final = new_lock()
_made: "Final[weakref.WeakKeyDictionary[MeterProvider, Instruments]]" = weakref.WeakKeyDictionary()


class Instruments:
    """All instruments, made by one meter."""

    def __init__(self, meter: "Meter") -> None:
        histogram, counter = meter.create_histogram, meter.create_counter
        self.token_usage = histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Input tokens, cached ones included, and output tokens of all attempts of a call.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.duration = histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Time from the first attempt of a call to its end, waits and retries included.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.first_chunk = histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time from the begin of a call to its first output, waits and retries included.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.next_chunk = histogram(
            "gen_ai.client.operation.time_per_output_chunk",
            "s",
            "Time between two chunks of output of a call.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.waits = histogram(
            "seawall.wait.duration",
            "s",
            "Time a call waited: before an attempt (admission), or after one that failed (retry).",
            explicit_bucket_boundaries_advisory=_WAITS,
        )
        self.retries = counter("seawall.retries", "{attempt}", "Attempts after the first one of a call.")
        self.continuations = counter(
            "seawall.continuations", "{attempt}", "Attempts that went on with a broken message."
        )
        self.cached = counter(
            "seawall.tokens.cached", "{token}", "Input tokens read from the prompt cache, or written to it."
        )
        self.thinking = counter("seawall.tokens.thinking", "{token}", "Output tokens that are thinking.")
        self.wasted = counter("seawall.tokens.wasted", "{token}", "Output tokens that no caller has.")
        self.models, self.hosts, self.errors = Known(), Known(), Known()
        self.levels = Levels()
        for measures, whose in (("budget", "budgets"), ("rate_limit", "rate limits")):
            meter.create_observable_gauge(
                f"seawall.{measures}.left",
                [partial(self.levels.observe, measures)],
                description=f"What is left of {whose}, of all processes that share the state.",
            )


def instruments_of(provider: "MeterProvider") -> Instruments:
    """Return the instruments of a provider; two sets of them would be told as two metrics."""
    with _lock:
        made = _made.get(provider)
        if made is None:
            made = _made[provider] = Instruments(provider.get_meter("seawall"))
        return made


def provider_in_use() -> "MeterProvider | None":
    """Return what the application has set to take metrics; `None` if it has not.

    Imports nothing: an application that has set it has imported the API.
    """
    api = sys.modules.get(_API)
    if api is None:
        return None
    provider: MeterProvider = api.get_meter_provider()
    # those of the API's own forget what they are told
    return None if type(provider).__module__.startswith(_API) else provider


class Known:
    """Values of one attribute: the first `most` of them are told apart, all others are `OTHER`."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the value to be told."""
        if value in self._values:
            return value
        if len(self._values) >= self._most:
            return OTHER
        self._values.add(value)
        return value
