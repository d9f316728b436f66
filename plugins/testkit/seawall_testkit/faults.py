"""Faults: what goes wrong, on which attempt of a conversation, and where in the answer.

Text form, for the command line: `KIND[@ATTEMPT[xTIMES]][:VALUE][,NAME=VALUE]...`, where the first value
without a name is the event, the status or the seconds, whichever the kind is for; no value may hold a comma.
Examples: `reset@1:5`, `status@1x3:529,retry_after=2`, `refuse@2:0.5`, `stall:byte=700`,
`error_event:5,error_type=api_error`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Literal, NoReturn

Place = Literal["connection", "head", "body"]


@dataclass(frozen=True)
class _Kind:
    place: Place
    needs: Literal["position", "status", ""] = ""
    first_value: str = "event"


KINDS = {
    "refuse": _Kind("connection", first_value="seconds"),
    "reset_before_headers": _Kind("head", first_value=""),
    "status": _Kind("head", "status", first_value="status"),
    "spend_cap": _Kind("head", first_value=""),
    "ramp_limit_exceeded": _Kind("head", first_value="retry_after"),
    "html": _Kind("head", first_value=""),
    "empty": _Kind("head", first_value=""),
    "reset": _Kind("body", "position"),
    "fin": _Kind("body", "position"),
    "eof": _Kind("body", "position"),
    "cut_frame": _Kind("body", "position"),
    "stall": _Kind("body", "position"),
    "stall_with_pings": _Kind("body", "position"),
    "error_event": _Kind("body", "position"),
    "malformed_json": _Kind("body", "position"),
    "invalid_utf8": _Kind("body", "position"),
    "drip": _Kind("body"),
    "truncated_json": _Kind("body", first_value="byte"),
}
"""Every kind of fault, where it strikes and what it must be given."""

_TEXT = re.compile(r"(?P<kind>\w+)(?:@(?P<attempt>\d+)(?:x(?P<times>\d+))?)?(?::(?P<values>.*))?", re.DOTALL)
ERROR_STATUSES = range(400, 600)
_NUMBERS = {"attempt": int, "event": int, "byte": int, "status": int, "times": int, "seconds": float}


@dataclass(frozen=True)
class Fault:
    """One fault.

    Raises:
        ValueError: the kind is unknown, or a parameter is missing, doubled or out of range.
    """

    kind: str
    """A name in `KINDS`."""
    attempt: int = 1
    """The first `POST /v1/messages` of a conversation it strikes, counted from 1."""
    event: int | None = None
    """Strikes after so many events of the body; in the middle of an answer that is not a stream."""
    byte: int | None = None
    """Strikes after so many bytes of the body. Where the body does not reach, nothing strikes."""
    seconds: float | None = None
    """`refuse` (0.3), `stall` (None: for ever): how long; `stall_with_pings` (0.05): between pings."""
    retry_after: str | None = None
    """The `retry-after` header, verbatim; the empty string: no such header; None: as `Switches` say."""
    retry_after_ms: str | None = None
    """The `retry-after-ms` header, verbatim."""
    status: int | None = None
    """`status`: the HTTP status, 400 to 599."""
    error_type: str | None = None
    """`error_event`: the error's type (`overloaded_error`); `status`: instead of the status' own."""
    error_code: str | None = None
    """`error.details.error_code` of an HTTP error."""
    message: str | None = None
    """The error's message, instead of the usual one."""
    times: int = 1
    """How many attempts in a row it strikes."""

    def __post_init__(self) -> None:
        kind = _kind_named(self.kind)
        if kind.needs == "position" and (self.event is None) == (self.byte is None):
            _refuse(
                f"fault {self.kind!r} needs either event= or byte=: after how many events or bytes it strikes"
            )
        if kind.needs == "status" and self.status not in ERROR_STATUSES:
            _refuse(f"fault 'status' needs status=400 to 599, not {self.status!r}")
        if kind.needs != "status" and self.status is not None:
            _refuse(f"fault {self.kind!r} takes no status=; only 'status' does")
        if self.event is not None and self.byte is not None:
            _refuse(f"fault {self.kind!r} takes event= or byte=, not both")
        if kind.place != "body" and (self.event is not None or self.byte is not None):
            _refuse(f"fault {self.kind!r} takes no event= or byte=: it strikes before the body")
        for name, least in (("attempt", 1), ("times", 1), ("event", 0), ("byte", 0), ("seconds", 0)):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and least <= value < math.inf
            if value is not None and not is_number:
                _refuse(f"fault {self.kind!r}: {name} must be at least {least}, not {value!r}")
        for name in ("retry_after", "retry_after_ms"):
            value = getattr(self, name)
            is_text = isinstance(value, str) and value.isascii() and value.isprintable()
            if value is not None and not (is_text and value == value.strip()):
                _refuse(f"fault {self.kind!r}: {name} must be what a header can hold, as text, not {value!r}")

    @property
    def place(self) -> Place:
        """Where it strikes: before the connection, before or instead of the headers, or in the body."""
        return KINDS[self.kind].place

    def strikes(self, attempt: int) -> bool:
        """Whether it is meant for this attempt."""
        return self.attempt <= attempt < self.attempt + self.times

    @classmethod
    def parse(cls, text: str) -> Fault:
        """A fault from its text form, see the module's description.

        Raises:
            ValueError: the text is no fault.
        """
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no fault; expected KIND[@ATTEMPT[xTIMES]][:VALUE][,NAME=VALUE]...")
        given = {name: match[name] for name in ("attempt", "times") if match[name]}
        for name, value in _named(match["kind"], match["values"]):
            if name in given:
                raise ValueError(f"{text!r}: {name} is given twice")
            given[name] = value
        names = {field.name for field in fields(cls)} - {"kind"}
        unknown = sorted(set(given) - names)
        if unknown:
            raise ValueError(
                f"{text!r}: unknown parameter {unknown[0]!r}; valid are {', '.join(sorted(names))}"
            )
        try:
            typed = {name: _NUMBERS.get(name, str)(value) for name, value in given.items()}
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
        return cls(match["kind"], **typed)


def fault_for(faults: tuple[Fault, ...], attempt: int) -> Fault | None:
    """The first fault that strikes the attempt; refused connections are told apart by `refusal_before`."""
    return next((fault for fault in faults if fault.place != "connection" and fault.strikes(attempt)), None)


def refusal_before(faults: tuple[Fault, ...], attempt: int) -> Fault | None:
    """The fault that refuses connections right before the attempt."""
    return next((fault for fault in faults if fault.place == "connection" and fault.strikes(attempt)), None)


def _named(kind: str, values: str | None) -> list[tuple[str, str]]:
    """The parameters after the colon; a first one without a name gets the name its kind is about."""
    default = _kind_named(kind).first_value
    named: list[tuple[str, str]] = []
    for number, item in enumerate(values.split(",") if values else []):
        name, equals, value = item.partition("=")
        if not equals:
            if number or not default:
                _refuse(f"{item!r} has no name; expected NAME=VALUE")
            name, value = default, item
        named.append((name.strip(), value.strip()))
    return named


def _kind_named(name: str) -> _Kind:
    if name not in KINDS:
        _refuse(f"unknown fault {name!r}; valid are {', '.join(KINDS)}")
    return KINDS[name]


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)
