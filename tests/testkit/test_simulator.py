from __future__ import annotations

import math
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import anthropic
import httpx2
import pytest

from seawall_testkit import Fault, Simulator, Switches

MESSAGES = [{"role": "user", "content": "Tell me everything."}]
REQUEST = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": MESSAGES}
KEY = {"x-api-key": "test", "anthropic-version": "2023-06-01"}


def raw_request(body=b"", *, method="GET", path="/v1/models", headers=""):
    own = f"host: x\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\ncontent-length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{own}{headers}\r\n".encode() + body


def simulators():
    """The threads of simulators, and of nothing that an earlier test left behind."""
    return {thread for thread in threading.enumerate() if thread.name == "seawall-simulator"}


def test_a_connection_is_kept_for_the_next_request(connect):
    with Simulator() as sim:
        client = connect(sim)
        for _ in range(3):
            client.messages.create(**REQUEST)
            with client.messages.stream(**REQUEST) as stream:
                stream.until_done()
        assert sim.open_connections == 1
        client.close()
        sim.wait_until(lambda: sim.open_connections == 0)


def test_connection_close_is_honoured():
    with Simulator() as sim, httpx2.Client() as client:
        response = client.get(sim.base_url + "/v1/models", headers=KEY | {"connection": "close"})
        assert response.headers["connection"] == "close"
        sim.wait_until(lambda: sim.open_connections == 0)


def test_pipelined_requests_are_answered_in_turn():
    with Simulator() as sim, socket.create_connection(("127.0.0.1", sim.port), timeout=5) as sock:
        sock.sendall(raw_request() + raw_request(headers="connection: close\r\n"))
        received = b""
        while data := sock.recv(65536):
            received += data
        assert received.count(b"HTTP/1.1 200") == 2


def test_a_client_that_waits_for_100_continue_gets_it():
    with Simulator() as sim, socket.create_connection(("127.0.0.1", sim.port), timeout=5) as sock:
        whole = raw_request(b"{}", method="POST", path="/v1/messages", headers="expect: 100-continue\r\n")
        sock.sendall(whole[:-2])
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        sock.sendall(whole[-2:])
        assert sock.recv(100).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\n", b""])
def test_what_is_no_http_closes_the_connection(junk):
    with Simulator() as sim:
        with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as sock:
            sock.sendall(junk)
            sock.shutdown(socket.SHUT_WR)
            assert b"200" not in sock.recv(1000)
        sim.wait_until(lambda: sim.open_connections == 0)


@pytest.mark.parametrize("kind", ["stall", "stall_with_pings"])
@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_client_that_leaves_is_noticed_while_the_server_stalls(kind, way):
    with Simulator(faults=[Fault(kind, event=5)]) as sim, httpx2.Client() as client:
        with client.stream(
            "POST", sim.base_url + "/v1/messages", json=REQUEST | {"stream": True}, headers=KEY
        ) as r:
            sim.wait_until(lambda: sim.requests[0].events_sent >= 5)
            assert (sim.open_connections, sim.active_responses) == (1, 1)
            if way == "reset":
                sock = r.extensions["network_stream"].get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sim.wait_until(lambda: sim.open_connections == 0 and sim.active_responses == 0)
        assert sim.requests[0].ended == "client_closed"


@pytest.mark.parametrize("kind", ["reset", "fin", "eof"])
def test_a_client_gets_every_byte_that_was_sent_before_the_fault(kind):
    with Simulator(faults=[Fault(kind, byte=3001)], padding=False) as sim, httpx2.Client() as client:
        received = b""
        with (
            suppress(httpx2.TransportError),
            client.stream(
                "POST", sim.base_url + "/v1/messages", json=REQUEST | {"stream": True}, headers=KEY
            ) as r,
        ):
            for data in r.iter_raw():
                received += data
        assert len(received) == sim.requests[0].bytes_sent == 3001


@pytest.mark.parametrize("billed", [False, True])
def test_a_switch_says_whether_a_dropped_stream_is_billed_to_its_end(connect, billed):
    switches = Switches(bill_dropped_streams=billed)
    with Simulator(tokens_per_second=50, switches=switches) as sim:
        with connect(sim).messages.stream(**REQUEST) as stream:
            next(stream.text_stream)
        sim.wait_until(lambda: sim.active_responses == 0)
        assert (sim.billed.output_tokens == 400) is billed
        assert sim.requests[0].output_tokens == sim.billed.output_tokens > 0


def test_wait_until_says_what_was_there_instead():
    with Simulator() as sim, pytest.raises(TimeoutError, match="0 connections, 0 responses"):
        sim.wait_until(lambda: False, timeout=0.01)


