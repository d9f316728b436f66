"""The command line: what it lists, and that whatever a user can cause ends in one line and an exit code."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from seawall.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = "plugin     version  distribution       runs           required  hooks"
END = "on_error, post_response"
COMMANDS = "estimate_tokens, describe_state, register_commands"
TWO = "(Did you mean one of: 'new-plugin', 'plugins'?)"
ORDER = "what it names runs, in its order."
SCRIPT = Path(sys.executable).with_name("seawall")

WRONG = {
    "unknown table": ("[bakoff]\nbase = 1", "unknown setting 'bakoff'; did you mean 'backoff'?"),
    "unknown key": ("[backoff]\nbse = 1", "unknown setting 'backoff.bse'; did you mean 'base'?"),
    "wrong value": ("[backoff]\nbase = 0", "backoff.base = 0: input should be greater than 0"),
    "unknown plugin": (
        "plugins = ['bakoff']",
        "plugins: no plugin 'bakoff' is installed; did you mean 'backoff'?",
    ),
    "plugin twice": ("plugins = ['files', 'files']", "plugins: 'files' is there twice"),
    "no table": ("backoff = 3", "backoff = 3: a table is expected"),
    "no TOML": ("[\n", "cannot be read as TOML: "),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and no variables of ours."""
    for variable in list(os.environ):
        if variable.upper().startswith("SEAWALL_"):
            monkeypatch.delenv(variable)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Take back the handler that `--verbose` set; its level, all tests take back."""
    handlers = list(logging.root.handlers)
    yield
    logging.root.handlers[:] = handlers


@pytest.fixture
def add_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Path) -> Callable[[str], None]:
    """Installs a plugin `mine` whose `register_commands` has the given body, and enables it."""

    def add(body: str, head: str = "") -> None:
        site = tmp_path / "site"
        info = site / "mine_dist-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-dist\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[seawall]\nmine = mine_mod:Mine\n")
        (site / "mine_mod.py").write_text(
            "import signal\nfrom seawall import ConfigError, RequestRejectedError, hookimpl\n"
            f"class Mine:\n  {head}\n  @hookimpl\n  def register_commands(self, cli):\n    {body}\n"
        )
        (here / "seawall.toml").write_text('plugins = ["backoff", "mine"]')
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", str(site))

    yield add
    sys.modules.pop("mine_mod", None)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process: exit code, stdout, stderr."""
    result = CliRunner().invoke(_Main(), arguments)
    return result.exit_code, result.stdout, result.stderr


class _Main:
    """`main` in the shape `CliRunner` calls."""

    name = "seawall"

    def main(self, args: list[str] | None = None, **_: Any) -> None:
        main(list(args or ()))


