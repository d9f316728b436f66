"""TCP resets that take nothing away from what was sent before them."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys

if sys.platform == "linux":
    import fcntl
    import termios

    def _unacknowledged(sock: socket.socket) -> int:
        """Bytes that were sent and not acknowledged; see tcp(7), SIOCOUTQ."""
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

else:

    def _unacknowledged(_sock: socket.socket) -> int:
        return 0


_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_STEP = 0.001
_PATIENCE = 1.0
"""Seconds to wait for a client that has stopped reading."""
_PAUSE = 0.0 if sys.platform == "linux" else 0.05
"""Seconds to wait in any case: long where the system does not tell what is still in its queue."""


async def reset_on_close(sock: socket.socket) -> None:
    """Waits until the client's system has what was sent, and makes the close of `sock` a reset.

    A reset discards what is still in the sender's queue and, outside Linux, what the client has not yet read.
    Does nothing if `sock` is closed, as it is once the client has ended the connection.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    await asyncio.sleep(_PAUSE)
    while _is_open(sock) and _unacknowledged(sock) and loop.time() < deadline:  # noqa: ASYNC110 - the system does not tell of it
        await asyncio.sleep(_STEP)
    if _is_open(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def _is_open(sock: socket.socket) -> bool:
    return sock.fileno() != -1
