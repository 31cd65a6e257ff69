"""What a tick measures: coverage of each style by hand."""

from __future__ import annotations

import numpy as np

from loopwright.training.tick import coverage_by_group


def test_a_style_that_nothing_comes_near_is_not_covered() -> None:
    """Three real items a style on a line, a step apart: the nearest other is one away, so that is each one's radius."""
    real = np.asarray([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    styles = ["funk"] * 3 + ["rock"] * 3
    assert coverage_by_group(real, np.asarray([[0.5]]), styles, k=1) == {"funk": 2 / 3, "rock": 0.0}
    assert coverage_by_group(real, real, styles, k=1) == {"funk": 1.0, "rock": 1.0}
    assert coverage_by_group(real, np.asarray([[3.0], [9.0]]), styles, k=1) == {"funk": 0.0, "rock": 0.0}  # at, not within
