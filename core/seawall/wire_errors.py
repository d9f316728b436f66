"""Failures of the wire as errors of the SDK: what a caller of the SDK already catches.

A stream that breaks raises raw `httpx2` and JSON errors in the bare SDK, an `error` event a plain
`APIStatusError` with status 200, and a stream that just ends raises nothing at all (SDK.md, section 5). Here
each becomes its class.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import httpx2
from anthropic import (
    AnthropicError,
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
)
from anthropic._error_classes import make_status_error
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

from seawall.call import Attempt, Usage
from seawall.errors import SeawallError

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""https://platform.claude.com/docs/en/api/errors; types may grow, and one not listed here keeps the status of
the stream."""


_TIMEOUTS: Mapping[type, tuple[str, str]] = {
    httpx2.ConnectTimeout: ("no connection was made", "connect"),
    httpx2.ReadTimeout: ("the connection was silent, without even a ping", "read"),
    httpx2.WriteTimeout: ("the request could not be written", "write"),
    httpx2.PoolTimeout: ("no connection became free; the client's limits allow no more", "pool"),
}
_Error = TypeVar("_Error", bound=AnthropicError)


class TruncatedStreamError(SeawallError, APIConnectionError):
    """The stream ended before the message did: no `stop_reason` came."""

    def __init__(self, response: httpx2.Response, *, events: int, rest: bytes = b"") -> None:
        kind = response.headers.get("content-type", "nothing declared").partition(";")[0]
        tail = f" and {len(rest)} bytes of an event that is not whole" if rest else ""
        APIConnectionError.__init__(
            self,
            message=f"The stream ended without a stop_reason after {events} events{tail} ({kind}).",
            request=response.request,
        )


class StreamCutError(SeawallError, APIConnectionError):
    """A plugin cut the connection of an attempt, such as one that stalls."""

    def __init__(self, response: httpx2.Response, *, plugin: str, reason: str) -> None:
        message = f"plugin {plugin!r} cut the connection: {reason}"
        APIConnectionError.__init__(self, message=message, request=response.request)
        self.plugin = plugin
        self.reason = reason


class ContinuationMismatchError(SeawallError, APIConnectionError):
    """Asked to go on with a broken message, the model wrote a different one; they were not mixed."""

    def __init__(self, response: httpx2.Response) -> None:
        APIConnectionError.__init__(
            self,
            message="The model began a different answer when asked to go on with the interrupted one.",
            request=response.request,
        )


class ClientClosedError(SeawallError, APIConnectionError):
    """The client was closed before the call had ended: nothing can be sent with it any more."""

    def __init__(self, request: httpx2.Request) -> None:
        APIConnectionError.__init__(
            self,
            message="The client was closed before its call had ended; close it after its last call.",
            request=request,
        )


def stand_in(host: str) -> httpx2.Response:
    """The response of an answer that was received elsewhere, for the errors of it."""
    return httpx2.Response(200, request=httpx2.Request("POST", f"https://{host or 'localhost'}/v1/messages"))


def malformed_frame(response: httpx2.Response, error: Exception) -> APIConnectionError:
    """A frame that is no JSON object in UTF-8, or lacks what its type has; its content is not told."""
    failure = APIConnectionError(message="The stream held a malformed event.", request=response.request)
    failure.__cause__ = error
    return failure


def malformed_body(response: httpx2.Response, what: str = "a JSON object") -> APIResponseValidationError:
    """A 200 whose body is not `what` it has to be, but perhaps the page of a proxy."""
    kind = response.headers.get("content-type", "no content type")
    return APIResponseValidationError(
        response, body=None, message=f"The answer (HTTP {response.status_code}, {kind}) is not {what}."
    )


def error_event(response: httpx2.Response, body: Mapping[str, Any]) -> APIStatusError:
    """The SDK's error for an `error` event inside a stream: the class of its `error.type`.

    It carries the status which that type has over HTTP; a `retry-after` of the 200 around it is not its own.
    """
    error = body.get("error")
    kind = error.get("type") if isinstance(error, Mapping) else None
    headers = response.headers.copy()
    for name in ("retry-after", "retry-after-ms", "x-should-retry", "content-length", "content-encoding"):
        headers.pop(name, None)
    status = _STATUS_OF_TYPE.get(str(kind), response.status_code)
    stand_in = httpx2.Response(status, headers=headers, request=response.request)
    return make_status_error(f"In the stream: {dict(body)}", body=body, response=stand_in)


def transport_error(error: Exception, request: httpx2.Request) -> APIConnectionError:
    """The SDK's error for an exception of the HTTP library while a body was read."""
    if isinstance(error, httpx2.TimeoutException):
        failure: APIConnectionError = APITimeoutError(request=request)
    else:
        failure = APIConnectionError(
            message=f"The connection broke: {str(error) or type(error).__name__}", request=request
        )
    failure.__cause__ = error
    return told(failure)


def told(error: _Error) -> _Error:
    """The same error, with a note which of the timeouts it was, or what cannot be reached."""
    cause = error.__cause__
    what, name = _TIMEOUTS.get(type(cause), ("", ""))
    if what and isinstance(error, APITimeoutError):
        seconds = error.request.extensions.get("timeout", {}).get(name)
        error.add_note(f"Seawall: {what} (timeout {name!r}: {seconds} s).")
    elif isinstance(cause, httpx2.ConnectError | OverflowError) and isinstance(error, APIConnectionError):
        error.add_note(f"Seawall: {error.request.url.netloc.decode()} cannot be reached: {cause}.")
    elif isinstance(cause, httpx2.UnsupportedProtocol) and isinstance(error, APIConnectionError):
        place = f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
        error.add_note(f"Seawall: {place!r} is no address of an API; it begins with https:// or http://.")
    elif isinstance(cause, httpx2.LocalProtocolError):
        # which one, its text would tell with the value: it may be the key
        error.add_note(
            "Seawall: the key or another header holds what HTTP does not allow, such as a line break."
        )
    return error


def note(attempt: Attempt, failure: Exception) -> None:
    """Note on an attempt that it failed, and what the failure tells of its answer."""
    attempt.error = failure
    attempt.status = getattr(failure, "status_code", attempt.status)
    attempt.headers = getattr(getattr(failure, "response", None), "headers", attempt.headers)
    attempt.request_id = getattr(failure, "request_id", None) or attempt.request_id


def let_go(error: BaseException) -> None:
    """Drop the tracebacks of a failure that was overcome: their frames hold its connection."""
    left: list[BaseException | None] = [error]
    seen = set()
    while left:
        failure = left.pop()
        if failure is not None and failure not in seen:
            seen.add(failure)
            failure.__traceback__ = None
            left += failure.__cause__, failure.__context__


def hang_partial(
    error: BaseException, message: Mapping[str, Any] | None, usage: Usage, *, beta: bool
) -> None:
    """Set `partial_message` (a `Message`, or `None`) and `usage` on an error."""
    kind = BetaMessage if beta else Message
    vars(error).update(
        partial_message=kind.construct(**message) if message is not None else None, usage=usage
    )


def partial_message(error: BaseException) -> Message | BetaMessage | None:
    """What had come of the answer when a call ended in `error`; of `client.beta` it is a `BetaMessage`.

    `None` where nothing had come, or the error is not of a protected `create`. Errors of the SDK have it as
    an attribute of this name, too, of which a type checker cannot know.
    """
    return getattr(error, "partial_message", None)
