"""`seawall watch` in a real browser: what two processes do is seen there while they do it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from seawall import Panel
from seawall.state import MemoryStore, open_store
from seawall_progress.board import Board
from seawall_progress.server import Server
from seawall_testkit import Limits, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser import Page

PATIENCE = 60
CALLER = Path(__file__).with_name("caller.py")
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "watch.png"
TIDY = 'plugins = ["streaming", "backoff", "tokens", "progress"]\n'
BUDGET = '[[tokens.budgets]]\ndollars = 50.0\nper = "day"\nname = "nightly"\n'
COLOURS = """new Promise((done) => {
    const image = new Image();
    image.onload = () => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.width, image.height];
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        const bytes = context.getImageData(0, 0, image.width, image.height).data;
        const counts = new Map();
        for (let at = 0; at < bytes.length; at += 4) {
            const colour = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
            counts.set(colour, (counts.get(colour) || 0) + 1);
        }
        const name = (one) => `rgb(${one >> 16}, ${(one >> 8) & 255}, ${one & 255})`;
        const sorted = [...counts].sort((one, other) => other[1] - one[1]);
        done([image.width, image.height, sorted.map(([one, count]) => [name(one), count])]);
    };
    image.src = 'data:image/png;base64,%s';
})"""
"""Width and height of a picture, its colours and how many pixels have them, the commonest first."""
ROW = "[...document.querySelectorAll('#rows tr')].find((row) => row.innerText.includes('{}'))"


class Processes:
    """Processes that share a state and a configuration."""

    def __init__(self, folder: Path, ends: contextlib.ExitStack, **environment: str) -> None:
        self._folder = folder
        self._ends = ends
        (folder / "seawall.toml").write_text(TIDY + BUDGET)
        self._environment = os.environ | {"SEAWALL_STATE_DIR": str(folder / "state"), "PYTHONUNBUFFERED": "1"}
        self._environment |= environment

    def start(self, *arguments: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ends.callback(_end, process)
        return process


def _end(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with contextlib.ExitStack() as ends:
        yield Processes(tmp_path, ends)


@pytest.fixture
def healthy() -> Iterator[Simulator]:
    limits = Limits(rpm=4_000, itpm=2_000_000, otpm=400_000)
    with Simulator(limits=limits, answer_tokens=60_000, tokens_per_second=150) as simulator:
        yield simulator


@pytest.fixture
def broken() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.begin_outage(529)
        yield simulator


def focused(page: Page) -> str:
    return page.evaluate(
        "document.activeElement.getAttribute('aria-labelledby')"
        " || document.activeElement.id || document.activeElement.className"
    )


def text_of(selector: str) -> str:
    return f"document.querySelector('{selector}').innerText"


def check_what_plugins_share(page: Page) -> None:
    page.wait_for(f"{text_of('#alerts')}.includes('haiku-5.5 is down')")
    titles = "[...document.querySelectorAll('#panels h2')].map((title) => title.innerText)"
    assert page.evaluate(titles) == ["Circuits", "Rate limits", "Budgets", "Spent today (UTC)"]
    for part in (
        ": output tokens",
        "of 400,000 left",
        "open",
        "'nightly' (50.00 dollars a day)",
        "claude-opus-5-5",
    ):
        page.wait_for(f"{text_of('#panels')}.includes({json.dumps(part)})", PATIENCE)
    meters = "[...document.querySelectorAll('[role=meter]')].every((meter) => meter.ariaValueNow !== null)"
    assert page.evaluate(meters)


def check_looks(page: Page, picture: Path) -> str:
    """By keyboard, dark, and small; returns the background of the picture, which is taken of it dark."""
    page.show(width=1280, height=900, scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.screenshot(picture)
    order = []
    while "panel-3" not in order:
        page.press("Tab")
        order.append(focused(page))
    assert order == ["skip", "pause", "calls-title", "panel-0", "panel-1", "panel-3"]
    page.show(width=360, height=740)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.show(width=1280, height=900)
    return dark


def check_pictures(page: Page, background: str, *pictures: Path) -> None:
    """Each is of the whole window, on its background, with words and bars on it."""
    page.open("about:blank")
    for picture in pictures:
        data = base64.b64encode(picture.read_bytes()).decode()
        width, height, colours = page.evaluate(COLOURS % data)
        assert (width, height) == (1280, 900), picture
        shares = {colour: count / (width * height) for colour, count in colours}
        assert 0.1 < shares[background] < 0.9, picture
        seen = [colour for colour, share in shares.items() if share > 0.0002]
        assert len(seen) >= 10, "text, phases and meters have colours of their own"


def check_pause(page: Page, tokens: str) -> None:
    page.evaluate("document.querySelector('#pause').focus()")
    page.press("Enter")
    page.wait_for(f"{text_of('#state')} === 'paused'")
    still = page.evaluate(tokens)
    page.evaluate("new Promise((done) => events.addEventListener('message', done, { once: true }))")
    assert page.evaluate(tokens) == still
    page.press("Enter")
    page.wait_for(f"{tokens} !== '{still}'")


def test_what_runs_anywhere_is_on_the_page_while_it_runs(page, processes, healthy, broken, tmp_path):
    watch = processes.start("-c", "from seawall.cli import main; main()", "watch", "--no-browser")
    address = watch.stdout.readline().strip()
    writer = processes.start(CALLER, healthy.base_url, "claude-opus-5-5", "reports")
    waiter = processes.start(CALLER, broken.base_url, "claude-haiku-5-5", "chat")
    page.show(width=1280, height=900)
    page.open(address)
    page.evaluate("window.isTheSame = true")

    page.wait_for(ROW.format("reports, ") + ".innerText.includes('writing')", PATIENCE)
    page.wait_for(ROW.format("chat, ") + ".innerText.includes('is down')", PATIENCE)
    assert f"process {writer.pid}" in page.evaluate(ROW.format("reports, ") + ".innerText")
    assert page.text("#count") == "2"
    check_what_plugins_share(page)
    assert "secret" not in page.evaluate("document.documentElement.outerHTML")
    background = check_looks(page, tmp_path / "watch.png")
    tokens = ROW.format("reports, ") + ".children[2].innerText"
    page.wait_for(f"{tokens} !== '{page.evaluate(tokens)}'")
    check_pause(page, tokens)

    writer.kill()
    page.wait_for(f"!{ROW.format('reports, ')}")
    waiter.send_signal(signal.SIGINT)
    page.wait_for(f"{text_of('#none')} === 'No call runs at this moment.'")
    assert page.evaluate("window.isTheSame"), "it was loaded again"
    assert page.problems == []
    origin = f"http://{urlsplit(address).netloc}/"
    assert {url for url in page.requested if not url.startswith(origin)} == set()

    watch.send_signal(signal.SIGINT)
    assert watch.wait(PATIENCE) == 0
    page.wait_for(f"{text_of('#gone')}.startsWith('The server is gone')")
    assert page.text("#state") == "gone"
    if os.environ.get("SEAWALL_SCREENSHOTS"):
        PICTURE.write_bytes((tmp_path / "watch.png").read_bytes())
    check_pictures(page, background, tmp_path / "watch.png", PICTURE)


def test_two_panels_of_one_title_are_both_on_the_page(page):
    panels = [Panel("Spend", columns=("team",), rows=[(team,)]) for team in ("blue", "green")]
    server = Server(Board(MemoryStore(), lambda _: panels), interval=0.01)
    with contextlib.ExitStack() as ends:
        ends.callback(server.close)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        ends.callback(server.shutdown)
        page.open(server.address)
        page.wait_for("document.querySelector('#panels section')")
        cells = "[...document.querySelectorAll('#panels td')].map((cell) => cell.innerText)"
        assert page.evaluate(cells) == ["blue", "green"]
        panels.insert(0, Panel("Spend", columns=("team",), rows=[("red",)]))
        page.wait_for("document.querySelectorAll('#panels section').length === 3")
        assert page.evaluate(cells) == ["red", "blue", "green"]
    assert page.problems == []


def test_the_calls_of_all_machines_on_one_redis_are_told(tmp_path, redis_server, healthy):
    with contextlib.ExitStack() as ends:
        writers = []
        for name in ("reports", "chat"):
            (tmp_path / name).mkdir()
            machine = Processes(tmp_path / name, ends, SEAWALL_STATE=redis_server.url)
            writers.append((machine.start(CALLER, healthy.base_url, "claude-opus-5-5", name), name))
        server = Server(Board(ends.enter_context(open_store(redis_server.url)), lambda _: []))
        ends.callback(server.close)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        ends.callback(server.shutdown)
        events = ends.enter_context(urlopen(f"{server.address}events", timeout=PATIENCE))
        found: set[tuple[str, str]] = set()
        while len(found) < len(writers):
            line = events.readline()
            assert line, "the server ended"
            processes = json.loads(line[6:])["processes"] if line.startswith(b"data: ") else []
            found = {
                (told["process"].rpartition(" ")[2], call["caller"])
                for told in processes
                for call in told["calls"]
                if call["phase"] == "writing"
            }
    assert found == {(str(writer.pid), name) for writer, name in writers}
