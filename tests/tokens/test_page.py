"""The pages about budgets, many workers and the ledger say what is so, and run as they stand."""

import re
import tomllib
from pathlib import Path

import anthropic

import seawall
from seawall_testkit import Simulator
from seawall_tokens import TokensSettings
from seawall_tokens.report import Report, Sums
from seawall_tokens.table import table

GUIDES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(language, page="budgets"):
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_its_settings_are_valid():
    tables = [TokensSettings.model_validate(tomllib.loads(block)["tokens"]) for block in blocks("toml")]
    assert [budget.per for budget in tables[0].budgets] == ["day", "call", "hour"]
    assert tables[1].prices["my-deployment"].output == 20


def test_its_examples_run_and_say_what_happened(capsys):
    (settings, _), (within_caller, when_it_ends) = blocks("toml"), blocks("python")
    settings = {**tomllib.loads(settings), "state": "memory"}
    names = {"messages": [{"role": "user", "content": "Write."}]}
    with (
        Simulator(answer="A line of a report. " * 10_000, tokens_per_second=20_000) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
    ):
        names["client"] = seawall.protect(bare, settings=settings, plugins=["tokens"])
        exec(within_caller, names)
        assert names["message"].usage.output_tokens == 4_000
        settings["tokens"]["budgets"] = [{"dollars": 0.05, "per": "total", "name": "page"}]
        names["client"] = seawall.protect(bare, settings=settings, plugins=["tokens"])
        exec(when_it_ends, names)
        assert names["text"].startswith("A line of a report.")
        names["messages"] = [{"role": "user", "content": "word " * 50_000}]
        exec(when_it_ends, names)
    said = capsys.readouterr().out
    assert "budget 'page' (0.05 dollars in all) is used up" in said
    assert re.search(r"page: 0\.0\d of 0\.05 dollars, until None", said)


def test_the_settings_for_many_workers_are_valid():
    redis, bounds = map(tomllib.loads, blocks("toml", "many-workers"))
    assert redis["state"].startswith("redis://")
    settings = TokensSettings.model_validate(bounds["tokens"])
    assert settings.limits_of("claude-opus-5-5") == {"requests": 500, "input": 1_000_000, "output": 200_000}


def test_the_example_for_many_workers_runs(monkeypatch):
    (example,) = blocks("python", "many-workers")
    with Simulator() as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        names = {}
        exec(example, names)
    assert names["message"].stop_reason == "end_turn"


def test_the_table_of_the_ledger_looks_as_the_page_shows_it():
    reports = Sums(412, 1_312_004, 7_900_000, 204_000, 2_010_000, 900_000, 12_431, 47.9)
    chat = Sums(3_104, 410_022, 0, 0, 309_871, 0, 902, 7.84)
    total = Sums(3_516, 1_722_026, 7_900_000, 204_000, 2_319_871, 900_000, 13_333, 55.74)
    report = Report("caller", (("reports", reports), ("chat", chat)), total)
    page = (GUIDES / "ledger.md").read_text(encoding="utf-8")
    assert "".join(f"{text}  {bar}".rstrip() + "\n" for text, bar in table(report)) in page


def test_the_page_of_the_ledger_names_all_that_json_has():
    page = (GUIDES / "ledger.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in Report("model").as_json()["totals"])
