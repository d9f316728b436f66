"""Which failures are tried again: API.md, section 3, row by row, with the SDK's own error classes."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic._error_classes import make_status_error

from seawall import (
    ConfigError,
    ContinuationMismatchError,
    RequestRejectedError,
    TruncatedStreamError,
    wire_errors,
)
from seawall_backoff.classification import is_transient

REQUEST = httpx2.Request("POST", "https://api.anthropic.com/v1/messages")


def status_error(
    status: int, kind: str = "x", *, code: str | None = None, message: str = "m", asked: str | None = None
) -> anthropic.APIStatusError:
    """The SDK's error for a response."""
    error: dict[str, Any] = {"type": kind, "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    headers = {} if asked is None else {"x-should-retry": asked}
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    return make_status_error(message, body={"type": "error", "error": error}, response=response)


PERMANENT = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    412: "precondition_failed",
    413: "request_too_large",
    422: "invalid_request_error",
    431: "headers_too_large",
    499: "closed",
}
TRANSIENT = {
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
    500: "api_error",
    501: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
    599: "api_error",
}


@pytest.mark.parametrize(("status", "kind"), PERMANENT.items())
def test_a_status_that_the_caller_must_mend_is_permanent(status: int, kind: str) -> None:
    assert not is_transient(status_error(status, kind))


@pytest.mark.parametrize(("status", "kind"), TRANSIENT.items())
def test_a_status_that_may_pass_is_transient(status: int, kind: str) -> None:
    assert is_transient(status_error(status, kind))


@pytest.mark.parametrize("status", [200, 302, 399])
def test_an_error_in_an_answer_that_was_a_success_is_transient(status: int) -> None:
    assert is_transient(status_error(status, "something_new"))


@pytest.mark.parametrize("status", [*PERMANENT, *TRANSIENT])
@pytest.mark.parametrize(("asked", "expected"), [("true", True), ("false", False)])
def test_the_server_may_say_itself_whether_to_retry(status: int, asked: str, expected: bool) -> None:
    assert is_transient(status_error(status, asked=asked)) is expected


@pytest.mark.parametrize("asked", ["", "maybe", "TRUE", "1"])
@pytest.mark.parametrize(("status", "expected"), [(400, False), (429, True)])
def test_what_else_the_header_says_means_nothing(asked: str, status: int, expected: bool) -> None:
    assert is_transient(status_error(status, asked=asked)) is expected


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
@pytest.mark.parametrize("asked", [None, "true"])
def test_a_spend_cap_is_permanent_whatever_the_server_asks(code: str, asked: str | None) -> None:
    assert not is_transient(status_error(429, "rate_limit_error", code=code, asked=asked))


@pytest.mark.parametrize("code", ["ramp_limit_exceeded", "something_new"])
def test_a_rate_limit_with_another_code_is_transient(code: str) -> None:
    assert is_transient(status_error(429, "rate_limit_error", code=code))


def test_the_spend_limit_somebody_set_for_himself_is_permanent() -> None:
    message = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
    assert not is_transient(status_error(400, "invalid_request_error", message=message))


def test_the_text_of_a_message_decides_nothing() -> None:
    assert is_transient(
        status_error(429, "rate_limit_error", message="Usage credits are required for long context.")
    )


def test_an_error_event_of_an_unknown_type_is_transient() -> None:
    assert is_transient(status_error(200, "a_future_error"))


@pytest.mark.parametrize(
    "body", ["", "<html>busy</html>", None, [], {"error": None}, {"error": {"message": None}}]
)
@pytest.mark.parametrize(("status", "expected"), [(429, True), (503, True), (413, False)])
def test_a_body_of_any_kind_leaves_the_status_to_decide(body: Any, status: int, expected: bool) -> None:
    error = make_status_error("m", body=body, response=httpx2.Response(status, request=REQUEST))
    assert is_transient(error) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", True),
        ("rate_limit_error", True),
        ("api_error", True),
        ("timeout_error", True),
        ("something_new", True),
        ("invalid_request_error", False),
        ("authentication_error", False),
    ],
)
def test_an_error_event_counts_as_the_status_of_its_type(kind: str, expected: bool) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "m"}}
    assert is_transient(wire_errors.error_event(httpx2.Response(200, request=REQUEST), body)) is expected


RESPONSE = httpx2.Response(200, headers={"content-type": "text/html"}, request=REQUEST)


@pytest.mark.parametrize(
    "error",
    [
        anthropic.APIConnectionError(request=REQUEST),
        anthropic.APITimeoutError(REQUEST),
        TruncatedStreamError(RESPONSE, events=3),
        ContinuationMismatchError(RESPONSE),
        wire_errors.transport_error(httpx2.ReadError("reset"), REQUEST),
        wire_errors.transport_error(httpx2.ReadTimeout("slow"), REQUEST),
        wire_errors.malformed_frame(RESPONSE, ValueError()),
        wire_errors.malformed_body(RESPONSE),
        anthropic.APIResponseValidationError(RESPONSE, body=None),
    ],
    ids=[
        "connection",
        "timeout",
        "truncated",
        "another answer",
        "reset while reading",
        "timeout while reading",
        "malformed frame",
        "no JSON",
        "SDK validation",
    ],
)
def test_a_failure_of_the_wire_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        TimeoutError(),
        OSError(),
        RuntimeError(),
        asyncio.CancelledError(),
        anthropic.AnthropicError("x"),
        anthropic.APIError("x", REQUEST, body=None),
        RequestRejectedError("x"),
        ConfigError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_did_not_come_from_the_wire_is_permanent(error: Exception) -> None:
    assert not is_transient(error)
