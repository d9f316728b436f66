"""What tokens cost, in US dollars on a given day.

The prices are those of `genai-prices`, which is installed with its data and asks no network; settings
override them. It takes the input of a request to include what the prompt cache read and wrote, which the
API's `input_tokens` leaves out: they are added here. A model without a price has none: never 0.
"""

import functools
import math
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from seawall import Usage

_MTOK: Final = 1_000_000
_LARGEST: Final = 2**53
"""A count above it is none: no answer has so many tokens, and a float could not hold it."""
_HOUR_WRITE: Final = 1.6
"""A cache write kept for an hour costs 2 x the input, one for five minutes 1.25 x:
https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing"""
_SHORT_WRITE: Final = 1.25
_SEARCH: Final = 0.01
"""Dollars of a web search, with any model (API.md, section 8)."""
_US_ONLY: Final = 1.1
"""Factor for the tokens of `inference_geo: "us"` (API.md, section 8)."""
_FAMILIES: Final = ((re.compile(r"claude-mythos-(5(?:-\d)?)(?:-\d{8})?"), r"claude-fable-\1"),)
"""Models that cost what another one does, where the table does not have them (API.md, section 8)."""
_BARE: Final = re.compile(r"claude-[a-z0-9.-]*[a-z0-9]")
_REVISION: Final = re.compile(r"-v\d+$")

_loading: Final = threading.RLock()
"""Held while the table is loaded, and by who forks: a child has no thread that would load the rest."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release
    )

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelPrice(BaseModel):
    """What the tokens of one model cost, in dollars per million."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Dollars
    """What is neither read from the prompt cache nor written to it."""
    output: Dollars
    """Thinking included."""
    cache_read: Dollars | None = None
    """`None`: as `input`, since it is not known to be cheaper."""
    cache_write: Dollars | None = None
    """Kept for five minutes; an hour costs 1.6 times that. `None`: 1.25 times `input`."""

    def dollars(self, counts: "Counts") -> float:
        """What these tokens and searches cost."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input * _SHORT_WRITE if self.cache_write is None else self.cache_write
        writes = counts.cache_write + (_HOUR_WRITE - 1) * counts.cache_write_hour
        spent = counts.input * self.input + counts.cache_read * read + writes * write
        return (spent + counts.output * self.output) / _MTOK + counts.web_searches * _SEARCH


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a `usage` that cost something; what is no count is 0."""

    input: int
    """Neither read from the prompt cache nor written to it."""
    cache_read: int
    cache_write: int
    cache_write_hour: int
    """Those of `cache_write` that are kept for an hour."""
    output: int
    thinking: int
    """Those of `output` that are thinking, as far as the API tells."""
    web_searches: int

    @classmethod
    def of(cls, usage: Usage | Mapping[str, Any]) -> "Counts":
        """The counts of a `usage`, that of a call or of the API."""
        told: Mapping[str, Any] = usage.counts() if isinstance(usage, Usage) else usage
        writes = count(told.get("cache_creation_input_tokens"))
        output = count(told.get("output_tokens"))
        return cls(
            input=count(told.get("input_tokens")),
            cache_read=count(told.get("cache_read_input_tokens")),
            cache_write=writes,
            cache_write_hour=min(writes, _within(told, "cache_creation", "ephemeral_1h_input_tokens")),
            output=output,
            thinking=min(output, _within(told, "output_tokens_details", "thinking_tokens")),
            web_searches=_within(told, "server_tool_use", "web_search_requests"),
        )


class Prices:
    """Tells what tokens cost.

    Args:
        overrides: Prices by the name of the model, as it is asked for.
    """

    def __init__(self, overrides: Mapping[str, ModelPrice] | None = None) -> None:
        self._overrides = dict(overrides or {})

    def dollars(
        self, model: str, usage: Usage | Mapping[str, Any], at: datetime, *, served: str | None = None
    ) -> float | None:
        """What `usage` costs when sent at `at`; `None` when nobody knows.

        The first time it takes some 0.5 s, later 0.1 ms. A `usage` of the API may tell more than that of a
        call: hour-long cache writes, web searches, fast mode and US-only inference are counted if it does.

        Args:
            model: As it is asked for, on whatever platform.
            usage: Of one attempt: some prices depend on how long the prompt was.
            at: Aware of its time zone.
            served: The model that served, if known; its price counts, unless that of `model` is overridden or
                the only one.
        """
        counts = Counts.of(usage)
        context = {} if isinstance(usage, Usage) else usage
        for name in dict.fromkeys([model] * (model in self._overrides) + [served or model, model]):
            if (own := self._overrides.get(name)) is not None:
                return own.dollars(counts)
            for provider, reference in _references(name):
                if (found := _listed(provider, reference, counts, at, context)) is not None:
                    return found
        return None

    @staticmethod
    def warm() -> None:
        """Load the table, so that no later `price` takes long; for a thread that nobody waits for."""
        with _loading:
            _load()


@functools.cache
def _load() -> None:
    from genai_prices import Usage as Priced, calc_price  # noqa: PLC0415 - 0.5 s

    # it loads what it needs for a price when it is asked for one
    calc_price(Priced(input_tokens=1), "claude-opus-5-5", provider_id="anthropic")


def count(value: object) -> int:
    """A count of tokens; 0 for anything that can be none: negative, NaN, a text, absent."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(value) if 0 <= value <= _LARGEST else 0


def _within(usage: Mapping[str, Any], group: str, key: str) -> int:
    inner = usage.get(group)
    return count(inner.get(key)) if isinstance(inner, Mapping) else 0


def _references(model: str) -> list[tuple[str, str]]:
    """Under which provider and name `genai-prices` may have a model, the likeliest first."""
    name = model.lower().rpartition("/")[2]
    found = []
    if "anthropic." in name:
        # Amazon's regional endpoints cost more than the API
        found.append(("aws", name))
    elif "@" in name:
        found.append(("google", name))
    found.append(("anthropic", name))
    if match := _BARE.search(name):
        bare = _REVISION.sub("", match[0])
        found.append(("anthropic", bare))
        alike = ((family.fullmatch(bare), other) for family, other in _FAMILIES)
        found += [("anthropic", same.expand(other)) for same, other in alike if same]
    return list(dict.fromkeys(found))


def _listed(
    provider: str, name: str, counts: Counts, at: datetime, context: Mapping[str, Any]
) -> float | None:
    Prices.warm()
    from genai_prices import Usage as Priced, calc_price  # noqa: PLC0415 - it is loaded

    priced = Priced(
        input_tokens=counts.input + counts.cache_read + counts.cache_write,
        cache_read_tokens=counts.cache_read,
        cache_write_tokens=counts.cache_write,
        cache_write_1h_tokens=counts.cache_write_hour,
        output_tokens=counts.output,
        web_searches=counts.web_searches,
    )
    speed = context.get("speed")
    try:
        found = calc_price(
            priced,
            name,
            provider_id=provider,
            genai_request_timestamp=at,
            price_context={"speed": speed} if isinstance(speed, str) else None,
        )
    except (LookupError, ValueError):
        # not there, or there without a price for what was used
        return None
    extra = _US_ONLY - 1 if context.get("inference_geo") == "us" else 0.0
    return float(found.total_price) + extra * float(found.input_price + found.output_price)
