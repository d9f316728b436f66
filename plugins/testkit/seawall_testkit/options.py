"""Everything a simulator is told, as immutable values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from seawall_testkit.continuation import Misbehaviour
from seawall_testkit.faults import Fault
from seawall_testkit.limits import Limits

_T = TypeVar("_T")

OtpmMode = Literal["actual", "reserve_max_tokens"]
"""Output tokens are charged as they are generated, or `max_tokens` at the start and adjusted at the end."""

AnswerFunction = Callable[[dict[str, Any]], list[dict[str, Any]]]
"""From a request's body, without a continuation at its end, to the content blocks of the whole answer.

It must always answer the same: it may be asked more than once for one request."""

Script = Sequence[dict[str, Any]]
"""The content blocks of the whole answer to everything, as `seawall_testkit.blocks` makes them."""


@dataclass(frozen=True)
class Switches:
    """What the API's documentation leaves open."""

    rejected_requests_cost: bool = False
    """A request that the rate limit rejects takes from the requests bucket all the same."""
    overrun_cuts_stream: bool = False
    """A stream that empties the output bucket ends in a `rate_limit_error`; else only new requests wait."""
    retry_after_on_429: bool = True
    """A 429 carries `retry-after`, unless a fault says otherwise."""
    retry_after_on_529: bool = False
    """A 529 carries `retry-after: 1`, unless a fault says otherwise."""
    bill_dropped_streams: bool = False
    """The answer of a client that went away is billed to its end; otherwise as far as it was generated."""
    bound_thinking: bool = False
    """A thought is bound to all that came before it, as on the newest models: its signature is refused where
    the turns or blocks before it are not those it was written after."""
    html_413: bool = False
    """A 413 is an HTML page as a proxy in front of the API would send it."""


@dataclass(frozen=True)
class Options:
    """The arguments of `Simulator`; they are explained there."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0
    answer_tokens: int = 400
    tokens_per_event: int = 4
    tokens_per_second: float | None = None
    ping_interval: float | None = None
    misbehaviour: tuple[Misbehaviour, ...] = (Misbehaviour.EXACT,)
    repeat_words: int = 6
    more_models: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    limits: Limits | None = None
    otpm_mode: OtpmMode = "actual"
    answer: AnswerFunction | Script | str | None = None
    unknown_events: bool = False
    padding: bool = True
    switches: Switches = Switches()
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if not (self.limits is None or isinstance(self.limits, Limits)):
            raise ValueError(f"limits must be Limits, as Limits(rpm=50) is, not {self.limits!r}")
        if odd := [fault for fault in self.faults if not isinstance(fault, Fault)]:
            raise ValueError(f"faults must be Faults, as Fault.parse makes of a text, not {odd[0]!r}")
        if not (self.answer is None or isinstance(self.answer, str) or callable(self.answer)):
            blocks_in(self.answer)
        self._check_numbers()
        if self.api_key == "":
            raise ValueError("api_key must not be empty; None accepts any")
        if not self.misbehaviour:
            raise ValueError("misbehaviour must name at least one")
        if self.otpm_mode not in {"actual", "reserve_max_tokens"}:
            raise ValueError(f"otpm_mode must be 'actual' or 'reserve_max_tokens', not {self.otpm_mode!r}")

    def _check_numbers(self) -> None:
        for name in ("answer_tokens", "tokens_per_event"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        if self.repeat_words < 0:
            raise ValueError(f"repeat_words must be at least 0, not {self.repeat_words!r}")
        for name in ("tokens_per_second", "ping_interval"):
            value = getattr(self, name)
            # of what is no number it is not true either
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0 or None, not {value!r}")


def several(name: str, given: Iterable[_T]) -> tuple[_T, ...]:
    """What was given as the option `name`, which takes several.

    Raises:
        ValueError: It is one alone; of a text, each letter would be one.
    """
    if isinstance(given, Iterable) and not isinstance(given, str):
        return tuple(given)
    raise ValueError(f"{name} must be a list, not one alone: {given!r}")


def blocks_in(answer: object) -> list[dict[str, Any]]:
    """The content blocks that are an answer.

    Raises:
        ValueError: It is something else.
    """
    blocks: list[Any] = list(answer) if isinstance(answer, Sequence) else [answer]
    odd = [block for block in blocks if not (isinstance(block, Mapping) and "type" in block)]
    if odd or not isinstance(answer, Sequence):
        what = "one alone" if not odd else f"{type(odd[0]).__name__}: {odd[0]!r:.80}"
        raise ValueError(f"answer must be a list of content blocks, as blocks.text() is one, not {what}")
    return blocks


def misbehaviours_named(
    names: Misbehaviour | str | Sequence[Misbehaviour | str],
) -> tuple[Misbehaviour, ...]:
    """The misbehaviours of these names; a single name is one.

    Raises:
        ValueError: there is none of that name; the message lists them.
    """
    valid = [member.value for member in Misbehaviour]
    given = [names] if isinstance(names, str) else names
    for name in given:
        if name not in valid:
            raise ValueError(f"unknown misbehaviour {str(name)!r}; valid are {', '.join(valid)}")
    return tuple(Misbehaviour(name) for name in given)
