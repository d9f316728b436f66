"""What plugins tell of shared state is plain, and wrong where it is made rather than where it is shown."""

import math
import pickle
from decimal import Decimal

import pytest

from seawall import Gauge, Panel


def test_a_panel_needs_a_title_and_no_more():
    panel = Panel("Circuits")
    assert (panel.gauges, panel.columns, panel.rows, panel.alert, panel.note) == ((), (), (), "", "")
    assert pickle.loads(pickle.dumps(panel)) == panel


def test_a_row_has_a_cell_for_each_column():
    assert Panel("p", columns=("a", "b"), rows=[(1, None)]).rows == [(1, None)]
    with pytest.raises(ValueError, match="Panel 'p': a row of 1 cells for 2 columns"):
        Panel("p", columns=("a", "b"), rows=[(1,)])


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, Decimal("1.5"), b"x", ("x",)])
def test_a_cell_is_a_text_a_finite_number_or_nothing(wrong):
    assert Panel("p", columns=("a", "b", "c", "d"), rows=[("x", 1, 1.5, None)]).rows
    with pytest.raises(
        ValueError, match=r"Panel 'p': a cell of 'b' = .* a finite number or None is expected"
    ):
        Panel("p", columns=("a", "b"), rows=[("x", 1), ("x", wrong)])


@pytest.mark.parametrize("name", ["title", "alert", "note"])
def test_what_a_panel_says_is_text(name):
    with pytest.raises(TypeError, match=rf"Panel .*: {name} = 7: a text is expected"):
        Panel(**{"title": "p", name: 7})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, "7", None])
def test_a_gauge_is_of_finite_numbers(wrong):
    assert Gauge("g", -1, 10, "tokens").left == -1
    with pytest.raises(ValueError, match=r"Gauge 'g': left = .* a finite number is expected"):
        Gauge("g", wrong, 10, "tokens")
    with pytest.raises(ValueError, match=r"Gauge 'g': limit = .* a finite number is expected"):
        Gauge("g", 1, wrong, "tokens")


@pytest.mark.parametrize("name", ["label", "unit", "note"])
def test_what_a_gauge_says_is_text(name):
    with pytest.raises(TypeError, match=rf"Gauge .*: {name} = None: a text is expected"):
        Gauge(**{"label": "g", "left": 1, "limit": 2, "unit": "tokens", name: None})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"gauges": None}, "gauges = None: a list is expected"),
        ({"gauges": Gauge("g", 1, 2, "tokens")}, "gauges = Gauge.*: a list is expected"),
        ({"gauges": ["g"]}, "'g' in gauges: a Gauge is expected"),
        ({"columns": ("a", 1), "rows": [(1, 2)]}, "1 in columns: a text is expected"),
        ({"columns": ("a",), "rows": ([1] for _ in "x")}, "rows = <generator .*: a list is expected"),
        ({"columns": ("a",), "rows": [{"a": 1}]}, "{'a': 1} in rows: a list is expected"),
    ],
)
def test_a_panel_has_lists_of_gauges_of_texts_and_of_rows(wrong, says):
    with pytest.raises(TypeError, match=rf"Panel 'p': {says}"):
        Panel("p", **wrong)
