"""An empty working directory, plugins of others, and commands run in this process."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from seawall.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no variables of ours but where state is."""
    for variable in list(os.environ):
        if variable.upper().startswith(("SEAWALL_", "ANTHROPIC_")):
            monkeypatch.delenv(variable)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class _Main:
    """`main` in the shape `CliRunner` calls."""

    name = "seawall"

    def main(self, args: list[str] | None = None, **_: Any) -> None:
        main(list(args or ()))


@pytest.fixture
def run() -> Callable[..., tuple[int, str, str]]:
    """Runs a command: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(_Main(), arguments)
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Puts a plugin `guard` of `guard-dist`, with the source of its module, where Python looks for such."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    # a module that is written twice within a second would be read from its cache
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def install(source: str, distribution: str = "guard-dist") -> None:
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        sys.modules.pop("guard_mod", None)
        importlib.invalidate_caches()
        (site / "guard_mod.py").write_text(source)
        (info / "entry_points.txt").write_text("[seawall]\nguard = guard_mod:Guard\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")

    yield install
    sys.modules.pop("guard_mod", None)
