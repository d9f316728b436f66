"""Processes that ask as fast as they may: `python sender.py BASE_URL STATE CALLS PROCESSES`.

Each makes so many calls, one after another, and tells of each: a line `PID WORD` on standard output. They
begin together; one of them goes on `forever`, as it tells before.
"""

import itertools
import os
import sys
from collections.abc import Iterable

import anthropic

import seawall


def main(base_url: str, state: str, calls: str, processes: str) -> None:
    # loads what a child would load
    seawall.estimate_tokens("word", "claude-opus-5-5")
    gate, opener = os.pipe()
    children = [os.fork() for _ in range(int(processes)) if os.getpid() == parent]
    os.close(opener)
    if os.getpid() == parent:
        for child in children:
            os.waitpid(child, 0)
    else:
        os.read(gate, 1)
        is_first = len(children) == 1
        if is_first:
            tell("forever")
        send(base_url, state, itertools.count() if is_first else range(int(calls)))


def send(base_url: str, state: str, calls: Iterable[int]) -> None:
    with anthropic.Anthropic(base_url=base_url, api_key="test") as bare:
        client = seawall.protect(bare, settings={"state": state}, plugins=["tokens"])
        for _ in calls:
            messages = [{"role": "user", "content": f"Write a report on {os.urandom(4).hex()}."}]
            client.messages.create(model="claude-opus-5-5", max_tokens=64, messages=messages)
            tell("answered")
        tell("done")


def tell(word: str) -> None:
    # one write: lines of several processes do not mix, and none is half written
    os.write(1, f"{os.getpid()} {word}\n".encode())


parent = os.getpid()
main(*sys.argv[1:])
