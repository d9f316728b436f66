"""The example of each page in `docs/how-to/frameworks` runs as it stands."""

import pytest

from pages import blocks, execute, pages
from seawall_testkit import Fault, Simulator

PAGES = [page for page in pages() if page.startswith("docs/how-to/frameworks/")]
DOCUMENT = {"title": "Report", "chapters": ["calm sea, light wind, all well"] * 40}


def answer(body):
    if not body.get("tools"):
        return [{"type": "text", "text": "All is well. " * 60}]
    return [{"type": "tool_use", "name": body["tools"][0]["name"], "input": DOCUMENT}]


@pytest.mark.parametrize("page", PAGES)
def test_the_example_survives_a_break(page, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEAWALL_BACKOFF__BASE", "0.001")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    names = {"__name__": "example"}
    with Simulator(answer=answer, faults=[Fault("reset", event=30)]) as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        execute(blocks(page, "python"), names)
        assert len(simulator.requests) == 2
    if "report" in names:
        assert names["report"].model_dump() == DOCUMENT
    else:
        assert capsys.readouterr().out.strip() == ("All is well. " * 60).strip()
