"""What the sources of settings say, which of them wins, and what an error about them says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence  # noqa: TC003 - pydantic reads it
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from typing_extensions import TypeAliasType, TypedDict

from seawall import ConfigError
from seawall.settings import Configuration
from seawall.wording import hint
from seawall_backoff import BackoffSettings


class Limit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dollars: float
    per: str = "day"


class GuardSettings(BaseModel):
    """One setting of each kind a plugin may have."""

    model_config = ConfigDict(extra="forbid")

    note: str = ""
    words: list[str] = []
    pair: tuple[str, ...] = ()
    several: Sequence[str] = ()
    limits: list[Limit] = []
    labels: dict[str, int] = {}
    inner: Limit | None = None
    named: dict[str, Limit] = {}


class Strict(BaseModel):
    key: str


MODELS: dict[str, type[BaseModel]] = {"backoff": BackoffSettings, "guard": GuardSettings, "strict": Strict}
VALID = ", ".join(sorted(BackoffSettings.model_fields))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and no variables of ours."""
    for variable in list(os.environ):
        if variable.upper().startswith("SEAWALL_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(
    arguments: dict[str, Any] | None = None, models: dict[str, type[BaseModel]] = MODELS
) -> Configuration:
    configuration = Configuration(arguments)
    configuration.know(models)
    return configuration


