"""Speed-ups from curves that can be read by eye."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.study.results import Curve, best_so_far, reach, speed_up

KEY = "kad/judge"


def curve(values: list[float], *, every: float = 1.0, seconds: float = 10.0) -> Curve:
    ticks: list[dict[str, Any]] = []
    for i, value in enumerate(values):
        ticks += [{"kimg": i * every, "seconds": i * seconds, KEY: value}, {"kimg": (i + 0.5) * every, "seconds": 0}]
    return Curve(0, "x", "x", 0, ticks=ticks)


def test_best_so_far_and_where_it_is_reached() -> None:
    values = [10.0, 6.0, 8.0, 2.0]
    assert best_so_far(values) == [10, 6, 6, 2]
    assert reach([0, 1, 2, 3], values, 10) == 0
    assert reach([0, 1, 2, 3], values, 8) == pytest.approx(0.5)
    assert reach([0, 1, 2, 3], values, 4) == pytest.approx(2.5)
    assert reach([0, 1, 2, 3], values, 1) is None


def test_speed_up_counts_images_and_seconds_to_the_score_both_reach() -> None:
    slow, quick = curve([16, 12, 8, 4]), curve([16, 8, 0, 0], seconds=40)
    found = speed_up(slow, quick, KEY)
    assert found is not None
    assert found.target == 4
    assert found.images_ratio == pytest.approx(3 / 1.5)
    assert found.seconds_ratio == pytest.approx(30 / 60)
    assert found.base_needs_for_others_best is None
    assert found.other_needs_for_bases_best == pytest.approx(1.5)
    back = speed_up(quick, slow, KEY)
    assert back is not None
    assert back.images_ratio == pytest.approx(0.5)
    assert speed_up(slow, curve([]), KEY) is None