def test_many_clients_at_once_get_their_own_answers(connect):
    with Simulator(faults=[Fault("status", status=529, retry_after_ms="1")]) as sim:
        client = connect(sim, max_retries=3)

        def ask(number):
            messages = [{"role": "user", "content": f"Question {number}"}]
            with client.messages.stream(**REQUEST | {"messages": messages}) as stream:
                return stream.get_final_text() == sim.text_for(messages)

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(ask, range(32)))
        assert sorted(seen.attempt for seen in sim.requests) == [1] * 32 + [2] * 32


def test_the_listener_closes_and_opens_on_the_same_port(connect):
    with Simulator() as sim:
        client = connect(sim)
        client.messages.create(**REQUEST)
        port = sim.port
        sim.stop_listening()
        sim.wait_until(lambda: sim.open_connections == 0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        sim.start_listening()
        sim.start_listening()
        assert client.messages.create(**REQUEST).stop_reason == "end_turn"
        assert sim.port == port


def test_a_busy_port_is_an_os_error():
    with Simulator() as sim, pytest.raises(OSError, match=r"."):
        Simulator(port=sim.port).start()


def test_a_simulator_serves_once():
    sim = Simulator()
    with sim:
        pass
    with pytest.raises(RuntimeError, match="serves once"):
        sim.start()


@pytest.mark.parametrize("method", ["begin_outage", "end_outage", "stop_listening", "start_listening"])
def test_a_simulator_that_is_over_says_that_it_does_not_run(method):
    with Simulator() as sim:
        pass
    with pytest.raises(RuntimeError, match="not running"):
        getattr(sim, method)()


def test_stopping_ends_running_responses_and_the_thread(connect):
    before = simulators()
    with Simulator(faults=[Fault("stall", event=2)]) as sim:
        client = connect(sim)
        stream = client.messages.create(**REQUEST, stream=True)
        sim.wait_until(lambda: sim.requests[0].events_sent == 2)
        assert len(simulators() - before) == 1
    assert simulators() <= before
    assert (sim.open_connections, sim.active_responses) == (0, 0)
    stream.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"answer_tokens": 0},
        {"tokens_per_event": 0},
        {"tokens_per_second": 0},
        {"ping_interval": -1},
        {"otpm_mode": "x"},
        {"tokens_per_second": math.nan},
        {"ping_interval": math.nan},
        {"repeat_words": -1},
        {"port": -1},
        {"api_key": ""},
        {"port": 65_536},
        {"faults": ["reset@1:5"]},
        {"faults": Fault("reset", event=5)},
        {"more_models": "claude-next"},
        {"limits": {"rpm": 50}},
        {"answer": 3},
        {"answer": {"type": "text", "text": "alone"}},
        {"answer": ["a text"]},
    ],
)
def test_a_wrong_argument_is_a_value_error_that_names_it(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Simulator(**wrong)


def test_importing_the_package_does_not_import_the_server():
    code = "import sys, seawall_testkit; sys.exit('asyncio' in sys.modules or 'h11' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_in_an_outage_every_message_request_fails_and_the_rest_goes_on(connect):
    with Simulator() as sim:
        client = connect(sim)
        sim.begin_outage(503, seconds=0.01)
        for stream in (False, True):
            with pytest.raises(anthropic.InternalServerError) as caught:
                client.messages.create(**REQUEST, stream=stream)
            assert caught.value.status_code == 503
        assert client.models.list().data
        sim.end_outage()
        assert client.messages.create(**REQUEST).content


@pytest.mark.parametrize("status", [200, 1000, "529"])
def test_the_status_of_an_outage_is_that_of_an_error(status):
    with Simulator() as sim, pytest.raises(ValueError, match=f"of 400 to 599, not {status!r}"):
        sim.begin_outage(status)


@pytest.mark.parametrize(("answer", "what"), [("a text", "str: 'a'"), (None, "NoneType: None")])
def test_a_function_that_answers_no_blocks_is_told_so(connect, answer, what):
    with pytest.raises(RuntimeError) as failed, Simulator(answer=lambda _: answer) as sim:
        connect(sim).messages.create(**REQUEST)
    assert str(failed.value.__cause__).endswith(f"as blocks.text() is one, not {what}")


def test_an_outage_of_one_model_leaves_the_others_as_they_are(connect):
    with Simulator() as sim:
        client = connect(sim)
        sim.begin_outage(model=REQUEST["model"])
        with pytest.raises(anthropic.OverloadedError):
            client.messages.create(**REQUEST)
        assert client.messages.create(**{**REQUEST, "model": "claude-haiku-5-5"}).content
        assert [received.status for received in sim.requests] == [529, 200]
