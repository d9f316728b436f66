"""Who is answered: this machine, by the whole address, for reading; and nobody else."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import threading
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from seawall.cli import cli
from seawall.state import MemoryStore
from seawall_progress.board import Board
from seawall_progress.server import _MOST_LOOKING, HOST, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30


@pytest.fixture
def server() -> Iterator[Server]:
    # on a clock that stands still all events are the same, however slow the reader is
    server = Server(Board(MemoryStore(), lambda _: [], clock=lambda: 1_000_000.0), interval=0.001)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.ends.set()
    server.shutdown()
    thread.join(PATIENCE)
    server.close()


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=PATIENCE)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return told


def test_who_knows_the_address_gets_the_page_and_all_that_it_loads(server):
    path = f"/{server.token}/"
    status, headers, body = ask(server, path)
    page = body.decode()
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert server.address == f"http://127.0.0.1:{server.server_port}{path}"
    for name in re.findall(r'(?:href|src)="([^"#]+)"', page):
        status, _, body = ask(server, path + name)
        assert (status, body) == (200, (files("seawall_progress") / "page" / name).read_bytes())
    assert ask(server, path, Host=f"localhost:{server.server_port}")[0] == 200
    assert ask(server, path, "HEAD")[::2] == (200, b"")


@pytest.mark.parametrize("path", ["/", "/{}", "/x/", "/{}x/", "/{}/other", "/{}/../{}/", "/%C3%A9/"])
def test_any_other_path_is_not_found(server, path):
    status, _, body = ask(server, path.replace("{}", server.token).encode().decode("latin-1"))
    assert status == 404
    assert server.token.encode() not in body
    assert body.endswith(b": open the address that `seawall watch` told, as it stands\n")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_site_is_refused_though_it_knows_the_address(server, headers):
    for name in ("", "events"):
        status, _, body = ask(server, f"/{server.token}/{name}", **headers)
        assert (status, body[:14]) == (403, b"Forbidden: ope")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(server, method):
    assert ask(server, f"/{server.token}/", method)[0] == 501


def test_the_page_can_load_nothing_from_elsewhere_and_is_kept_nowhere(server):
    _, headers, _ = ask(server, f"/{server.token}/")
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "python" not in headers["server"].lower()


def test_events_come_until_the_server_ends(server):
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=PATIENCE)
    connection.request("GET", f"/{server.token}/events")
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "text/event-stream"
    lines = [answer.readline() for _ in range(4)]
    assert lines[:2] == lines[2:]
    assert lines[1] == b"\n"
    assert json.loads(lines[0].removeprefix(b"data: "))["processes"] == []
    server.ends.set()
    assert set(answer.read().split(b"\n\n")[:-1]) <= {lines[0].rstrip()}
    connection.close()


def test_too_many_windows_are_told_so(server):
    answers = []
    for _ in range(_MOST_LOOKING):
        connection = http.client.HTTPConnection(HOST, server.server_port, timeout=PATIENCE)
        connection.request("GET", f"/{server.token}/events")
        # who lets go of it closes the window
        answers.append(connection.getresponse())
        assert answers[-1].readline().startswith(b"data: ")
    status, _, body = ask(server, f"/{server.token}/events")
    assert (status, body) == (503, b"too many windows are open\n")
    for answer in answers:
        answer.close()


def test_tokens_are_long_and_all_different():
    servers = [Server(Board(MemoryStore(), lambda _: [])) for _ in range(3)]
    assert len({server.token for server in servers}) == 3
    assert all(len(server.token) >= 32 and server.server_address[0] == HOST for server in servers)
    for server in servers:
        server.close()


def test_a_port_in_use_is_said_in_one_line(server):
    result = CliRunner().invoke(cli, ["watch", "--no-browser", "--port", str(server.server_port)])
    assert result.exit_code == 1
    assert re.fullmatch(rf"Error: --port {server.server_port}: .*in use; without --port .*\n", result.output)


@pytest.mark.parametrize(("system", "is_shared"), [("posix", True), ("nt", False)])
def test_the_port_is_not_shared_on_windows(monkeypatch, system, is_shared):
    monkeypatch.setattr(os, "name", system)
    server = Server(Board(MemoryStore(), lambda _: []))
    monkeypatch.undo()
    # on Windows the option lets another program listen on the same port
    assert bool(server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) == is_shared
    server.close()


def test_a_browser_that_returns_when_it_is_left_gets_the_page(monkeypatch):
    servers, answers = [], []

    class Noted(Server):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            servers.append(self)

    def read(address: str) -> None:
        with urlopen(address, timeout=PATIENCE) as answer:
            answers.append(answer.status)
        servers[0].shutdown()

    monkeypatch.setattr("seawall_progress.server.Server", Noted)
    monkeypatch.setattr("webbrowser.open", read)
    assert CliRunner().invoke(cli, ["watch"]).exit_code == 0
    assert answers == [200]
