"""What the README says is so."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_it_links_to_is_there(path):
    assert (Path(__file__).parents[2] / path).exists()


def test_the_gate_runs_its_test_command():
    gate = (Path(__file__).parents[2] / ".ci" / "run").read_text(encoding="utf-8")
    assert "uv run pytest" in README
    assert gate.rstrip().endswith("uv run pytest")
    assert "uv run seawall demo" in README
