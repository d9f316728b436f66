"""A process that calls again and again: `python worker.py BASE_URL THREADS`.

The state they share is that of the `SEAWALL_*` variables. It ends when its standard input does, and tells
what became of each call: a line `ok` or the name of an error on standard output. Its circuit pauses a fifth
of the usual time, so that a test is not spent waiting.
"""

import os
import sys
import threading

import anthropic

import seawall
from seawall_backoff import circuit

circuit.FIRST_PAUSE /= 5
circuit.LAST_PAUSE /= 5


def main(base_url: str, threads: str) -> None:
    over = threading.Event()
    bare = anthropic.Anthropic(
        base_url=base_url, api_key="test", default_headers={"x-worker": str(os.getpid())}, timeout=60.0
    )
    client = seawall.protect(bare, plugins=["backoff"])

    def work() -> None:
        while not over.is_set():
            messages = [{"role": "user", "content": "Hello."}]
            try:
                client.messages.create(model="claude-opus-5-5", max_tokens=20, messages=messages)
                tell("ok")
            except Exception as error:  # noqa: BLE001 - the test looks at it
                tell(type(error).__name__)
            over.wait(0.2)

    workers = [threading.Thread(target=work) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    over.set()
    for worker in workers:
        worker.join()


def tell(word: str) -> None:
    # one write: lines of several threads do not mix
    os.write(1, f"{word}\n".encode())


main(*sys.argv[1:])
