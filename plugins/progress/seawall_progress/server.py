"""Serves the page of `seawall watch`: to this machine, to who knows its address, and to nobody else.

The address has a random token in it. A page of another site cannot read it (`Origin`, `Sec-Fetch-Site`), nor
come in by a name that it lets point here (`Host`); the page itself loads nothing from elsewhere (the content
security policy). There is nothing that could be changed: only GET and HEAD are answered.
"""

import hmac
import json
import os
import secrets
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final

from seawall_progress.board import Board

HOST: Final = "127.0.0.1"
_ASSETS: Final = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_EVENTS: Final = "events"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MOST_LOOKING: Final = 16
_PATIENCE: Final = 10.0
"""Seconds for which a request may take to come."""


class Server(ThreadingHTTPServer):
    """Listens from when it is made; `serve_forever` answers, `close` ends it with all its connections.

    Args:
        board: What is shown.
        port: Where; 0 is any that is free.
        interval: Seconds between two looks.
        token: In the address.

    Raises:
        OSError: The port is in use.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, board: Board, port: int = 0, *, interval: float = 1.0, token: str | None = None
    ) -> None:
        self.board = board
        self.interval = interval
        self.ends = threading.Event()
        self.looking = threading.BoundedSemaphore(_MOST_LOOKING)
        self.token = token or secrets.token_urlsafe(24)
        super().__init__((HOST, port), _Request)

    def server_bind(self) -> None:
        """Listen; the library's own would ask for the name of this host, which may take long."""
        # elsewhere the option would let two programs share the port
        self.allow_reuse_address = os.name == "posix"
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader who went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a reader calls it."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def close(self) -> None:
        """End: nobody is answered any more."""
        self.ends.set()
        self.server_close()
        self.board.leave()


class _Request(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = _PATIENCE
    server_version = "seawall"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        status, name = self._asked()
        if status is not HTTPStatus.OK:
            said = f"{status.phrase}: open the address that `seawall watch` told, as it stands\n"
            self._send(status, said.encode(), "text/plain; charset=utf-8")
        elif name == _EVENTS:
            self._stream()
        else:
            file, kind = _ASSETS[name]
            self._send(status, (files("seawall_progress") / "page" / file).read_bytes(), kind)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Log nothing: the token is in the path."""

    def _asked(self) -> tuple[HTTPStatus, str]:
        """Return whether to answer, and with what."""
        hosts, origin = self.server.hosts, self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        is_own = origin is None or origin in {f"http://{host}" for host in hosts}
        if self.headers.get("Host") not in hosts or not is_own or site not in {"none", "same-origin"}:
            return HTTPStatus.FORBIDDEN, ""
        token, slash, name = self.path.removeprefix("/").partition("/")
        is_known = hmac.compare_digest(token.encode(), self.server.token.encode())
        if not (is_known and slash and (name in _ASSETS or name == _EVENTS)):
            return HTTPStatus.NOT_FOUND, ""
        return HTTPStatus.OK, name

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self._begin(status, kind, {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, value in {"Content-Type": kind, **_HEADERS, **headers}.items():
            self.send_header(header, value)
        self.end_headers()

    def _stream(self) -> None:
        """Send what is to be seen again and again, until the reader goes."""
        if not self.server.looking.acquire(blocking=False):
            status = HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, b"too many windows are open\n", "text/plain; charset=utf-8")
            return
        try:
            self._begin(HTTPStatus.OK, "text/event-stream", {"Connection": "close"})
            while self.command != "HEAD":
                told = json.dumps(self.server.board.look(), ensure_ascii=False, separators=(",", ":"))
                self.wfile.write(f"data: {told}\n\n".encode(errors="replace"))
                if self.server.ends.wait(self.server.interval):
                    return
        finally:
            self.server.looking.release()
