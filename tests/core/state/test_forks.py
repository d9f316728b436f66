"""What a forked child finds of the locks of its parent."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from forks import forked
from seawall.state import MemoryStore, Step, new_lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_lock_that_a_thread_holds_is_free_in_a_child_and_not_in_the_parent():
    lock, is_held, is_forked = new_lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            is_held.set()
            is_forked.wait()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        is_held.wait()
        child = forked(lambda: lock.acquire(blocking=False))
        assert lock.locked()
        is_forked.set()
        assert ended(child) == 0


def test_a_child_forked_while_a_thread_makes_a_step_can_make_it():
    store, is_in_step, is_forked = MemoryStore(), threading.Event(), threading.Event()

    def slowly(document, _):
        is_in_step.set()
        is_forked.wait()
        return document, True

    def at_once(document, _):
        return document, True

    with ThreadPoolExecutor(1) as pool:
        pool.submit(store.step, Step("slow", slowly), key="k")
        is_in_step.wait()
        child = forked(lambda: store.step(Step("quick", at_once), key="k"))
        is_forked.set()
        assert ended(child) == 0
