"""Which failure is followed by what: the table, row by row, over the simulator, over recorded answers."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic._error_classes import make_status_error

import seawall
from calls import MESSAGES, MODEL, call
from recordings import needs_recordings, recordings
from seawall import (
    ConfigError,
    ContinuationMismatchError,
    RequestRejectedError,
    StreamCutError,
    TruncatedStreamError,
    wire_errors,
)
from seawall.call import Attempt, Call
from seawall_backoff import Backoff, BackoffSettings
from seawall_backoff.classification import TABLE, Failure, Verdict, failure_of, row_of
from seawall_testkit import Fault, Simulator

REQUEST = httpx2.Request("POST", "https://api.anthropic.com/v1/messages")
RESPONSE = httpx2.Response(200, headers={"content-type": "text/html"}, request=REQUEST)
NOW, AFTER, HOLD, NEVER = Verdict.NOW, Verdict.AFTER, Verdict.HOLD, Verdict.NEVER
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "retries.md"


def verdict(error: Exception, *, status: int | None = None, written: int = 0, **call: Any) -> Verdict:
    """What follows an error of an attempt whose answer had this status and brought so many characters."""
    attempt = Attempt(1, "send", status=status, written=written)
    return row_of(failure_of(error, Call("", {}, stream=False, attempts=[attempt], **call))).verdict


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


STATUSES = {
    (400, "invalid_request_error"): NEVER,
    (401, "authentication_error"): NEVER,
    (402, "billing_error"): NEVER,
    (403, "permission_error"): NEVER,
    (404, "not_found_error"): NEVER,
    (408, "timeout_error"): AFTER,
    (409, "conflict_error"): AFTER,
    (412, "precondition_failed"): NEVER,
    (413, "request_too_large"): NEVER,
    (422, "invalid_request_error"): NEVER,
    (429, "rate_limit_error"): AFTER,
    (431, "headers_too_large"): NEVER,
    (499, "closed"): NEVER,
    (500, "api_error"): HOLD,
    (501, "api_error"): HOLD,
    (502, "api_error"): HOLD,
    (503, "api_error"): HOLD,
    (504, "timeout_error"): HOLD,
    (529, "overloaded_error"): HOLD,
    (599, "api_error"): HOLD,
}


@pytest.mark.parametrize(("answer", "expected"), STATUSES.items())
def test_the_status_decides(answer: tuple[int, str], expected: Verdict) -> None:
    assert verdict(status_error(*answer)) is expected


@pytest.mark.parametrize(("status", "expected"), [(302, NEVER), (399, NEVER), (600, HOLD), (999, HOLD)])
def test_a_status_that_the_api_does_not_have_is_followed_by_what_the_sdk_does(
    status: int, expected: Verdict
) -> None:
    error = status_error(status, "something_new")
    assert verdict(error) is expected
    with anthropic.Anthropic(api_key="test") as client:
        assert client._should_retry(error.response) is (expected is HOLD)


@pytest.mark.parametrize("status", [200, 201, 299])
def test_an_error_in_an_answer_that_was_a_success_is_retried(status: int) -> None:
    assert verdict(status_error(status, "something_new"), status=200) is AFTER


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_server_that_says_no_is_believed(status: int, kind: str) -> None:
    assert verdict(status_error(status, kind, asked="false")) is NEVER


@pytest.mark.parametrize(("answer", "expected"), STATUSES.items())
def test_a_server_that_asks_for_a_retry_gets_it(answer: tuple[int, str], expected: Verdict) -> None:
    assert verdict(status_error(*answer, asked="true")) is (AFTER if expected is NEVER else expected)


@pytest.mark.parametrize("asked", ["", "maybe", "TRUE", "1"])
@pytest.mark.parametrize(("status", "expected"), [(400, NEVER), (429, AFTER), (529, HOLD)])
def test_what_else_the_header_says_means_nothing(asked: str, status: int, expected: Verdict) -> None:
    assert verdict(status_error(status, asked=asked)) is expected


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
@pytest.mark.parametrize("asked", [None, "true"])
@pytest.mark.parametrize("status", [200, 400, 429, 529])
def test_a_spend_cap_is_permanent_whatever_the_server_asks(status: int, code: str, asked: str | None) -> None:
    assert verdict(status_error(status, "rate_limit_error", code=code, asked=asked)) is NEVER


@pytest.mark.parametrize("code", ["ramp_limit_exceeded", "something_new"])
def test_a_rate_limit_with_another_code_is_waited_for(code: str) -> None:
    assert verdict(status_error(429, "rate_limit_error", code=code)) is AFTER


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (
            400,
            "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            NEVER,
        ),
        (429, "Usage credits are required for long context requests.", AFTER),
        (429, "enforced_spend_limit_reached", AFTER),
        (500, "This request is invalid and must never be retried.", HOLD),
    ],
)
def test_the_text_of_a_message_decides_nothing(status: int, message: str, expected: Verdict) -> None:
    assert verdict(status_error(status, message=message)) is expected
    assert verdict(status_error(status)) is expected


@pytest.mark.parametrize(
    "body", ["", "<html>busy</html>", None, [], {"error": None}, {"error": {"message": None}}]
)
@pytest.mark.parametrize(("status", "expected"), [(429, AFTER), (503, HOLD), (413, NEVER)])
def test_a_body_of_any_kind_leaves_the_status_to_decide(body: Any, status: int, expected: Verdict) -> None:
    error = make_status_error("m", body=body, response=httpx2.Response(status, request=REQUEST))
    assert verdict(error) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", HOLD),
        ("rate_limit_error", AFTER),
        ("api_error", HOLD),
        ("timeout_error", HOLD),
        ("something_new", AFTER),
        ("invalid_request_error", NEVER),
        ("authentication_error", NEVER),
        ("validationException", NEVER),
    ],
)
@pytest.mark.parametrize("written", [0, 9])
def test_an_error_event_counts_as_the_status_of_its_type(kind: str, expected: Verdict, written: int) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "m"}}
    error = wire_errors.error_event(httpx2.Response(200, request=REQUEST), body)
    assert verdict(error, status=200, written=written) is expected


STREAM = {
    "ended early": TruncatedStreamError(RESPONSE, events=3),
    "cut by a plugin": StreamCutError(RESPONSE, plugin="p", reason="r"),
    "reset while reading": wire_errors.transport_error(httpx2.ReadError("reset"), REQUEST),
    "timeout while reading": wire_errors.transport_error(httpx2.ReadTimeout("slow"), REQUEST),
    "malformed frame": wire_errors.malformed_frame(RESPONSE, ValueError()),
}


@pytest.mark.parametrize("error", STREAM.values(), ids=STREAM)
def test_a_stream_that_broke_is_gone_on_with_at_once_if_it_brought_output(error: Exception) -> None:
    assert verdict(error, status=200, written=1) is NOW
    assert verdict(error, status=200, written=0) is AFTER


def test_another_answer_than_asked_for_is_retried_at_once() -> None:
    assert verdict(ContinuationMismatchError(RESPONSE), status=200) is NOW


def caused(cause: Exception) -> anthropic.APIConnectionError:
    """The SDK's error around an exception of the HTTP library."""
    kind = anthropic.APITimeoutError if "Timeout" in type(cause).__name__ else anthropic.APIConnectionError
    error = kind(request=REQUEST)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (httpx2.ConnectError("refused"), HOLD),
        (httpx2.ConnectTimeout("slow"), HOLD),
        (httpx2.ProxyError("502"), HOLD),
        (httpx2.ReadError("reset"), HOLD),
        (httpx2.WriteError("broken pipe"), HOLD),
        (httpx2.ReadTimeout("slow"), HOLD),
        (httpx2.RemoteProtocolError("disconnected"), HOLD),
        (ConnectionResetError(), HOLD),
        (ssl.SSLError("handshake"), HOLD),
        (httpx2.PoolTimeout("busy"), AFTER),
        (httpx2.UnsupportedProtocol("ftp"), NEVER),
        (httpx2.LocalProtocolError("header"), NEVER),
        (httpx2.InvalidURL("address"), NEVER),
        (OverflowError("port must be 0-65535"), NEVER),
        (EOFError(), HOLD),
        (ExceptionGroup("all addresses", [OSError()]), HOLD),
        (RuntimeError("Event loop is closed"), NOW),
        (ValueError("of an event hook"), NOW),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_went_wrong_before_an_answer_decides(cause: Exception, expected: Verdict) -> None:
    assert verdict(caused(cause)) is expected


