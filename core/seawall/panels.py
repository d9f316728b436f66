"""What plugins tell people about the state that calls share: panels of plain values.

A plugin answers `describe_state` with them; who looks (`seawall watch`, a reader of metrics, a page of an
application's own) needs to know no plugin for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Value = str | int | float | None
"""What a cell of a table holds: numbers are finite; `None` is nothing known."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much is left of something that has a limit."""

    label: str
    left: float
    """Below zero where more was taken than there was."""
    limit: float
    unit: str
    """`tokens`, `requests`, `dollars`, …"""
    note: str = ""
    """What else there is to say of it, in a few words."""
    measures: Literal["", "budget", "rate_limit"] = ""
    """What it is also told to metrics as: `seawall.budget.left`, `seawall.rate_limit.left`."""

    def __post_init__(self) -> None:
        _expect_texts(self, self.label, "label", "unit", "note")
        for name, value in (("left", self.left), ("limit", self.limit)):
            if not (isinstance(value, int | float) and math.isfinite(value)):
                raise ValueError(f"Gauge {self.label!r}: {name} = {value!r}: a finite number is expected")


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of the shared state, under a title; gauges first, then a table."""

    title: str
    gauges: Sequence[Gauge] = ()
    columns: Sequence[str] = ()
    """The headings of the table."""
    rows: Sequence[Sequence[Value]] = ()
    """A cell for each column."""
    alert: str = ""
    """What somebody should look at now; empty while all is well."""
    note: str = ""
    """What there is to say where nothing is to be shown, or beside it."""

    def __post_init__(self) -> None:
        _expect_texts(self, self.title, "title", "alert", "note")
        _expect_lists(self)
        for row in self.rows:
            if len(row) != len(self.columns):
                told = f"a row of {len(row)} cells for {len(self.columns)} columns"
                raise ValueError(f"Panel {self.title!r}: {told}: one for each is expected")
            for column, value in zip(self.columns, row, strict=True):
                if not _is_plain(value):
                    told = f"a cell of {column!r} = {value!r}"
                    wanted = "a text, a finite number or None is expected"
                    raise ValueError(f"Panel {self.title!r}: {told}: {wanted}")


def _expect_texts(told: object, what: str, *names: str) -> None:
    for name in names:
        if not isinstance(text := getattr(told, name), str):
            raise TypeError(f"{type(told).__name__} {what!r}: {name} = {text!r}: a text is expected")


def _expect_lists(panel: Panel) -> None:
    kinds = (("gauges", Gauge, "Gauge"), ("columns", str, "text"), ("rows", Sequence, "list"))
    for name, kind, word in kinds:
        several = getattr(panel, name)
        # what can be gone through only once has nothing left when it is shown
        if not isinstance(several, Sequence):
            raise TypeError(f"Panel {panel.title!r}: {name} = {several!r}: a list is expected")
        for one in several:
            if not isinstance(one, kind):
                told = f"{one!r} in {name}: a {word} is expected"
                raise TypeError(f"Panel {panel.title!r}: {told}")


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
