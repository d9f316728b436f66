"""The distributions as a user gets them: wheels in an empty environment."""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT, ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
NAMES = sorted(
    tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"] for folder in FOLDERS
)


def run(*command, **options):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8", **options
    ).stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for source in FOLDERS:
        run(
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--installer",
            "uv",
            "--outdir",
            str(folder),
            str(source),
        )
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


def test_eight_distributions_are_built_and_hold_types_but_no_tests(wheels):
    built = sorted(wheel.name.partition("-")[0].replace("_", "-") for wheel in wheels.glob("*.whl"))
    assert built == NAMES
    for wheel in wheels.glob("*.whl"):
        listed = run(sys.executable, "-m", "zipfile", "-l", str(wheel))
        assert "tests/" not in listed
        # the meta distribution holds nothing at all
        assert ("py.typed" in listed) == (".py" in listed) == (not wheel.name.startswith("seawall-"))


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
