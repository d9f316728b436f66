"""Connections that must not be used any more are not: those of a parent, those of a closed event loop."""

import os
import subprocess
import sys

import pytest

from seawall_testkit import Simulator

FORKED = """
import os, sys, threading
import anthropic, httpx2, seawall

ASK = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "x"}]}
bare = anthropic.Anthropic(base_url=sys.argv[1], api_key="test", timeout=20)
client = seawall.protect(bare, plugins=["streaming", "backoff"], settings={"state": "memory"})

def used():
    if sys.argv[2] == "count_tokens":
        response = client.messages.with_raw_response.count_tokens(**ASK).http_response
    else:
        response = client.messages.with_raw_response.create(max_tokens=int(sys.argv[3]), **ASK).http_response
    return response.extensions["network_stream"].get_extra_info("client_addr")

of_parent = used()
child = os.fork()
if child == 0:
    one, other = used(), used()
    print(one != of_parent, one == other, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(used() == of_parent, flush=True)
"""


posix = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system has no fork, and uvloop is not for it"
)


def run_python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


@posix
@pytest.mark.parametrize("asked", [("create", "9000"), ("create", "100"), ("count_tokens", "")])
def test_a_forked_child_leaves_the_connections_to_its_parent(asked):
    with Simulator(answer_tokens=20) as simulator:
        run = run_python(FORKED, simulator.base_url, *asked)
    assert run.stdout.splitlines() == ["True True", "True"], run.stderr


FORKED_BETWEEN_LOOPS = """
import asyncio, os, sys
import anthropic, seawall

ASK = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "x"}]}
bare = anthropic.AsyncAnthropic(base_url=sys.argv[1], api_key="test", timeout=20)
client = seawall.protect(bare, plugins=["streaming", "backoff"], settings={"state": "memory"})

async def used():
    response = (await client.messages.with_raw_response.create(max_tokens=100, **ASK)).http_response
    return response.extensions["network_stream"].get_extra_info("client_addr")

loop = asyncio.new_event_loop()
of_parent = loop.run_until_complete(used())
child = os.fork()
if child == 0:
    print(asyncio.run(used()) != of_parent, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(loop.run_until_complete(used()) == of_parent, flush=True)
"""


@posix
def test_a_forked_child_leaves_the_connections_of_an_async_client_to_its_parent():
    with Simulator(answer_tokens=20) as simulator:
        run = run_python(FORKED_BETWEEN_LOOPS, simulator.base_url)
        assert len(simulator.requests) == 3
    assert run.stdout.splitlines() == ["True", "True"], run.stderr


IN_ANOTHER_LOOP = """
import asyncio, importlib, sys
import anthropic, seawall
from seawall_backoff import Backoff, BackoffSettings

ASK = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "x"}]}
backoff = Backoff(BackoffSettings(mode="fail"))  # fails where the circuit is open
bare = anthropic.AsyncAnthropic(base_url=sys.argv[1], api_key="test", timeout=20)
client = seawall.protect(bare, plugins=[backoff], settings={"state": "memory"})

loops = importlib.import_module(sys.argv[3])

async def ask(calls):
    for _ in range(int(sys.argv[2])):
        await client.messages.count_tokens(**ASK)
    messages = (client.messages.create(max_tokens=100, **ASK) for _ in range(calls))
    return [message.stop_reason for message in await asyncio.gather(*messages)]

for calls in 12, 1, 20:
    print(loops.run(ask(calls)) == ["end_turn"] * calls)
"""


@pytest.mark.parametrize("loops", ["asyncio", pytest.param("uvloop", marks=posix)])
@pytest.mark.parametrize("counted", ["0", "1"])
def test_a_connection_of_a_closed_event_loop_takes_no_request(counted, loops):
    # what is written to one is answered and paid for, and cannot be read
    with Simulator(answer_tokens=20) as simulator:
        run = run_python(IN_ANOTHER_LOOP, simulator.base_url, counted, loops)
        answered = [request for request in simulator.requests if request.path == "/v1/messages"]
        assert len(answered) == 33
    assert run.stdout.split() == ["True"] * 3, run.stderr
