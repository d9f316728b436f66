"""What follows a failure: one table, read from the top, in which the text of a message never counts.

Facts: https://platform.claude.com/docs/en/api/errors and the SDK's own policy (`BaseClient._should_retry`).
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import Any, Final

from seawall import Call


class Verdict(Enum):
    """What follows a failure."""

    NOW = "retry now"
    """There is nothing to wait for: the API works. The second time in a row it is waited for all the same."""
    AFTER = "retry after a delay"
    HOLD = "hold the queue"
    """The API is overloaded, broken or out of reach: retry after a delay, if it goes on hold calls."""
    NEVER = "never"


CUT: Final = "cut"
"""The stream broke, ended early or held garbage."""
UNREACHED: Final = "unreached"
"""No connection, or one that broke or timed out before an answer came."""
HURRIED: Final = "hurried"
"""The time that the caller gave was over before an answer came, and was short."""
_OFFLINE: Final = frozenset({"InvalidURL", "LocalProtocolError", "OverflowError", "UnsupportedProtocol"})
"""Exceptions for what cannot be sent at all; a port that there is not overflows."""
_WIRE: Final = (OSError, EOFError, ExceptionGroup)
"""Exceptions of Python's own that may tell about a connection; any other tells about this program."""
_ENOUGH: Final = {
    "ConnectTimeout": ("connect", 5.0),
    "ReadTimeout": ("read", 60.0),
    "WriteTimeout": ("write", 60.0),
}
"""Which time was over, as the HTTP library names it, and the seconds from which on that tells about the API:
what the SDK gives a connection, and what hardly any answer takes that is not streamed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What of a failed attempt the table looks at."""

    status: int | None = None
    """That of the answer; for an `error` event that of its type, where the type is known."""
    type: str | None = None
    code: str | None = None
    """`error.details.error_code`."""
    transport: str | None = None
    """What went wrong where no error was answered: `CUT`, `UNREACHED`, or another word of the table."""
    should_retry: str | None = None
    """The header `x-should-retry`."""
    has_output: bool = False
    """The attempt brought some of the message."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a failure is of it if all that is given fits."""

    verdict: Verdict
    what: str
    status: range | frozenset[int] | None = None
    type: str | None = None
    codes: frozenset[str] | None = None
    transport: str | None = None
    should_retry: str | None = None
    has_output: bool | None = None

    def fits(self, failure: Failure) -> bool:
        """Whether a failure is of this row."""
        return (
            (self.status is None or failure.status in self.status)
            and (self.type is None or failure.type == self.type)
            and (self.codes is None or failure.code in self.codes)
            and (self.transport is None or failure.transport == self.transport)
            and (self.should_retry is None or failure.should_retry == self.should_retry)
            and (self.has_output is None or failure.has_output == self.has_output)
        )


TABLE: Final = (
    Row(
        Verdict.NEVER,
        "a spend cap, which lasts until the month ends or somebody raises it",
        codes=frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"}),
    ),
    Row(Verdict.NEVER, "a request that Bedrock refuses in its stream", type="validationException"),
    Row(Verdict.NEVER, "the server says that a retry is in vain", should_retry="false"),
    Row(
        Verdict.HOLD,
        "overloaded (529), out of order or timed out (5xx), or beyond, where no status has a meaning",
        status=range(500, 1000),
    ),
    Row(
        Verdict.AFTER,
        "usage grew too fast",
        status=frozenset({429}),
        codes=frozenset({"ramp_limit_exceeded"}),
    ),
    Row(Verdict.AFTER, "a rate limit: pacing is for the governor, not for the circuit", frozenset({429})),
    Row(Verdict.AFTER, "timed out (408), in conflict with another request (409)", frozenset({408, 409})),
    Row(Verdict.AFTER, "the server asks for a retry", range(300, 500), should_retry="true"),
    Row(
        Verdict.NEVER,
        "what the caller must mend: a redirect that is not followed (3xx), invalid (400), key (401), "
        "billing (402), permission (403), not found (404), too large (413), any other",
        status=range(300, 500),
    ),
    Row(Verdict.AFTER, "an `error` event of a type that is not known", status=range(300)),
    Row(Verdict.NEVER, "the certificate of the server is not trusted", transport="certificate"),
    Row(Verdict.NEVER, "a request that cannot be sent: its address, its headers", transport="unsendable"),
    Row(Verdict.NEVER, "the client was closed", transport="closed"),
    Row(
        Verdict.NOW,
        "this program failed, not the wire: a connection of a closed event loop, an event hook that raised",
        transport="own",
    ),
    Row(Verdict.AFTER, "no connection of the client's own pool became free", transport="pool"),
    Row(Verdict.NOW, "asked to go on, the model began another answer", transport="mismatch"),
    Row(
        Verdict.NOW,
        "a stream broke, ended early or held garbage, and brought output",
        transport=CUT,
        has_output=True,
    ),
    Row(Verdict.AFTER, "the same without output", transport=CUT),
    Row(Verdict.AFTER, "the time that the caller gave was over, and was short", transport=HURRIED),
    Row(Verdict.HOLD, "no connection, or it broke or timed out before an answer came", transport=UNREACHED),
    Row(Verdict.AFTER, "an answer that is no JSON, such as the page of a proxy", transport="no JSON"),
    Row(Verdict.AFTER, "other middleware asks for a retry (`RetryableError`)", transport="retryable"),
    Row(Verdict.NEVER, "anything else: it did not come from the wire"),
)
"""The first row that fits counts."""


