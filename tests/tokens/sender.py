"""Processes that ask as fast as they may: `python sender.py BASE_URL STATE CALLS PROCESSES`.

Each makes so many calls, one after another, and tells of each: a line `PID WORD` on standard output.
"""

import os
import sys

import anthropic

import seawall


def main(base_url: str, state: str, calls: str, processes: str) -> None:
    # loads what a child would load
    seawall.estimate_tokens("word", "claude-opus-5-5")
    children = [os.fork() for _ in range(int(processes)) if os.getpid() == parent]
    if os.getpid() == parent:
        for child in children:
            os.waitpid(child, 0)
    else:
        send(base_url, state, int(calls))


def send(base_url: str, state: str, calls: int) -> None:
    with anthropic.Anthropic(base_url=base_url, api_key="test") as bare:
        client = seawall.protect(bare, settings={"state": state}, plugins=["tokens"])
        for _ in range(calls):
            messages = [{"role": "user", "content": f"Write a report on {os.urandom(4).hex()}."}]
            client.messages.create(model="claude-opus-5-5", max_tokens=64, messages=messages)
            # one write: lines of several processes do not mix, and none is half written
            os.write(1, f"{os.getpid()} answered\n".encode())
        os.write(1, f"{os.getpid()} done\n".encode())


parent = os.getpid()
main(*sys.argv[1:])
