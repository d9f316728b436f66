"""The pages of settings and commands: written, and then checked, by these tests; what others have to name."""

import inspect
import json
import re
from pathlib import Path

import click
import pytest

import seawall
from seawall import hookspecs
from seawall.cli import cli
from seawall.commands.schema import schema
from seawall.fitness import model_of
from seawall.registry import FIRST_PARTY, installed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BEGIN, END = "<!-- written by the test run: begin -->\n", "<!-- end -->\n"
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "of at least {} character",
}
WORDS = {
    "boolean": "`true` or `false`",
    "integer": "a whole number",
    "null": "none",
    "number": "a number",
    "string": "a string",
}


def code(value):
    text = json.dumps(value, ensure_ascii=False)
    return "none" if value is None else f"`{text}`"


def names_of(ref):
    return ref.rpartition("/")[2]


def kind(told):
    """What a schema takes, in words."""
    if "anyOf" in told:
        kinds = [kind(one) for one in told["anyOf"]]
        return " or ".join(dict.fromkeys([*(one for one in kinds if one != "none"), "none"]))
    match told:
        case {"$ref": table}:
            return f"a table `{names_of(table)}`"
        case {"enum": values}:
            return ", ".join(map(code, values))
        case {"type": "array"}:
            said = f"a list of: {kind(told['items'])}"
        case {"type": "object"}:
            said = f"by name: {kind(told['additionalProperties'])}"
        case _:
            said = WORDS[told["type"]]
    bounds = [text.format(told[key]) for key, text in BOUNDS.items() if key in told]
    return ", ".join([said, *bounds])


def rows(properties, required=()):
    yield "| setting | takes | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, told in properties.items():
        default = "-" if name in required else code(told.get("default"))
        said = told["description"].replace("`None`", "none")
        cells = [f"`{name}`", kind(told), default, said]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def section(head, table):
    yield from ("", head, "", table.get("description", ""))
    if table["properties"]:
        yield ""
        yield from rows(table["properties"], table.get("required", ()))


def settings():
    there = installed()
    told = schema({name: model_of(there[name].load()) for name in FIRST_PARTY})
    tables = {
        name: names_of(property_["$ref"])
        for name, property_ in told["properties"].items()
        if name in FIRST_PARTY
    }
    core = {name: property_ for name, property_ in told["properties"].items() if name not in tables}
    yield from ("", "## Of the core", "", *rows(core))
    for name, model in tables.items():
        yield from section(f"## `[{name}]`", told["$defs"][model])
    for model in sorted(set(told["$defs"]) - set(tables.values())):
        yield from section(f"## A table `{model}`", told["$defs"][model])


def commands(command, name, parent=None):
    context = click.Context(command, parent, name, **command.context_settings)
    command._help_option = None  # click keeps that of who asked first, maybe without the parent's `-h`
    yield f"## `{context.command_path}`\n\n```text\n{context.get_help()}\n```"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from commands(command.get_command(context, below), below, context)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("docs/reference/settings.md", lambda: "\n".join([*settings(), "", ""])),
        ("docs/reference/cli.md", lambda: "\n" + "\n\n".join(commands(cli, "seawall")) + "\n\n"),
    ],
)
def test_the_page_says_what_the_code_does(monkeypatch, name, made):
    monkeypatch.setenv("COLUMNS", "80")
    page = ROOT / name
    told = page.read_text(encoding="utf-8")
    before, _, rest = told.partition(BEGIN)
    text = f"{before}{BEGIN}{made()}{END}{rest.partition(END)[2]}"
    if text != told:
        page.write_text(text, encoding="utf-8")
    assert text == told, f"{name} told something else than the code; it is rewritten: commit it"


def test_every_public_name_is_on_the_page_of_the_api():
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: seawall\.(\w+)$", page, re.MULTILINE)) - {"hookspecs"} == set(
        seawall.__all__
    )


def test_every_hook_is_in_the_reference_with_its_arguments():
    specified = {
        f"{name}({', '.join(inspect.signature(hook).parameters)})"
        for name, hook in vars(hookspecs).items()
        if hasattr(hook, "seawall_spec")
    }
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    table = page.partition("\n## Hooks\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+\([^)]*\))` \|", table, re.MULTILINE)) == specified
