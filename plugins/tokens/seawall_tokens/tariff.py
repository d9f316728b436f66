"""What an attempt may cost before it is sent, and what it did cost, in dollars or tokens."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from seawall_tokens.budget import Unit
from seawall_tokens.prices import Counts, Prices

Writes = Literal["", "5m", "1h"]
"""How long what a request writes to the prompt cache is kept; empty: it writes nothing."""

_SAMPLE: Final = 1_000
"""Output tokens by which the price of one is found, at least: some prices go by steps."""
_DECIDE: Final = ("speed", "inference_geo")
"""Parameters that prices depend on."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an attempt may cost."""

    input: float
    """At most."""
    per_token: float
    """Of output."""

    def cost(self, output_tokens: float) -> float:
        """What it costs with so much output."""
        return self.input + self.per_token * output_tokens


def tariff(
    unit: Unit,
    params: Mapping[str, Any],
    *,
    input_tokens: int,
    output_tokens: int,
    prices: Prices,
    at: datetime,
) -> Tariff | None:
    """Return what a request costs; `None` when its model has no price.

    Args:
        unit: Of the amounts.
        params: The request.
        input_tokens: The most that its input can be.
        output_tokens: The most that its output can be.
        prices: For dollars.
        at: When it is sent.
    """
    if unit == "tokens":
        return Tariff(float(input_tokens), 1.0)
    usage: dict[str, Any] = {"input_tokens": input_tokens, **_context(params)}
    if writes := writes_of(params):
        # the dearest that can happen to a token
        usage |= {"input_tokens": 0, "cache_creation_input_tokens": input_tokens}
        usage |= _kept(writes, input_tokens)
    many = max(output_tokens, _SAMPLE)
    model = str(params.get("model", ""))
    first = prices.dollars(model, usage, at)
    whole = prices.dollars(model, {**usage, "output_tokens": many}, at)
    if first is None or whole is None:
        return None
    return Tariff(first, (whole - first) / many)


def spent(
    unit: Unit,
    params: Mapping[str, Any],
    usage: Mapping[str, Any],
    *,
    prices: Prices,
    at: datetime,
    served: str | None,
) -> float | None:
    """Return what the `usage` of an attempt cost; `None` when the model has no price.

    What it does not tell is taken from the request.
    """
    counts = Counts.of(usage)
    if unit == "tokens":
        return float(counts.input + counts.cache_read + counts.cache_write + counts.output)
    asked = {**_context(params), **_kept(writes_of(params), counts.cache_write)}
    told = {name: value for name, value in usage.items() if value is not None}
    return prices.dollars(str(params.get("model", "")), {**asked, **told}, at, served=served)


def writes_of(params: Mapping[str, Any]) -> Writes:
    """Return how long, at most, a request asks to keep a part of it in the prompt cache."""
    found: Writes = ""
    for part in _parts(params):
        if isinstance(control := part.get("cache_control"), Mapping):
            if control.get("ttl") == "1h":
                return "1h"
            found = "5m"
    return found


def _parts(params: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield what in a request can carry a mark of the prompt cache."""
    yield params
    waiting: list[object] = [params.get("tools"), params.get("system"), params.get("messages")]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting.append(part.get("content"))
        elif isinstance(part, list | tuple):
            waiting.extend(part)


def _kept(writes: Writes, tokens: int) -> dict[str, Any]:
    return {"cache_creation": {"ephemeral_1h_input_tokens": tokens}} if writes == "1h" else {}


def _context(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in _DECIDE if name in params}
