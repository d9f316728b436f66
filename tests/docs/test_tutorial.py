"""Who follows the tutorial word by word ends where it says.

Its commands are given as they stand, in their order, to one shell, but for

- the port, a free one here: another run of the tests on this machine may use that of the page;
- `seawall demo`, which needs nothing of the rest: it runs in a shell of its own meanwhile;
- what the page says in words: the simulator of the step before is started again, and the program is a file.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from pages import ROOT, blocks
from stores import free_port

PAGE = "docs/tutorial.md"


def shell(commands, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", "-ec", commands],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_its_commands_end_with_an_answer_that_is_whole_although_it_was_broken(tmp_path):
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    demo, whole, broken, compared = (block.text for block in blocks(PAGE, "sh"))
    (program,) = (block.text for block in blocks(PAGE, "python"))
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    assert "Start the simulator of the last step again" in text
    again = f"{broken.splitlines()[0]}\npython program.py\nkill $!\n"
    commands = f"{whole}{broken}{compared}{again}".replace("8723", str(free_port()))
    with shell(demo, tmp_path) as shown, shell(commands, tmp_path) as followed:
        out, err = followed.communicate()
        told, _ = shown.communicate()
    assert followed.returncode == 0, err
    assert "attempt 1 failed" in err
    # the second, unless the simulator was not there yet
    assert re.search(r"resuming, attempt [2-9]", err)
    # between the lines of the simulator
    assert [line for line in out.splitlines() if line in ("equal", "end_turn")] == ["equal", "end_turn"]
    assert shown.returncode == 0
    assert re.search(r"^Seawall.* 6,500 of 6,500  whole", told, re.MULTILINE), told
    assert "with all 6,500 tokens" in text
