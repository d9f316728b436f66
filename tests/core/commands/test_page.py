"""The tables of `docs/reference/configuration-errors.md`: written, and then checked, by this test."""

from pathlib import Path

import anthropic
import pytest

import seawall
from seawall import ConfigError

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration-errors.md"
BEGIN, END = "<!-- written by the test run: begin -->\n", "<!-- end -->\n"

FILES = {
    "no TOML": "[backoff\ncap = 3",
    "a key twice": "[backoff]\ncap = 3\ncap = 4",
    "a table that no plugin has": "[bakoff]\ncap = 3",
    "a table as in `pyproject.toml`": "[tool.seawall.backoff]\ncap = 3",
    "a setting that there is not": "[backoff]\ncaps = 3",
    "a setting outside its table": "max_attempts = 3",
    "a number out of range": "[backoff]\ncap = 0",
    "a wrong type": '[backoff]\nmax_attempts = "many"',
    "a word that is none of those allowed": '[backoff]\njitter = "some"',
    "a value where a table is expected": "backoff = 3",
    "a value where a list is expected": 'plugins = "backoff"',
    "a setting that is missing": "[[tokens.budgets]]\ndollars = 50",
    "two settings that exclude each other": '[backoff]\nmode = "off"\nfallbacks = ["claude-sonnet-5"]',
    "a plugin that is not installed": 'plugins = ["streaming", "bakoff"]',
    "a plugin twice": 'plugins = ["files", "files"]',
    "a setting for a plugin that has none": 'plugins = ["testkit"]\n[testkit]\nspeed = 1',
    "a store that there is not": 'state = "postgres"',
    "two things at once": "[backoff]\ncap = 0\ncaps = 3",
}
VARIABLES = {
    "one underscore": ("SEAWALL_BACKOFF_CAP", "3"),
    "a setting that there is not": ("SEAWALL_BACKOFF__CAPS", "3"),
    "a table that no plugin has": ("SEAWALL_BAKOFF__CAP", "3"),
    "a number out of range": ("SEAWALL_BACKOFF__CAP", "0"),
    "a list that is no JSON": ("SEAWALL_PLUGINS", "streaming,backoff"),
    "a table that is no JSON": ("SEAWALL_BACKOFF", "cap=3"),
}
GUARD = """from seawall import hookimpl

class Guard:
    @hookimpl
    def on_error(self, call, error):
        ...
"""
PLUGINS = {
    "needs a package that is not there": GUARD.replace("from seawall", "import missing\nfrom seawall", 1),
    "is written for another version of the plugin API": GUARD.replace(
        "    @", "    seawall_api = 2\n\n    @", 1
    ),
    "has a hook that there is not": GUARD.replace("on_error", "on_failure"),
    "has an argument that the hook does not give": GUARD.replace("call, error", "call, failure"),
    "has an async hook": GUARD.replace("def on", "async def on"),
    "has a hook that takes everything": GUARD.replace("call, error", "*args"),
    "has no hook": GUARD.replace("    @hookimpl\n", ""),
    "has a hook that is not marked": GUARD + "\n    def pre_request(self, call):\n        ...\n",
    "has a hook without `self`": GUARD.replace("self, call", "call"),
    "has settings that are no model": GUARD.replace("    @", "    Settings = dict\n\n    @", 1),
}


def code(text):
    """Text as code in a cell of a table, line by line."""
    lines = filter(None, text.replace("|", "\\|").splitlines())
    return "<br>".join(f"`` {line} ``" if "`" in line else f"`{line}`" for line in lines)


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def refusal(names=None):
    with anthropic.Anthropic(api_key="x") as client, pytest.raises(ConfigError) as caught:
        seawall.protect(client, plugins=names)
    return str(caught.value)


def of_files(run):
    for rule, text in FILES.items():
        Path("seawall.toml").write_text(text)
        code_, out, _ = run("config", "check", "seawall.toml")
        assert code_ == 1, rule
        yield rule, code(text), code(out)
        # a start refuses it too, with one of these messages
        told = refusal().removeprefix(f"{Path('seawall.toml').absolute()}: ")
        assert any(told.startswith(line.split(": ", 1)[1]) for line in out.splitlines()), told
    Path("seawall.toml").unlink()


def of_variables(monkeypatch):
    for rule, (variable, value) in VARIABLES.items():
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            yield rule, code(f"{variable}={value}"), code(refusal())


def of_plugins(install):
    for rule, source in PLUGINS.items():
        install(source)
        yield rule, code(refusal(["guard"]))
    install(GUARD, "other-dist")
    yield "has the name of another one", code(refusal())


def test_the_page_tells_what_a_broken_configuration_is_told(run, install, monkeypatch):
    files, variables = of_files(run), of_variables(monkeypatch)
    guard = "`guard` stands for a plugin that is enabled, `guard-dist` for its distribution."
    sections = [
        ("## In a file", table(("what is wrong", "`seawall.toml`", "`seawall config check`"), files)),
        ("## In a variable", table(("what is wrong", "variable", "message"), variables)),
        (f"## In a plugin\n\n{guard}", table(("a plugin that", "message"), of_plugins(install))),
    ]
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    written = "\n\n".join(f"{head}\n\n{rows}" for head, rows in sections)
    text = f"{before}{BEGIN}\n{written}\n\n{END}{rest.partition(END)[2]}"
    if text != page:
        PAGE.write_text(text, encoding="utf-8")
    assert text == page, f"{PAGE.name} told something else than was found; it is rewritten: commit it"
