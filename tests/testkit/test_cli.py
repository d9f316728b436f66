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


def test_a_busy_port_is_an_error_without_a_traceback(cli):
    with Simulator() as sim:
        result = CliRunner().invoke(cli, ["simulate", "--port", str(sim.port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{sim.port}" in result.output


@pytest.mark.skipif(os.name == "nt", reason="a console's Ctrl-C cannot be sent to one process on Windows")
def test_it_serves_until_ctrl_c_and_tells_each_request():
    code = (
        "import click, seawall_testkit as t; g = click.Group(); t.Testkit().register_commands(g);"
        "g(['simulate', '--fault', 'status@1:529'])"
    )
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        announced = process.stdout.readline() + process.stdout.readline()
        url = announced.split("ANTHROPIC_BASE_URL=")[1].split()[0]
        body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        for status in (529, 200):
            assert httpx2.post(url + "/v1/messages", json=body, headers=headers).status_code == status
            assert f"POST /v1/messages {status}" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "")
    assert output == "ended\n"
