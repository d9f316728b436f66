"""`seawall usage` and `seawall count` as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from seawall import Attempt, Call, Outcome, Usage, estimate_tokens
from seawall_tokens.commands import count, usage
from seawall_tokens.ledger import Ledger
from seawall_tokens.prices import ModelPrice, Prices

SEAWALL = Path(sys.executable).with_name("seawall")
PRICES = Prices({"dear": ModelPrice(input=10, output=100), "cheap": ModelPrice(input=1, output=10)})
DEAR = (1000 * 10 + 400 * 10 + 300 * 12.5 + 2000 * 100) / 1e6

BEGIN_AND_DIE = """
import sys
from pathlib import Path
from seawall import Attempt, Call, Usage
from seawall_tokens.ledger import Ledger
from seawall_tokens.prices import Prices

call = Call(id="x", params={}, stream=True)
call.attempts.append(Attempt(1, "send", status=200, usage=Usage(1, 1)))
ledger = Ledger(Path(sys.argv[1]))
ledger.begun(call, "", Prices(), lambda params: 0)
ledger.flush()
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state directory, and a working directory without settings."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def spent(state: Path) -> None:
    """Six calls by two callers with three models, one of them unknown and one that always fails."""
    ledger = Ledger(state / "ledger.sqlite")
    for model in ("dear", "cheap", "unknown"):
        for caller in ("reports", ""):
            one_call(ledger, model, caller)
    ledger.close()


def one_call(ledger: Ledger, model: str, caller: str = "", *, is_estimated: bool = False) -> None:
    call = Call(id=f"{model} {caller}", params={"model": model}, stream=True)
    counts = Usage(1000, 2000, 300, 400, is_estimated=is_estimated)
    call.attempts.append(Attempt(1, "send", status=200, usage=counts))
    ledger.begun(call, caller, PRICES, lambda params: 0)
    error = ValueError() if model == "cheap" else None
    ledger.ended(call, Outcome("failed" if error else "completed", tuple(call.attempts), error=error))


def run(command: click.Command, *arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(command, arguments, **options)


# -- seawall usage


@pytest.mark.usefixtures("spent")
def test_usage_as_json_has_rows_and_totals():
    done = run(usage, "--json")
    found = json.loads(done.stdout)
    assert [row["model"] for row in found["rows"]] == ["dear", "cheap", "unknown"]
    assert found["totals"] == {
        "attempts": 6,
        "input_tokens": 6000,
        "cache_read_tokens": 2400,
        "cache_write_tokens": 1800,
        "output_tokens": 12000,
        "thinking_tokens": 0,
        "wasted_output_tokens": 4000,
        "dollars": pytest.approx(2.2 * DEAR),
    }
    assert done.exit_code == 0


@pytest.mark.usefixtures("spent")
def test_usage_says_on_stderr_what_is_in_no_sum_of_dollars():
    assert run(usage, "--json").stderr == (
        "seawall: attempts whose price is not known, in no sum of dollars: 2; set tokens.prices\n"
    )


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize("by", ["model", "caller", "day"])
def test_usage_is_by_what_was_asked_for(by):
    found = json.loads(run(usage, "--json", "--by", by).stdout)
    assert len(found["rows"]) == {"model": 3, "caller": 2, "day": 1}[by]
    assert all(by in row for row in found["rows"])


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize(("since", "attempts"), [("1d", 6), ("2100-01-01", 0)])
def test_usage_since_a_moment_leaves_out_what_was_before(since, attempts):
    assert json.loads(run(usage, "--json", "--since", since).stdout)["totals"]["attempts"] == attempts


@pytest.mark.usefixtures("spent")
def test_usage_is_a_table_with_bars():
    done = run(usage)
    header, dear, *_, total = done.stdout.splitlines()
    assert header.startswith("model ")
    assert dear.endswith("█")
    assert total.startswith("total ")
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.usefixtures("spent")
def test_usage_in_colour_unless_no_color_is_set():
    assert "\x1b[36m" in run(usage, color=True, env={"NO_COLOR": None}).stdout
    assert "\x1b" not in run(usage, color=True, env={"NO_COLOR": "1"}).stdout
    assert "\x1b" not in run(usage, env={"NO_COLOR": None}).stdout


@pytest.mark.skipif(
    os.name == "nt", reason="of processes nothing is known on Windows; what they left is lost later"
)
def test_usage_says_what_was_estimated_and_what_was_lost(state):
    ledger = Ledger(state / "ledger.sqlite")
    one_call(ledger, "dear", is_estimated=True)
    ledger.close()
    subprocess.run([sys.executable, "-c", BEGIN_AND_DIE, state / "ledger.sqlite"], check=True)
    said = run(usage).stdout
    assert "estimated: 1 (broke before the API had counted all of it)\n" in said
    assert "lost: 1 (the process died; counted as far as it had streamed)\n" in said


def test_usage_without_a_ledger_says_so_and_makes_none(state):
    done = run(usage)
    assert done.stdout == f"nothing is in the ledger {state / 'ledger.sqlite'}\n"
    assert json.loads(run(usage, "--json").stdout)["totals"]["attempts"] == 0
    assert not state.exists()


def test_usage_of_a_time_in_which_nothing_was_spent_names_it(state):
    said = run(usage, "--since", "2026-11-01T12:00+02:00").stdout
    assert said == f"nothing is in the ledger {state / 'ledger.sqlite'} since 2026-11-01 12:00 UTC+02:00\n"


def test_usage_of_a_ledger_that_cannot_be_read_is_told_in_one_line(state):
    state.mkdir()
    (state / "ledger.sqlite").write_bytes(b"garbage" * 1000)
    done = run(usage)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the ledger ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is no date such as 2026-11-01"),
        (["--by", "mood"], "'mood' is not one of 'model', 'caller', 'day'"),
    ],
)
def test_usage_of_what_makes_no_sense_is_refused(arguments, said):
    done = run(usage, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


# -- seawall count


def test_count_tells_the_tokens_of_each_file_and_the_total():
    Path("a.md").write_text("one two three", encoding="utf-8")
    Path("b.md").write_text("word " * 2000, encoding="utf-8")
    first, second = (estimate_tokens(text, "claude-opus-5-5") for text in ("one two three", "word " * 2000))
    done = run(count, "a.md", "b.md")
    assert done.stdout == f"{first:>5,}  a.md\n{second:>5,}  b.md\n{first + second:>5,}  total\n"


def test_count_of_one_file_has_no_total():
    Path("a.md").write_text("one two three", encoding="utf-8")
    assert len(run(count, "a.md").stdout.splitlines()) == 1


def test_count_is_for_the_model_that_is_named():
    Path("a.md").write_text("word " * 2000, encoding="utf-8")
    new, old = (
        run(count, "a.md", "--model", model).stdout for model in ("claude-opus-5-5", "claude-opus-4-1")
    )
    assert new != old


def test_count_reads_stdin():
    alone = run(count, "-", input="one two three").stdout
    assert int(alone.split()[0]) == estimate_tokens("one two three", "claude-opus-5-5")


def test_count_takes_a_byte_order_mark_for_no_text():
    Path("bom.md").write_bytes(b"\xef\xbb\xbfone")
    Path("one.md").write_bytes(b"one")
    with_mark, without = (run(count, name).stdout.split()[0] for name in ("bom.md", "one.md"))
    assert with_mark == without


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"GIF89a", "a GIF image"),
        (b"PK\x03\x04\x14", "a ZIP archive"),
        (b"\x1f\x8b\x08", "gzip data"),
        (b"\xff\xfeh\0i\0", "UTF-16 text"),
        (b"caf\xe9", "not UTF-8: byte 3 is 0xe9"),
        (b"\xef\xbb\xbfcaf\xe9", "not UTF-8: byte 6 is 0xe9"),
        (b"text\0text", "binary data: byte 4 is 0x00"),
    ],
)
def test_count_refuses_what_is_no_text_as_what_it_is(data, said):
    Path("a.md").write_text("one", encoding="utf-8")
    Path("what").write_bytes(data)
    done = run(count, "a.md", "what")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"'what' is {said}" in done.stderr


