"""The pages about budgets, many workers and the ledger say what is so, and run as they stand."""

import re
import tomllib

import anthropic

import seawall
from pages import ROOT, blocks, execute
from seawall_testkit import Simulator
from seawall_tokens import TokensSettings
from seawall_tokens.report import Report, Sums
from seawall_tokens.table import table

BUDGETS = "docs/how-to/budgets.md"
LEDGER = ROOT / "docs" / "how-to" / "ledger.md"


def test_its_examples_run_and_say_what_happened(capsys):
    (settings, _), (within_caller, when_it_ends) = blocks(BUDGETS, "toml"), blocks(BUDGETS, "python")
    settings = {**tomllib.loads(settings.text), "state": "memory"}
    names = {"messages": [{"role": "user", "content": "Write."}]}
    with (
        Simulator(answer="A line of a report. " * 10_000, tokens_per_second=20_000) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
    ):
        names["client"] = seawall.protect(bare, settings=settings, plugins=["tokens"])
        execute([within_caller], names)
        assert names["message"].usage.output_tokens == 4_000
        settings["tokens"]["budgets"] = [{"dollars": 0.05, "per": "total", "name": "page"}]
        names["client"] = seawall.protect(bare, settings=settings, plugins=["tokens"])
        execute([when_it_ends], names)
        assert names["text"].startswith("A line of a report.")
        names["messages"] = [{"role": "user", "content": "word " * 50_000}]
        execute([when_it_ends], names)
    said = capsys.readouterr().out
    assert "budget 'page' (0.05 dollars in all) is used up" in said
    assert re.search(r"page: 0\.0\d of 0\.05 dollars, until None", said)


def test_the_limits_of_many_workers_are_those_of_the_models_that_they_name():
    _, bounds = (tomllib.loads(block.text) for block in blocks("docs/how-to/many-workers.md", "toml"))
    settings = TokensSettings.model_validate(bounds["tokens"])
    assert settings.limits_of("claude-opus-5-5") == {"requests": 500, "input": 1_000_000, "output": 200_000}


def test_the_table_of_the_ledger_looks_as_the_page_shows_it():
    reports = Sums(412, 1_312_004, 7_900_000, 204_000, 2_010_000, 900_000, 12_431, 47.9)
    chat = Sums(3_104, 410_022, 0, 0, 309_871, 0, 902, 7.84)
    total = Sums(3_516, 1_722_026, 7_900_000, 204_000, 2_319_871, 900_000, 13_333, 55.74)
    report = Report("caller", (("reports", reports), ("chat", chat)), total)
    page = LEDGER.read_text(encoding="utf-8")
    assert "".join(f"{text}  {bar}".rstrip() + "\n" for text, bar in table(report)) in page


def test_the_page_of_the_ledger_names_all_that_json_has():
    page = LEDGER.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in Report("model").as_json()["totals"])
