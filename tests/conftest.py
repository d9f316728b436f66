"""What all tests share, and the table of `docs/reference/continuation.md`, which a test run writes."""

import logging
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import httpcore2
import pytest
from hypothesis import HealthCheck, settings

from calls import Witness
from seawall.cli import cli

pytest_plugins = ["browser"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts its background jobs deaf to Ctrl-C, and so would be what a test starts
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.default_int_handler)

# a machine that is busy is no failure
settings.register_profile("seawall", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("seawall")

collect_ignore = ["third_party"]
"""Projects of their own; `tests/packaging` runs their tests, where they are installed."""

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "continuation.md"
BEGIN, END = "<!-- written by the test run: begin -->\n", "<!-- end -->\n"

_cells: dict[tuple[str, str, str, str], str] = {}
"""What became of a call, by block, fault, sync or async, and surface."""
_rewritten: list[Path] = []


@pytest.fixture(autouse=True)
def _commands_of_plugins() -> Iterator[None]:
    """Take back the commands that plugins added where a test ran the command line in this process."""
    before = dict(cli.commands)
    yield
    cli.commands = before


@pytest.fixture(autouse=True)
def _level_of_the_log() -> Iterator[None]:
    """Take back what a command said about the log where a test ran it in this process."""
    before = (own := logging.getLogger("seawall")).level
    yield
    own.setLevel(before)


@pytest.fixture(scope="session", autouse=True)
def _state_of_tests() -> Iterator[None]:
    """Keep what calls share out of the state of the user who runs the tests."""
    with tempfile.TemporaryDirectory(prefix="seawall-tests-", ignore_cleanup_errors=True) as folder:
        # the second is for tests that want no variable of ours
        places = {"SEAWALL_STATE_DIR": folder, "XDG_STATE_HOME": folder}
        os.environ |= places
        yield
        for name in places:
            del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _certificates() -> Iterator[None]:
    """Read the certificates of the authorities once, and not for each client: most tests take less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def witness() -> Witness:
    return Witness()


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: much of the time tests wait for sockets and processes."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties if report.when == "call" else ():
        if name == "continuation":
            *cell, outcome, wanted = value
            _cells[tuple(cell)] = outcome
            if len(_cells) == wanted:
                _write(_cells)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _rewritten:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for page in _rewritten:
        terminalreporter.line(f"{page.name} told something else than was found; it is rewritten: commit it")


def _write(cells: Mapping[tuple[str, str, str, str], str]) -> None:
    """Write two rows for each block, one for each caller, and one column for each fault."""
    faults = list(dict.fromkeys(fault for _, fault, _, _ in cells))
    lines = [f"| broken in | caller | {' | '.join(f'`{fault}`' for fault in sorted(faults))} |"]
    lines.append(f"| --- | --- |{' --- |' * len(faults)}")
    for block in sorted({block for block, _, _, _ in cells}):
        for surface, caller in (("Message", "waits for a `Message`"), ("stream", "streams")):
            row = [_both(cells, block, fault, surface) for fault in sorted(faults)]
            lines.append(f"| {block} | {caller} | {' | '.join(row)} |")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{before}{BEGIN}\n{chr(10).join(lines)}\n\n{END}{after}"
    if text != page:
        PAGE.write_text(text, encoding="utf-8")
        _rewritten.append(PAGE)


def _both(cells: Mapping[tuple[str, str, str, str], str], block: str, fault: str, surface: str) -> str:
    sync, asynchronous = (cells[block, fault, mode, surface] for mode in ("sync", "async"))
    return sync if sync == asynchronous else f"sync: {sync}; async: {asynchronous}"