def script(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([SCRIPT, *arguments], text=True, timeout=60, check=False, **options)


# -- what it says


def test_plugins_lists_what_is_installed_what_runs_and_what_it_does(here: Path) -> None:
    (here / "seawall.toml").write_text('plugins = ["files", "backoff"]')
    code, out, err = run("plugins")
    number = version("seawall-core")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == HEAD
    said = told(out)
    assert (
        said["backoff"]
        == f"{number} seawall-backoff yes, number 2 yes pre_request, on_accept, {END}, describe_state"
    )
    assert said["tokens"] == f"{number} seawall-tokens no yes pre_request, on_chunk, {END}, {COMMANDS}"
    assert said["testkit"] == f"{number} seawall-testkit commands only yes register_commands"
    assert said["progress"].startswith(f"{number} seawall-progress no no pre_request, ")
    assert said["files"].startswith(f"{number} seawall-files yes, number 1 yes ")
    assert list(said) == ["streaming", "backoff", "tokens", "progress", "files", "testkit"]
    assert out.endswith(f"\n\n`plugins` is set by {here / 'seawall.toml'}: {ORDER}\n")


def told(out: str) -> dict[str, str]:
    """What `seawall plugins` says of each plugin, by name."""
    table = out.partition("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: " ".join(line.split()[1:]) for line in table}


def test_without_a_configuration_the_five_run_in_order() -> None:
    _, out, _ = run("plugins")
    assert [line.split()[4] for line in list(told(out).values())[:5]] == ["1", "2", "3", "4", "5"]
    assert "\n\nNothing sets `plugins`: the standard ones run" in out


def test_a_plugin_that_needs_no_chunks_is_listed_without_them() -> None:
    assert told(run("plugins")[1])["tokens"].endswith(
        f" yes pre_request, on_error, post_response, {COMMANDS}"
    )


def test_the_variable_that_sets_plugins_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_PLUGINS", '["files"]')
    assert run("plugins")[1].endswith(f"`plugins` is set by variable SEAWALL_PLUGINS: {ORDER}\n")


def test_a_plugin_of_somebody_else_is_listed(add_plugin: Callable[..., None]) -> None:
    add_plugin("pass", "required = False")
    code, out, _ = run("plugins")
    assert (code, told(out)["mine"]) == (0, "1.0 mine-dist yes, number 2 no register_commands")


def test_a_plugin_of_somebody_else_that_does_not_run_is_listed_and_not_imported(
    add_plugin: Callable[..., None], here: Path, tmp_path: Path
) -> None:
    add_plugin("pass")
    (tmp_path / "site" / "mine_mod.py").write_text("raise RuntimeError")
    (here / "seawall.toml").unlink()
    code, out, _ = run("plugins")
    assert (code, told(out)["mine"]) == (0, "1.0 mine-dist no - -")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands_of_the_core_and_of_plugins(flag: str) -> None:
    code, out, err = run(flag)
    assert (code, err) == (0, "")
    commands = out.partition("Commands:")[2].split()
    assert {"plugins", "run", "simulate"} <= set(commands)


def test_help_is_there_when_the_configuration_is_broken(here: Path) -> None:
    (here / "seawall.toml").write_text('plugins = ["streaming"')
    code, out, err = run("--help")
    assert code == 0
    listed = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line]
    assert {"config", "doctor", "plugins", "new-plugin", "simulate"} <= set(listed)
    assert "seawall.toml: " in err
    assert "Not all commands of plugins are listed" in err
    assert "try `seawall config check`" in err


def test_the_commands_of_first_party_plugins_are_there_when_these_are_not_enabled(here: Path) -> None:
    (here / "seawall.toml").write_text("plugins = []")
    assert run("simulate", "--help")[0] == 0


def test_a_command_of_an_enabled_plugin_is_there(add_plugin: Callable[[str], None]) -> None:
    add_plugin("cli.command('mine')(lambda: print('mine ran'))")
    assert run("mine")[:2] == (0, "mine ran\n")
    assert "mine" in run("--help")[1]


def test_a_command_of_a_plugin_that_is_not_enabled_is_not_there(
    add_plugin: Callable[[str], None], here: Path
) -> None:
    add_plugin("cli.command('mine')(lambda: print('mine ran'))")
    (here / "seawall.toml").write_text('plugins = ["backoff"]')
    assert run("mine")[0] == 2


def test_version_is_that_of_the_core() -> None:
    assert run("--version") == (0, f"seawall, version {version('seawall-core')}\n", "")


def test_verbose_shows_what_calls_do(
    add_plugin: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_plugin("cli.command('mine')(lambda: __import__('logging').getLogger('seawall.x').info('hello'))")
    monkeypatch.setattr(logging.root, "handlers", [])  # those of pytest, in whose place a program has none
    assert run("mine") == (0, "", "")
    assert run("-v", "mine") == (0, "", "hello\n")


def test_the_script_is_the_same_program() -> None:
    done = script("plugins")
    assert (done.returncode, done.stdout, done.stderr) == run("plugins")


# -- what goes wrong


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("demoo", " Did you mean 'demo'?"),
        ("plugin", f" {TWO}"),
        ("qqq", ""),
        ("simulat", " Did you mean 'simulate'?"),
    ],
)
def test_an_unknown_command_exits_2_and_names_the_nearest(command: str, hint: str) -> None:
    if not hasattr(click.exceptions, "NoSuchCommand"):
        hint = ""  # click before 8.4 knows none
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"Error: No such command '{command}'.{hint}"


def test_an_unknown_option_exits_2() -> None:
    code, _, err = run("plugins", "--al")
    assert code == 2
    assert err.splitlines()[-1].startswith("Error: No such option")


def test_no_command_shows_the_help_and_exits_2() -> None:
    code, _, err = run()
    assert code == 2
    assert err.startswith("Usage: seawall")