@pytest.mark.parametrize(
    ("cause", "limits", "expected"),
    [
        (httpx2.ReadTimeout("slow"), {"read": 0.5}, AFTER),
        (httpx2.ReadTimeout("slow"), {"read": 59.0, "connect": 5.0}, AFTER),
        (httpx2.ReadTimeout("slow"), {"read": 60.0, "connect": 0.5}, HOLD),
        (httpx2.WriteTimeout("slow"), {"write": 0.5}, AFTER),
        (httpx2.WriteTimeout("slow"), {"write": 60.0}, HOLD),
        (httpx2.ConnectTimeout("slow"), {"connect": 0.5}, AFTER),
        (httpx2.ConnectTimeout("slow"), {"connect": 5.0, "read": 0.5}, HOLD),
        (httpx2.ReadError("reset"), {"read": 0.5}, HOLD),
        (httpx2.ReadTimeout("slow"), {"read": None}, HOLD),
    ],
    ids=str,
)
def test_a_short_timeout_of_the_caller_tells_nothing_about_the_api(
    cause: Exception, limits: dict[str, float | None], expected: Verdict
) -> None:
    error = anthropic.APITimeoutError(httpx2.Request("POST", REQUEST.url, extensions={"timeout": limits}))
    error.__cause__ = cause
    assert verdict(error, timeout=limits.get("read", 30.0)) is expected
    # it was set by a plugin, in seawall.toml
    assert verdict(error, timeout=None) is HOLD


