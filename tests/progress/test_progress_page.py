"""The page about watching calls says what is so and runs; its picture is that of the display."""

import io
import logging
import re
from functools import partial

import pytest
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from pages import ROOT, blocks, execute, point_to
from progress.followed import Ears, Followed
from seawall_progress import expect
from seawall_progress.screen import line, lines
from seawall_testkit import Simulator

PAGE = "docs/how-to/watch-progress.md"
PICTURE = ROOT / "docs" / "how-to" / "watch-progress.svg"


def test_its_examples_run_and_say_what_happened(monkeypatch, capsys, request):
    root, own = logging.getLogger(), logging.getLogger("seawall.progress")
    request.addfinalizer(partial(own.setLevel, own.level))
    request.addfinalizer(partial(setattr, root, "handlers", root.handlers[:]))
    names: dict[str, object] = {}
    with Simulator(answer_tokens=900) as simulator:
        point_to(simulator, monkeypatch)
        execute(blocks(PAGE, "python"), names)
        names["client"].close()
    out, err = capsys.readouterr()
    assert names["status"] == "completed"
    assert re.search(r"\w+ connecting -> writing", out)
    assert re.search(r"\w+ completed \d+", out)
    assert err.count(": completed, ") == 2, "it is on for one of its clients"
    assert own.level == logging.INFO


def test_its_picture_is_that_of_three_calls_of_which_one_waits():
    svg = drawn()
    said = shown(svg)
    if not PICTURE.exists() or shown(PICTURE.read_text(encoding="utf-8")) != said:
        PICTURE.write_text(svg, encoding="utf-8")
        pytest.fail("the display looks otherwise than its picture, which is drawn anew: commit it")
    assert len(said) == 4
    assert any("waiting 12 s: attempt 2 failed (OverloadedError)" in row for row in said)


def drawn() -> str:
    """The display of calls on a clock that is set, as an SVG."""
    with expect(tokens=8000):
        writing = Followed(call_id="a")
        writing.attempt()
    waiting = Followed(writing, call_id="b")
    thinking = Followed(writing, call_id="c", params={"model": "claude-sonnet-5", "max_tokens": 32_000})
    done = Followed(writing, call_id="d", params={"model": "claude-haiku-4-5"})
    ears = Ears()
    writing.running.listen(ears)
    done.attempt()
    done.block("text")
    done.end(tokens=412)
    writing.call.caller = "reports"
    waiting.attempt()
    writing.block("text")
    writing.clock.now += 20
    thinking.attempt()
    thinking.block("thinking")
    for _ in range(38):
        thinking.delta("word " * 47, "thinking_delta")
        writing.generate(1, per_second=95)
    waiting.call.attempts[-1].error = ValueError()
    waiting.wait(12, "attempt 2 failed (OverloadedError)")
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    rows = lines(writing.running.calls(), width=104, height=9, encoding="utf-8")
    last = next(event.progress for event in ears.events if event.progress.status)
    ended = line(last, width=104, encoding="utf-8")
    console.print(Text("\n").join([ended, *rows]))
    # without fonts of another host
    style = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="seawall", theme=MONOKAI, unique_id="seawall", code_format=style)


def shown(svg: str) -> list[str]:
    """The lines of text in an SVG of rich."""
    rows: dict[str, str] = {}
    for attributes, text in re.findall(r"<text ([^>]*)>([^<]*)</text>", svg):
        y = re.search(r'y="([^"]+)"', attributes).group(1)
        rows[y] = rows.get(y, "") + text.replace("&#160;", " ")
    return [" ".join(row.split()) for row in rows.values() if row.strip() not in ("seawall", "")]