def backoff(arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    return configured(arguments).table("backoff", BackoffSettings).model_dump()


def guard(arguments: dict[str, Any] | None = None) -> GuardSettings:
    table = configured(arguments).table("guard", GuardSettings)
    assert isinstance(table, GuardSettings)
    return table


# -- the order of the sources


def test_without_any_source_the_defaults_hold_and_nothing_names_plugins() -> None:
    assert backoff() == BackoffSettings().model_dump()
    assert configured().core().plugins is None


SOURCES = ["seawall.toml", "pyproject.toml", "variable", "argument"]


def say(source: str, value: int, here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any] | None:
    match source:
        case "seawall.toml":
            (here / source).write_text(f"[backoff]\nmax_attempts = {value}")
        case "pyproject.toml":
            (here / source).write_text(f"[tool.seawall.backoff]\nmax_attempts = {value}")
        case "variable":
            monkeypatch.setenv("SEAWALL_BACKOFF__MAX_ATTEMPTS", str(value))
        case _:
            return {"backoff": {"max_attempts": value}}
    return None


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_is_read(source: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert backoff(say(source, 3, here, monkeypatch))["max_attempts"] == 3


@pytest.mark.parametrize(
    ("weaker", "stronger"), [(a, b) for i, a in enumerate(SOURCES) for b in SOURCES[i + 1 :]]
)
def test_the_later_source_wins(
    weaker: str, stronger: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(weaker, 3, here, monkeypatch)
    arguments = say(stronger, 4, here, monkeypatch)
    assert backoff(arguments)["max_attempts"] == 4


def test_sources_are_merged_key_by_key_at_every_depth(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "seawall.toml").write_text('[guard]\nnote = "a"\n[guard.inner]\ndollars = 1\nper = "hour"')
    (here / "pyproject.toml").write_text("[tool.seawall.guard.inner]\ndollars = 2")
    monkeypatch.setenv("SEAWALL_GUARD__LABELS", '{"x": 1}')
    settings = guard({"guard": {"labels": {"y": 2}}})
    assert settings.note == "a"
    assert settings.inner == Limit(dollars=2, per="hour")
    assert settings.labels == {"x": 1, "y": 2}


def test_a_list_of_a_later_source_replaces_the_earlier_one(here: Path) -> None:
    (here / "seawall.toml").write_text('plugins = ["tokens", "backoff"]')
    assert Configuration({"plugins": ["files"]}).core().plugins == ["files"]


def test_files_are_found_above_the_working_directory_and_the_nearest_one_counts(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "seawall.toml").write_text("[backoff]\nmax_attempts = 3\nbase = 2.0")
    (here / "pyproject.toml").write_text("[tool.seawall.backoff]\ncap = 9.0")
    below = here / "a" / "b"
    below.mkdir(parents=True)
    (here / "a" / "seawall.toml").write_text("[backoff]\nmax_attempts = 4")
    monkeypatch.chdir(below)
    settings = backoff()
    assert (settings["max_attempts"], settings["base"], settings["cap"]) == (4, 0.5, 9.0)


def test_a_pyproject_of_another_project_says_nothing(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110")
    assert backoff() == BackoffSettings().model_dump()


def test_a_member_of_a_workspace_has_the_settings_of_the_workspace(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "pyproject.toml").write_text("[tool.seawall.backoff]\ncap = 9.0")
    member = here / "member"
    member.mkdir()
    (member / "pyproject.toml").write_text("[project]\nname = 'member'\n[tool.ruff]\nline-length = 110")
    monkeypatch.chdir(member)
    assert backoff()["cap"] == 9.0
    (member / "pyproject.toml").write_text("[tool.seawall.backoff]\nbase = 2.0")
    assert (backoff()["base"], backoff()["cap"]) == (2.0, BackoffSettings().cap)


def test_a_byte_order_mark_before_the_file_is_skipped(here: Path) -> None:
    (here / "seawall.toml").write_bytes(b"\xef\xbb\xbf[backoff]\nmax_attempts = 3")
    assert backoff()["max_attempts"] == 3


def test_a_folder_of_the_name_is_no_file(here: Path) -> None:
    (here / "seawall.toml").mkdir()
    assert backoff() == BackoffSettings().model_dump()


def in_a_process(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the working directory of a process")
def test_a_deleted_working_directory_holds_no_files(tmp_path: Path) -> None:
    script = """
import os
from seawall.settings import Configuration
os.rmdir(os.getcwd())
print(Configuration().tables)
"""
    gone = tmp_path / "gone"
    gone.mkdir()
    assert in_a_process(script, gone) == "{}"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_folder_above_that_may_not_be_entered_holds_no_files(tmp_path: Path) -> None:
    script = """
import os
from seawall.settings import Configuration
os.chdir("inner")
os.chmod("..", 0o000)
if os.geteuid() == 0:
    os.seteuid(65534)  # root may enter everything
print(Configuration().tables)
"""
    (tmp_path / "inner").mkdir()
    try:
        assert in_a_process(script, tmp_path) == "{}"
    finally:
        tmp_path.chmod(0o700)


# -- variables


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SEAWALL_GUARD__NOTE", "a", GuardSettings(note="a")),
        ("SEAWALL_GUARD__NOTE", "[a-z]+", GuardSettings(note="[a-z]+")),
        ("SEAWALL_GUARD__NOTE", "3", GuardSettings(note="3")),
        ("seawall_guard__note", "a", GuardSettings(note="a")),
        ("SEAWALL_GUARD__WORDS", '["a", "b"]', GuardSettings(words=["a", "b"])),
        ("SEAWALL_GUARD__LIMITS", '[{"dollars": 2}]', GuardSettings(limits=[Limit(dollars=2)])),
        ("SEAWALL_GUARD__LABELS", '{"x": 1}', GuardSettings(labels={"x": 1})),
        ("SEAWALL_GUARD__INNER__DOLLARS", "2.5", GuardSettings(inner=Limit(dollars=2.5))),
        ("SEAWALL_GUARD", '{"note": "a", "words": ["b"]}', GuardSettings(note="a", words=["b"])),
        ("SEAWALL_GUARD__NOTE", "", GuardSettings()),
        ("SEAWALL_GUARD", "", GuardSettings()),
        ("SEAWALL_GUARD", "null", GuardSettings()),
    ],
)
def test_a_variable_is_read_in_the_type_of_its_setting(
    variable: str, value: str, expected: GuardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert guard() == expected


def test_a_nested_variable_wins_over_the_one_for_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_GUARD__NOTE", "b")
    monkeypatch.setenv("SEAWALL_GUARD", '{"note": "a", "words": ["x"]}')
    assert (guard().note, guard().words) == ("b", ["x"])


def test_an_empty_variable_leaves_the_file_as_it_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "seawall.toml").write_text('plugins = ["backoff"]\n[guard]\nnote = "a"')
    monkeypatch.setenv("SEAWALL_PLUGINS", "")
    monkeypatch.setenv("SEAWALL_GUARD__NOTE", "")
    assert guard().note == "a"
    assert Configuration().core().plugins == ["backoff"]


@pytest.mark.parametrize("name", ["schema", "copy", "model_config", "_guard", "MyGuard", "table_0"])
def test_a_plugin_may_have_any_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SEAWALL_{name.upper()}__NOTE", "a")
    configuration = configured(None, {name: GuardSettings})
    configuration.check_names([name])
    assert configuration.table(name, GuardSettings) == GuardSettings(note="a")


@pytest.mark.parametrize(
    "variable", ["SEAWALL_HOME", "SEAWALL_", "SEAWALL_LOG_LEVEL", "SEA_WALL__X", "SEAWALLX"]
)
def test_a_variable_of_somebody_else_is_left_alone(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    configured().check_names(MODELS)


# -- errors


def read_everything(arguments: Any) -> None:
    configuration = configured(arguments)
    configuration.check_names(MODELS)
    configuration.core()
    for name, model in MODELS.items():
        if name != "strict" or name in configuration.tables:
            configuration.table(name, model)


def message_of(arguments: Any = None) -> str:
    """The message of the error for what is configured, however it comes about."""
    with pytest.raises(ConfigError) as caught:
        read_everything(arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


LONG = "9" * 5000
NO_INTEGER = "input should be a valid integer"
TABLE_AS_JSON = 'a table is expected, as JSON: {"key": 1}'
LIST_AS_JSON = 'a list is expected, as JSON: ["a", "b"]'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[backoff]\nmax_attempt = 3", "unknown setting 'backoff.max_attempt'; did you mean 'max_attempts'?"),
        (
            "[backoff]\nqqq = 3",
            f"unknown setting 'backoff.qqq'; valid here: {VALID}",
        ),
        ("[backof]\nbase = 3", "unknown setting 'backof'; did you mean 'backoff'?"),
        ("[Backoff]\nbase = 3", "unknown setting 'Backoff'; did you mean 'backoff'?"),
        ("qqq = 3", "unknown setting 'qqq'; valid here: backoff, guard, plugins, state, state_dir, strict"),
        ("plugin = []", "unknown setting 'plugin'; did you mean 'plugins'?"),
        ('"backoff.base" = 3', "unknown setting 'backoff.base'; did you mean 'backoff'?"),
        ("[backoff]\nmax_attempts = 0", "backoff.max_attempts = 0: input should be greater than 0"),
        (
            '[backoff]\nmax_attempts = "many"',
            f"backoff.max_attempts = 'many': {NO_INTEGER}, unable to parse string as an integer",
        ),
        (
            "[backoff]\nmax_attempts = 2.5",
            f"backoff.max_attempts = 2.5: {NO_INTEGER}, got a number with a fractional part",
        ),
        (
            "[backoff]\nmax_attempts = {x = 1}",
            "backoff.max_attempts = {'x': 1}: input should be a valid integer",
        ),
        ("[backoff]\nbase = inf", "backoff.base = inf: input should be a finite number"),
        ("[backoff]\nbase = nan", "backoff.base = nan: input should be a finite number"),
        ("[backoff]\ncap = -1", "backoff.cap = -1: input should be greater than 0"),
        (
            f"[backoff]\nbase = 0x{'f' * 5000}",
            "backoff.base = a number too long to be shown: input should be a valid number",
        ),
        ("backoff = 3", "backoff = 3: a table is expected"),
        ("backoff = ''", "backoff = '': a table is expected"),
        ("[[backoff]]\nbase = 1.0", "backoff = [{'base': 1.0}]: a table is expected"),
        ("plugins = 'backoff'", "plugins = 'backoff': a list is expected"),
        ("plugins = 3", "plugins = 3: a list is expected"),
        ("[plugins]\nx = 1", "plugins = {'x': 1}: a list is expected"),
        ("plugins = [1]", "plugins.0 = 1: input should be a valid string"),
        (
            f"plugins = ['{'x' * 500}', 1]",
            "plugins.1 = 1: input should be a valid string",
        ),
        (f"plugins = '{'x' * 500}'", f"plugins = '{'x' * 78}…: a list is expected"),
        ("[guard]\nlabels = 3", "guard.labels = 3: a table is expected"),
        ("[guard]\nwords = 'a'", "guard.words = 'a': a list is expected"),
        ("[guard]\npair = 'a'", "guard.pair = 'a': a list is expected"),
        ("[guard]\nseveral = 'a'", "guard.several = 'a': a list is expected"),
        ("[guard.several]\nx = 1", "guard.several = {'x': 1}: a list is expected"),
        (
            "state = ['redis://me:hunter2@host']",
            "state = ['redis://***@host']: input should be a valid string",
        ),
        ("[guard]\ninner = 3", "guard.inner = 3: a table is expected"),
        ("[[guard.limits]]\ndolars = 3", "unknown setting 'guard.limits.0.dolars'; did you mean 'dollars'?"),
        ("[[guard.limits]]\nper = 'day'", "guard.limits.0.dollars is missing; it has no default"),
        (
            "[[guard.limits]]\ndollars = 1\npr = 'day'",
            "unknown setting 'guard.limits.0.pr'; did you mean 'per'?",
        ),
        ("[guard.inner]\ndollars = 1\npr = 'day'", "unknown setting 'guard.inner.pr'; did you mean 'per'?"),
        ("[guard.named.a]\ndolars = 1", "unknown setting 'guard.named.a.dolars'; did you mean 'dollars'?"),
        ("[strict]\nother = 3", "strict.key is missing; it has no default"),
        (
            "[tool.seawall.backoff]\nbase = 1",
            "unknown setting 'tool'; here it is [backoff], not [tool.seawall.backoff]",
        ),
        (
            "[seawall.backoff]\nbase = 1",
            "unknown setting 'seawall'; here it is [backoff], not [seawall.backoff]",
        ),
    ],
)
def test_an_error_in_seawall_toml_names_file_key_value_and_what_is_valid(
    text: str, expected: str, here: Path
) -> None:
    (here / "seawall.toml").write_text(text)
    assert message_of() == f"{here / 'seawall.toml'}: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tool = 1", ": tool = 1: a table is expected"),
        ("[[tool]]\nseawall = 1", ": tool = [{'seawall': 1}]: a table is expected"),
        ("tool.seawall = 1", ": tool.seawall = 1: a table is expected"),
        (
            "[seawall.backoff]\nbase = 1",
            ": the table [seawall] is read by nobody; in pyproject.toml it is [tool.seawall]",
        ),
        ("[[tool.seawall]]\nx = 1", ": tool.seawall = [{'x': 1}]: a table is expected"),
        ("tool.seawall.backoff = 3", " [tool.seawall]: backoff = 3: a table is expected"),
        (
            "[tool.seawall.backoff]\nbse = 1",
            " [tool.seawall]: unknown setting 'backoff.bse'; did you mean 'base'?",
        ),
    ],
)
def test_an_error_in_pyproject_names_the_file_and_its_table(text: str, expected: str, here: Path) -> None:
    (here / "pyproject.toml").write_text(text)
    assert message_of() == f"{here / 'pyproject.toml'}{expected}"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SEAWALL_BACKOFF", "garbage", f"backoff = 'garbage': {TABLE_AS_JSON}"),
        ("SEAWALL_BACKOFF", "{'base': 1}", f"backoff = \"{{'base': 1}}\": {TABLE_AS_JSON}"),
        ("SEAWALL_BACKOFF", "[1]", f"backoff = [1]: {TABLE_AS_JSON}"),
        ("SEAWALL_BACKOFF", "3", f"backoff = 3: {TABLE_AS_JSON}"),
        ("SEAWALL_BACKOFF", '{"bse": 1}', "unknown setting 'backoff.bse'; did you mean 'base'?"),
        ("SEAWALL_BACKOFF", '{"cap": 0}', "backoff.cap = 0: input should be greater than 0"),
        ("SEAWALL_BACKOFF__BSE", "1", "unknown setting 'backoff.bse'; did you mean 'base'?"),
        ("SEAWALL_BACKOFF__CAP", "0", "backoff.cap = '0': input should be greater than 0"),
        ("seawall_backoff__cap", "0", "backoff.cap = '0': input should be greater than 0"),
        (
            "SEAWALL_BACKOFF__CAP",
            "x",
            "backoff.cap = 'x': input should be a valid number, unable to parse string as a number",
        ),
        ("SEAWALL_BACKOFF__CAP__X", "1", "backoff.cap = {'x': '1'}: input should be a valid number"),
        (
            "SEAWALL_BACKOFF__",
            "1",
            f"unknown setting 'backoff.'; valid here: {VALID}",
        ),
        (
            "SEAWALL_BACKOFF_MAX_ATTEMPTS",
            "3",
            "unknown setting 'backoff_max_attempts'; did you mean 'SEAWALL_BACKOFF__MAX_ATTEMPTS'?",
        ),
        ("SEAWALL_BAKOFF__CAP", "3", "unknown setting 'bakoff'; did you mean 'backoff'?"),
        ("SEAWALL_BACKOF", "3", "unknown setting 'backof'; did you mean 'backoff'?"),
        (
            "SEAWALL_QQQ__CAP",
            "3",
            "unknown setting 'qqq'; valid here: backoff, guard, plugins, state, state_dir, strict",
        ),
        (
            "SEAWALL___CAP",
            "3",
            "unknown setting ''; valid here: backoff, guard, plugins, state, state_dir, strict",
        ),
        ("SEAWALL_PLUGIN", "[]", "unknown setting 'plugin'; did you mean 'plugins'?"),
        ("SEAWALL_STATE_DIRS", "x", "unknown setting 'state_dirs'; did you mean 'state_dir'?"),
        ("SEAWALL_PLUGINS", "backoff,tokens", f"plugins = 'backoff,tokens': {LIST_AS_JSON}"),
        ("SEAWALL_PLUGINS", '["backoff"', f"plugins = '[\"backoff\"': {LIST_AS_JSON}"),
        ("SEAWALL_PLUGINS", "3", f"plugins = 3: {LIST_AS_JSON}"),
        ("SEAWALL_PLUGINS__X", "3", f"plugins = {{'x': '3'}}: {LIST_AS_JSON}"),
        (
            "SEAWALL_GUARD__LABELS__X",
            "y",
            "guard.labels.x = 'y': input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_an_error_in_a_variable_names_the_variable_that_is_set(
    variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    # Windows writes all names of variables so
    named = variable.upper() if os.name == "nt" else variable
    assert message_of() == f"variable {named}: {expected}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SEAWALL_GUARD__WORDS", "garbage"),
        ("SEAWALL_GUARD__LIMITS", "[{"),
        ("SEAWALL_GUARD__LABELS", "x=1"),
        ("SEAWALL_GUARD__WORDS", "[" * 5000),
        ("SEAWALL_GUARD__WORDS", f"[{LONG}]"),
    ],
    ids=["no JSON", "JSON cut off", "no table", "nested too deep", "number too long"],
)
def test_what_is_no_json_where_json_is_needed_names_variable_and_value(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:79]}…"
    assert message_of() == f"variable {variable} = {shown}: a list or a table is expected, as JSON"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([1], "settings = [1]: a table is expected"),
        ("backoff", "settings = 'backoff': a table is expected"),
        (0, "settings = 0: a table is expected"),
        ({3: {}}, "key 3: keys should be strings"),
        ({"backoff": {3: 0}}, "backoff.3 = 3: keys should be strings"),
        ({"backoff": None}, "backoff = None: a table is expected"),
        ({"backoff": {"cap": 0}}, "backoff.cap = 0: input should be greater than 0"),
        ({"bakoff": {}}, "unknown setting 'bakoff'; did you mean 'backoff'?"),
        ({"plugins": ["a", 3]}, "plugins.1 = 3: input should be a valid string"),
    ],
)
def test_an_error_in_the_arguments_says_that_they_were_given_to_protect(
    arguments: Any, expected: str
) -> None:
    assert message_of(arguments) == f"settings given to protect(): {expected}"