def test_what_breaks_at_the_deadline_tells_nothing_about_the_api() -> None:
    error = caused(httpx2.ReadError("reset"))
    assert verdict(error, remaining=lambda: 0.0) is AFTER
    assert verdict(error, remaining=lambda: 0.1) is HOLD


def test_an_address_without_a_host_is_never_tried_again() -> None:
    error = anthropic.APIConnectionError(request=httpx2.Request("POST", "http:///v1/messages"))
    error.__cause__ = httpx2.ConnectError("no host")
    assert verdict(error) is NEVER


def test_a_certificate_that_is_not_trusted_is_never_retried() -> None:
    cause = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]")
    cause.__context__ = ssl.SSLCertVerificationError("self-signed")
    assert verdict(caused(cause)) is NEVER


def test_errors_that_cause_each_other_are_no_endless_chain() -> None:
    error = caused(httpx2.ConnectError("refused"))
    assert error.__cause__ is not None
    error.__cause__.__cause__ = error
    assert verdict(error) is HOLD


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (anthropic.APIConnectionError(request=REQUEST), HOLD),
        (anthropic.APITimeoutError(REQUEST), HOLD),
        (anthropic.APIResponseValidationError(RESPONSE, body=None), AFTER),
        (anthropic.RetryableError("busy"), AFTER),
        (ValueError("x"), NEVER),
        (TimeoutError(), NEVER),
        (OSError(), NEVER),
        (RuntimeError(), NEVER),
        (asyncio.CancelledError(), NEVER),
        (anthropic.AnthropicError("x"), NEVER),
        (anthropic.APIError("x", REQUEST, body=None), NEVER),
        (RequestRejectedError("x"), NEVER),
        (ConfigError("x"), NEVER),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_errors_are_told_apart_by_their_class(error: Exception, expected: Verdict) -> None:
    assert verdict(error) is expected