@pytest.mark.parametrize("command", ["plugins", "run", "count", "usage", "watch", "demo", "qqq"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_broken_configuration_exits_2_with_one_line(command: str, wrong: str, here: Path) -> None:
    text, expected = WRONG[wrong]
    (here / "seawall.toml").write_text(text)
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert err.startswith(f"seawall: {here / 'seawall.toml'}: {expected}")
    assert err.count("\n") == 1


def test_a_broken_configuration_prints_no_traceback_in_a_real_process(here: Path) -> None:
    (here / "seawall.toml").write_text("backoff = 3")
    done = script("plugins")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"seawall: {here / 'seawall.toml'}: backoff = 3: a table is expected\n"


def test_a_broken_variable_exits_2_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_BACKOFF", "garbage")
    expected = (
        "seawall: variable SEAWALL_BACKOFF: backoff = 'garbage': a table is expected, as JSON: {\"key\": 1}\n"
    )
    assert run("plugins") == (2, "", expected)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_new_plugin_needs_no_configuration(wrong: str, here: Path) -> None:
    (here / "seawall.toml").write_text(WRONG[wrong][0])
    done = script("new-plugin", "my_guard", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert (here / "my_guard" / "pyproject.toml").is_file()


def test_the_simulator_needs_no_configuration(here: Path) -> None:
    (here / "seawall.toml").write_text("[")
    assert run("simulate", "--help")[0] == 0


def test_version_needs_no_configuration(here: Path) -> None:
    (here / "seawall.toml").write_text("[")
    assert run("--version")[0] == 0


def test_a_plugin_that_cannot_be_imported_exits_2_with_one_line(
    add_plugin: Callable[..., None], tmp_path: Path
) -> None:
    add_plugin("pass")
    (tmp_path / "site" / "mine_mod.py").write_text("raise RuntimeError('one\\ntwo')")
    expected = "seawall: plugin 'mine' of distribution 'mine-dist' cannot be loaded: RuntimeError: one two\n"
    assert run("plugins") == (2, "", expected)


def test_a_plugin_that_fails_to_add_its_commands_exits_1_with_one_line(
    add_plugin: Callable[[str], None],
) -> None:
    add_plugin("1 / 0")
    code, out, err = run("--help")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(
        "seawall: plugin 'mine' failed in register_commands: ZeroDivisionError: division by zero."
    )


def test_commands_of_plugins_that_need_no_configuration_are_there_where_another_finds_it_wrong(
    add_plugin: Callable[[str], None],
) -> None:
    add_plugin("raise ConfigError('no such')")
    assert run("simulate", "--help")[0] == 0


@pytest.mark.parametrize("name", ["run", "plugins"])
def test_a_plugin_takes_no_command_away(name: str, add_plugin: Callable[[str], None]) -> None:
    add_plugin(f"cli.command({name!r})(lambda: None)")
    code, out, err = run("usage")
    assert (code, out) == (1, "")
    assert err.startswith(
        "seawall: plugin 'mine' failed in register_commands: "
        f"ValueError: there is a command {name!r} already; take another name."
    )


def test_a_plugin_that_is_not_required_may_fail_to_add_its_commands(add_plugin: Callable[..., None]) -> None:
    add_plugin("1 / 0", "required = False")
    assert run("simulate", "--help")[0] == 0


@pytest.mark.parametrize(("kind", "code"), [("ConfigError", 2), ("RequestRejectedError", 1)])
def test_an_error_of_ours_in_a_command_ends_in_one_line(
    kind: str, code: int, add_plugin: Callable[[str], None]
) -> None:
    add_plugin(f"def mine(): raise {kind}('no\\nsuch')\n    cli.command()(mine)")
    assert run("mine") == (code, "", "seawall: no such\n")


def test_what_a_command_returns_is_the_exit_code(add_plugin: Callable[[str], None]) -> None:
    add_plugin("cli.command('mine')(lambda: 3)")
    assert run("mine")[0] == 3


def test_ctrl_c_exits_130_without_a_traceback(add_plugin: Callable[[str], None], tmp_path: Path) -> None:
    add_plugin("pass")
    # as it is loaded, and in a real process
    (tmp_path / "site" / "mine_mod.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)")
    done = script("plugins")
    assert (done.returncode, done.stdout, done.stderr.split()) == (130, "", ["interrupted"])


def test_ctrl_c_in_a_command_exits_130(add_plugin: Callable[[str], None]) -> None:
    add_plugin("cli.command('mine')(lambda: signal.raise_signal(signal.SIGINT))")
    code, _, err = run("mine")
    assert (code, err.split()) == (130, ["interrupted"])


def test_a_reader_that_has_gone_leaves_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = script("plugins", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("source", "arguments", "code"),
    [
        ("import signal\nsignal.raise_signal(signal.SIGINT)", ("plugins",), 130),
        ("", ("nonsense",), 2),
        ("", ("config", "show", "nonsense"), 2),
        ("syntax error", ("config", "show"), 2),
    ],
)
def test_the_exit_code_is_the_same_where_nobody_reads_stderr(
    add_plugin: Callable[[str], None], tmp_path: Path, source: str, arguments: tuple[str, ...], code: int
) -> None:
    add_plugin("pass")
    (tmp_path / "site" / "mine_mod.py").write_text(source)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert script(*arguments, stderr=writing).returncode == code
    finally:
        os.close(writing)


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_head_takes_the_first_line() -> None:
    line = f"'{SCRIPT}' plugins | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (HEAD + "\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is always full")
def test_a_full_disk_behind_stdout_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SCRIPT, "plugins"],
            env=os.environ | {"PYTHONUNBUFFERED": ""},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("seawall: [Errno 28]")
