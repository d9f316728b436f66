"""Programs that end while a daemon thread has a call under way: `python leaver.py BASE_URL EVENTS`.

It ends when so many pieces of the answer have come.
"""

import sys
import threading
from itertools import islice

import anthropic

import seawall


def main(base_url: str, events: str) -> None:
    settings = {"tokens": {"budgets": [{"tokens": 1_000_000, "per": "day"}]}}
    bare = anthropic.Anthropic(base_url=base_url, api_key="test")
    client = seawall.protect(bare, settings=settings, plugins=["tokens"])
    have_come = threading.Event()

    def work() -> None:
        messages = [{"role": "user", "content": "Write a report."}]
        with client.messages.stream(model="claude-opus-5-5", max_tokens=64_000, messages=messages) as stream:
            list(islice(stream.text_stream, int(events)))
            have_come.set()
            stream.until_done()

    threading.Thread(target=work, daemon=True).start()
    have_come.wait()


main(*sys.argv[1:])
