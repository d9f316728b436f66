"""Whether an owner is dead is said only where it is sure."""

import os
import subprocess
import sys

import pytest

from seawall.state import leases, owners

known = pytest.mark.skipif(os.name == "nt", reason="of processes nothing is known on Windows; leases expire")


@pytest.fixture
def ended() -> str:
    """The id of an owner whose process has ended."""
    script = "from seawall.state import owners; print(owners.new_owner())"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_each_id_is_another():
    assert len({owners.new_owner() for _ in range(100)}) == 100


def test_an_owner_in_this_process_lives():
    assert not owners.is_surely_dead(owners.new_owner())


@known
def test_an_owner_whose_process_ended_is_dead(ended):
    assert owners.is_surely_dead(ended)


@known
def test_an_owner_whose_pid_belongs_to_a_later_process_is_dead():
    host, pid, start, serial = owners.new_owner().rsplit("|", 3)
    assert owners.is_surely_dead(f"{host}|{pid}|{int(start) - 1}|{serial}")


@known
def test_a_zombie_is_dead():
    code = "import sys; from seawall.state import owners; print(owners.new_owner())"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    owner = process.stdout.readline().strip()
    process.stdout.close()
    # it has ended when this returns, and nobody has asked for its exit status
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owners.is_surely_dead(owner)
    process.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_after_fork_is_an_owner_of_its_own():
    code = (
        "import os; from seawall.state import owners; owners.new_owner()\n"
        "if os.fork() == 0: print(os.getpid(), owners.new_owner(), flush=True); os._exit(0)\n"
        "os.wait()"
    )
    pid, owner = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert owner.rsplit("|", 3)[1] == pid


def test_of_another_host_nothing_is_known(ended):
    assert not owners.is_surely_dead("other" + ended)


@pytest.mark.parametrize("text", ["", "a", "|||", "a|b|c|d", "a|1|2"])
def test_text_that_is_no_id_is_not_dead(text):
    assert not owners.is_surely_dead(text)


def test_a_process_of_somebody_else_lives():
    host = owners.new_owner().rsplit("|", 3)[0]
    assert not owners.is_surely_dead(f"{host}|1||1")


@known
def test_the_dead_among_the_holders_are_found(ended):
    alive = owners.new_owner()
    document = {}
    for owner in (alive, ended, f"{ended}1", "elsewhere|1|1|1"):
        document = leases.grant(document, owner, {"tokens": 1}, 1)
    assert owners.dead_owners(document) == [ended, f"{ended}1"]
    assert owners.dead_owners({}) == []
