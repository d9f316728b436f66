"""Error bodies of the Messages API (platform.claude.com/docs/en/api/errors)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status to `error.type`; any other status is an `api_error`."""

MESSAGES = {
    "api_error": "Internal server error",
    "authentication_error": "invalid x-api-key",
    "billing_error": "There is an issue with your billing or payment information.",
    "conflict_error": "The request conflicts with the current state of the resource.",
    "invalid_request_error": "There was an issue with the format or content of your request.",
    "not_found_error": "Not Found",
    "overloaded_error": "Overloaded",
    "permission_error": "Your API key does not have permission to use the specified resource.",
    "rate_limit_error": "This request would exceed your organization's rate limit.",
    "request_too_large": "Request exceeds the maximum size",
    "timeout_error": "The request timed out.",
}
"""A message for each `error.type`; other types get a general one."""

_CODE_MESSAGES = {
    "enforced_spend_limit_reached": "Your organization has reached its monthly spend limit.",
    "contract_spend_limit_reached": "Your organization has reached the spend limit of its contract.",
    "ramp_limit_exceeded": "Your usage is growing too fast. Retry after the time in the retry-after header.",
}

_CLIENT_ERRORS = range(400, 500)
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
_SPEND_CAPS = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})

PREFILL_REFUSED = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)


class RequestError(Exception):
    """The request is answered with an HTTP error.

    Attributes:
        status: HTTP status.
        message: text for people; clients must not match it.
        error_type: the API's `error.type`; by default that of the status.
        error_code: the API's `error.details.error_code`, or None.
        headers: additional response headers.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        error_type: str | None = None,
        error_code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.error_type = error_type or ERROR_TYPES.get(status, "api_error")
        self.error_code = error_code
        self.message = message or _CODE_MESSAGES.get(error_code or "") or message_for(self.error_type)
        self.headers = headers or {}
        super().__init__(f"{status} {self.error_type}: {self.message}")

    def body(self, request_id: str | None) -> dict[str, Any]:
        """The API's JSON body."""
        return error_body(self.error_type, self.message, error_code=self.error_code, request_id=request_id)


def message_for(error_type: str) -> str:
    """The usual message of an error type."""
    return MESSAGES.get(error_type, "An error occurred.")


def error_body(
    error_type: str, message: str, *, error_code: str | None = None, request_id: str | None = None
) -> dict[str, Any]:
    """The API's error object; `details` and `request_id` only when given."""
    error: dict[str, Any] = {"type": error_type, "message": message}
    if error_code:
        error["details"] = {"error_code": error_code}
    body: dict[str, Any] = {"type": "error", "error": error}
    if request_id:
        body["request_id"] = request_id
    return body


def should_retry(status: int, error_code: str | None) -> str | None:
    """The `x-should-retry` header of a status, None for no such header.

    Recorded: 400, 401 and 404 false, 429 true. Of 408 and 409 nothing is known; clients retry them.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return None if error_code in _SPEND_CAPS else "true"
    return "false" if status in _CLIENT_ERRORS and status not in _PASSING else None
