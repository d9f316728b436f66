"""Processes that share one limit, over real sockets, one of which is killed."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from seawall_testkit import Limits, Simulator

SENDER = Path(__file__).with_name("sender.py")
LIMITS = Limits(rpm=4_800, itpm=4_800_000, otpm=4_800_000, depth=1.0)


@pytest.fixture(params=["sqlite", "redis"])
def state(request, own_redis_server, tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path))
    return own_redis_server.url if request.param == "redis" else "sqlite"


def test_eight_processes_keep_the_limit_that_they_share_though_one_is_killed(state):
    answered, done, endless = Counter(), set(), ""
    with Simulator(limits=LIMITS, answer_tokens=16) as simulator:
        arguments = [simulator.base_url, state, "6", "8"]
        with subprocess.Popen([sys.executable, str(SENDER), *arguments], stdout=subprocess.PIPE) as started:
            for line in started.stdout:
                pid, word = line.decode().split()
                if word == "forever":
                    endless = pid
                elif word == "done":
                    done.add(pid)
                else:
                    answered[pid] += 1
                    if pid == endless and answered[pid] == 1:
                        os.kill(int(pid), signal.SIGKILL)
        refused = [request for request in simulator.requests if request.status == 429]
    assert answered.pop(endless) >= 1
    assert len(done) == 7
    assert answered == dict.fromkeys(done, 6)
    assert refused == []
