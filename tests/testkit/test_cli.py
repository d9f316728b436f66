from __future__ import annotations

import _pyio
import hashlib
import io
import os
import signal
import subprocess
import sys

import click
import httpx2
import pytest
from click.testing import CliRunner

from seawall_testkit import Simulator, Testkit
from seawall_testkit.demo import show


@pytest.fixture
def cli():
    group = click.Group("seawall")
    Testkit().register_commands(group)
    return group


def test_the_plugin_adds_the_command(cli):
    result = CliRunner().invoke(cli, ["simulate", "--help"])
    assert result.exit_code == 0
    assert "--misbehaviour" in result.output
    assert "stall_with_pings" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "explode@1:5"], "unknown fault 'explode'"),
        (["--fault", "reset"], "needs either event= or byte="),
        (["--misbehaviour", "rude"], "start_over"),
        (["--rpm", "0"], "--rpm"),
        (["--count-rpm", "0"], "--count-rpm"),
        (["--api-key", ""], "--api-key"),
        (["--tokens-per-second", "0"], "--tokens-per-second"),
    ],
)
def test_a_wrong_option_is_a_usage_error(cli, arguments, says):
    result = CliRunner().invoke(cli, ["simulate", *arguments])
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_the_demo_does_not_begin_without_the_folder_of_its_answer(cli, tmp_path):
    result = CliRunner().invoke(cli, ["demo", "-o", str(tmp_path / "nowhere" / "answer.md")])
    assert (result.exit_code, "messages.create" in result.output) == (2, False)
    assert f"there is no folder {str(tmp_path / 'nowhere')!r}" in result.output


def test_the_demo_prints_the_checksum_of_its_file_whatever_line_ends_text_files_have(
    cli, tmp_path, monkeypatch
):
    # a short one
    monkeypatch.setattr("seawall_testkit.demo._FAULTS", ())
    monkeypatch.setattr("seawall_testkit.demo._TOKENS", 400)
    # as on Windows
    monkeypatch.setattr(io, "open", _pyio.open)
    monkeypatch.setattr(os, "linesep", "\r\n")
    result = CliRunner().invoke(cli, ["demo", "-o", str(tmp_path / "answer.md")])
    monkeypatch.undo()
    assert result.exit_code == 0
    written = hashlib.sha256((tmp_path / "answer.md").read_bytes()).hexdigest()
    assert f"checksum: {written[:16]}," in result.output


class Terminal(io.StringIO):
    """One that is not that of stdout."""

    def isatty(self):
        return True

    def fileno(self):
        return 7


def test_the_line_of_the_demo_is_as_wide_as_the_terminal_it_is_on(tmp_path, monkeypatch):
    monkeypatch.setattr("seawall_testkit.demo._FAULTS", ())
    monkeypatch.setattr("seawall_testkit.demo._TOKENS", 400)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(os, "get_terminal_size", lambda of: os.terminal_size((40 if of == 7 else 200, 24)))
    assert show(tmp_path / "answer.md")
    assert {len(line) for line in terminal.getvalue().splitlines() if line} == {39}


def test_the_demo_without_stderr_shows_its_table_and_nothing_between(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seawall_testkit.demo._FAULTS", ())
    monkeypatch.setattr("seawall_testkit.demo._TOKENS", 400)
    # as of who closed it: 2>&-
    monkeypatch.setattr(sys, "stderr", None)
    assert show(tmp_path / "answer.md")
    assert "400 of 400  whole; 1 attempts" in capsys.readouterr().out


def test_a_busy_port_is_an_error_without_a_traceback(cli):
    with Simulator() as sim:
        result = CliRunner().invoke(cli, ["simulate", "--port", str(sim.port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{sim.port}" in result.output
    assert "without --port" in result.output


@pytest.fixture
def simulating():
    """Starts `simulate` in a process of its own, as a person does in a shell; ended by Ctrl-C."""
    started = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        code = (
            "import click, seawall_testkit as t; g = click.Group(); t.Testkit().register_commands(g);"
            f"g({['simulate', *arguments]})"
        )
        command = [sys.executable, "-u", "-c", code]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        announced = process.stdout.readline() + process.stdout.readline()
        return process, announced.split("ANTHROPIC_BASE_URL=")[1].split()[0]

    yield start
    for process in started:
        with process:
            process.kill()


def posted(address: str, *, key: str = "k", model: str = "claude-opus-5-5", **fields: int) -> int:
    """Return the status that a small request gets."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return httpx2.post(address, json=body, headers=headers).status_code


@pytest.mark.skipif(os.name == "nt", reason="a console's Ctrl-C cannot be sent to one process on Windows")
def test_it_serves_until_ctrl_c_and_tells_each_request(simulating):
    process, url = simulating("--fault", "status@1:529")
    for status in (529, 200):
        assert posted(f"{url}/v1/messages", max_tokens=9) == status
        assert f"POST /v1/messages {status}" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "")
    assert output == "ended\n"


def test_it_knows_the_key_and_the_models_and_counts_as_it_is_told(simulating):
    _, url = simulating("--api-key", "right", "--model", "claude-next", "--count-rpm", "1")
    assert posted(f"{url}/v1/messages", max_tokens=9) == 401
    assert posted(f"{url}/v1/messages", max_tokens=9, key="right", model="claude-later") == 404
    assert posted(f"{url}/v1/messages", max_tokens=9, key="right", model="claude-next") == 200
    counts = [posted(f"{url}/v1/messages/count_tokens", key="right") for _ in range(2)]
    assert counts == [200, 429]
