"""What the bare SDK sees of each fault: shared/reference/SDK.md, section 5."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress

import anthropic
import httpx2
import pytest

from seawall_testkit import Fault, Simulator, Switches
from seawall_testkit.faults import KINDS
from seawall_testkit.reset import reset_on_close

MESSAGES = [{"role": "user", "content": "Tell me everything."}]
REQUEST = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": MESSAGES}


def streamed(client):
    with client.messages.stream(**REQUEST) as stream:
        return stream.get_final_message()


def plain(client):
    return client.messages.create(**REQUEST)


def ended(sim):
    sim.wait_until(lambda: sim.active_responses == 0)
    return sim.requests[-1].ended


BREAKS = [
    ("reset", httpx2.ReadError),
    ("fin", httpx2.RemoteProtocolError),
    ("truncated_json", httpx2.RemoteProtocolError),
]


@pytest.mark.parametrize(("kind", "error"), BREAKS)
@pytest.mark.parametrize("place", [{"event": 5}, {"byte": 700}])
def test_a_connection_that_breaks_is_a_raw_transport_error_in_a_stream(connect, kind, error, place):
    with Simulator(faults=[Fault(kind, **place)]) as sim:
        with pytest.raises(error):
            streamed(connect(sim))
        assert ended(sim) == f"fault:{kind}"
        seen = sim.requests[0]
        assert (seen.events_sent, seen.bytes_sent)["byte" in place] == next(iter(place.values()))
        assert 0 < seen.output_tokens < 400
        assert seen.output_tokens == sim.billed.output_tokens
        assert streamed(connect(sim)).content[0].text == sim.text_for(MESSAGES)


@pytest.mark.parametrize("kind", ["reset", "fin", "truncated_json", "reset_before_headers"])
@pytest.mark.parametrize("byte", [None, 0, 100])
def test_a_connection_that_breaks_is_a_connection_error_in_a_plain_answer(connect, kind, byte):
    needs = KINDS[kind].needs
    place = {"event": 3} if byte is None and needs else {} if byte is None or not needs else {"byte": byte}
    with Simulator(faults=[Fault(kind, **place)]) as sim:
        client = connect(sim)
        with pytest.raises(anthropic.APIConnectionError):
            plain(client)
        assert ended(sim) == f"fault:{kind}"
        assert plain(client).content[0].text == sim.text_for(MESSAGES)


@pytest.mark.parametrize("kind", ["eof", "cut_frame"])
def test_a_clean_end_too_early_is_a_partial_message_without_stop_reason(connect, kind):
    with Simulator(faults=[Fault(kind, event=9)]) as sim:
        message = streamed(connect(sim))
        assert message.stop_reason is None
        assert sim.text_for(MESSAGES).startswith(message.content[0].text)
        assert ended(sim) == f"fault:{kind}"


def test_a_cut_frame_ends_within_the_next_frame(connect):
    with Simulator(faults=[Fault("cut_frame", event=9)]) as sim:
        with connect(sim).messages.with_streaming_response.create(**REQUEST, stream=True) as response:
            raw = b"".join(response.iter_bytes())
        assert raw.count(b"\n\n") == 9
        assert not raw.endswith(b"\n\n")


@pytest.mark.parametrize("kind", ["eof", "cut_frame", "malformed_json", "invalid_utf8"])
def test_a_spoiled_plain_answer_is_no_json(connect, kind):
    with Simulator(faults=[Fault(kind, byte=200)]) as sim, pytest.raises(ValueError, match=r"."):
        plain(connect(sim))


def test_a_stall_lasts_until_the_client_gives_up(connect):
    with Simulator(faults=[Fault("stall", event=5)]) as sim:
        client = connect(sim, timeout=0.2)
        with pytest.raises(httpx2.ReadTimeout):
            streamed(client)
        assert ended(sim) == "client_closed"
        sim.wait_until(lambda: sim.open_connections == 0)


def test_a_stall_of_some_seconds_goes_on(connect):
    with Simulator(faults=[Fault("stall", event=5, seconds=0.05)]) as sim:
        assert streamed(connect(sim)).content[0].text == sim.text_for(MESSAGES)
        assert ended(sim) == "complete"


def test_a_plain_answer_stalls_too(connect):
    with Simulator(faults=[Fault("stall", byte=10)]) as sim, pytest.raises(anthropic.APITimeoutError):
        plain(connect(sim, timeout=0.2))


@pytest.mark.parametrize("byte", [None, 700])
def test_a_stall_with_pings_sends_pings_until_the_client_closes(connect, byte):
    place = {"event": 5} if byte is None else {"byte": byte}
    with Simulator(faults=[Fault("stall_with_pings", seconds=0.001, **place)]) as sim:
        with connect(sim).messages.with_streaming_response.create(**REQUEST, stream=True) as response:
            lines = response.iter_lines()
            pings = 0
            while pings < 5:
                pings += next(lines) == "event: ping"
        sim.wait_until(lambda: sim.requests[0].ended)
        assert sim.requests[0].ended == "client_closed"


@pytest.mark.parametrize("send", [plain, streamed])
def test_a_drip_is_slow_and_whole(connect, send):
    with Simulator(faults=[Fault("drip", byte=150)], answer_tokens=40) as sim:
        assert send(connect(sim)).content[0].text == sim.text_for(MESSAGES)


@pytest.mark.parametrize("place", [{"event": 5}, {"byte": 731}, {"event": 0}])
@pytest.mark.parametrize("error_type", ["overloaded_error", "api_error", "rate_limit_error", "timeout_error"])
def test_an_error_event_is_a_status_error_of_status_200(connect, place, error_type):
    with Simulator(faults=[Fault("error_event", error_type=error_type, **place)]) as sim:
        with pytest.raises(anthropic.APIStatusError) as caught:
            streamed(connect(sim))
        assert (caught.value.status_code, caught.value.type) == (200, error_type)
        assert ended(sim) == "fault:error_event"


def test_a_plain_answer_may_be_an_error_body_of_status_200(connect):
    with Simulator(faults=[Fault("error_event", event=5)]) as sim:
        raw = connect(sim).messages.with_raw_response.create(**REQUEST)
        assert (raw.status_code, json.loads(raw.text())["type"]) == (200, "error")


def test_malformed_json_is_a_raw_decode_error(connect):
    with Simulator(faults=[Fault("malformed_json", event=5)]) as sim, pytest.raises(json.JSONDecodeError):
        streamed(connect(sim))


def test_invalid_utf8_is_a_raw_decode_error(connect):
    with Simulator(faults=[Fault("invalid_utf8", event=5)]) as sim, pytest.raises(UnicodeDecodeError):
        streamed(connect(sim))


@pytest.mark.parametrize("kind", ["malformed_json", "invalid_utf8"])
def test_after_a_broken_delta_the_stream_goes_on(connect, kind):
    with Simulator(faults=[Fault(kind, event=5)]) as sim:
        with connect(sim).messages.with_streaming_response.create(**REQUEST, stream=True) as response:
            raw = b"".join(response.iter_bytes())
        assert b"event: message_stop" in raw
        assert ended(sim) == "complete"


def test_an_html_page_of_status_200_has_its_content_type(connect):
    with Simulator(faults=[Fault("html")]) as sim:
        raw = connect(sim).messages.with_raw_response.create(**REQUEST)
        assert (raw.status_code, raw.headers["content-type"]) == (200, "text/html")
        assert ended(sim) == "fault:html"


def test_an_empty_stream_is_a_bare_assertion_error(connect):
    with Simulator(faults=[Fault("empty")]) as sim, pytest.raises(AssertionError):
        streamed(connect(sim))


STATUSES = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    502: anthropic.InternalServerError,
    503: anthropic.InternalServerError,
    504: anthropic.InternalServerError,
    529: anthropic.InternalServerError,
    402: anthropic.APIStatusError,
    413: anthropic.APIStatusError,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("send", [plain, streamed])
def test_a_status_is_the_error_class_of_that_status(connect, status, send):
    with Simulator(faults=[Fault("status", status=status)]) as sim:
        with pytest.raises(STATUSES[status]) as caught:
            send(connect(sim))
        headers = caught.value.response.headers
        assert caught.value.status_code == status
        client_error = None if status >= 500 or status in {408, 409} else "false"
        assert headers.get("x-should-retry") == ("true" if status == 429 else client_error)
        assert ended(sim) == "fault:status"
        if status == 502:
            assert headers["content-type"] == "text/html"
        else:
            assert caught.value.body["request_id"] == headers["request-id"]


def test_an_error_says_what_it_is_told_to(connect):
    fault = Fault("status", status=400, error_type="odd_error", error_code="odd_code", message="Odd.")
    with Simulator(faults=[fault]) as sim, pytest.raises(anthropic.BadRequestError) as caught:
        plain(connect(sim))
    assert caught.value.body["error"] == {
        "type": "odd_error",
        "message": "Odd.",
        "details": {"error_code": "odd_code"},
    }


@pytest.mark.parametrize("value", ["3", "0", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_is_sent_verbatim(connect, value):
    fault = Fault("status", status=429, retry_after=value, retry_after_ms="150")
    with Simulator(faults=[fault]) as sim, pytest.raises(anthropic.RateLimitError) as caught:
        plain(connect(sim))
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == (value, "150")
    assert headers["anthropic-ratelimit-output-tokens-remaining"] == "0"


@pytest.mark.parametrize("status", [429, 529])
@pytest.mark.parametrize("carries", [True, False])
def test_switches_say_whether_a_429_and_a_529_carry_retry_after(connect, status, carries):
    switches = Switches(retry_after_on_429=carries, retry_after_on_529=carries)
    with Simulator(faults=[Fault("status", status=status)], switches=switches) as sim:
        with pytest.raises(anthropic.APIStatusError) as caught:
            plain(connect(sim))
        assert ("retry-after" in caught.value.response.headers) is carries


def test_an_empty_retry_after_is_none(connect):
    fault = Fault("status", status=429, retry_after="")
    with Simulator(faults=[fault]) as sim, pytest.raises(anthropic.RateLimitError) as caught:
        plain(connect(sim))
    assert "retry-after" not in caught.value.response.headers


def test_the_spend_cap_has_its_code_and_no_retry_after(connect):
    with Simulator(faults=[Fault("spend_cap")]) as sim, pytest.raises(anthropic.RateLimitError) as caught:
        plain(connect(sim))
    assert type(caught.value).__name__ == "EnforcedSpendLimitReachedError"
    assert "retry-after" not in caught.value.response.headers


def test_the_ramp_limit_has_its_code_and_retry_after(connect):
    fault = Fault("ramp_limit_exceeded", retry_after="9")
    with Simulator(faults=[fault]) as sim, pytest.raises(anthropic.RateLimitError) as caught:
        plain(connect(sim))
    assert type(caught.value).__name__ == "RampLimitExceededError"
    assert caught.value.response.headers["retry-after"] == "9"


def test_the_sdk_retries_a_fault_before_the_headers(connect):
    faults = [Fault("status", status=529, retry_after_ms="1", times=2)]
    with Simulator(faults=faults) as sim:
        assert plain(connect(sim, max_retries=2)).content[0].text == sim.text_for(MESSAGES)
        assert [seen.status for seen in sim.requests] == [529, 529, 200]


def test_each_conversation_gets_its_own_faults(connect):
    with Simulator(faults=[Fault("status", status=500, attempt=2)]) as sim:
        client = connect(sim)
        for content in ("one", "two", "one", "two", "one"):
            request = REQUEST | {"messages": [{"role": "user", "content": content}]}
            with suppress(anthropic.InternalServerError):
                client.messages.create(**request)
        assert [seen.status for seen in sim.requests] == [200, 200, 500, 500, 200]
        assert [seen.attempt for seen in sim.requests] == [1, 1, 2, 2, 3]


def test_a_fault_that_the_body_does_not_reach_does_not_strike(connect):
    with Simulator(faults=[Fault("reset", byte=10**9)]) as sim:
        assert streamed(connect(sim)).stop_reason == "end_turn"
        assert ended(sim) == "complete"


def test_a_fault_may_strike_after_the_last_event(connect):
    with Simulator(answer="Hi") as sim:
        streamed(connect(sim))
        events = sim.requests[0].events_sent
    with Simulator(answer="Hi", faults=[Fault("reset", event=events)]) as sim:
        with pytest.raises(httpx2.ReadError):
            streamed(connect(sim))
        assert sim.requests[0].events_sent == events


def test_a_reset_of_a_connection_that_the_client_has_ended_is_none():
    one, other = socket.socketpair()
    other.close()
    one.close()
    asyncio.run(reset_on_close(one))


def test_refuse_refuses_before_the_attempt_and_listens_again(connect):
    with Simulator(faults=[Fault("status", status=500), Fault("refuse", attempt=2, seconds=0.2)]) as sim:
        client = connect(sim)
        with pytest.raises(anthropic.InternalServerError):
            plain(client)
        with pytest.raises(anthropic.APIConnectionError) as caught:
            plain(client)
        assert isinstance(caught.value.__cause__, httpx2.ConnectError)
        assert plain(connect(sim, max_retries=8)).content[0].text == sim.text_for(MESSAGES)
        assert [seen.attempt for seen in sim.requests] == [1, 2]


def test_refuse_before_the_first_attempt_is_there_from_the_start(connect):
    with Simulator(faults=[Fault("refuse", seconds=60)]) as sim:
        with pytest.raises(anthropic.APIConnectionError):
            plain(connect(sim))
        sim.start_listening()
        assert plain(connect(sim)).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset@1:5", Fault("reset", attempt=1, event=5)),
        ("stall:byte=700", Fault("stall", byte=700)),
        ("stall@2:5,seconds=1.5", Fault("stall", attempt=2, event=5, seconds=1.5)),
        ("status@1x3:529,retry_after=2", Fault("status", status=529, retry_after="2", times=3)),
        ("refuse@2:0.5", Fault("refuse", attempt=2, seconds=0.5)),
        ("html", Fault("html")),
        ("error_event:5,error_type=api_error", Fault("error_event", event=5, error_type="api_error")),
        ("truncated_json:90", Fault("truncated_json", byte=90)),
    ],
)
def test_a_fault_can_be_written_as_text(text, fault):
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("explode", "valid are refuse"),
        ("reset", "needs either event= or byte="),
        ("reset:5,byte=3", "needs either event= or byte="),
        ("reset@0:5", "attempt must be at least 1"),
        ("reset:-1", "event must be at least 0"),
        ("stall:3,seconds=nan", "seconds must be at least 0, not nan"),
        ("refuse:inf", "seconds must be at least 0, not inf"),
        ("status:429,retry_after=é", "retry_after must be what a header can hold"),
        ("status:429,retry_after_ms=1\n2", "retry_after_ms must be what a header can hold"),
        ("reset:x", "invalid literal"),
        ("reset:5,colour=red", "unknown parameter 'colour'"),
        ("reset:5,6", "has no name"),
        ("reset:5,event=6", "event is given twice"),
        ("reset@1:5,attempt=2", "attempt is given twice"),
        ("status@1x2:529,times=3", "times is given twice"),
        ("html:5", "has no name"),
        ("status", "needs status=400 to 599"),
        ("status:200", "needs status=400 to 599"),
        ("html:event=1", "strikes before the body"),
        ("reset:5,status=500", "takes no status="),
        ("re set", "is no fault"),
    ],
)
def test_a_wrong_fault_is_a_value_error_that_says_what_is_wrong(text, says):
    with pytest.raises(ValueError, match=says):
        Fault.parse(text)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"event": "5"}, "event must be at least 0, not '5'"),
        ({"event": 5, "attempt": "1"}, "attempt must be at least 1, not '1'"),
        ({"event": 5, "retry_after": 3}, "retry_after must be what a header can hold, as text, not 3"),
    ],
)
def test_a_value_of_a_wrong_type_is_a_value_error_too(wrong, says):
    with pytest.raises(ValueError, match=says):
        Fault("reset", **wrong)
