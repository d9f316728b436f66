"""Who follows the tutorial word by word ends where it says."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from pages import blocks

PAGE = "docs/tutorial.md"


def test_its_commands_end_with_an_answer_that_is_whole_although_it_was_broken(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    demo, *steps = (block.text for block in blocks(PAGE, "sh"))
    assert demo == "seawall demo\n"  # which the gate runs
    (program,) = (block.text for block in blocks(PAGE, "python"))
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    steps[1] = steps[1].replace("kill", "python program.py\nkill")
    commands = "".join(steps).replace("8723", port)
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resuming, attempt" in done.stderr
    assert "end_turn" in done.stdout.splitlines()
    assert done.stdout.endswith("equal\n")
