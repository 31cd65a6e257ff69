"""A panel of judges over rows: which family says what, and what holds for all."""

from __future__ import annotations

from loopwright.measuring.panel import panel_page
from loopwright.measuring.results import Estimate


def scores(**by_judge: float) -> dict[str, Estimate]:
    return {f"kad/{judge}": Estimate(value=value) for judge, value in by_judge.items()}


ROWS = {
    "real": scores(yamnet=0.1, musicnn=0.1, scnn_mtat=0.2, basic_pitch=0.1),
    "model a": scores(yamnet=1.0, musicnn=3.0, scnn_mtat=4.0, basic_pitch=9.0),
    "model b": scores(yamnet=2.0, musicnn=2.0, scnn_mtat=3.0, basic_pitch=8.0),
}


def test_ranks_stand_by_family_and_the_family_that_taught_is_marked_and_left_out() -> None:
    page = panel_page(ROWS, {"model a": ("yamnet", "mel")})
    line = next(x for x in page.splitlines() if x.startswith("| model a |"))
    # AudioSet ranks it 2, the two others 3: without AudioSet, which taught it, its mean is 3; the other rows' change too
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["2 †", "3", "3", "2.67", "3.00"]
    other = next(x for x in page.splitlines() if x.startswith("| model b |"))
    assert [cell.strip() for cell in other.split("|")[2:-1]] == ["3", "2", "2", "2.33", "2.00"]
    assert (
        "* model b is nearer than model a (2 of 3: music tagging, transcriber)" in page
    )  # AudioSet, which taught a, is not asked
    assert "* real is nearer than model a" in page
    assert "| music tagging and transcriber | 1.00 |" in page
    assert "| AudioSet tagging and transcriber | 0.33 |" in page


def test_families_that_disagree_leave_no_finding() -> None:
    page = panel_page(ROWS, {})
    assert "model b is nearer than model a" not in page
    assert "model a is nearer than model b" not in page


def test_one_family_or_one_row_is_no_panel() -> None:
    assert panel_page({"a": scores(yamnet=1.0), "b": scores(yamnet=2.0)}, {}) == ""
    assert panel_page({"a": scores(yamnet=1.0, musicnn=1.0)}, {}) == ""
