"""A process that makes calls in threads: `python accountant.py BASE_URL THREADS MAX_TOKENS`.

It tells of each call when it has ended: a line `NUMBER` on standard output. It never ends by itself.
"""

import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import anthropic

import seawall
import seawall_tokens


def main(base_url: str, threads: str, max_tokens: str) -> None:
    numbers = itertools.count()
    plugins = ["streaming", "tokens"]
    with anthropic.Anthropic(base_url=base_url, api_key="test") as bare:
        client = seawall.protect(bare, settings={"tokens": {"pace": False}}, plugins=plugins)

        def work(_: int) -> None:
            for number in numbers:
                with seawall_tokens.caller(str(number)):
                    client.messages.create(
                        model="claude-opus-5-5",
                        max_tokens=int(max_tokens),
                        messages=[{"role": "user", "content": f"Write report {number}."}],
                    )
                # one write: lines of several threads do not mix
                os.write(1, f"{number}\n".encode())

        with ThreadPoolExecutor(int(threads)) as pool:
            list(pool.map(work, range(int(threads))))


main(*sys.argv[1:])
