"""What the guide to writing plugins says is so: its code runs, its tests pass, its first command works."""

import subprocess
import sys
import tomllib

from click.testing import CliRunner

from pages import blocks
from seawall_testkit.cli import new_plugin

PAGE = "docs/how-to/write-a-plugin.md"
ORDER = """

def test_a_cache_answers_although_others_are_enabled_before_it(protected, simulator):
    client = protected(FirstHundred(), Cache(), "backoff")
    for _ in range(3):
        client.messages.create(**ASK)
    assert len(simulator.requests) == 1


def test_the_hundred_and_first_call_is_refused(protected):
    client = protected(FirstHundred(), Cache())
    for _ in range(100):
        client.messages.create(**ASK)
    with pytest.raises(seawall.RequestRejectedError, match="a hundred calls were made"):
        client.messages.create(**ASK)
"""


def test_its_tests_pass_on_its_code(tmp_path):
    code = [block.text for block in blocks(PAGE, "python")]
    (tmp_path / "test_guide.py").write_text("\n".join(["import pytest", *code, ORDER]))
    without = [f"-pno:{name}" for name in ("xdist", "anyio", "langsmith_plugin", "hypothesispytest")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *without, "test_guide.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_its_first_command_makes_the_folder_it_enters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "my_guard"
    commands = blocks(PAGE, "sh")[0].text
    assert f"seawall new-plugin {name}\n" in commands
    assert CliRunner().invoke(new_plugin, [name]).exit_code == 0
    assert f"cd {name}\n" in commands
    assert (tmp_path / name / "pyproject.toml").exists()


def test_its_project_file_is_as_the_one_of_a_new_plugin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(new_plugin, ["length"])
    made = tomllib.loads((tmp_path / "length" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (shown,) = (tomllib.loads(block.text) for block in blocks(PAGE, "toml"))
    assert shown["project"] == {key: made[key] for key in shown["project"]}
