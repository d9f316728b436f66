"""A count where no call is at hand; each in a process of its own, as the plugins are kept for the process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import seawall

if TYPE_CHECKING:
    from pathlib import Path

GUARD = """
import seawall

class Guard:
    made = 0

    def __init__(self):
        Guard.made += 1

    @seawall.hookimpl
    def estimate_tokens(self, text, model):
        return {answer}
"""


def printed(statement: str, folder: Path, *, answer: str = "None", plugins: str = '["guard"]') -> str:
    """What a statement prints where a third-party plugin answers `answer` and `plugins` are configured."""
    info = folder / "guard_dist-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[seawall]\nguard = guard_mod:Guard\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guard-dist\nVersion: 1.0\n")
    (folder / "guard_mod.py").write_text(GUARD.format(answer=answer))
    (folder / "seawall.toml").write_text(f"plugins = {plugins}\n")
    done = subprocess.run(
        [sys.executable, "-c", f"import seawall\n{statement}"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.upper().startswith("SEAWALL_")}
        | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


COUNT = "print(seawall.estimate_tokens('abcdefgh', 'claude-opus-5-5'))"
FAILS = """
try:
    seawall.estimate_tokens("x", "claude-opus-5-5")
except seawall.{error} as error:
    print(error)
"""


def test_the_first_configured_plugin_that_answers_counts(tmp_path: Path) -> None:
    assert printed(COUNT, tmp_path, answer="len(text) * 100 + len(model)") == "815"


def test_a_plugin_that_does_not_know_leaves_it_to_the_next(tmp_path: Path) -> None:
    whole = printed(
        "print(seawall.estimate_tokens('lighthouse', 'claude-opus-5-5'))",
        tmp_path,
        plugins='["guard", "tokens"]',
    )
    assert whole == "3"


def test_without_an_answer_four_characters_are_a_token(tmp_path: Path) -> None:
    assert printed(COUNT, tmp_path) == "2"


def test_an_empty_text_has_no_tokens(tmp_path: Path) -> None:
    assert printed("print(seawall.estimate_tokens('', 'm'))", tmp_path) == "0"


def test_the_plugins_are_made_once_for_the_process(tmp_path: Path) -> None:
    statement = (
        "[seawall.estimate_tokens('x', 'm') for _ in range(9)]; import guard_mod; print(guard_mod.Guard.made)"
    )
    assert printed(statement, tmp_path) == "1"


def test_importing_the_name_makes_no_plugin(tmp_path: Path) -> None:
    statement = "seawall.estimate_tokens; import sys; print('guard_mod' in sys.modules)"
    assert printed(statement, tmp_path) == "False"


def test_a_wrong_setting_is_a_config_error_each_time(tmp_path: Path) -> None:
    said = printed(FAILS.format(error="ConfigError") * 2, tmp_path, plugins='["gard"]').splitlines()
    assert len(said) == 2
    assert all("no plugin 'gard' is installed; did you mean 'guard'?" in line for line in said)


def test_a_plugin_that_raises_is_a_plugin_error_that_names_it(tmp_path: Path) -> None:
    said = printed(FAILS.format(error="PluginError"), tmp_path, answer="1 // 0")
    assert said.startswith("plugin 'guard' failed in estimate_tokens: ZeroDivisionError")


def test_an_answer_that_is_no_number_of_tokens_is_a_plugin_error(tmp_path: Path) -> None:
    assert "-3 is no number of tokens" in printed(FAILS.format(error="PluginError"), tmp_path, answer="-3")


@pytest.mark.parametrize("text", [b"bytes", None, 3])
def test_what_is_no_text_is_a_type_error(text: object) -> None:
    with pytest.raises(TypeError, match=f"a str is expected, not {type(text).__name__}"):
        seawall.estimate_tokens(text, "claude-opus-5-5")  # type: ignore[arg-type]
