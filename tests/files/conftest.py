"""A working directory, and the command line in it."""

import io

import pytest

from files.commands import PROMPT, environment
from seawall.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a prompt and an old answer."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompt.md").write_text(PROMPT, encoding="utf-8")
    (tmp_path / "answer.md").write_text("old", encoding="utf-8")
    return tmp_path


@pytest.fixture
def seawall_here(folder, monkeypatch, capsys):
    """The command line in this process; returns how it ended and what it said."""

    def run_here(*arguments, simulator=None, stdin="", **variables):
        with monkeypatch.context() as patched:
            for name, value in environment(simulator, **variables).items():
                patched.setenv(name, value)
            patched.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run_here
