"""The thread that works while there is something to do."""

import os
import subprocess
import sys
import threading

import pytest

from seawall.state import Pulse

NEVER, OFTEN, PATIENCE = 3_600.0, 0.001, 10.0


def threads(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_it_works_again_and_again_while_it_is_needed_and_then_its_thread_ends():
    times, enough = [], threading.Event()

    def work():
        times.append(1)
        if len(times) == 3:
            enough.set()

    pulse = Pulse(work, lambda: not enough.is_set(), interval=OFTEN, name="pulse-1")
    pulse.start()
    assert enough.wait(PATIENCE)
    for thread in threads("pulse-1"):
        thread.join(PATIENCE)
    assert not threads("pulse-1")
    assert len(times) == 3


def test_it_works_at_once_when_it_is_woken():
    worked, needed = threading.Event(), threading.Event()
    pulse = Pulse(worked.set, lambda: not needed.is_set(), interval=NEVER, name="pulse-2")
    pulse.start()
    pulse.wake()
    assert worked.wait(PATIENCE)
    needed.set()
    pulse.wake()
    for thread in threads("pulse-2"):
        thread.join(PATIENCE)
    assert not threads("pulse-2")


def test_one_thread_is_enough_and_another_one_comes_when_it_is_gone():
    is_needed, worked = True, threading.Event()
    pulse = Pulse(worked.set, lambda: is_needed, interval=NEVER, name="pulse-3")
    for _ in range(3):
        pulse.start()
    (thread,) = threads("pulse-3")
    assert thread.daemon
    is_needed = False
    pulse.wake()
    thread.join(PATIENCE)
    assert not worked.is_set()
    is_needed = True
    pulse.start()
    pulse.wake()
    assert worked.wait(PATIENCE)
    is_needed = False
    pulse.wake()


def test_where_no_thread_can_be_started_nothing_is_done_and_the_next_start_tries_again():
    needed, worked = threading.Event(), threading.Event()
    pulse = Pulse(worked.set, lambda: not needed.is_set(), interval=NEVER, name="pulse-4")

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        pulse.start()
        pulse.wake()
    assert not worked.is_set()
    pulse.start()
    assert worked.wait(PATIENCE)
    needed.set()
    pulse.wake()


ENDS = """
import os, sys, threading
from seawall.state import Pulse
is_needed = sys.argv[1] == "needed"
pulse = Pulse(lambda: print("worked"), lambda: is_needed, interval=3_600.0, name="pulse-5")
pulse.start()
if "fork" in sys.argv and os.fork():
    # the parent leaves it to the child
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["needed"], "worked\n"),
        (["not needed"], ""),
        pytest.param(
            ["needed", "fork"], "", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
        ),
    ],
    ids=["needed", "not needed", "fork"],
)
def test_a_program_that_ends_does_what_is_needed_a_last_time_but_no_child_forked_from_it(arguments, told):
    command = [sys.executable, "-W", "ignore", "-c", ENDS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (told, "")
