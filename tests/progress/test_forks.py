"""A forked child follows its own calls, tells of them, and knows nothing of those of its parent."""

import subprocess
import sys

from seawall_testkit import Simulator

PROGRAM = """
import os, sys
import anthropic, seawall, seawall_progress
from seawall_progress.running import RUNNING

CALL = {"model": "claude-opus-5-5", "max_tokens": 9000, "messages": [{"role": "user", "content": "x"}]}
SETTINGS = {"state": "memory", "progress": {"terminal": "on"}}

def client():
    bare = anthropic.Anthropic(base_url=sys.argv[1], api_key="test")
    return seawall.protect(bare, plugins=["streaming", "progress"], settings=SETTINGS)

def say(*words):
    print(*words, flush=True)

def told(event):
    if isinstance(event, seawall_progress.Ended):
        say(os.getpid() == parent, "told of", event.progress.status)

parent = os.getpid()
subscription = seawall_progress.subscribe(told)
one = client()
stream = one.messages.create(stream=True, **CALL)
next(iter(stream))
say("running", len(RUNNING.calls()))
child = os.fork()
if child == 0:
    say("running", len(RUNNING.calls()))
    client().messages.create(**CALL)
    say("settled", subscription.settle(30))
    os._exit(0)
os.waitpid(child, 0)
for event in stream:
    pass
say("settled", subscription.settle(30))
"""


def test_a_forked_child_tells_of_its_own_calls_only():
    with Simulator(answer_tokens=300) as simulator:
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, simulator.base_url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert run.stdout.splitlines() == [
        "running 1",
        "running 0",
        "False told of completed",
        "settled True",
        "True told of completed",
        "settled True",
    ], run.stderr
    completed = [line for line in run.stderr.splitlines() if ": completed" in line]
    assert len(completed) == 2, "the lines on stderr go on in the child"