EXAMPLES = (
    Failure(429, "rate_limit_error", "enforced_spend_limit_reached"),
    Failure(200, "validationException"),
    Failure(503, should_retry="false"),
    Failure(529, "overloaded_error"),
    Failure(429, "rate_limit_error", "ramp_limit_exceeded"),
    Failure(429, "rate_limit_error"),
    Failure(409, "conflict_error"),
    Failure(400, should_retry="true"),
    Failure(400),
    Failure(200, "something_new"),
    Failure(transport="certificate"),
    Failure(transport="unsendable"),
    Failure(transport="closed"),
    Failure(transport="own"),
    Failure(transport="pool"),
    Failure(transport="mismatch"),
    Failure(transport="cut", has_output=True),
    Failure(transport="cut"),
    Failure(transport="hurried"),
    Failure(transport="unreached"),
    Failure(transport="no JSON"),
    Failure(transport="retryable"),
    Failure(),
)


def test_every_row_has_its_failures() -> None:
    assert [row_of(example) for example in EXAMPLES] == list(TABLE)


def test_the_readme_has_the_table() -> None:
    lines = [
        "| failure | status | `error.type` | `error_code` | transport | `x-should-retry` | output | follows |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in TABLE:
        cells = [
            row.what,
            _statuses(row.status),
            row.type,
            _listed(row.codes),
            row.transport,
            row.should_retry,
        ]
        cells += [{True: "yes", False: "no", None: None}[row.has_output], f"**{row.verdict.value}**"]
        lines.append(f"| {' | '.join(cell or '' for cell in cells)} |")
    assert "\n".join(lines) in PAGE.read_text(encoding="utf-8"), "\n".join(lines)


def _statuses(status: range | frozenset[int] | None) -> str:
    if isinstance(status, range):
        return f"below {status.stop}" if not status.start else f"{status.start}-{status.stop - 1}"
    return ", ".join(map(str, sorted(status or ())))


def _listed(codes: frozenset[str] | None) -> str:
    return ", ".join(f"`{code}`" for code in sorted(codes or ()))


# -- over the simulator, where the SDK makes the errors


class Judge:
    """A plugin that notes what the table says, and gives up."""

    name = "judge"

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    @seawall.hookimpl
    def on_error(self, call: seawall.Call, error: Exception) -> None:
        self.verdicts.append(row_of(failure_of(error, call)).verdict)


SIMULATED = [
    *(
        (Fault("status", status=status, error_type=kind), True, then)
        for (status, kind), then in STATUSES.items()
    ),
    (Fault("spend_cap"), True, NEVER),
    (Fault("ramp_limit_exceeded", retry_after="3"), True, AFTER),
    (Fault("status", status=429, error_code="contract_spend_limit_reached"), True, NEVER),
    (Fault("html"), True, AFTER),
    (Fault("empty"), True, AFTER),
    (Fault("reset_before_headers"), True, HOLD),
    (Fault("refuse", seconds=1.0), True, HOLD),
    (Fault("truncated_json", byte=40), False, HOLD),
    *(
        (Fault(kind, event=event), True, AFTER if event < 3 else NOW)
        for kind in ("reset", "fin", "eof", "cut_frame", "malformed_json", "invalid_utf8")
        for event in (1, 9)
    ),
    (Fault("error_event", event=9, error_type="overloaded_error"), True, HOLD),
    (Fault("error_event", event=9, error_type="rate_limit_error"), True, AFTER),
    (Fault("error_event", event=9, error_type="invalid_request_error"), True, NEVER),
    (Fault("error_event", event=9, error_type="something_new"), True, AFTER),
]


def _named(value: object) -> str | None:
    if not isinstance(value, Fault):
        return None
    given = (value.kind, value.status, value.error_type, value.error_code, value.event)
    return "-".join(str(part) for part in given if part is not None)


@pytest.mark.parametrize(("fault", "stream", "expected"), SIMULATED, ids=_named)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_fault_of_the_simulator_is_of_its_row(
    fault: Fault, stream: bool, expected: Verdict, mode: str
) -> None:
    judge, surface = Judge(), "stream=True" if stream else "create"
    with Simulator(faults=[fault]) as simulator, pytest.raises(anthropic.AnthropicError):
        call(simulator, mode, surface, [judge], max_tokens=500)
    assert judge.verdicts == [expected]


HELLO: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": MESSAGES}


def circuit_after(simulator: Simulator, *, is_async: bool, hurry: Any) -> tuple[list[Exception], Any]:
    """What six calls in a hurry fail with, more than opens a circuit, and what others get then.

    Args:
        simulator: Does not answer meanwhile.
        is_async: Whether the client is.
        hurry: Makes a call of the client in a hurry.
    """
    backoff = Backoff(BackoffSettings(base=0.001, max_attempts=2, mode="fail"))
    kind: Any = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
    client = seawall.protect(kind(base_url=simulator.base_url, api_key="test"), plugins=[backoff])

    async def awaited(made: Any) -> Any:
        return (await made) if is_async else made

    async def run() -> tuple[list[Exception], Any]:
        failures = []
        simulator.begin_outage(seconds=600.0)
        for _ in range(6):
            with pytest.raises((anthropic.AnthropicError, seawall.SeawallError)) as raised:
                await awaited(hurry(client))
            failures.append(raised.value)
        simulator.end_outage()
        message = await awaited(client.messages.create(**HELLO))
        await awaited(client.close())
        return failures, message

    return asyncio.run(run())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "hurry",
    [
        lambda client: client.messages.create(**HELLO, timeout=0.05),
        lambda client: client.with_options(timeout=0.05).messages.create(**HELLO),
        lambda client: client.messages.create(**HELLO, timeout=0.05, stream=True),
    ],
    ids=["timeout=", "with_options", "stream"],
)
def test_callers_in_a_hurry_open_no_circuit_for_others(hurry: Any, *, is_async: bool) -> None:
    with Simulator() as simulator:
        failures, message = circuit_after(simulator, is_async=is_async, hurry=hurry)
    assert {type(failure) for failure in failures} == {anthropic.APITimeoutError}
    assert message.content


