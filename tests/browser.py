"""A real Chromium for tests, spoken to by the DevTools protocol; `browser` and `page` are its fixtures.

https://chromedevtools.github.io/devtools-protocol/. A `Page` keeps what it logged, what it threw and what it
asked the network for; it waits by a promise inside of the page, until what it waits for is so.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import pytest
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
PATIENCE = 60.0
_LISTENING = "DevTools listening on "


class BrowserError(Exception):
    """The browser refused a command, or what was waited for was not so in time."""


class Browser:
    """A browser of its own, with nothing in its profile. One thread uses it."""

    def __init__(self) -> None:
        executable = next(filter(None, map(shutil.which, NAMES)), None)
        if executable is None:
            raise BrowserError(f"no browser is installed: none of {', '.join(NAMES)} is on the PATH")
        self._ids = itertools.count(1)
        self._pages: dict[str, Page] = {}
        self._ends = ExitStack()
        try:
            self._socket = self._ends.enter_context(
                connect(
                    self._start(executable),
                    max_size=None,
                    open_timeout=PATIENCE,
                    ping_interval=None,  # its thread draws random numbers, which Hypothesis takes for ours
                    proxy=None,
                )
            )
        except BaseException:
            self.close()
            raise

    def _start(self, executable: str) -> str:
        """Start it; return the address at which it listens."""
        profile = tempfile.TemporaryDirectory(prefix="seawall-browser-", ignore_cleanup_errors=True)
        self._ends.enter_context(profile)
        process = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        addresses: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process, addresses), daemon=True)
        reader.start()
        self._ends.callback(reader.join, PATIENCE)
        self._ends.callback(_end, process)
        address = addresses.get(timeout=PATIENCE)
        if not address.startswith(_LISTENING):
            raise BrowserError(f"the browser did not start: {address}")
        return address.removeprefix(_LISTENING).strip()

    def new_page(self) -> Page:
        """Open an empty page."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.command(f"{domain}.enable")
        return page

    def command(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come before it are taken in."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                break
            if (page := self._pages.get(answer.get("sessionId"))) is not None:
                page.take(answer["method"], answer["params"])
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def close(self) -> None:
        """End it with all of its processes."""
        self._ends.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(process: subprocess.Popen[str], addresses: queue.Queue[str]) -> None:
    """Find the address in what it says, and read on: it would block when the pipe is full."""
    said = []
    with process.stderr:
        for line in process.stderr:
            said = [*said[-20:], line]
            if line.startswith(_LISTENING):
                addresses.put(line)
    addresses.put("".join(said))


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait(PATIENCE)


class Page:
    """One page, in a tab of its own."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self.problems: list[str] = []
        """Errors and warnings of the console, exceptions, and what could not be loaded."""
        self.requested: list[str] = []
        """The address of everything it asked for."""

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command to the page."""
        return self._browser.command(method, self._session, **params)

    def take(self, event: str, told: dict[str, Any]) -> None:
        """Take in an event of the protocol."""
        match event:
            case "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                details = told["exceptionDetails"]
                self.problems.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                said = (str(value.get("value", value.get("description"))) for value in told["args"])
                self.problems.append(" ".join(said))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        if failure := self.command("Page.navigate", url=url).get("errorText"):
            raise BrowserError(f"{url}: {failure}")
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression is, or what the promise that it is comes to, as JSON."""
        result = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            raise BrowserError(f"{expression!r}: {said}")
        return result["result"].get("value")

    def wait_for(self, expression: str, timeout: float = 30.0) -> Any:
        """Return what an expression is as soon as it is true; `null` and what throws is not."""
        return self.evaluate(f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {timeout * 1000};
            const look = () => {{
                let found = null, thrown = "";
                try {{ found = ({expression}); }} catch (error) {{ thrown = String(error); }}
                if (found) resolve(found);
                else if (performance.now() > end) reject(new Error("not so in time: " + thrown + "\\n"
                    + document.body.innerText.slice(0, 1500)));
                else setTimeout(look, 20);
            }};
            look();
        }})""")

    def text(self, selector: str = "body") -> str:
        """Return the text that can be seen of an element."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def show(
        self, *, width: int = 1280, height: int = 800, scheme: str = "light", scale: float = 1.0
    ) -> None:
        """Show it in a window of this size, to somebody who prefers this colour scheme."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )
        preference = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", features=[preference])

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key: `Tab`, `Enter`, a letter."""
        typed = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40, "ArrowUp": 38, "Home": 36}
        told = {
            "key": key,
            "code": f"Key{key.upper()}" if len(key) == 1 and key.isalpha() else key,
            "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper())),
            "modifiers": 8 * shift,
        }
        self.command("Input.dispatchKeyEvent", type="keyDown", text=typed, **told)
        self.command("Input.dispatchKeyEvent", type="keyUp", **told)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG."""
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Close its tab."""
        self._browser.command("Target.closeTarget", targetId=self._target)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()
