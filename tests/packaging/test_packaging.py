"""The distributions as a user gets them: wheels in an empty environment."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT, ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
OTHERS = sorted(path.parent for path in (ROOT / "tests" / "third_party").glob("*/pyproject.toml"))
NAMES = sorted(
    tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"] for folder in FOLDERS
)


SHIPPED = ("streaming", "backoff", "tokens", "progress", "files", "testkit")


def run(*command, **options):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8", **options
    ).stdout


def build(source, folder):
    run(sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", str(folder), str(source))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for source in FOLDERS:
        build(source, folder)
    return folder


@pytest.fixture(scope="module")
def scripts(wheels, tmp_path_factory):
    """The folder of the commands of an empty environment in which the wheels are installed by plain pip."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--find-links", str(wheels), "seawall")
    return scripts


@pytest.fixture(scope="module")
def with_others(scripts, tmp_path_factory):
    """The same environment with pytest and the plugins that others wrote, one of them from the template."""
    folder = tmp_path_factory.mktemp("others")
    run(str(scripts / "seawall"), "new-plugin", "demo_guard", cwd=folder)
    for source in (*OTHERS, folder / "demo_guard"):
        # a copy, or what building leaves behind would be in this repository
        copy = source if source.is_relative_to(folder) else folder / source.name
        if copy != source:
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        build(copy, folder)
    pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "pytest", *map(str, folder.glob("*.whl")))
    return folder


def test_eight_distributions_are_built_and_hold_types_but_no_tests(wheels):
    built = sorted(wheel.name.partition("-")[0].replace("_", "-") for wheel in wheels.glob("*.whl"))
    assert built == NAMES
    for wheel in wheels.glob("*.whl"):
        listed = run(sys.executable, "-m", "zipfile", "-l", str(wheel))
        assert "tests/" not in listed
        # the meta distribution holds nothing at all
        assert ("py.typed" in listed) == (".py" in listed) == (not wheel.name.startswith("seawall-"))


def test_every_distribution_with_code_holds_the_licence(wheels):
    for folder in FOLDERS[1:]:
        assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for wheel in wheels.glob("seawall_*.whl"):
        assert ".dist-info/licenses/LICENSE" in run(sys.executable, "-m", "zipfile", "-l", str(wheel))


def test_the_installed_command_lists_the_plugins(scripts, tmp_path):
    table = run(str(scripts / "seawall"), "plugins", cwd=tmp_path).partition("\n\n")[0].splitlines()
    runs = {line.split()[0]: re.split("  +", line)[3] for line in table[1:]}
    assert runs == {
        "streaming": "yes, number 1",
        "backoff": "yes, number 2",
        "tokens": "yes, number 3",
        "progress": "yes, number 4",
        "files": "yes, number 5",
        "testkit": "commands only",
    }


def test_the_installed_plugins_load_and_protect_a_client(scripts, tmp_path):
    code = "import anthropic as a, seawall; print(type(seawall.protect(a.Anthropic(api_key='x'))).__name__)"
    assert run(str(scripts / "python"), "-W", "error", "-c", code, cwd=tmp_path).strip() == "Anthropic"


def test_the_oldest_versions_that_are_said_to_be_enough_are(tmp_path):
    folder = tmp_path / "oldest"
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    install = ["uv", "pip", "install", "--quiet", "--resolution", "lowest-direct"]
    run(*install, "--python", str(scripts / "python"), *map(str, FOLDERS[1:]))
    # others that it may share an environment with keep them old
    code = "import seawall; seawall.protect; print(seawall.deadline.__qualname__)"
    assert run(str(scripts / "python"), "-c", code, cwd=tmp_path) == "deadline\n"
    assert run(str(scripts / "seawall"), "demo", cwd=tmp_path).rstrip().endswith("equal")


# one test: workers that run one each would each build the environment
def test_plugins_of_others_are_listed_beside_those_shipped_and_their_tests_pass(
    scripts, with_others, tmp_path
):
    (tmp_path / "seawall.toml").write_text(
        'plugins = ["response_cache", "backoff", "redactor"]\n[redactor]\npatterns = ["x"]\n'
    )
    table = run(str(scripts / "seawall"), "plugins", cwd=tmp_path).partition("\n\n")[0].splitlines()
    rows = {cells[0]: cells[1:] for cells in (re.split("  +", line) for line in table[1:])}
    assert list(rows) == [*SHIPPED, "demo_guard", "redactor", "response_cache"]
    assert rows["response_cache"][:3] == ["1.2.0", "acme-response-cache", "yes, number 1"]
    assert rows["response_cache"][4] == "pre_request, post_response"
    assert rows["redactor"][:3] == ["0.3.1", "acme-redactor", "yes, number 3"]
    assert rows["demo_guard"] == ["0.1.0", "seawall-demo-guard", "no", "-", "-"]
    assert run(str(scripts / "seawall"), "config", "check", cwd=tmp_path).startswith("nothing is wrong")
    (tmp_path / "seawall.toml").unlink()
    # without their sources beside them
    for name in ("demo_guard", "redactor", "response_cache"):
        shutil.copytree(with_others / name / "tests", tmp_path / name / "tests")
        shutil.copy(with_others / name / "pyproject.toml", tmp_path / name)
    python = str(scripts / "python")
    said = run(python, "-W", "error", "-m", "pytest", "-q", "--import-mode=importlib", cwd=tmp_path)
    assert re.search(r"^23 passed", said, re.MULTILINE), said
