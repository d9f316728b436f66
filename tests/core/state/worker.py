"""Processes that share a store: `python worker.py URL STATE_DIR KEY STEPS PROCESSES`.

Each reserves, tells its owner id, and then counts, telling each number when the step that made it is done: a
line `PID WORD` on standard output. They begin together.
"""

import os
import sys
import time
from pathlib import Path

from seawall.state import open_store, owners
from seawall_testkit.stores import COUNT, RESERVE


def main(url: str, state_dir: str, key: str, steps: str, processes: str) -> None:
    # loads what a child would load: eight times that is most of the test
    open_store(url, Path(state_dir)).close()
    gate, opener = os.pipe()
    children = [os.fork() for _ in range(int(processes)) if os.getpid() == parent]
    os.close(opener)
    if os.getpid() == parent:
        for child in children:
            os.waitpid(child, 0)
    else:
        os.read(gate, 1)
        work(url, Path(state_dir), key, int(steps))


def work(url: str, state_dir: Path, key: str, steps: int) -> None:
    with open_store(url, state_dir) as store:
        owner, now = owners.new_owner(), time.time()  # noqa: TID251 - a program, not a part of one
        lease = {"owner": owner, "tokens": 10, "expires": now + 9000}
        store.step(RESERVE, key=key, now=now, capacity=1000, rate=0, **lease)
        tell(owner)
        for _ in range(steps):
            tell(store.step(COUNT, key=key))


def tell(word: object) -> None:
    # one write: lines of several processes do not mix, and none is half written
    os.write(1, f"{os.getpid()} {word}\n".encode())


parent = os.getpid()
main(*sys.argv[1:])
