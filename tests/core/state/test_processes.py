"""Processes that share a store, and one that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seawall.state import READ, Store, leases, open_store, owners
from seawall_testkit.stores import RESERVE, SETTLE

WORKER = Path(__file__).with_name("worker.py")
KEY = "org:opus"
ENDLESS = 10**9


@pytest.fixture(params=["sqlite", "redis"])
def url(request, own_redis_server) -> str:
    return own_redis_server.url if request.param == "redis" else "sqlite"


@pytest.fixture
def store(url, tmp_path) -> Iterator[Store]:
    with open_store(url, tmp_path) as store:
        yield store


@contextmanager
def lines_of(processes: int, url: str, state_dir: Path, steps: int) -> Iterator[Iterator[tuple[int, str]]]:
    """Start processes; yield what each says, as `(pid, word)`."""
    arguments = [url, str(state_dir), KEY, str(steps), str(processes)]
    pids = set()
    with subprocess.Popen([sys.executable, str(WORKER), *arguments], stdout=subprocess.PIPE) as started:

        def lines() -> Iterator[tuple[int, str]]:
            for line in started.stdout:
                pid, word = line.decode().split()
                pids.add(int(pid))
                yield int(pid), word

        try:
            yield lines()
        except BaseException:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            started.kill()
            raise


def test_eight_processes_lose_no_step(url, store, tmp_path):
    with lines_of(8, url, tmp_path, 50) as lines:
        said = [word for _, word in lines]
    assert sorted(int(word) for word in said if word.isdecimal()) == list(range(1, 401))
    document = store.step(READ, key=KEY)
    assert document["count"] == 400
    assert len(leases.owners(document)) == 8
    assert sorted(owners.dead_owners(document)) == leases.owners(document)


def test_a_killed_process_loses_no_finished_step_and_gives_back_what_it_held(url, store, tmp_path):
    for number in (1, 7, 60):
        with lines_of(2, url, tmp_path, ENDLESS) as lines:
            held: dict[int, str] = {}
            counted: list[int] = []
            while len(held) < 2 or len(counted) < number:
                note(next(lines), held, counted)
            assert owners.dead_owners(store.step(READ, key=KEY)) == []
            for pid in held:
                os.kill(pid, signal.SIGKILL)
            for line in lines:
                note(line, held, counted)
        document = store.step(READ, key=KEY)
        # each may have been killed between its last step and the line that tells of it
        assert max(counted) <= document["count"] <= max(counted) + 2
        assert len(counted) == len(set(counted))
        assert document["level"] == 1000 - 2 * 10
        dead = owners.dead_owners(document)
        assert sorted(dead) == sorted(held.values())
        bucket = {"now": document["updated"], "capacity": 1000, "rate": 0}
        lease = {"owner": "a", "tokens": 1000, "expires": document["updated"]}
        assert store.step(RESERVE, key=KEY, **bucket, **lease, dead=dead)
        assert store.step(SETTLE, key=KEY, **bucket, owner="a", used=0) == 1000


def note(line: tuple[int, str], held: dict[int, str], counted: list[int]) -> None:
    pid, word = line
    if word.isdecimal():
        counted.append(int(word))
    else:
        held[pid] = word


FORK = """
import os, sys, threading
from pathlib import Path
from seawall.state import open_store
from seawall_testkit.stores import COUNT

store = open_store(sys.argv[1], Path(sys.argv[2]))
print(store.step(COUNT, key="forked"), flush=True)
held, done = threading.Event(), threading.Event()
match type(store).__name__:
    case "MemoryStore":
        lock = store._locks["forked"]
    case "SQLiteStore":
        lock = store._file._thread_lock
    case "RedisStore":
        lock = store._connections._pool._lock

def hold():
    # as a thread in the middle of a step does
    with lock:
        held.set()
        done.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    for _ in range(3):
        print(store.step(COUNT, key="forked"), flush=True)
    os._exit(0)
os.waitpid(child, 0)
done.set()
print(store.step(COUNT, key="forked"), flush=True)
store.close()
"""


@pytest.mark.parametrize(("kind", "expected"), [("memory", 2), ("sqlite", 5), ("redis", 5)])
def test_a_forked_child_goes_on_where_its_parent_held_a_lock(kind, expected, redis_server, tmp_path):
    url = redis_server.url if kind == "redis" else kind
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, url, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.split() == ["1", "2", "3", "4", str(expected)], run.stderr
