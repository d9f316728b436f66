"""The fenced code blocks of all pages: the README, the documentation, READMEs in the site; how they run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from seawall_testkit import Simulator

ROOT = Path(__file__).parents[1]
SOURCES = ("README.md", "docs/**/*.md", "plugins/*/README.md", "tests/third_party/*/README.md")
FENCE = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block, and where it is."""

    page: str
    line: int
    """Of its fence, from 1."""
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The paths of all pages, from the root of the repository."""
    return sorted({path.relative_to(ROOT).as_posix() for source in SOURCES for path in ROOT.glob(source)})


def blocks(page: str, *languages: str) -> list[Block]:
    """The blocks of a page, of all languages where none is named."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [
        Block(page, text.count("\n", 0, fence.start()) + 1, fence[3].strip(), fence[4])
        for fence in FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def execute(python: Iterable[Block], names: dict[str, Any]) -> dict[str, Any]:
    """Run blocks in one namespace, one after the other; a traceback names the page and its line."""
    clients = names.setdefault("the clients of the page", [])
    for block in python:
        clients.append(names.get("client"))
        exec(compile("\n" * block.line + block.text, str(ROOT / block.page), "exec"), names)
    return names


def close(names: dict[str, Any]) -> None:
    """Close every client that blocks made in this namespace under the name `client`."""
    for client in [*names["the clients of the page"], names.get("client")]:
        if client is not None:
            client.close()


def point_to(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients that are made without arguments speak to a simulator, and wait hardly at all."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.setenv("SEAWALL_BACKOFF__BASE", "0.001")
