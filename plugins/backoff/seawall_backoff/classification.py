"""Which failures may not happen again: by status, code and class, never by the text of a message.

Facts: https://platform.claude.com/docs/en/api/errors and the SDK's own policy (`BaseClient._should_retry`).
"""

from typing import Final

_TRANSIENT_STATUS: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500
_SPEND_CAPS: Final = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})
"""429s that last until the month ends or somebody raises the limit; the SDK does retry them."""
_PERMANENT_TYPES: Final = frozenset({"validationException"})
"""Types of `error` events that no later request changes: Bedrock's, which have no status of the API."""
_LAST_SUCCESS: Final = 399


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later.

    Connection errors are, a stream that broke or ended early among them, and what other middleware calls
    retryable; so is an answer that is no JSON, which comes from something between here and the API. Of the
    statuses 408, 409, 429 and 500 upwards are, unless `x-should-retry` says otherwise; a spend cap never is.
    An `error` event of a type that is not known has the status of its stream, a success: the request was
    accepted, so what failed later is the server's.
    """
    # a plugin module must not load the SDK; who asks about its errors has it
    from anthropic import (  # noqa: PLC0415
        APIConnectionError,
        APIResponseValidationError,
        APIStatusError,
        RetryableError,
    )

    if not isinstance(error, APIStatusError):
        return isinstance(error, APIConnectionError | APIResponseValidationError | RetryableError)
    if error.error_code in _SPEND_CAPS or error.type in _PERMANENT_TYPES:
        return False
    asked = error.response.headers.get("x-should-retry")
    if asked in ("true", "false"):
        return bool(asked == "true")
    status = error.status_code
    return status in _TRANSIENT_STATUS or status >= _SERVER_ERROR or status <= _LAST_SUCCESS