def test_a_setting_that_is_missing_everywhere_is_no_matter_of_any_file() -> None:
    with pytest.raises(ConfigError, match=r"^configuration: strict\.key is missing; it has no default$"):
        configured().table("strict", Strict)


def test_the_error_names_the_source_that_won(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "seawall.toml").write_text("[backoff]\ncap = 1.0")
    monkeypatch.setenv("SEAWALL_BACKOFF__CAP", "-1")
    assert message_of().startswith("variable SEAWALL_BACKOFF__CAP: ")
    assert message_of({"backoff": {"cap": -2}}).startswith("settings given to protect(): ")


def test_the_error_names_the_source_of_the_key_and_not_of_its_table(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "seawall.toml").write_text("[backoff]\ncap = 0")
    monkeypatch.setenv("SEAWALL_BACKOFF__BASE", "1")
    assert message_of() == f"{here / 'seawall.toml'}: backoff.cap = 0: input should be greater than 0"


def test_of_several_variables_the_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_BACKOFF__BASE", "0")
    monkeypatch.setenv("SEAWALL_BACKOFF__CAP", "1")
    monkeypatch.setenv("SEAWALL_GUARD__NOTE", "a")
    assert message_of().startswith("variable SEAWALL_BACKOFF__BASE: backoff.base = '0': ")


