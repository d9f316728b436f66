"""`docs/how-to/files.md` runs as it stands, from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from files.test_content import png
from seawall_testkit import Simulator

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL))


def prepared(folder: Path) -> None:
    (folder / "project").mkdir()
    (folder / "book.txt").write_text("A line of a long book.\n\n" * 20_000)
    (folder / "chart.png").write_bytes(png(300, 200))


def test_the_page_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with Simulator() as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        exec(blocks("docs/how-to/files.md"), names)
        names["client"].close()
    names["workspace"].close()
    said = capsys.readouterr().out
    assert "['notes', 'notes/plan.md']" in said
    assert "error: '../../etc/passwd' has a name '..' that leads out of its folder" in said
    assert (tmp_path / "project" / "notes" / "report.md").read_text() == "# A BETTER PLAN\n"
    assert names["message"].content[0].text


def test_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(blocks("plugins/files/README.md"), names)
    assert (names["text"], names["tokens"]) == ("# Report\n", 88)
