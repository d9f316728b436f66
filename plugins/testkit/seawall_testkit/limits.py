"""Rate limits: a continuously replenished token bucket per limit and model class (docs, api/rate-limits)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from seawall_testkit.errors import RequestError
from seawall_testkit.models import rate_limit_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seawall_testkit.options import Options

ORGANIZATION = "7f9c2ba4-e88f-4278-91b4-1e24a8d5c6a1"
"""The organization id in headers and messages."""
WORKSPACE = "wrkspc_01SeawallTestkit00000000"
"""The workspace id in headers."""

_UNITS = {"requests": "requests", "input-tokens": "input tokens", "output-tokens": "output tokens"}


@dataclass(frozen=True)
class Limits:
    """Limits per minute and, but for `count_rpm`, model class; None is no limit."""

    rpm: int | None = None
    """Requests."""
    itpm: int | None = None
    """Input tokens."""
    otpm: int | None = None
    """Output tokens."""
    depth: float = 60.0
    """Seconds of replenishment that a full bucket holds; 1.0 enforces 60 a minute as one a second."""
    count_rpm: int | None = None
    """Requests that count tokens, of all models together; no other limit is on them."""

    def __post_init__(self) -> None:
        for name in ("rpm", "itpm", "otpm", "depth", "count_rpm"):
            value = getattr(self, name)
            # of what is no number neither is true
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite, not {value!r}")


class Bucket:
    """A continuously replenished bucket; it may be overdrawn. Not thread-safe.

    Args:
        per_minute: how much flows in.
        depth: seconds of inflow that fit.
        now: the present, in seconds of any clock.
        full: whether it begins full.
    """

    def __init__(self, per_minute: int, depth: float, now: float, *, full: bool = True) -> None:
        self.limit = per_minute
        self._rate = per_minute / 60
        self.capacity = self._rate * depth
        self._level = self.capacity if full else 0.0
        self._updated = now

    def level(self, now: float) -> float:
        """What is in it; below zero when overdrawn."""
        self._level = min(self.capacity, self._level + (now - self._updated) * self._rate)
        self._updated = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Takes `amount` out, giving back what is negative."""
        self._level = min(self.capacity, self.level(now) - amount)

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` is in it, or until it is full when `amount` never fits."""
        return max(0.0, min(amount, self.capacity) - self.level(now)) / self._rate

    def until_full(self, now: float) -> float:
        """Seconds until nothing more flows in."""
        return (self.capacity - self.level(now)) / self._rate


class RateLimiter:
    """Admits requests and charges tokens; belongs to one thread.

    Args:
        limits: None limits nothing.
        options: of the simulator.
        full: whether buckets begin full, as a client expects, or empty.
        by_class: whether each class of models has buckets of its own.
    """

    def __init__(
        self, limits: Limits | None, options: Options, *, full: bool = True, by_class: bool = True
    ) -> None:
        self._limits = limits
        self._by_class = by_class
        self._full = full
        self._reserves = options.otpm_mode == "reserve_max_tokens"
        self._switches = options.switches
        self._clock = options.clock
        self._classes: dict[str, dict[str, Bucket]] = {}
        self._wall = _wall_clock(options.clock)

    def admit(self, model: str, input_tokens: int, max_tokens: int) -> None:
        """Takes one request and its input tokens, or nothing of them.

        Raises:
            RequestError: 429, a bucket holds too little.
        """
        buckets = self._buckets(model)
        now = self._clock()
        needs = {
            "requests": 1,
            "input-tokens": input_tokens,
            "output-tokens": max_tokens if self._reserves else 1,
        }
        waits = {name: bucket.wait(needs[name], now) for name, bucket in buckets.items()}
        short = [name for name, wait in waits.items() if wait > 0 or needs[name] > buckets[name].capacity]
        if short:
            if self._switches.rejected_requests_cost and "requests" in buckets:
                buckets["requests"].take(1, now)
            slowest = max(short, key=lambda name: waits[name])
            raise self._rejection(model, slowest, buckets[slowest].limit, waits[slowest])
        for name, bucket in buckets.items():
            if name != "output-tokens" or self._reserves:
                bucket.take(needs[name], now)

    def charge_output(self, model: str, tokens: int) -> bool:
        """Charges generated tokens; whether the running stream must be cut for it."""
        bucket = self._buckets(model).get("output-tokens")
        if bucket is None or self._reserves:
            return False
        bucket.take(tokens, self._clock())
        return self._switches.overrun_cuts_stream and bucket.level(self._clock()) < 0

    def settle(self, model: str, max_tokens: int, output_tokens: int) -> None:
        """Gives back what was reserved and not generated."""
        bucket = self._buckets(model).get("output-tokens")
        if bucket is not None and self._reserves:
            bucket.take(output_tokens - max_tokens, self._clock())

    def headers(self, model: str) -> dict[str, str]:
        """The `anthropic-ratelimit-*` headers, as of now; `tokens` is input and output together."""
        now = self._clock()
        values = {
            name: (bucket.limit, max(0, math.floor(bucket.level(now))), bucket.until_full(now))
            for name, bucket in self._buckets(model).items()
        }
        tokens = [values[name] for name in ("input-tokens", "output-tokens") if name in values]
        headers: dict[str, str] = {}
        for name, (limit, remaining, seconds) in values.items():
            shown = remaining if name == "requests" else round(remaining, -3)
            headers |= self._group(name, limit, shown, seconds)
        if tokens:
            shown = sum(round(remaining, -3) for _, remaining, _ in tokens)
            headers |= self._group("tokens", sum(t[0] for t in tokens), shown, max(t[2] for t in tokens))
        return headers

    def _group(self, name: str, limit: int, remaining: int, seconds: float) -> dict[str, str]:
        reset = self._wall() + timedelta(seconds=math.ceil(seconds))
        prefix = f"anthropic-ratelimit-{name}"
        return {
            f"{prefix}-limit": str(limit),
            f"{prefix}-remaining": str(remaining),
            f"{prefix}-reset": f"{reset:%Y-%m-%dT%H:%M:%SZ}",
        }

    def _rejection(self, model: str, name: str, limit: int, wait: float) -> RequestError:
        message = (
            f"This request would exceed your organization's rate limit of {limit:,} {_UNITS[name]} "
            f"per minute (org: {ORGANIZATION}, model: {model}). For details, refer to: https://docs.claude.com/en/api/rate-limits."
        )
        headers = self.headers(model)
        if self._switches.retry_after_on_429:
            headers["retry-after"] = str(max(1, math.ceil(wait)))
        return RequestError(429, message, headers=headers)

    def _buckets(self, model: str) -> Mapping[str, Bucket]:
        if self._limits is None:
            return {}
        name = rate_limit_class(model) if self._by_class else ""
        if name not in self._classes:
            limits = self._limits
            rates = {"requests": limits.rpm, "input-tokens": limits.itpm, "output-tokens": limits.otpm}
            now = self._clock()
            self._classes[name] = {
                unit: Bucket(rate, limits.depth, now, full=self._full)
                for unit, rate in rates.items()
                if rate is not None
            }
        return self._classes[name]


def _wall_clock(clock: Callable[[], float]) -> Callable[[], datetime]:
    """The date, advancing with `clock`."""
    started, origin = clock(), datetime.now(tz=UTC)
    return lambda: origin + timedelta(seconds=clock() - started)
