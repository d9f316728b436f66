"""A budget: how much may be spent, by whom, in which time."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Per = Literal["call", "caller", "hour", "day", "month", "total"]
Unit = Literal["dollars", "tokens"]

INDEX: Final = "tokens:budgets"
"""The key of the index of documents of budgets, by their keys."""
EACH: Final = "*"
_ALWAYS: Final = "always"
_FORMATS: Final = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}
"""Of the names of windows; names of one kind sort as the windows follow each other."""
_CENT: Final = 0.01
_PERIODS: Final = {"call": "a call", "caller": "a caller", "total": "in all"}


class Budget(BaseModel):
    """A limit of what calls may spend; windows are hours, days and months of UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    PREFIX: ClassVar[str] = "tokens:budget:"
    """Of keys; what follows is JSON, the caller whose books they are last."""

    dollars: Annotated[float, Field(gt=0)] | None = None
    """By the prices that `tokens.prices` and `genai-prices` tell. Either this or `tokens`."""
    tokens: Annotated[int, Field(gt=0, le=2**53)] | None = None
    """Input, cached or not, and output. Either this or `dollars`."""
    per: Per
    """What the limit is for: one call with all of its attempts, each caller, an hour, a day, a month, all."""
    caller: str | None = None
    """`None`: all calls; `"*"`: each caller has a budget of its own; else only calls of this caller."""
    name: str = ""
    """Budgets that differ in nothing but the limit share what was spent, in whatever project, unless they
    differ in this."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.dollars is None) == (self.tokens is None):
            raise ValueError("either dollars or tokens is expected")
        return self

    @property
    def unit(self) -> Unit:
        """What is counted."""
        return "tokens" if self.dollars is None else "dollars"

    @property
    def limit(self) -> float:
        """How much may be spent, in its unit."""
        limit = self.tokens if self.dollars is None else self.dollars
        assert limit is not None  # noqa: S101 - `_is_complete` has seen to it
        return limit

    @property
    def has_books_of_each(self) -> bool:
        """Whether what each caller spends is kept apart."""
        return self.caller == EACH or self.per == "caller"

    def applies_to(self, caller: str) -> bool:
        """Whether calls of `caller` count."""
        return self.caller in (None, EACH, caller)

    def key(self, caller: str) -> str:
        """Under which what calls of `caller` spend is kept."""
        own = caller if self.has_books_of_each else None
        # JSON of ASCII also keeps a lone surrogate, which is no UTF-8
        return self.PREFIX + json.dumps([self.unit, self.per, self.name, self.caller, own])

    def title(self, caller: str = "") -> str:
        """What it is, for people: `'nightly' (50.00 dollars a day)`."""
        period = _PERIODS.get(self.per) or f"{'an' if self.per == 'hour' else 'a'} {self.per}"
        said = f"{self.amount(self.limit)} {period}"
        title = f"{self.name!r} ({said})" if self.name else repr(said)
        return f"{title} of caller {caller!r}" if self.caller or self.per == "caller" else title

    def amount(self, value: float) -> str:
        """An amount in its unit, for people."""
        if self.unit == "tokens":
            return f"{value:,.0f} tokens"
        whole, _, parts = f"{value:,.{4 if value >= _CENT else 7}f}".rstrip("0").partition(".")
        return f"{whole}.{parts:0<2} dollars"

    def window(self, now: datetime) -> str:
        """The name of the hour, day or month that `now` is in."""
        return f"{now:{_FORMATS[self.per]}}" if self.per in _FORMATS else _ALWAYS

    def ends(self, window: str) -> datetime | None:
        """When a window ends; `None`: never."""
        if (form := _FORMATS.get(self.per)) is None:
            return None
        start = datetime.strptime(window, form).replace(tzinfo=UTC)
        if self.per == "month":
            return (start + timedelta(days=31)).replace(day=1)
        return start + timedelta(**{f"{self.per}s": 1})


def _all_differ(budgets: Sequence[Budget]) -> Sequence[Budget]:
    seen: dict[tuple[object, ...], int] = {}
    for place, budget in enumerate(budgets):
        same = seen.setdefault((budget.unit, budget.per, budget.name, budget.caller), place)
        if same != place:
            raise ValueError(
                f"budgets {same} and {place} differ in nothing but the limit; give one another `name`, "
                "or leave one out"
            )
    return budgets


Different = Annotated[Sequence[Budget], AfterValidator(_all_differ)]
"""Budgets of which no two count the same under the same name."""
