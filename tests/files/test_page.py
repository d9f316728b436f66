"""`docs/how-to/files.md` runs as it stands, from its first line to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from files.test_content import png
from pages import blocks, execute
from seawall_testkit import Fault, Simulator
from seawall_testkit.blocks import text

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

REPORT = " ".join(f"On day {day} the ship sailed {day * day % 97} miles, says her log." for day in range(60))


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
        execute(blocks("docs/how-to/files.md", "python"), names)
        names["client"].close()
    names["workspace"].close()
    said = capsys.readouterr().out
    assert "['notes', 'notes/plan.md']" in said
    assert "error: '../../etc/passwd' has a name '..' that leads out of its folder" in said
    assert (tmp_path / "project" / "notes" / "report.md").read_text() == "# A BETTER PLAN\n"
    assert names["message"].content[0].text


def test_the_page_about_saving_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}

    def answer(body: dict[str, Any]) -> list[dict[str, Any]]:
        return [text("Short." if "another" in str(body["messages"]) else REPORT)]

    monkeypatch.setenv("SEAWALL_BACKOFF__MAX_ATTEMPTS", "1")
    with Simulator(answer=answer, faults=[Fault("reset", byte=12_000)]) as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        execute(blocks("docs/how-to/save-answers.md", "python"), names)
        names["client"].close()
        ways = [request.way for request in simulator.requests]
    assert (tmp_path / "report.md").read_text() == REPORT
    # the first call failed on the way, the second one went on, the third is another answer
    assert ways == ["plain", "user_turn", "plain"]
    assert names["answer"].content[0].text == "Short."
