"""A forked child has connections of its own: it never reads an answer of its parent."""

import os
import subprocess
import sys

import pytest

from seawall_testkit import Simulator

PROGRAM = """
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("asked", [("create", "9000"), ("create", "100"), ("count_tokens", "")])
def test_a_forked_child_leaves_the_connections_to_its_parent(asked):
    with Simulator(answer_tokens=20) as simulator:
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, simulator.base_url, *asked],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert run.stdout.splitlines() == ["True True", "True"], run.stderr
