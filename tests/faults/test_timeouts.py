"""Which time limit it was that ended an attempt, and what a silent connection does meanwhile."""

import socket

import anthropic
import httpx2
import pytest

import seawall
from calls import MESSAGES, MODEL, Witness, call, plugins
from seawall_backoff import Backoff, BackoffSettings
from seawall_streaming import Streaming, StreamingSettings
from seawall_testkit import Fault, Simulator

ASKED = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}


def once(**streaming):
    """Plugins that attempt a call once."""
    backoff = Backoff(BackoffSettings(max_attempts=1, base=0.001))
    return [Streaming(StreamingSettings(**{"idle_timeout": 60.0, **streaming})), backoff]


def failure(simulator, enabled, **client):
    with (
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test", **client) as bare,
        pytest.raises(anthropic.APIConnectionError) as raised,
    ):
        seawall.protect(bare, plugins=enabled).messages.create(**ASKED)
    return raised.value


def test_a_connection_without_a_byte_is_told_by_its_idle_timeout():
    with Simulator(faults=[Fault("stall", event=20)]) as simulator:
        error = failure(simulator, once(idle_timeout=0.2))
    assert isinstance(error, anthropic.APITimeoutError)
    assert (
        "Seawall: the connection was silent, without even a ping (timeout 'read': 0.2 s)." in error.__notes__
    )
    assert error.partial_message.content


def test_a_connection_with_nothing_but_pings_is_told_by_its_content_timeout():
    with Simulator(faults=[Fault("stall_with_pings", event=20, seconds=0.05)]) as simulator:
        error = failure(simulator, once(content_timeout=0.2))
    assert isinstance(error, seawall.StreamCutError)
    assert "content_timeout = 0.2 s" in str(error)


def test_a_server_that_is_not_there_is_named():
    with Simulator() as simulator:
        place = simulator.base_url.removeprefix("http://")
    error = failure(simulator, once())
    assert any(note.startswith(f"Seawall: {place} cannot be reached: ") for note in error.__notes__)


def test_a_key_that_no_header_can_hold_is_told_and_not_shown():
    with Simulator() as simulator:
        with (
            anthropic.Anthropic(base_url=simulator.base_url, api_key="sk-secret\nx") as bare,
            pytest.raises(anthropic.APIConnectionError) as raised,
        ):
            seawall.protect(bare, plugins=once()).messages.create(**ASKED)
        assert simulator.requests == []
        # the connection it made is known to the simulator, and closed, when the next one is
        call(simulator, "sync", "create", plugins())
        simulator.wait_until(lambda: simulator.open_connections == 0)
    notes = " ".join(raised.value.__notes__)
    assert "the key or another header holds what HTTP does not allow, such as a line break" in notes
    assert "secret" not in notes


@pytest.mark.parametrize("address", ["localhost:8080", "api.example", "ftp://user:hunter2@api.example"])
def test_an_address_without_a_scheme_is_told(address):
    with (
        anthropic.Anthropic(base_url=address, api_key="test") as bare,
        pytest.raises(anthropic.APIConnectionError) as raised,
    ):
        seawall.protect(bare, plugins=once()).messages.create(**ASKED)
    notes = " ".join(raised.value.__notes__)
    assert "is no address of an API; it begins with https:// or http://" in notes
    assert "hunter2" not in notes


def test_a_pool_without_a_free_connection_is_told_apart():
    limits = httpx2.Limits(max_connections=1)
    timeout = httpx2.Timeout(60.0, pool=0.2)
    with (
        Simulator(faults=[Fault("stall", event=5)]) as simulator,
        httpx2.Client(limits=limits, base_url=simulator.base_url) as http,
        anthropic.Anthropic(
            base_url=simulator.base_url, api_key="test", http_client=http, timeout=timeout
        ) as bare,
    ):
        client = seawall.protect(bare, plugins=once())
        with client.messages.create(**ASKED, stream=True), pytest.raises(anthropic.APITimeoutError) as raised:
            client.messages.create(**{**ASKED, "messages": [{"role": "user", "content": "Another."}]})
    assert any("no connection became free" in note for note in raised.value.__notes__)


def test_a_stalled_call_is_cut_and_continued_not_left_hanging():
    witness = Witness()
    with Simulator(faults=[Fault("stall", event=60)]) as simulator:
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[*plugins(idle_timeout=0.3), witness])
            with client.messages.stream(**ASKED) as stream:
                text = "".join(stream.text_stream)
        assert text == simulator.text_for(MESSAGES)
    assert [type(error) for error in witness.errors] == [anthropic.APITimeoutError]


def test_connections_are_kept_alive_by_tcp():
    with Simulator() as simulator, anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=plugins())
        with client.messages.with_streaming_response.create(**ASKED, stream=True) as response:
            network = response.http_response.extensions["network_stream"]
            assert network.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_an_answer_that_repeats_one_passage_is_stopped_with_what_had_come():
    answer = "A beginning. " + "The same words again. " * 400
    with Simulator(answer=answer) as simulator:
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=plugins(runaway_after=2000))
            with pytest.raises(seawall.StreamStoppedError, match="runaway_after = 2000") as raised:
                client.messages.create(**ASKED)
        assert len(simulator.requests) == 1
    partial = raised.value.partial_message.content[0].text
    assert answer.startswith(partial)
    assert len(partial) < 3000
