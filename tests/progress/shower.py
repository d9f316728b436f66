"""A program in a terminal that makes some calls at once: `shower.py ADDRESS CALLS`."""

import asyncio
import sys
from contextlib import suppress

import anthropic

import seawall

CALL = {"model": "claude-opus-5-5", "max_tokens": 20_000, "messages": [{"role": "user", "content": "Write."}]}
SETTINGS = {"state": "memory", "progress": {"terminal": "on"}}


async def main(address: str, calls: int) -> None:
    async with anthropic.AsyncAnthropic(base_url=address, api_key="test") as bare:
        client = seawall.protect(bare, settings=SETTINGS, plugins=["streaming", "progress"])
        messages = await asyncio.gather(*(client.messages.create(**CALL) for _ in range(calls)))
    sys.stdout.write(f"answers: {len(messages)}\n")


if __name__ == "__main__":
    with suppress(ImportError):
        # Ctrl-C comes from a terminal of one's own
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    except KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