def row_of(failure: Failure) -> Row:
    """Return the row of a failure."""
    return next(row for row in TABLE if row.fits(failure))


def failure_of(error: Exception, call: Call) -> Failure:
    """Return what the table looks at.

    Args:
        error: What the last attempt failed with.
        call: The `status` of that attempt tells whether an answer had begun, `written` whether there was
            output.
    """
    # a plugin module must not load the SDK; who asks about its errors has it
    from anthropic import APIStatusError  # noqa: PLC0415

    has_output = call.attempts[-1].written > 0
    if not isinstance(error, APIStatusError):
        return Failure(transport=_transport(error, call), has_output=has_output)
    asked = error.response.headers.get("x-should-retry")
    return Failure(error.status_code, error.type, error.error_code, None, asked, has_output)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it was raised from, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _transport(error: Exception, call: Call) -> str | None:
    """Return the table's word for what is no error that was answered."""
    from anthropic import APIConnectionError, APIResponseValidationError, RetryableError  # noqa: PLC0415

    # they are errors of the SDK, too
    from seawall import (  # noqa: PLC0415
        ClientClosedError,
        ContinuationMismatchError,
        StreamCutError,
        TruncatedStreamError,
    )

    words = {
        APIResponseValidationError: "no JSON",
        RetryableError: "retryable",
        ClientClosedError: "closed",
        ContinuationMismatchError: "mismatch",
        StreamCutError: CUT,
        TruncatedStreamError: CUT,
    }
    for kind, word in words.items():
        if isinstance(error, kind):
            return word
    if not isinstance(error, APIConnectionError):
        return None
    if (unsent := _unsent(error)) is not None:
        return unsent
    if call.attempts[-1].status is not None:
        return CUT
    if _is_own(error):
        return "own"
    return HURRIED if _is_hurried(error, call) else UNREACHED


def _unsent(error: Any) -> str | None:
    """Return the table's word for what this side could not send, or would not, of an `APIConnectionError`."""
    found = list(causes(error))
    names = {type(cause).__name__ for cause in found}
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in found):
        return "certificate"
    if names & _OFFLINE or not error.request.url.host:
        return "unsendable"
    return "pool" if "PoolTimeout" in names else None


def _is_own(error: Exception) -> bool:
    """Whether what was raised where the wire was expected tells about this program."""
    cause = error.__cause__
    return type(cause).__module__ == "builtins" and not isinstance(cause, (*_WIRE, NoneType))


def _is_hurried(error: Any, call: Call) -> bool:
    """Whether an `APIConnectionError` before an answer is due to a time the caller gave, which was short."""
    if call.remaining() <= 0:
        # its connection is broken at the deadline, which is no timeout
        return True
    if call.timeout is None:
        return False
    limits = error.request.extensions.get("timeout", {})
    over = [_ENOUGH[name] for cause in causes(error) if (name := type(cause).__name__) in _ENOUGH]
    return any((limits.get(what) or enough) < enough for what, enough in over)
