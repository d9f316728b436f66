"""`seawall new-plugin`: the folder it makes is right as it is, and nothing is overwritten."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from seawall_testkit.cli import new_plugin
from seawall_testkit.scaffold import complaint

ROOT = Path(__file__).parents[2]
NO_NAMES = ["Guard", "my-guard", "my guard", "../guard", "1guard", "_guard", "guard_", "ä", ""]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name):
    result = CliRunner().invoke(new_plugin, [name])
    return result.exit_code, result.output


def run(*command, cwd):
    # coverage of this run is not its business, nor are the plugins that this repository happens to have
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_plugin_passes_its_own_tests_ruff_and_strict_mypy_at_once(here):
    code, out = make("demo_guard")
    assert code == 0
    folder = here / "demo_guard"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "README.md",
        "pyproject.toml",
        "seawall_demo_guard/__init__.py",
        "seawall_demo_guard/py.typed",
        "tests/test_demo_guard.py",
    ]
    assert str(Path("demo_guard", "pyproject.toml")) in out.splitlines()
    without = [f"-pno:{name}" for name in ("xdist", "langsmith_plugin", "hypothesispytest")]
    assert "5 passed" in run("pytest", "-q", *without, cwd=folder)
    run("ruff", "check", ".", cwd=folder)
    run("ruff", "format", "--check", ".", cwd=folder)
    # with what mypy knows already: that of this repository
    known = ("--cache-dir", str(ROOT / ".mypy_cache"), "--python-version", "3.11")
    run("mypy", *known, "seawall_demo_guard", "tests", cwd=folder)


def test_nothing_is_overwritten(here):
    (here / "demo_guard").mkdir()
    (here / "demo_guard" / "notes").write_text("mine")
    code, out = make("demo_guard")
    assert (code, out) == (1, "Error: 'demo_guard' is there already; nothing was written\n")
    assert [path.name for path in (here / "demo_guard").iterdir()] == ["notes"]


@pytest.mark.parametrize("name", ["reject", "path"])
def test_a_plugin_is_not_called_like_what_it_imports(name, here):
    assert make(name)[0] == 0
    assert (
        f"class {name.capitalize()}Plugin:" in (here / name / f"seawall_{name}" / "__init__.py").read_text()
    )
    without = [f"-pno:{plugin}" for plugin in ("xdist", "langsmith_plugin", "hypothesispytest")]
    assert "5 passed" in run("pytest", "-q", *without, cwd=here / name)


def test_a_name_whose_package_is_installed_is_refused(here):
    code, out = make("core")
    assert code == 2
    assert "'core' is taken: a package named seawall_core is installed" in out
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_cannot_be_one_of_a_module_is_refused(name, here):
    code, out = make(name)
    assert code == 2
    assert f"{name!r}: lower-case words of letters and digits, joined by _, are expected" in out
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["class", "json", "seawall"])
def test_a_name_of_python_or_of_seawall_itself_is_refused_as_such(name, here):
    code, out = make(name)
    assert code == 2
    assert f"{name!r} is a " in out
    assert f"take another name, such as my_{name}" in out
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["false", "exception"])
def test_the_class_of_a_plugin_is_not_called_like_something_of_python(name, here):
    assert make(name)[0] == 0
    source = (here / name / f"seawall_{name}" / "__init__.py").read_text(encoding="utf-8")
    assert f"class {name.capitalize()}Plugin:" in source


@pytest.mark.parametrize("name", ["backoff", "testkit", "plugins", "state_dir"])
def test_a_name_that_is_taken_is_refused(name, here):
    assert make(name)[0] == 2
    assert complaint(name, [name]) == f"{name!r} is taken; see `seawall plugins`"
