"""Every fenced block of every page runs: here, or in the test that `NAMED` says.

Python runs against a simulator, one page in one namespace; TOML goes through the settings; each command of
shell blocks and of lines that begin with `$` is run, unless `COMMANDS` says where that is done.
"""

import ast
import importlib
import re
import shlex
import tomllib
from importlib.metadata import metadata, version

import anthropic
import pytest
from packaging.requirements import Requirement

import seawall
from files.test_content import png
from pages import ROOT, blocks, close, execute, pages, point_to
from seawall.cli import main
from seawall.registry import STANDARD, instances
from seawall.settings import Configuration
from seawall_testkit import Simulator

NAMED = [
    # page, language, what is in the block, the test that runs it
    ("docs/how-to/applications.md", "python", "", "tests/docs/test_guides.py"),
    ("docs/how-to/budgets.md", "python", "", "tests/tokens/test_page.py"),
    ("docs/how-to/configure.md", "sh", "", "tests/docs/test_configure.py"),
    ("docs/how-to/files.md", "python", "", "tests/files/test_page.py"),
    ("docs/how-to/frameworks/instructor.md", "python", "", "tests/frameworks/test_pages.py"),
    ("docs/how-to/frameworks/langchain.md", "python", "", "tests/frameworks/test_pages.py"),
    ("docs/how-to/frameworks/pydantic-ai.md", "python", "", "tests/frameworks/test_pages.py"),
    ("docs/how-to/metrics.md", "python", "", "tests/progress/test_metrics_page.py"),
    ("docs/how-to/migrate.md", "python", "", "tests/docs/test_guides.py"),
    ("docs/how-to/outages.md", "python", "", "tests/docs/test_guides.py"),
    ("docs/how-to/outages.md", "text", "", "tests/docs/test_guides.py"),
    ("docs/how-to/platforms.md", "python", "", "tests/platforms/test_page.py"),
    ("docs/how-to/redis.md", "python", "", "tests/docs/test_guides.py"),
    ("docs/how-to/save-answers.md", "python", "", "tests/files/test_page.py"),
    ("docs/how-to/watch-progress.md", "python", "", "tests/progress/test_progress_page.py"),
    ("docs/how-to/write-a-plugin.md", "python", "", "tests/docs/test_write_a_plugin.py"),
    ("docs/how-to/write-a-plugin.md", "toml", "[project]", "tests/docs/test_write_a_plugin.py"),
    ("docs/reference/cli.md", "text", "Usage: seawall", "tests/docs/test_written_pages.py"),
    ("docs/tutorial.md", "python", "", "tests/docs/test_tutorial.py"),
    ("docs/tutorial.md", "sh", "", "tests/docs/test_tutorial.py"),
    ("plugins/backoff/README.md", "text", "", "tests/docs/test_guides.py"),
    ("plugins/testkit/README.md", "python", "def test_", "tests/testkit/test_fixtures.py"),
]
"""Blocks that need more than the rest: something that goes wrong, a gateway, a process, a browser."""
COMMANDS = {
    "pip install uv": (".ci/run", "-m pip install --quiet --disable-pip-version-check uv"),
    # the file has the second text, by which it gives the command
    "uv run seawall demo": (".ci/run", "uv run seawall demo"),
    "uv run pytest": (".ci/run", "uv run pytest"),
    "seawall new-plugin my_guard": ("tests/docs/test_write_a_plugin.py", "seawall new-plugin"),
    "cd my_guard": ("tests/docs/test_write_a_plugin.py", 'f"cd {name}\\n"'),
    "pytest": ("tests/testkit/test_scaffold.py", 'run("pytest", "-q", *without, cwd=folder)'),
    "python -m build": ("tests/packaging/test_packaging.py", '"-m", "build"'),
    "seawall doctor": ("tests/docs/test_guides.py", '["doctor"]'),
    "seawall watch": ("tests/progress/test_watch.py", '"watch", "--no-browser"'),
}
NEVER = {
    "python -m twine upload dist/*": "it publishes",
}
"""Commands that no test runs, and why."""
GIVEN = {
    "README.md": {"save": print},
    "docs/reference.md": {"seawall": seawall},
}
"""What the rest of a program has, of which a page shows a part."""
PYTHON, TOML, SHELL = ("python",), ("toml",), ("sh", "console")


