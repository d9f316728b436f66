"""Whatever client `protect` is given, type checkers see that it returns the same kind."""

import subprocess
import sys
from pathlib import Path

import pytest

from platforms.clients import PLATFORMS

CLASSES = [f"{prefix}Anthropic{name}" for name in ("", *PLATFORMS) for prefix in ("", "Async")]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of a module that protects each kind of client, and something that is none."""
    asserted = [
        f"def protect_{name}(client: anthropic.{name}) -> None:\n"
        f"    assert_type(seawall.protect(client), anthropic.{name})\n"
        for name in CLASSES
    ]
    head = "from typing import assert_type\n\nimport anthropic\nimport seawall\n\n"
    module = tmp_path_factory.mktemp("typing") / "typed.py"
    module.write_text(head + "\n".join(asserted) + "\nseawall.protect('a client')\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(module)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=root)
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CLASSES)
def test_the_type_of_a_client_is_kept(name: str, complaints: str) -> None:
    assert f'"{name}"' not in complaints


def test_nothing_else_is_a_client(complaints: str) -> None:
    (complaint,) = complaints.splitlines()
    assert "[type-var]" in complaint
