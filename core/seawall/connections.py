"""Connections that a forked child must leave to its parent.

The pool of a client is copied by a fork, the connections in it are not: parent and children would write their
requests to the same one, and read each other's answers.
"""

import socket
import weakref
from typing import Any, Final

import httpx2

from seawall.state import call_after_fork


class Connections:
    """Those that sync clients of this process have used. Threads may share it."""

    def __init__(self) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        call_after_fork(self)

    def note(self, result: Any) -> None:
        """Note the connection over which the result of a request came, if it came over one."""
        response = getattr(result, "http_response", result)
        stream = response.extensions.get("network_stream") if isinstance(response, httpx2.Response) else None
        used = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(used, socket.socket):
            self._sockets.add(used)

    def after_fork(self) -> None:
        """Close the child's hand on them; their other end hears nothing of it, and a pool makes new ones."""
        sockets, self._sockets = list(self._sockets), weakref.WeakSet()
        for each in sockets:
            each.close()


CONNECTIONS: Final = Connections()
"""Those of all clients."""
