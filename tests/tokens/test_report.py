"""The sums of a ledger: by model, caller, day, from a moment on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from seawall.state import SQLiteFile, owners
from seawall_tokens import report
from seawall_tokens.report import Sums, UnreadableError, moment
from seawall_tokens.rows import PUT, TABLE, VERSION, Row

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
ROW = Row(
    time=NOW.timestamp(),
    call="c",
    attempt=1,
    caller="reports",
    model="m",
    input_tokens=100,
    cache_read_tokens=20,
    cache_write_tokens=3,
    output_tokens=50,
    thinking_tokens=10,
    is_estimated=False,
    dollars=0.5,
    ended="ok",
    wasted_output_tokens=0,
    owner=None,
    updated=NOW.timestamp(),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    # what an address means something by; Windows has no question marks in names
    return tmp_path / ("ledger #1%.sqlite" if os.name == "nt" else "ledger #1?.sqlite")


read = partial(report.read, clock=NOW.timestamp)


def put(path: Path, *changes: dict[str, object]) -> None:
    """Write rows that differ from `ROW` and from each other in their calls."""
    file = SQLiteFile(path, table=TABLE, version=VERSION)
    listed = [ROW._replace(**{"call": f"call {number}", **change}) for number, change in enumerate(changes)]
    file.run(lambda connection: connection.executemany(PUT, listed))
    file.close()


def dead_owner() -> str:
    code = "from seawall.state import owners; print(owners.new_owner())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_totals_are_the_sums_of_all_rows(path):
    put(path, {}, {"wasted_output_tokens": 50, "model": "n"}, {"model": "n"})
    found = read(path)
    assert found.totals == Sums(3, 300, 60, 9, 150, 30, 50, 1.5)
    assert found.rows == (
        ("n", Sums(2, 200, 40, 6, 100, 20, 50, 1.0)),
        ("m", Sums(1, 100, 20, 3, 50, 10, 0, 0.5)),
    )


def test_rows_are_by_caller_too(path):
    put(path, {}, {"caller": ""}, {"caller": "", "dollars": 1.0})
    assert [(key, sums.attempts) for key, sums in read(path, "caller").rows] == [("", 2), ("reports", 1)]


def test_days_are_of_utc_and_in_their_order(path):
    late = datetime(2026, 11, 25, 23, 59, tzinfo=UTC).timestamp()
    put(path, {"time": late + 120, "dollars": 0.1}, {"time": late, "dollars": 9.0}, {"time": late - 86_400})
    days = [key for key, _ in read(path, "day").rows]
    assert days == ["2026-11-24", "2026-11-25", "2026-11-26"]


def test_the_dearest_come_first_and_without_prices_those_with_the_most_output(path):
    put(
        path,
        {"model": "a", "dollars": 1.0},
        {"model": "b", "dollars": 2.0},
        {"model": "c", "dollars": None, "output_tokens": 1},
        {"model": "d", "dollars": None, "output_tokens": 2},
    )
    assert [key for key, _ in read(path).rows] == ["b", "a", "d", "c"]


def test_what_began_before_is_left_out(path):
    put(path, {}, {"time": NOW.timestamp() - 10}, {"time": NOW.timestamp() - 20})
    assert read(path, since=NOW - timedelta(seconds=10)).totals.attempts == 2


def test_attempts_without_a_price_are_counted_and_in_no_sum_of_dollars(path):
    put(path, {"dollars": None}, {})
    found = read(path)
    assert (found.unpriced, found.totals.dollars) == (1, 0.5)


def test_dollars_of_attempts_that_have_no_price_are_unknown_and_not_0(path):
    put(path, {"dollars": None})
    assert read(path).totals.dollars is None


def test_an_attempt_that_used_nothing_needs_no_price(path):
    nothing = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"), 0)
    put(path, {"dollars": None, **nothing})
    assert read(path).unpriced == 0


def test_what_a_dead_process_had_under_way_is_lost_and_its_output_wasted(path):
    under_way = {"ended": None, "wasted_output_tokens": None}
    put(path, {"owner": dead_owner(), **under_way}, {"owner": owners.new_owner(), **under_way})
    found = read(path)
    assert (found.lost, found.totals.attempts, found.totals.wasted_output_tokens) == (1, 2, 50)


def test_what_another_host_has_not_updated_for_long_is_lost(path):
    elsewhere = {"ended": None, "wasted_output_tokens": None, "owner": "who knows"}
    long_ago = NOW.timestamp() - 3_600
    put(path, {**elsewhere, "updated": long_ago}, elsewhere)
    assert read(path).lost == 1


def test_a_failed_attempt_of_a_dead_process_is_wasted_but_not_lost(path):
    put(path, {"ended": "ValueError", "wasted_output_tokens": None, "owner": dead_owner()})
    found = read(path)
    assert (found.lost, found.totals.wasted_output_tokens) == (0, 50)


def test_estimated_are_those_that_broke_and_not_those_under_way(path):
    under_way = {"ended": None, "wasted_output_tokens": None, "owner": owners.new_owner()}
    put(path, {"is_estimated": True, "ended": "E"}, {"is_estimated": True, **under_way}, {})
    assert read(path).estimated == 1


def test_sums_of_cents_have_no_noise(path):
    put(path, *[{"dollars": 0.1}] * 3)
    assert read(path).totals.dollars == 0.3


def test_json_names_its_rows_by_what_they_are_of(path):
    put(path, {})
    said = read(path, "caller").as_json()
    columns = {"attempts", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"}
    columns |= {"thinking_tokens", "wasted_output_tokens", "dollars"}
    assert set(said) == {"rows", "totals"}
    assert set(said["totals"]) == columns
    assert set(said["rows"][0]) == columns | {"caller"}
    assert said["rows"][0]["caller"] == "reports"


# -- files that are none


def test_where_there_is_no_ledger_nothing_was_spent_and_none_is_made(path):
    assert read(path).totals == Sums()
    assert not path.exists()


def test_a_ledger_that_is_being_made_is_empty(path):
    path.touch()
    assert read(path).totals == Sums()


def spoilt(path: Path) -> str:
    path.write_bytes(b"garbage" * 1000)
    return "cannot be read: file is not a database"


def newer(path: Path) -> str:
    put(path, {})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    return "was written by a later version of Seawall; update this one"


def foreign(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE treasure (coins)")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    return "cannot be read: no such table"


def folder(path: Path) -> str:
    path.mkdir()
    return "cannot be read"


@pytest.mark.parametrize("spoil", [spoilt, newer, foreign, folder])
def test_a_file_that_cannot_be_read_is_told_and_left_alone(path, spoil):
    said = spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UnreadableError) as error:
        read(path)
    assert said in str(error.value)
    assert repr(str(path)) in str(error.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert list(path.parent.glob("*damaged*")) == list(path.parent.glob("*newer*")) == []


def test_it_is_read_while_somebody_writes(path):
    file = SQLiteFile(path, table=TABLE, version=VERSION)

    def look(connection: sqlite3.Connection) -> int:
        connection.execute(PUT, ROW)
        return read(path).totals.attempts

    assert file.run(look) == 0
    assert read(path).totals.attempts == 1
    file.close()


# -- --since


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        (" 2W ", timedelta(weeks=2)),
        ("0h", timedelta()),
    ],
)
def test_a_duration_is_so_long_ago(text, ago):
    assert moment(text, NOW) == NOW - ago


def test_a_duration_longer_than_there_are_years_is_since_ever():
    assert moment("999999w", NOW).timestamp() == 0


def test_a_date_is_its_midnight_in_utc():
    assert moment("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_time_may_say_its_zone():
    assert moment("2026-11-01T12:00+02:00", NOW) == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "-7d", "7", "d", "2026-13-01", "1000000d", "7y"])
def test_what_is_no_moment_is_refused_by_name(text):
    with pytest.raises(ValueError, match="is no date such as 2026-11-01 and no duration") as error:
        moment(text, NOW)
    assert repr(text) in str(error.value)


def test_a_row_of_every_column_is_summed_or_a_key():
    assert set(Sums.__dataclass_fields__) - {"attempts"} <= set(Row._fields)
    assert set(report._KEYS) - {"day"} <= set(Row._fields)
