"""What the guide to configuration says is so: its files are right, its commands run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from pages import blocks

PAGE = "docs/how-to/configure.md"
SEAWALL = Path(sys.executable).with_name("seawall")


def test_its_files_are_right_and_its_commands_run_in_one_shell(tmp_path):
    tables = [block.text for block in blocks(PAGE, "toml")]
    (tmp_path / "seawall.toml").write_text(tables[1] + tables[0], encoding="utf-8")
    commands = "".join(block.text for block in blocks(PAGE, "sh"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEAWALL_")}
    path = f"{SEAWALL.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=tmp_path,
        env={**kept, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "`plugins` is set by variable SEAWALL_PLUGINS" in done.stdout
    assert re.search(r"backoff\.max_attempts +12 +variable SEAWALL_BACKOFF__MAX_ATTEMPTS", done.stdout)
    assert re.search(r'backoff\.mode +"fail" +\S+seawall\.toml:6\n', done.stdout)
    assert f"nothing is wrong in {tmp_path / 'seawall.toml'}" in done.stdout
    assert json.loads((tmp_path / "seawall.schema.json").read_text())["title"] == "Settings of Seawall"