@pytest.mark.parametrize("is_async", [False, True])
def test_deadlines_that_pass_open_no_circuit_for_others(*, is_async: bool) -> None:
    def hurry(client: Any) -> Any:
        with seawall.deadline(0.1):
            made = client.messages.create(**HELLO)
            # a task keeps what held when it was made
            return asyncio.ensure_future(made) if is_async else made

    with Simulator() as simulator:
        failures, message = circuit_after(simulator, is_async=is_async, hurry=hurry)
    assert {type(failure) for failure in failures} == {seawall.DeadlineExceededError}
    assert message.content


# -- over recorded answers


RECORDED = {400: NEVER, 401: NEVER, 404: NEVER, 429: AFTER}


@needs_recordings
def test_recorded_errors_are_of_the_row_of_their_status() -> None:
    found, client = set(), anthropic.Anthropic(api_key="none")
    for row in recordings():
        if row["status"] < 400:
            continue
        headers = {k: v for k, v in dict(row["response_headers"]).items() if k.lower() != "content-encoding"}
        response = httpx2.Response(
            row["status"], headers=_flat(headers), text=row["response_body"], request=REQUEST
        )
        found.add((row["status"], verdict(client._make_status_error_from_response(response))))
    assert found == set(RECORDED.items())


def _flat(headers: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, str(value))
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]