def test_a_key_that_is_missing_is_looked_for_in_the_table_that_was_said_last(here: Path) -> None:
    (here / "seawall.toml").write_text("[guard]\ninner = 3")
    expected = "settings given to protect(): guard.inner.dollars is missing; it has no default"
    assert message_of({"guard": {"inner": {"per": "hour"}}}) == expected


def test_a_wrong_value_that_a_later_source_replaces_is_no_error(here: Path) -> None:
    (here / "seawall.toml").write_text("[backoff]\ncap = 0")
    assert backoff({"backoff": {"cap": 2.0}})["cap"] == 2.0


def test_a_file_that_is_no_utf_8_names_the_file_and_the_byte(here: Path) -> None:
    (here / "seawall.toml").write_bytes(b'note = "\xff"')
    assert message_of() == (
        f"{here / 'seawall.toml'}: cannot be read as TOML: 'utf-8' codec can't decode byte 0xff in "
        "position 8: invalid start byte"
    )


@pytest.mark.parametrize("name", ["seawall.toml", "pyproject.toml"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[backoff", "Expected ']'"),
        ("a = 1\na = 2", "Cannot overwrite a value"),
        ("\0", "Invalid statement (at line 1, column 1)"),
        (f"a = {LONG}", "Exceeds the limit (4300 digits)"),
        ("a = " + "[" * 5000, "maximum recursion depth exceeded"),
    ],
    ids=["table left open", "key twice", "no text", "number too long", "nested too deep"],
)
def test_what_is_no_toml_names_the_file_and_the_reason(name: str, text: str, why: str, here: Path) -> None:
    (here / name).write_text(text)
    assert message_of().startswith(f"{here / name}: cannot be read as TOML: {why}")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file nobody can read, root neither")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that opens and cannot be read")
