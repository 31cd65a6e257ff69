"""The writer of tables."""

from __future__ import annotations

from loopwright.measuring.report import cell, markdown_table, number
from loopwright.measuring.results import Estimate
from loopwright.metrics import Interval


def test_no_zero_in_a_table_has_a_sign() -> None:
    assert cell(Estimate(value=0.0, low=0.0, high=-1e-17), 2) == "0.00 [0.00, 0.00]"
    assert cell(Estimate(value=-0.5, low=-1.0, high=0.001), 2) == "-0.50 [-1.00, 0.00]"


def test_a_cell_shows_the_error_that_is_known() -> None:
    assert cell(None, 2) == "–"
    assert cell(Estimate(value=1.234), 1) == "1.2"
    assert cell(Estimate(value=1.0, spread=0.25), 2) == "1.00 ± 0.25"
    assert cell(Estimate(value=1.0, low=0.5, high=2.0), 1, error=False) == "1.0"
    assert cell(Estimate(value=1.0, low=1.0, high=1.0), 1, single=True) == "1.0"
    assert number(None) == "–"
    assert number(0.012345, "x") == "0.0123x"


def test_a_markdown_table_has_its_first_columns_left() -> None:
    assert markdown_table(["a", "b", "c"], [["1", "2", "3"]], left=2) == "| a | b | c |\n|---|---|--:|\n| 1 | 2 | 3 |\n"


def test_intervals_are_cut_off_where_no_value_can_lie() -> None:
    wide = Interval(0.9, -0.2, 1.1)
    assert Estimate.of(wide, "coverage") == Estimate(value=0.9, low=0.0, high=1.0)
    assert Estimate.of(wide, "density") == Estimate(value=0.9, low=0.0, high=1.1)
    assert Estimate.of(wide, "kad") == Estimate(value=0.9, low=-0.2, high=1.1)
