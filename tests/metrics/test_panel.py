"""The panel: ranks and Kendall's tau against scipy, families, leaving out who taught, what all agree on."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from loopwright.errors import InputError
from loopwright.features.registry import NETWORKS
from loopwright.metrics.panel import FAMILIES, family_of, kendall, rank, rank_by_families


def test_ranks_are_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.integers(0, 6, 9).astype(float)
        np.testing.assert_array_equal(rank(x), stats.rankdata(x))
    np.testing.assert_array_equal(rank([3.0, math.nan, 1.0]), [2.0, math.nan, 1.0])


@pytest.mark.parametrize("n", [2, 3, 5, 8, 12, 20])
def test_tau_and_its_exact_p_are_scipys(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(10):
        a, b = rng.permutation(n).astype(float), rng.permutation(n).astype(float)
        expected, got = stats.kendalltau(a, b, method="exact"), kendall(a, b)
        assert got.tau == pytest.approx(expected.statistic, abs=1e-12)
        assert got.p == pytest.approx(expected.pvalue, abs=1e-12)
        assert got.rows == n


def test_tau_b_with_ties_is_scipys_and_its_p_that_of_all_orders() -> None:
    rng = np.random.default_rng(1)
    for n in (4, 5, 6):
        a, b = rng.integers(0, 3, n).astype(float), rng.integers(0, 4, n).astype(float)
        a[:2], b[:2] = (0, 1), (0, 1)
        got = kendall(a, b)
        assert got.tau == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
        taus = [abs(stats.kendalltau(a, np.array(order)).statistic) for order in itertools.permutations(b)]
        assert got.p == pytest.approx(np.mean(np.array(taus) >= abs(got.tau) - 1e-9), abs=1e-12)
    many = np.repeat(np.arange(5.0), 2)
    assert math.isnan(kendall(many, many).p)
    assert kendall(many, many).tau == pytest.approx(1.0)


def test_rows_without_a_figure_are_left_out_in_pairs() -> None:
    got = kendall([1, 2, math.nan, 4, 3], [1, 2, 3, math.nan, 4])
    assert (got.tau, got.rows) == (1.0, 3)
    assert math.isnan(kendall([1.0], [1.0]).tau)
    assert math.isnan(kendall([1.0, 1.0], [1.0, 2.0]).tau)
    with pytest.raises(InputError, match="same rows"):
        kendall([1, 2], [1, 2, 3])


def test_every_judge_has_a_family() -> None:
    assert {family_of(name) for name in NETWORKS} <= set(FAMILIES)
    assert family_of("random:yamnet") == "random"
    assert family_of("direct:random:yamnet") == "random"
    assert family_of("direct:yamnet") == "AudioSet tagging"
    with pytest.raises(InputError, match="in no family"):
        family_of("ear")


ROWS = ("a", "b", "c")
JUDGES = ("yamnet", "vggish", "musicnn", "basic_pitch", "random:yamnet")


def table() -> np.ndarray:
    """KAD: general judges think a and b before c, taggers a, b, c, the transcriber c, a, b."""
    return np.array([[1.0, 2.0, 5.0, 8.0, 1.0], [2.0, 1.5, 6.0, 9.0, 1.0], [3.0, 3.0, 7.0, 2.0, math.nan]])


def test_families_rank_as_one() -> None:
    got = rank_by_families(table(), ROWS, JUDGES)
    assert got.families == ("AudioSet tagging", "music tagging", "transcriber", "random")
    # yamnet says 1 2 3, vggish 2 1 3: together a and b share first and second place
    np.testing.assert_array_equal(got.ranks, [[1.5, 1.5, 3], [1, 2, 3], [2, 3, 1], [1.5, 1.5, math.nan]])
    np.testing.assert_allclose(got.overall, [1.5, 2.0, 7 / 3])
    np.testing.assert_allclose(got.fair, got.overall)
    assert got.kendall["music tagging", "transcriber"].tau == pytest.approx(-1 / 3)
    assert got.agreed == ()


def test_higher_may_be_better() -> None:
    got = rank_by_families(-table(), ROWS, JUDGES, higher_is_better=True)
    np.testing.assert_array_equal(got.ranks, rank_by_families(table(), ROWS, JUDGES).ranks)


def test_who_taught_a_row_is_not_asked_about_it() -> None:
    scores = np.array([[1.0, 4.0, 4.0], [2.0, 2.0, 3.0], [3.0, 1.0, 1.0]])
    judges = ("yamnet", "musicnn", "basic_pitch")
    assert rank_by_families(scores, ROWS, judges).agreed == ()
    got = rank_by_families(scores, ROWS, judges, taught_by={"a": ["direct:yamnet", "mel"]})
    np.testing.assert_array_equal(got.taught, [[True, False, False], [False] * 3, [False] * 3])
    np.testing.assert_allclose(got.fair, [3.0, 2.0, 5 / 3])
    # Without its teacher nobody thinks a the best; of b and c the general judge still says otherwise.
    assert got.agreed == (("b", "a"), ("c", "a"))


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match=r"got \(3, 5\), 3 different rows and 4"):
        rank_by_families(table(), ROWS, JUDGES[:4])
    with pytest.raises(InputError, match="no row d"):
        rank_by_families(table(), ROWS, JUDGES, taught_by={"d": ["yamnet"]})
    with pytest.raises(InputError, match="2 different rows"):
        rank_by_families(table(), ("a", "a", "b"), JUDGES)