def test_a_file_that_cannot_be_read_names_the_file_and_the_reason(here: Path) -> None:
    (here / "seawall.toml").symlink_to("/proc/self/mem")
    assert message_of() == f"{here / 'seawall.toml'}: cannot be read: Input/output error"


def test_a_hint_gives_the_nearest_name_or_else_all_of_them_once() -> None:
    assert hint("basee", ["cap", "base"]) == "; did you mean 'base'?"
    assert hint("qqq", ["cap", "base", "cap"]) == "; valid here: base, cap"
    assert hint("qqq", []) == "; nothing can be set here"


def test_a_setting_of_a_validator_of_its_own_says_what_it_said(here: Path) -> None:
    class Even(BaseModel):
        number: int = Field(multiple_of=2)

    (here / "seawall.toml").write_text("[even]\nnumber = 3")
    with pytest.raises(
        ConfigError, match=r"seawall\.toml: even\.number = 3: input should be a multiple of 2$"
    ):
        Configuration().table("even", Even)


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: SecretStr = Field(SecretStr("k" * 9), min_length=9)
    keys: dict[str, SecretStr | None] = {}
    more: list[Login] = []
    name: str = ""

    @model_validator(mode="after")
    def _check(self) -> Login:
        if self.name == "nobody":
            raise ValueError("nobody may log in")
        return self


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"key": "hunter2"}, "login.key = ***: value should have at least 9 items after validation, not 7"),
        ({"key": ["hunter2"]}, "login.key = ***: input should be a valid string"),
        ({"keys": "hunter2"}, "login.keys = ***: a table is expected"),
        ({"keys": {"a": ["hunter2"]}}, "login.keys.a = ***: input should be a valid string"),
        ({"more": [{"keys": ["hunter2"]}]}, "login.more.0.keys = ***: a table is expected"),
        ({"more": "hunter2"}, "login.more = ***: a list is expected"),
        ({"key": "hunter2hunter2", "name": "nobody"}, "login = ***: value error, nobody may log in"),
        ("hunter2", "login = ***: a table is expected"),
        ({"name": 3}, "login.name = 3: input should be a valid string"),
    ],
)
def test_an_error_tells_no_value_that_may_hold_a_secret(said: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Configuration({"login": said}).table("login", Login)
    assert str(caught.value) == f"settings given to protect(): {expected}"


class ToFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["file"] = "file"
    token: str = ""
    path: str


class ToNet(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["net"] = "net"
    token: SecretStr = Field(SecretStr("k" * 9), min_length=9)
    url: str = ""


@dataclass
class Account:
    password: SecretStr
    number: int = 0


class Pair(TypedDict):
    password: SecretStr


Password = NewType("Password", SecretStr)
Hidden = TypeAliasType("Hidden", SecretStr)


class Sinks(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sink: Annotated[ToFile | ToNet, Field(discriminator="kind")] | None = None
    sinks: list[ToFile | ToNet] = []
    level: int | Literal["auto"] = "auto"
    account: Account | None = None
    pair: Pair | None = None
    password: Password | None = None
    hidden: Hidden | None = None


SHORT = "value should have at least 9 items after validation, not 7"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"sink": {"kind": "file", "path": 3}}, "sinks.sink.path = 3: input should be a valid string"),
        ({"sink": {"kind": "file"}}, "sinks.sink.path is missing; it has no default"),
        (
            {"sink": {"kind": "net", "adress": ""}},
            "unknown setting 'sinks.sink.adress'; valid here: kind, token, url",
        ),
        (
            {"sink": {"kind": "net", "tokens": ""}},
            "unknown setting 'sinks.sink.tokens'; did you mean 'token'?",
        ),
        ({"sinks": [{"path": "x", "url": ""}]}, "unknown setting 'sinks.sinks.0.url'; valid here: kind"),
        ({"level": "high"}, "sinks.level = 'high': input should be a valid integer"),
        ({"sink": {"kind": "net", "token": "hunter2"}}, f"sinks.sink.token = ***: {SHORT}"),
        (
            {"sinks": [{"kind": "net", "token": "hunter2"}]},
            "sinks.sinks.0.kind = 'net': input should be 'file'",
        ),
        (
            {"account": {"password": ["hunter2"]}},
            "sinks.account.password = ***: input should be a valid string",
        ),
        ({"account": "hunter2"}, "sinks.account = ***: input should be a dictionary"),
        ({"account": {"password": "hunter2", "number": "x"}}, "sinks.account.number = 'x': input should be"),
        ({"pair": {"password": ["hunter2"]}}, "sinks.pair.password = ***: input should be a valid string"),
        ({"password": ["hunter2"]}, "sinks.password = ***: input should be a valid string"),
        ({"hidden": ["hunter2"]}, "sinks.hidden = ***: input should be a valid string"),
    ],
)
def test_an_error_in_one_of_several_kinds_of_table_names_what_the_file_has_and_no_secret(
    said: Any, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Configuration({"sinks": said}).table("sinks", Sinks)
    assert str(caught.value).startswith(f"settings given to protect(): {expected}")


def test_names_of_types_that_cannot_be_found_hide_their_values() -> None:
    def model() -> type[BaseModel]:
        """Whose dataclass has types with names of this function."""
        own = str

        @dataclass
        class Local:
            word: own  # type: ignore[valid-type]

        class Table(BaseModel):
            local: Local

        Table.model_rebuild()
        return Table

    with pytest.raises(ConfigError, match=r"t\.local\.word = \*\*\*: input should be a valid string"):
        Configuration({"t": {"local": {"word": 3}}}).table("t", model())


@pytest.mark.parametrize("variable", ["SEAWALL_LOGIN__KEYS", "SEAWALL_LOGIN__MORE"])
def test_a_secret_in_what_should_be_json_is_not_told(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, '{"a": "hunter2"')
    with pytest.raises(ConfigError) as caught:
        configured(None, {"Login": Login})
    assert str(caught.value) == f"variable {variable} = ***: a list or a table is expected, as JSON"


class Odd(BaseModel):
    number: int = 0

    @field_validator("number")
    @classmethod
    def _check(cls, number: int) -> int:
        return {1: 1}[number]


def test_a_validator_that_raises_what_it_should_not_is_told_with_its_model() -> None:
    with pytest.raises(ConfigError) as caught:
        Configuration({"odd": {"number": 2}}).table("odd", Odd)
    assert str(caught.value) == (
        f"settings given to protect(): odd = {{'number': 2}}: {__name__}.Odd raises KeyError: 2; "
        "its plugin has to be mended"
    )


def test_a_model_that_is_not_whole_is_told() -> None:
    class Half(BaseModel):
        path: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="Half raises PydanticUserError: `Half` is not fully defined"):
        Configuration().table("half", Half)
