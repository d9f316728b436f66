"""`seawall config`: what holds and who said so, what is wrong and where, what can be said."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from seawall.commands.show import effective
from seawall_backoff import BackoffSettings

GUARD = """
from pydantic import BaseModel, SecretStr
from seawall import hookimpl

class GuardSettings(BaseModel, extra="forbid"):
    key: SecretStr = SecretStr("hunter2")
    '''What it logs in with.'''
    note: str = "none"

class Guard:
    Settings = GuardSettings
    def __init__(self, settings):
        pass
    @hookimpl
    def on_error(self, call, error):
        pass
"""

KINDS = """
from typing import Literal
from pydantic import BaseModel, Field
from seawall import hookimpl

class ToFile(BaseModel, extra="forbid"):
    kind: Literal["file"]

class ToNet(BaseModel, extra="forbid"):
    kind: Literal["net"]
    port: int

class GuardSettings(BaseModel, extra="forbid"):
    to: ToFile | ToNet = Field(discriminator="kind")

class Guard:
    Settings = GuardSettings
    def __init__(self, settings):
        pass
    @hookimpl
    def on_error(self, call, error):
        pass
"""


def shown(out):
    """What `config show` says, by setting: the value and who said it."""
    lines = [line.split("  ") for line in out.splitlines()]
    cells = [[cell.strip() for cell in line if cell] for line in lines]
    return {name: (value, said_by) for name, value, said_by in cells}


# -- show


def test_show_tells_for_each_setting_what_holds_and_who_said_so(here, run, monkeypatch):
    (here / "seawall.toml").write_text(
        'plugins = ["backoff", "tokens"]\n\n[backoff]\ncap = 3\nbase = 1\n'
        '[[tokens.budgets]]\ndollars = 5\nper = "day"\n'
    )
    (here / "pyproject.toml").write_text("[tool.other]\nx = 1\n[tool.seawall.backoff]\nbase = 2.0\n")
    monkeypatch.setenv("SEAWALL_BACKOFF__MAX_ATTEMPTS", "7")
    code, out, err = run("config", "show")
    found = shown(out)
    assert (code, err) == (0, "")
    assert found["plugins"] == ('["backoff", "tokens"]', f"{here / 'seawall.toml'}:1")
    assert found["backoff.cap"] == ("3.0", f"{here / 'seawall.toml'}:4")
    assert found["backoff.base"] == ("2.0", f"{here / 'pyproject.toml'}:4")
    assert found["backoff.max_attempts"] == ("7", "variable SEAWALL_BACKOFF__MAX_ATTEMPTS")
    assert found["backoff.jitter"] == ('"full"', "default")
    assert found["tokens.max_wait"] == ("none", "default")
    assert found["tokens.budgets"][1] == f"{here / 'seawall.toml'}:6"
    assert '"dollars": 5.0' in found["tokens.budgets"][0]
    assert {name.partition(".")[0] for name in found} == {
        "plugins",
        "state",
        "state_dir",
        "backoff",
        "tokens",
    }


def test_what_was_given_to_protect_is_told_by_the_function_behind_it():
    found = {setting.name: setting for setting in effective({"backoff": {"cap": 4}})}
    assert found["backoff.cap"] == ("backoff.cap", "4.0", "settings given to protect()")


def test_show_takes_the_beginning_of_names(run):
    names = shown(run("config", "show", "backoff.")[1])
    assert list(names) == [f"backoff.{name}" for name in BackoffSettings.model_fields]
    code, _, err = run("config", "show", "bakoff")
    assert code == 2
    assert "no setting of what runs begins with 'bakoff'" in err


def test_show_tells_no_password_and_no_secret(here, run, install):
    install(GUARD)
    (here / "seawall.toml").write_text('plugins = ["guard"]\nstate = "redis://me:hunter2@host:1/0"')
    _, out, _ = run("config", "show")
    assert "hunter2" not in out
    assert shown(out)["state"][0] == '"redis://***@host:1/0"'


def test_show_tells_settings_by_the_names_that_people_write(here, run, install):
    install(
        GUARD.replace('note: str = "none"', 'note: str = Field("none", alias="the-note")').replace(
            "import BaseModel", "import BaseModel, Field"
        )
    )
    (here / "seawall.toml").write_text('plugins = ["guard"]\n[guard]\nthe-note = "a"')
    found = shown(run("config", "show", "guard.")[1])
    assert found["guard.the-note"] == ('"a"', f"{here / 'seawall.toml'}:3")
    (here / "seawall.toml").write_text('plugins = ["guard"]\n[guard]\nnote = "a"')
    assert run("config", "show")[2].endswith("unknown setting 'guard.note'; did you mean 'the-note'?\n")


def test_show_refuses_what_a_start_would_refuse(here, run):
    (here / "seawall.toml").write_text("[bakoff]")
    assert run("config", "show") == (
        2,
        "",
        f"seawall: {here / 'seawall.toml'}: unknown setting 'bakoff'; did you mean 'backoff'?\n",
    )


# -- check


def test_check_without_files_looks_at_those_that_hold(here, run, monkeypatch):
    (here / "seawall.toml").write_text("[backoff]\ncap = 0")
    (here / "pyproject.toml").write_text('[project]\nname = "x"')
    below = here / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    said = f"{here / 'seawall.toml'}:2:1: backoff.cap = 0: input should be greater than 0\n"
    assert run("config", "check") == (1, said, "")
    (here / "seawall.toml").write_text("[backoff]\ncap = 1")
    fine = f"nothing is wrong in {here / 'seawall.toml'}, {here / 'pyproject.toml'}\n"
    assert run("config", "check") == (0, fine, "")


def test_check_without_any_file_says_so(run):
    assert run("config", "check") == (0, "nothing is wrong in the defaults: there is no file\n", "")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SEAWALL_BACKOFF__CAP", "0", "backoff.cap = '0': input should be greater than 0"),
        (
            "SEAWALL_STATE",
            "redys://x",
            'state = \'redys://x\': "memory", "sqlite" or "redis://host:port/number"',
        ),
        ("SEAWALL_PLUGINS", '["guard"]', "plugins: no plugin 'guard' is installed"),
    ],
)
def test_check_without_files_looks_at_the_variables_too(variable, value, said, run, monkeypatch):
    monkeypatch.setenv(variable, value)
    code, out, _ = run("config", "check")
    assert code == 1
    assert out.startswith(f"variable {variable}: {said}")


NEEDS = GUARD.replace('key: SecretStr = SecretStr("hunter2")', "key: SecretStr")


def test_what_a_variable_or_the_other_file_says_is_not_missing_in_a_file_that_holds(
    here, run, install, monkeypatch
):
    install(NEEDS)
    (here / "seawall.toml").write_text('plugins = ["guard"]')
    missing = f"{here / 'seawall.toml'}:1:1: guard.key is missing; it has no default\n"
    assert run("config", "check") == (1, missing, "")
    with monkeypatch.context() as patch:
        patch.setenv("SEAWALL_GUARD__KEY", "hunter2")
        assert run("config", "check")[0] == 0
        assert run("config", "check", "seawall.toml")[0] == 1
    (here / "pyproject.toml").write_text('[tool.seawall.guard]\nkey = "hunter2"')
    assert run("config", "check")[0] == 0


def test_check_of_a_file_that_is_named_says_nothing_of_the_variables(here, run, monkeypatch):
    monkeypatch.setenv("SEAWALL_BACKOFF__CAP", "0")
    (here / "x.toml").write_text("[backoff]\ncap = 1")
    assert run("config", "check", "x.toml") == (0, "nothing is wrong in x.toml\n", "")


def test_check_tells_everything_that_is_wrong_in_the_order_of_its_lines(here, run):
    file = here / "other.toml"
    file.write_text('\n[backoff]\ncap = 0\nbse = 1\n\n[[tokens.budgets]]\ndollars = "a"\n[bakoff]\n')
    code, out, _ = run("config", "check", "other.toml")
    places = [line.split(": ", 2)[:2] for line in out.splitlines()]
    assert code == 1
    assert places == [
        ["other.toml:3:1", "backoff.cap = 0"],
        ["other.toml:4:1", "unknown setting 'backoff.bse'; did you mean 'base'?"],
        ["other.toml:6:10", "tokens.budgets.0.per is missing; it has no default"],
        ["other.toml:7:1", "tokens.budgets.0.dollars = 'a'"],
        ["other.toml:8:2", "unknown setting 'bakoff'; did you mean 'backoff'?"],
    ]


def test_check_without_files_looks_up_to_the_pyproject_that_says_something(here, run, monkeypatch):
    below = here / "member" / "src"
    below.mkdir(parents=True)
    (here / "member" / "pyproject.toml").write_text('[project]\nname = "member"')
    monkeypatch.chdir(below)
    looked_at = f"{here / 'member' / 'pyproject.toml'}, {here / 'pyproject.toml'}"
    (here / "pyproject.toml").write_text("[tool.seawall.backoff]\ncap = 0")
    assert run("config", "check")[1].startswith(f"{here / 'pyproject.toml'}:2:1: backoff.cap = 0: ")
    (here / "pyproject.toml").write_text("[tool.seawall.backoff]\ncap = 1")
    assert run("config", "check") == (0, f"nothing is wrong in {looked_at}\n", "")
    assert shown(run("config", "show", "backoff.cap")[1])["backoff.cap"][1] == f"{here / 'pyproject.toml'}:2"
    (here / "member" / "pyproject.toml").write_text("[tool")
    assert run("config", "check")[1].startswith(f"{here / 'member' / 'pyproject.toml'}:1:6: cannot be read")


def test_check_finds_the_table_in_a_pyproject(here, run):
    (here / "pyproject.toml").write_text("[project]\nx = 1\n[seawall.backoff]\n  cap = 1")
    said = "the table [seawall] is read by nobody; in pyproject.toml it is [tool.seawall]"
    assert run("config", "check", "pyproject.toml") == (1, f"pyproject.toml:3:2: {said}\n", "")
    (here / "pyproject.toml").write_text("[project]\nx = 1\n[tool.seawall.backoff]\n  cap = 0")
    assert run("config", "check", "pyproject.toml")[1].startswith("pyproject.toml:4:3: backoff.cap = 0: ")
    for text in ("tool = 1", "[tool]\nseawall = 1"):
        (here / "pyproject.toml").write_text(text)
        code, out, _ = run("config", "check", "pyproject.toml")
        assert (code, out.count("a table is expected")) == (1, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[backoff", "1:9: cannot be read as TOML: Expected ']' at the end of a table declaration"),
        (
            b'a = "\xc3\xa9\xff"',
            "1:7: cannot be read as TOML: 'utf-8' codec can't decode byte 0xff in position 7",
        ),
        (b"a = 1\n\na = 2\n", "3:6: cannot be read as TOML: Cannot overwrite a value"),
        (b"\xef\xbb\xbfx = 1", "1:1: unknown setting 'x'"),
        (
            b'\xef\xbb\xbfa = "\xe2\x82\xac\xff"',
            "1:7: cannot be read as TOML: 'utf-8' codec can't decode byte 0xff in position 11",
        ),
        (b"a = " + b"9" * 5000, "1:1: cannot be read as TOML: Exceeds the limit (4300 digits)"),
        (b"a = [1,\r\n2", "2:2: cannot be read as TOML: "),
    ],
)
def test_check_tells_where_a_file_stops_to_be_toml(content, said, here, run):
    (here / "x.toml").write_bytes(content)
    code, out, _ = run("config", "check", "x.toml")
    assert (code, out.count("\n")) == (1, 1)
    assert out.startswith(f"x.toml:{said}")


def test_check_of_a_file_that_is_not_there_exits_2(run):
    assert run("config", "check", "no.toml") == (
        2,
        "",
        "seawall: no.toml: cannot be read: No such file or directory\n",
    )


def test_check_tells_the_line_of_what_is_wrong_in_one_of_several_kinds_of_table(here, run, install):
    install(KINDS)
    (here / "seawall.toml").write_text(
        'plugins = ["guard"]\n[guard.to]\nkind = "net"\n\nport = "x"\nprt = 1\n'
    )
    code, out, _ = run("config", "check", "seawall.toml")
    assert code == 1
    wrong, unknown = out.splitlines()
    assert wrong.startswith("seawall.toml:5:1: guard.to.port = 'x': input should be a valid integer")
    assert unknown == "seawall.toml:6:1: unknown setting 'guard.to.prt'; did you mean 'port'?"


def test_check_loads_the_plugins_that_the_file_names_and_makes_them(here, run, install):
    (here / "x.toml").write_text('plugins = ["files",\n  "guard"]\n[guard]\nnot = 1')
    install(GUARD)
    assert run("config", "check", "x.toml")[1].startswith(
        "x.toml:4:1: unknown setting 'guard.not'; did you mean 'note'?"
    )
    (here / "x.toml").write_text('plugins = ["files",\n  "guard"]')
    assert run("config", "check", "x.toml")[0] == 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such", "cannot be loaded: ModuleNotFoundError: No module named 'no_such'; install what"),
        (GUARD.replace("pass\n    @", "raise OSError('no disk')\n    @"), "cannot be made: OSError: no disk"),
        (
            GUARD.replace("pass\n    @", "raise OSError('no\\ndisk')\n    @"),
            "cannot be made: OSError: no disk\n",
        ),
        (GUARD.replace("on_error", "on_erro"), "there is no hook 'on_erro'; did you mean 'on_error'?"),
    ],
)
def test_check_tells_of_a_plugin_that_would_not_start_where_it_is_named(source, said, here, run, install):
    install(source)
    (here / "x.toml").write_text('plugins = ["files",\n  "guard"]')
    out = run("config", "check", "x.toml")[1]
    assert out.startswith("x.toml:2:3: plugin 'guard' of distribution 'guard-dist'")
    assert said in out


def test_check_makes_no_store(here, run, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "home"))
    (here / "x.toml").write_text(f"state = 'sqlite'\nstate_dir = '{here / 'state'}'")
    assert run("config", "check", "x.toml")[0] == 0
    assert [path.name for path in here.iterdir()] == ["x.toml"]


def test_check_looks_at_the_tables_of_plugins_that_do_not_run(here, run):
    (here / "x.toml").write_text("plugins = ['files']\n[backoff]\ncap = 0")
    assert run("config", "check", "x.toml")[1].startswith("x.toml:3:1: backoff.cap = 0: ")


# -- schema


@pytest.mark.parametrize("odd", ["Callable[[], int] | None", "'Missing'"])
def test_a_plugin_whose_settings_have_no_schema_is_left_out_of_it_and_told(odd, here, run, install):
    install("from collections.abc import Callable\n" + GUARD.replace("note: str", f"note: {odd}"))
    code, out, err = run("config", "schema")
    assert code == 0
    assert "guard" not in json.loads(out)["properties"]
    assert err.startswith("seawall: plugin 'guard' of distribution 'guard-dist' has no schema: Pydantic")
    assert err.endswith("; left out\n")


@pytest.fixture
def validator(run):
    code, out, _ = run("config", "schema")
    assert code == 0
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_takes_what_the_readme_configures(validator):
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    validator.validate(tomllib.loads(readme.partition("```toml\n")[2].partition("```")[0]))


@pytest.mark.parametrize(
    "text",
    [
        "bakoff = {}",
        "[backoff]\nbse = 1",
        "[backoff]\ncap = 0",
        "[backoff]\njitter = 'some'",
        "plugins = ['bakoff']",
        "plugins = 'backoff'",
        "state = 3",
        "[[tokens.budgets]]\ndollars = 1",
        "[tokens.limits.claude]\nrequest = 1",
        "[testkit]\nx = 1",
    ],
)
def test_the_schema_refuses_what_a_start_refuses(text, validator):
    assert not validator.is_valid(tomllib.loads(text))


def test_the_schema_says_what_settings_mean_in_the_words_of_their_models(validator):
    backoff = validator.schema["$defs"]["BackoffSettings"]
    assert backoff["properties"]["cap"] == {
        "default": 30.0,
        "description": "Longest delay of its own making.",
        "exclusiveMinimum": 0,
        "type": "number",
    }
    streaming = validator.schema["$defs"]["StreamingSettings"]["properties"]
    assert all("description" in setting for setting in streaming.values() if "$ref" not in setting)


def test_the_schema_has_the_tables_of_plugins_of_others(run, install):
    install(GUARD)
    schema = json.loads(run("config", "schema")[1])
    assert schema["$defs"]["GuardSettings"]["properties"]["key"]["description"] == "What it logs in with."
    assert "guard" in schema["properties"]["plugins"]["items"]["enum"]


def test_the_schema_leaves_out_a_plugin_that_cannot_be_loaded_and_says_so(run, install):
    install("1 / 0")
    code, out, err = run("config", "schema")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("seawall: plugin 'guard' of distribution 'guard-dist' cannot be loaded: ")
    assert "guard" not in json.loads(out)["properties"]


def test_the_tables_of_the_schema_are_those_of_all_installed_plugins(validator):
    tables = {name for name, setting in validator.schema["properties"].items() if "$ref" in setting}
    assert tables == {"streaming", "backoff", "tokens", "progress", "files", "testkit"}
