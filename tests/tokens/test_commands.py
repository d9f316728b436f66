"""`seawall usage` and `seawall count` as a user types them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from seawall import Attempt, Call, Outcome, Usage
from seawall_tokens import report
from seawall_tokens.commands import count_command, usage_command
from seawall_tokens.ledger import Ledger
from seawall_tokens.prices import ModelPrice, Prices

NOW = datetime.now(UTC)
COLUMNS = {
    "attempts",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "thinking_tokens",
    "wasted_output_tokens",
    "dollars",
}
PRICES = Prices({"dear": ModelPrice(input=10, output=100), "cheap": ModelPrice(input=1, output=10)})


@pytest.fixture
def path(tmp_path):
    """A ledger of six calls by two callers with three models on two days."""
    times = iter([NOW - timedelta(days=3)] * 3 + [NOW] * 3)
    current = SimpleNamespace(now=NOW)
    ledger = Ledger(tmp_path / "ledger.sqlite", prices=PRICES, clock=lambda: current.now)
    for model in ("dear", "cheap", "unknown"):
        for caller in ("reports", ""):
            current.now = next(times)
            call = Call(id=f"{model}-{caller}", params={"model": model}, stream=True)
            call.attempts.append(Attempt(1, "send", status=200, usage=Usage(1000, 2000, 300, 400)))
            ledger.begun(call, caller)
            error = ValueError() if model == "cheap" else None
            ledger.ended(call, Outcome("failed" if error else "completed", tuple(call.attempts), {}, error))
    ledger.close()
    return tmp_path / "ledger.sqlite"


def run(command, *arguments, capsys):
    """Runs it as `seawall.cli.main` does; returns exit code, stdout, stderr."""
    code = 0
    try:
        command.main(args=list(arguments), prog_name="seawall", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    said = capsys.readouterr()
    return code, said.out, said.err


def as_json(path, *arguments, capsys):
    code, out, err = run(usage_command(path), "--json", *arguments, capsys=capsys)
    assert code == 0
    return json.loads(out), err


def test_json_has_a_row_for_each_model_and_the_totals(path, capsys):
    found, err = as_json(path, capsys=capsys)
    assert set(found) == {"rows", "totals"}
    assert [row["model"] for row in found["rows"]] == ["dear", "cheap", "unknown"]
    for row in found["rows"]:
        assert set(row) == COLUMNS | {"model"}
    assert found["totals"] == {
        "attempts": 6,
        "input_tokens": 6000,
        "cache_read_tokens": 2400,
        "cache_write_tokens": 1800,
        "output_tokens": 12000,
        "thinking_tokens": 0,
        "wasted_output_tokens": 4000,
        "dollars": found["totals"]["dollars"],
    }
    dear = (1000 * 10 + 400 * 10 + 300 * 12.5 + 2000 * 100) / 1e6
    assert [row["dollars"] for row in found["rows"]] == [
        pytest.approx(2 * dear),
        pytest.approx(0.2 * dear),
        None,
    ]
    assert found["totals"]["dollars"] == pytest.approx(2.2 * dear)
    assert "2 attempts are of models without a known price" in err


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("caller", {"reports", ""}),
        ("day", {(NOW - timedelta(days=3)).date().isoformat(), NOW.date().isoformat()}),
    ],
)
def test_rows_are_by_what_was_asked_for(path, capsys, by, keys):
    found, _ = as_json(path, "--by", by, capsys=capsys)
    assert {row[by] for row in found["rows"]} == keys
    assert sum(row["attempts"] for row in found["rows"]) == found["totals"]["attempts"] == 6


@pytest.mark.parametrize(
    ("since", "attempts"),
    [
        ("7d", 6),
        ("2d", 3),
        ("60h", 3),
        ("1w", 6),
        (NOW.date().isoformat(), 3),
        ((NOW - timedelta(days=4)).date().isoformat(), 6),
        ((NOW + timedelta(days=2)).isoformat(), 0),
        ("999999w", 6),
    ],
)
def test_since_leaves_out_what_was_before(path, capsys, since, attempts):
    found, _ = as_json(path, "--since", since, capsys=capsys)
    assert found["totals"]["attempts"] == attempts


def test_days_are_in_their_order(path, capsys):
    found, _ = as_json(path, "--by", "day", capsys=capsys)
    days = [row["day"] for row in found["rows"]]
    assert days == sorted(days)


def test_the_table_has_a_bar_for_each_row_in_80_columns(path, capsys):
    code, out, _ = run(usage_command(path), capsys=capsys)
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    header, dear, cheap, unknown, total = lines
    assert header.split() == ["model", *["attempts", "input", "cached", "output", "wasted", "dollars"]]
    assert dear.split()[:7] == ["dear", "2", "2.0k", "1.4k", "4.0k", "0", "0.44"]
    assert cheap.split()[5] == "4.0k"
    assert unknown.split()[6] == "unknown"
    assert total.split()[:2] == ["total", "6"]
    assert dear.count("█") > cheap.count("█")
    assert "█" not in unknown + total


def test_a_name_can_neither_break_the_table_nor_move_the_cursor(tmp_path, capsys):
    ledger = Ledger(tmp_path / "ledger.sqlite", prices=PRICES)
    call = Call(id="c", params={"model": "m\x1b[2J\n" + "x" * 300}, stream=True)
    call.attempts.append(Attempt(1, "send", status=200, usage=Usage(10**14, 10**15)))
    ledger.begun(call)
    ledger.ended(call, Outcome("completed", tuple(call.attempts), {}))
    ledger.close()
    _, out, _ = run(usage_command(ledger.path), capsys=capsys)
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "m?[2J?" in out


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_no_color_is_heeded(path, capsys, monkeypatch, variables):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with click.Context(click.Command("usage"), color=True):
        _, out, _ = run(usage_command(path), capsys=capsys)
        with click.Context(usage_command(path), color=True) as context:
            context.invoke(usage_command(path), by="model", since=None, is_json=False)
    out += capsys.readouterr().out
    assert ("\x1b[36m" in out) is not bool(variables)


def test_without_a_ledger_nothing_was_spent_and_none_is_made(tmp_path, capsys):
    nowhere = tmp_path / "none" / "ledger.sqlite"
    found, err = as_json(nowhere, capsys=capsys)
    assert found["rows"] == []
    assert found["totals"] == dict.fromkeys(COLUMNS, 0)
    assert err == ""
    code, out, _ = run(usage_command(nowhere), capsys=capsys)
    assert (code, out.startswith("nothing is in the ledger")) == (0, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "'yesterday' is no date such as 2026-11-01"),
        (["--since", "2026-13-01"], "is no date"),
        (["--since", "-7d"], "is no date"),
        (["--since", ""], "is no date"),
        (["--by", "mood"], "--by: 'mood' is not one of 'model', 'caller', 'day'"),
    ],
)
def test_bad_input_is_told_in_one_line_with_exit_code_2(path, capsys, arguments, said):
    code, out, err = run(usage_command(path), *arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def broken(path):
    path.write_bytes(b"garbage" * 1000)
    return "cannot be read: file is not a database"


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return "from a newer version of Seawall"


def foreign(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE treasure (coins)")
    return "another program's database"


def folder(path):
    path.unlink()
    path.mkdir()
    return "cannot be read"


@pytest.mark.parametrize("spoil", [broken, newer, foreign, folder])
def test_a_file_that_cannot_be_read_is_told_and_left_alone(path, capsys, spoil):
    said = spoil(path)
    before = path.read_bytes() if path.is_file() else None
    code, out, err = run(usage_command(path), capsys=capsys)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert [name for name in path.parent.iterdir() if "corrupt-" in name.name or "newer-" in name.name] == []
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_file_that_is_being_made_has_nothing_in_it(tmp_path):
    (tmp_path / "ledger.sqlite").touch()
    assert report.read(tmp_path / "ledger.sqlite").totals.attempts == 0


# -- seawall count


def words(text: str, model: str) -> int:
    return len(text.split()) * (2 if model == "twice" else 1)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.md").write_text("one two three", encoding="utf-8")
    Path("b.md").write_text("word " * 2000, encoding="utf-8")
    return tmp_path


def test_count_tells_the_tokens_of_each_file_and_the_total(files, capsys):
    assert run(count_command(words), "a.md", "b.md", capsys=capsys) == (
        0,
        "    3  a.md\n2,000  b.md\n2,003  total\n",
        "",
    )


def test_count_of_one_file_has_no_total_and_asks_for_the_model(files, capsys):
    assert run(count_command(words), "a.md", "--model", "twice", capsys=capsys) == (0, "6  a.md\n", "")


def test_a_byte_order_mark_is_no_text(files, capsys):
    Path("bom.md").write_bytes(b"\xef\xbb\xbfone")
    counted = count_command(lambda text, model: len(text))
    assert run(counted, "bom.md", capsys=capsys)[1] == "3  bom.md\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP image"),
        (b"PK\x03\x04\x14", "a ZIP archive"),
        (b"\xff\xfeh\0i\0", "UTF-16 text"),
        (b"caf\xe9", "not UTF-8: byte 3 is 0xe9"),
        (b"text\0text", "binary data: byte 4 is 0x00"),
    ],
)
def test_what_is_no_text_is_refused_as_what_it_is(files, capsys, data, said):
    Path("what").write_bytes(data)
    code, out, err = run(count_command(words), "a.md", "what", capsys=capsys)
    assert (code, out) == (2, "")
    assert f"'what' is {said}" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "cannot read 'nowhere': No such file"),
        (["."], "'.' is a folder"),
        (["-", "-"], "only once"),
        (["nul\0"], "cannot read"),
    ],
)
def test_a_file_that_cannot_be_counted_is_told_in_one_line(files, capsys, arguments, said):
    code, out, err = run(count_command(words), *arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


COMMANDS = """
import sys
import click, seawall.cli as core
from pathlib import Path
from seawall_tokens.commands import count_command, usage_command
core.cli.add_command(usage_command(Path(sys.argv[1])))
core.cli.add_command(count_command(lambda text, model: len(text)))
core.main(sys.argv[2:])
"""


def process(*arguments, **options):
    command = [sys.executable, "-c", COMMANDS, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def test_stdin_is_counted_and_exit_codes_reach_the_shell(path, files):
    child = process(path, "count", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.communicate(b"12345", timeout=60) == (b"5  -\n", b"")
    assert child.returncode == 0
    child = process(path, "usage", "--since", "never", stdout=subprocess.PIPE)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err.count(b"\n")) == (2, b"", 1)
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="pipes of another kind")
@pytest.mark.parametrize("arguments", [("usage",), ("usage", "--json"), ("count", "a.md")])
def test_a_pipe_that_nobody_reads_is_no_error(path, files, arguments):
    read, write = os.pipe()
    os.close(read)
    child = process(path, *arguments, stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert b"rror" not in err
    assert b"pipe" not in err


def test_a_terminal_without_blocks_gets_plain_bars(path):
    child = process(path, "usage", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert b"####" in out
