"""The table of `seawall usage`: 80 columns, whatever is in it."""

import pytest

from seawall_tokens.report import Report, Sums
from seawall_tokens.table import SIGNS, table

DEAR = Sums(2, 2_000, 800, 600, 4_000, 0, 0, 0.44)
CHEAP = Sums(2, 2_000, 800, 600, 4_000, 0, 4_000, 0.044)
UNKNOWN = Sums(2, 2_000, 800, 600, 4_000, 0, 0, None)
TOTALS = Sums(6, 6_000, 2_400, 1_800, 12_000, 0, 4_000, 0.484)
REPORT = Report("model", (("dear", DEAR), ("cheap", CHEAP), ("unknown", UNKNOWN)), TOTALS)
HUGE = Sums(*[10**16] * 7, 1e15)


def lines(report, **options):
    return [f"{text}  {bar}".rstrip() for text, bar in table(report, **options)]


def one(key="m", sums=DEAR, by="model"):
    return Report(by, ((key, sums),), sums)


def test_a_line_has_a_name_counts_and_dollars():
    header, dear, cheap, unknown, total = lines(REPORT)
    assert header.split() == ["model", "attempts", "input", "cached", "output", "wasted", "dollars"]
    assert dear.split()[:7] == ["dear", "2", "2.0k", "1.4k", "4.0k", "0", "0.44"]
    assert cheap.split()[5:7] == ["4.0k", "0.04"]
    assert unknown.split()[6:] == ["unknown"]
    assert total.split() == ["total", "6", "6.0k", "4.2k", "12.0k", "4.0k", "0.48"]


def test_numbers_are_below_each_other():
    header, *others = (text for text, _ in table(REPORT))
    end = header.index("attempts") + len("attempts")
    for line in others:
        assert line[end - 2 : end + 1] in (" 2 ", " 6 ")


def test_bars_are_as_long_as_what_was_spent():
    _, dear, cheap, unknown, total = (bar for _, bar in table(REPORT))
    assert len(cheap) == pytest.approx(len(dear) / 10, abs=1)
    assert (unknown, total) == ("", "")


def test_the_longest_bar_ends_at_the_edge():
    assert max(map(len, lines(REPORT))) == 80


def test_without_prices_bars_are_of_tokens():
    few = Sums(1, 10, 0, 0, 10, 0, 0, None)
    _, many, little, _ = table(Report("model", (("a", UNKNOWN), ("b", few)), UNKNOWN))
    assert len(many[1]) > len(little[1]) > 0


def test_what_was_little_has_a_bar_that_can_be_seen():
    _, _, little, _ = table(Report("model", (("a", HUGE), ("b", DEAR)), HUGE))
    assert little[1] == "▏"


def test_one_row_needs_no_total():
    assert len(table(one())) == 2


def test_no_row_has_a_total_of_nothing():
    assert lines(Report("model"))[1].split()[:2] == ["total", "0"]


@pytest.mark.parametrize("is_plain", [False, True])
def test_it_is_no_wider_than_80_columns_whatever_is_in_it(is_plain):
    report = Report("model", (("x" * 300, HUGE), ("y" * 300, DEAR)), HUGE)
    assert max(map(len, lines(report, is_plain=is_plain))) <= 80


def test_a_name_can_neither_break_the_table_nor_move_the_cursor():
    _, line = lines(one("m\x1b[2J\n\u202e" + "x" * 300))
    assert line.startswith("m?[2J??xxx")
    assert "…  " in line


def test_a_name_that_is_empty_is_told():
    assert lines(one("", by="caller"))[1].startswith("no caller  ")


def test_a_plain_table_is_of_ascii():
    text = "\n".join(lines(Report("model", (("é" * 300, DEAR), ("b", CHEAP)), TOTALS), is_plain=True))
    assert text.isascii()
    assert "####" in text
    assert ".." in text


def test_all_that_a_table_has_beyond_ascii_is_among_the_signs():
    text = "\n".join(lines(Report("model", (("x" * 300, DEAR), ("b", CHEAP)), TOTALS)))
    assert {sign for sign in text if not sign.isascii()} <= set(SIGNS)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (99_940, "99.9k"),
        (99_960, "99k"),
        (100_000, "100k"),
        (1_234_567, "1.2M"),
    ],
)
def test_numbers_are_short(number, shown):
    assert lines(one(sums=Sums(number)))[1].split()[1] == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(0.0, "0.00"), (0.000_012, "0.000012"), (0.01, "0.01"), (12.345, "12.35"), (2_500_000.0, "2.5M")],
)
def test_dollars_have_cents_or_as_many_places_as_it_takes(dollars, shown):
    assert lines(one(sums=Sums(1, dollars=dollars)))[1].split()[6] == shown
