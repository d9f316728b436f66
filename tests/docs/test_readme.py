"""What the README says is so."""

import re
import tomllib
from pathlib import Path

import pytest

from seawall.registry import instances
from seawall_testkit import Simulator

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_python_block_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    namespace = {"messages": [{"role": "user", "content": "Write."}], "save": print}
    with Simulator() as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        clients = []
        for block in blocks("python"):
            exec(block, namespace)
            clients.append(namespace["client"])
        namespace["client"].messages.create(
            model="claude-opus-5-5", max_tokens=9000, messages=[{"role": "user", "content": "x"}]
        )
        for client in clients:
            client.close()
    assert len(simulator.requests) == 3


def test_the_configuration_is_valid():
    (block,) = blocks("toml")
    assert list(instances(tomllib.loads(block))) == ["streaming", "backoff", "tokens", "progress", "files"]


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_what_it_links_to_is_there(path):
    assert (Path(__file__).parents[2] / path).exists()


def test_the_gate_runs_its_test_command():
    gate = (Path(__file__).parents[2] / ".ci" / "run").read_text(encoding="utf-8")
    assert "uv run pytest" in README
    assert gate.rstrip().endswith("uv run pytest")
    assert "uv run seawall demo" in README