def named(block):
    for page, language, part, where in NAMED:
        if (page, language) == (block.page, block.language) and part in block.text:
            return where
    return None


def here(*languages):
    """The blocks that run here."""
    return [block for page in pages() for block in blocks(page, *languages) if not named(block)]


def commands(block):
    """The commands of a shell block, or of the lines of a session that begin with `$`."""
    lines = block.text.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [command.strip() for line in lines for command in line.split("&&")]


def test_every_block_is_accounted_for():
    known = {*PYTHON, *TOML, *SHELL}
    every = [block for page in pages() for block in blocks(page)]
    assert len(every) > 100
    unknown = [str(block) for block in every if not named(block) and block.language not in known]
    assert unknown == [], "nothing runs these: name their language, or a test in NAMED"
    for page in pages():
        fences = re.findall("^ *```", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(blocks(page)), f"{page}: a fence is not closed"


@pytest.mark.parametrize("entry", NAMED, ids=lambda entry: f"{entry[0]}-{entry[1]}")
def test_a_test_that_is_named_takes_the_blocks_from_the_page(entry):
    page, language, part, where = entry
    assert any(part in block.text for block in blocks(page, language)), "no such block: take it out"
    source = (ROOT / where).read_text(encoding="utf-8")
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert {page, f"{page.rpartition('/')[0]}/"} & texts, f"{where} does not name {page}"


@pytest.mark.parametrize("page", sorted({block.page for block in here(*PYTHON)}))
def test_python_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    (tmp_path / "book.txt").write_text("A line of a long book.\n\n" * 5_000)
    (tmp_path / "chart.png").write_bytes(png(300, 200))
    mine = [block for block in here(*PYTHON) if block.page == page]
    asked = {"max_tokens": 9_000, "messages": [{"role": "user", "content": "Write."}]}
    with Simulator() as simulator:
        point_to(simulator, monkeypatch)
        names = {"client": seawall.protect(anthropic.Anthropic()), **asked, **GIVEN.get(page, {})}
        execute(mine, names)
        if any("seawall.protect" in block.text for block in mine):
            names["client"].messages.create(model="claude-opus-5-5", **asked)
        close(names)


@pytest.mark.parametrize("block", here(*TOML), ids=str)
def test_settings_are_valid(block, monkeypatch):
    told = tomllib.loads(block.text)
    folder = (ROOT / block.page).parent
    if folder.parent.name == "third_party":
        # not installed here: its table is looked at by its own model
        monkeypatch.syspath_prepend(folder)
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        ((name, place),) = project["entry-points"]["seawall"].items()
        module, _, plugin = place.partition(":")
        getattr(importlib.import_module(module), plugin).Settings.model_validate(told.pop(name))
        told["plugins"].remove(name)
    instances(Configuration(told), told.get("plugins", STANDARD))


@pytest.mark.parametrize("block", here(*SHELL), ids=str)
def test_commands_run(block, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("notes", "report"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n")
    assert commands(block), "there is none"
    for command in commands(block):
        first, *rest = shlex.split(command)
        if command in COMMANDS:
            place, text = COMMANDS[command]
            assert text in (ROOT / place).read_text(encoding="utf-8"), f"{place} does not run {command!r}"
        elif command in NEVER:
            continue
        elif [first, *rest][:2] == ["pip", "install"]:
            for wanted in map(Requirement, rest[1:]):
                assert version(wanted.name)
                assert wanted.extras <= set(metadata(wanted.name).get_all("Provides-Extra", []))
        else:
            assert first == "seawall", f"{block}: no test runs {command!r}: name one in COMMANDS"
            with pytest.raises(SystemExit) as ended:
                main(rest)
            assert ended.value.code == 0


def test_no_entry_is_left_over():
    shown = {command for page in pages() for block in blocks(page, *SHELL) for command in commands(block)}
    assert set(COMMANDS) | set(NEVER) <= shown
