"""The two ways to fail, on both sides of each limit that docs/study.md names."""

from __future__ import annotations

from loopwright.training.detect import collapse, dominance

HEALTHY = {"pairwise/fake": 1.0, "pairwise/real": 1.2, "saturation": 0.4, "coverage/musicnn": 0.6, "density/musicnn": 0.9}


def test_a_healthy_tick_and_an_empty_one_are_neither() -> None:
    for row in (HEALTHY, {}):
        assert not collapse(row)
        assert not dominance(row)


def test_a_discriminator_has_won_when_more_than_nine_in_ten_logits_are_past_the_margin() -> None:
    assert dominance(HEALTHY | {"saturation": 0.91})
    assert not dominance(HEALTHY | {"saturation": 0.9})


def test_bars_closer_together_than_half_of_real_ones_are_a_collapse() -> None:
    assert collapse(HEALTHY | {"pairwise/fake": 0.59})
    assert not collapse(HEALTHY | {"pairwise/fake": 0.61})


def test_dense_where_little_is_covered_is_a_collapse() -> None:
    assert collapse(HEALTHY | {"coverage/musicnn": 0.09, "density/musicnn": 0.31})
    assert not collapse(HEALTHY | {"coverage/musicnn": 0.11, "density/musicnn": 0.31})
    assert not collapse(HEALTHY | {"coverage/musicnn": 0.09, "density/musicnn": 0.29})  # bad, but not collapsed