def test_a_closed_stdin_cannot_be_counted(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(click.UsageError, match="cannot read '-': stdin is closed"):
        count.main(["-"], standalone_mode=False)


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize(("command", "arguments"), [(count, ["a.md"]), (usage, []), (usage, ["--json"])])
def test_a_closed_stdout_is_no_error(command, arguments, monkeypatch):
    Path("a.md").write_text("one", encoding="utf-8")
    monkeypatch.setattr("sys.stdout", None)
    assert command.main(arguments, standalone_mode=False) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'FILES...'"),
        (["nowhere"], "cannot read 'nowhere': No such file"),
        (["."], "'.' is a folder" if os.name != "nt" else "cannot read '.'"),
        (["-", "-"], "only once"),
        (["nul\0"], "cannot read"),
    ],
)
def test_count_of_what_cannot_be_read_is_refused(arguments, said):
    done = run(count, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


# -- both, as processes


def process(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([SEAWALL, *arguments], stderr=subprocess.PIPE, **options)


@pytest.mark.usefixtures("spent")
def test_the_commands_are_there_in_the_shell():
    child = process("usage", "--json", stdout=subprocess.PIPE)
    out, _ = child.communicate(timeout=60)
    assert json.loads(out)["totals"]["attempts"] == 6
    child = process("count", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, err = child.communicate(b"one two", timeout=60)
    assert (out.split(), err) == ([b"3", b"-"], b"")
    child = process("usage", "--since", "never", stdout=subprocess.PIPE)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (2, b"")
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="pipes of another kind")
@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize("arguments", [("usage",), ("usage", "--json"), ("count", "a.md")])
def test_a_pipe_that_nobody_reads_is_no_error(arguments):
    Path("a.md").write_text("one", encoding="utf-8")
    read, write = os.pipe()
    os.close(read)
    child = process(*arguments, stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert b"rror" not in err
    assert b"pipe" not in err


@pytest.mark.usefixtures("spent")
def test_a_terminal_without_blocks_gets_plain_bars():
    child = process("usage", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert b"####" in out
