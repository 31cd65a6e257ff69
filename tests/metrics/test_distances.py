"""Distances against independent implementations: scipy's sqrtm, the prdc package, plain double loops, fadtk's procedure."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import linalg, stats

from loopwright import metrics
from loopwright.errors import InputError
from loopwright.metrics import bins, kernel, neighbours


def gaussians(n: int, m: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated sets with different means and covariances, float32 as judges give them."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d)) / math.sqrt(d)
    real = rng.normal(size=(n, d)) @ mix + 1.0
    fake = rng.normal(size=(m, d)) @ (mix + 0.3 * rng.normal(size=(d, d)) / math.sqrt(d)) + 1.2
    return real.astype(np.float32), fake.astype(np.float32)


def fad_by_sqrtm(real: np.ndarray, fake: np.ndarray) -> float:
    """The textbook form, as every peer computes it."""
    a, b = real.astype(float), fake.astype(float)
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(ca @ cb)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * np.trace(root.real))


@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 16), (500, 700, 64), (700, 600, 200)])
def test_fad_equals_the_sqrtm_form(n: int, m: int, d: int) -> None:
    real, fake = gaussians(n, m, d)
    assert metrics.fad(real, fake) == pytest.approx(fad_by_sqrtm(real, fake), rel=1e-6)


def test_fad_matches_the_closed_form_for_diagonal_gaussians() -> None:
    """If covariances commute: |m1 - m2|^2 + sum of (s1 - s2)^2."""
    m1, s1 = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    m2, s2 = np.array([3.0, 1.0]), np.array([2.0, 5.0])
    got = metrics.frechet_distance(m1, np.diag(s1**2), m2, np.diag(s2**2))
    assert got == pytest.approx(9.0 + 10.0, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(30, 20, 64), (20, 200, 64), (200, 20, 64)])
def test_fad_of_fewer_items_than_columns_is_exact(n: int, m: int, d: int) -> None:
    """Singular covariances, where sqrtm fails: tr (AB)^(1/2) from the roots of the eigenvalues of the plain product."""
    real, fake = (x.astype(float) for x in gaussians(n, m, d))
    moments = [real.mean(0), np.cov(real, rowvar=False), fake.mean(0), np.cov(fake, rowvar=False)]
    roots = np.sqrt(np.maximum(linalg.eigvals(moments[1] @ moments[3]).real, 0)).sum()
    expected = ((moments[0] - moments[2]) ** 2).sum() + np.trace(moments[1] + moments[3]) - 2 * roots
    assert metrics.fad(real, fake) == pytest.approx(expected, rel=1e-5)
    assert metrics.frechet_distance(*moments) == pytest.approx(expected, rel=1e-5)


def test_fad_is_a_distance() -> None:
    real, fake = gaussians(200, 150, 12)
    assert metrics.fad(real, real) == pytest.approx(0, abs=1e-8)
    assert metrics.fad(real, fake) == pytest.approx(metrics.fad(fake, real), rel=1e-9)
    assert metrics.fad(real[::-1], fake) == pytest.approx(metrics.fad(real, fake), rel=1e-9)  # order of items is nothing
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    assert metrics.fad(real @ turn, fake @ turn) == pytest.approx(metrics.fad(real, fake), rel=1e-5)


def test_fad_with_dead_and_repeated_columns_is_not_negative() -> None:
    """Columns that are always zero (a ReLU judge) or equal make singular covariances even with many items."""
    real, fake = gaussians(300, 300, 10)
    wide = [np.hstack([x, np.zeros((300, 3)), x[:, :2]]) for x in (real, fake)]
    expected = metrics.fad(*(np.hstack([x[:, :2] * math.sqrt(2), x[:, 2:]]) for x in (real, fake)))
    assert metrics.fad(*wide) == pytest.approx(expected, rel=1e-6)
    assert metrics.fad(wide[0], wide[0]) == pytest.approx(0, abs=1e-6)


def test_fad_inf_is_the_procedure_of_fadtk() -> None:
    """Written out as in fadtk's FrechetAudioDistance.score_inf: fake subsets with replacement, fixed baseline, line in 1/n."""
    real, fake = gaussians(600, 900, 8)
    rng = np.random.default_rng(5)
    ns = [int(n) for n in np.linspace(500, 900, 25)]
    ys = [fad_by_sqrtm(real, fake[rng.choice(900, size=n, replace=True)]) for n in ns]
    slope, intercept = np.polyfit(1 / np.array(ns), ys, 1)
    got = metrics.fad_inf(real, fake, steps=25, min_n=500, sides="fake", replace=True, seed=5)
    assert got.value == pytest.approx(intercept, rel=1e-6)
    assert got.slope == pytest.approx(slope, rel=1e-5)
    assert [n for n, _ in got.points] == ns


def test_fad_inf_takes_the_bias_of_small_sets_away() -> None:
    """Two samples of one Gaussian: FAD is positive for certain, FAD-inf is near zero."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 800, 32))
    plain = metrics.fad(real, fake)
    assert abs(float(metrics.fad_inf(real, fake))) < 0.15 * plain


def test_kad_equals_a_double_loop() -> None:
    real, fake = gaussians(23, 19, 6)
    scale = np.median([np.linalg.norm(real[i].astype(float) - real[j]) for i in range(23) for j in range(i)])

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return math.exp(-float(((x.astype(float) - y) ** 2).sum()) / (2 * scale**2))

    within_r = sum(k(real[i], real[j]) for i in range(23) for j in range(23) if i != j) / (23 * 22)
    within_f = sum(k(fake[i], fake[j]) for i in range(19) for j in range(19) if i != j) / (19 * 18)
    across = sum(k(x, y) for x in real for y in fake) / (23 * 19)
    assert metrics.kad(real, fake) == pytest.approx(100 * (within_r + within_f - 2 * across), rel=1e-9)


def test_blocks_do_not_change_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = gaussians(70, 55, 6)
    whole = metrics.kad(real, fake), metrics.prdc(real, fake), metrics.density_coverage(real, fake)
    monkeypatch.setattr(neighbours, "_CELLS", 7 * 70)
    monkeypatch.setattr(neighbours, "_FIRST", 11)
    monkeypatch.setattr(kernel, "_ROWS", 7)
    parts = metrics.kad(real, fake), metrics.prdc(real, fake), metrics.density_coverage(real, fake)
    assert parts[0] == pytest.approx(whole[0], rel=1e-9)
    assert parts[1:] == whole[1:]


def peer_prdc(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    prdc = pytest.importorskip("prdc", reason="the oracle package prdc is not installed")
    with contextlib.redirect_stdout(io.StringIO()):
        return prdc.compute_prdc(real, fake, k)


@pytest.mark.parametrize(("n", "m", "d", "k"), [(300, 300, 16, 5), (200, 350, 128, 3), (257, 101, 4, 10)])
def test_prdc_equals_the_authors_package_exactly(n: int, m: int, d: int, k: int) -> None:
    real, fake = gaussians(n, m, d)
    theirs = peer_prdc(real, fake, k)
    ours = metrics.prdc(real, fake, k)
    assert (ours.precision, ours.recall, ours.coverage) == (theirs["precision"], theirs["recall"], theirs["coverage"])
    assert ours.density == pytest.approx(theirs["density"], rel=1e-12)
    density, coverage = metrics.density_coverage(real, fake, k)
    assert (density, coverage) == (pytest.approx(ours.density, rel=1e-12), ours.coverage)


def test_prdc_is_exact_where_float32_is_not() -> None:
    """Far from the origin and with near ties: whole numbers, whose squared distances float64 gets exactly."""
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(-3, 4, size=(150, 12)).astype(float) + 1e6 for _ in range(2))
    real[:20] = real[20:40]  # repeated items: radii of 0 among them
    real[:8] = real[0]
    got = metrics.prdc(real, fake, 5)
    gap = ((real[:, None] - fake[None]) ** 2).sum(-1)
    radius_r = np.sort(((real[:, None] - real[None]) ** 2).sum(-1), axis=1)[:, 5]
    radius_f = np.sort(((fake[:, None] - fake[None]) ** 2).sum(-1), axis=1)[:, 5]
    inside = gap < radius_r[:, None]
    assert (radius_r[:8] == 0).all()
    assert got.precision == inside.any(axis=0).mean()
    assert got.recall == (gap < radius_f[None]).any(axis=1).mean()
    assert got.density == pytest.approx(inside.sum(axis=0).mean() / 5)
    assert got.coverage == inside.any(axis=1).mean()


def test_prdc_of_a_set_with_one_far_item_and_of_small_numbers() -> None:
    real, fake = gaussians(120, 120, 6)
    expected = peer_prdc(real, fake, 5)
    real2, fake2 = np.vstack([real, real[:1] + 1e4]).astype(np.float64), fake.astype(np.float64)
    wide, theirs = metrics.prdc(real2, fake2), peer_prdc(real2, fake2, 5)
    assert (wide.precision, wide.recall, wide.coverage) == (theirs["precision"], theirs["recall"], theirs["coverage"])
    small = metrics.prdc(real * 1e-6, fake * 1e-6)
    assert small.density == pytest.approx(expected["density"], rel=1e-12)


def test_a_fake_at_exactly_the_radius_is_outside() -> None:
    """The tie rule: on a line of whole numbers with k = 1 every ball has radius 1 and is open."""
    real, fake = np.array([[0.0], [1.0], [2.0]]), np.array([[3.0], [3.5]])
    assert metrics.density_coverage(real, fake, 1) == (0.0, 0.0)
    assert metrics.density_coverage(real, np.array([[2.9], [3.5]]), 1) == (0.5, pytest.approx(1 / 3))


def test_coverage_of_a_fresh_sample_is_the_published_value() -> None:
    """Naeem et al., section 3: E[coverage] = 1 - (1 - n/(n+m))...(k terms); 0.969 for k = 5 and N = M, in any space."""
    rng = np.random.default_rng(0)
    values = [metrics.density_coverage(*rng.normal(size=(2, 600, 8)))[1] for _ in range(8)]
    n = m = 600
    expected = 1 - math.prod((n - 1 - i) / (n + m - 1 - i) for i in range(5))
    assert expected == pytest.approx(0.969, abs=5e-4)
    assert np.mean(values) == pytest.approx(expected, abs=0.005)


def test_collapse_shows_as_low_coverage_and_recall() -> None:
    real, _ = gaussians(300, 300, 8)
    fake = np.repeat(real[:3], 100, axis=0) + 1e-3
    got = metrics.prdc(real, fake)
    assert got.coverage < 0.2
    assert got.recall < 0.05
    assert got.precision == 1.0


def test_inception_score_of_confident_even_classes_is_their_number() -> None:
    even = np.tile(np.eye(4), (25, 1))
    assert metrics.inception_score(even, splits=5) == (pytest.approx(4.0), pytest.approx(0.0), pytest.approx(4.0))
    assert metrics.inception_score(np.full((50, 4), 0.25)).mean == pytest.approx(1.0)


def test_inception_score_equals_scipy_entropies() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(7), size=200)
    parts = [math.exp(np.mean(stats.entropy(q, np.tile(q.mean(0), (len(q), 1)), axis=1))) for q in np.split(p, 10)]
    got = metrics.inception_score(p)
    assert got.mean == pytest.approx(np.mean(parts), rel=1e-9)
    assert got.std == pytest.approx(np.std(parts), rel=1e-7)
    assert got.whole == pytest.approx(math.exp(np.mean(stats.entropy(p, np.tile(p.mean(0), (200, 1)), axis=1))), rel=1e-9)


def test_one_split_holds_what_ten_small_ones_cannot() -> None:
    """40 sure items of 20 even classes: ten parts of four items reach at most 4, one part all 20."""
    got = metrics.inception_score(np.tile(np.eye(20), (2, 1)), splits=10)
    assert got.mean == pytest.approx(4.0)
    assert got.whole == pytest.approx(20.0)


def test_ndb_decides_as_scipys_z_test_and_jsd_as_scipys() -> None:
    from scipy.spatial import distance

    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(30) * 3), rng.dirichlet(np.ones(30) * 3)
    pooled = (p * 400 + q * 300) / 700
    z = (p - q) / np.sqrt(pooled * (1 - pooled) * (1 / 400 + 1 / 300))
    assert np.array_equal(bins.proportions_differ(p, 400, q, 300), 2 * stats.norm.cdf(-abs(z)) < 0.05)
    assert bins.jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q) ** 2, rel=1e-9)


def test_ndb_sees_collapse_and_lets_a_fresh_sample_pass() -> None:
    rng = np.random.default_rng(0)
    real, fresh = rng.normal(size=(2, 2000, 4))
    good, bad = metrics.ndb(real, fresh, bins=50), metrics.ndb(real, np.repeat(fresh[:10], 200, axis=0), bins=50)
    assert good.share < 0.2
    assert good.jsd < 0.02
    assert bad.share > 0.9
    assert bad.jsd > 0.4
    assert metrics.ndb(real, real, bins=50) == (0.0, 0.0, 0, 50)
    assert metrics.ndb(real, fresh, bins=50, seed=3) == metrics.ndb(real, fresh, bins=50, seed=3)


def test_kmeans_assigns_to_the_nearest_centre_and_reaches_sklearns_inertia() -> None:
    x = np.random.default_rng(0).normal(size=(500, 6))
    centres, labels = bins.kmeans(x, 12)
    gaps = ((x[:, None] - centres[None]) ** 2).sum(-1)
    assert np.array_equal(labels, gaps.argmin(1))
    cluster = pytest.importorskip("sklearn.cluster", reason="the oracle package scikit-learn is not installed")
    peer = cluster.KMeans(12, n_init=1, random_state=0).fit(x)
    assert gaps.min(1).sum() < 1.05 * peer.inertia_


def test_kmeans_of_fewer_different_items_than_cells_ends() -> None:
    x = np.repeat(np.eye(3), 5, axis=0)
    centres, labels = bins.kmeans(x, 6)
    assert np.isfinite(centres).all()
    assert ((x - centres[labels]) ** 2).sum() == 0


TWO = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.fad(np.zeros((1, 3)), TWO), "real side has 1 items"),
        (lambda: metrics.fad(TWO, np.zeros((2, 4))), "real embeddings have 3 columns, fake ones 4"),
        (lambda: metrics.kad(TWO, np.array([[0, 0, np.nan], [0, 0, 0]])), "1 of 2 fake embeddings are NaN"),
        (lambda: metrics.kad(TWO, TWO), "no bandwidth"),
        (lambda: metrics.prdc(TWO, TWO), "needs at least 6"),
        (lambda: metrics.prdc(np.zeros((9, 3)), TWO), "the fake side has 2 items; with k = 5"),
        (lambda: metrics.prdc(TWO, TWO, 0), "k must be 1 or above"),
        (lambda: metrics.fad(np.zeros(3), TWO), "must be a matrix"),
        (lambda: metrics.fad_inf(np.zeros((9, 3)), np.zeros((9, 3)), min_n=500), "more items than min_n"),
        (lambda: metrics.inception_score(np.full((3, 2), 0.5)), "at least one item for each of its 10 splits"),
        (lambda: metrics.inception_score(np.full((30, 2), 0.7)), "probabilities"),
        (lambda: metrics.ndb(np.zeros((9, 3)), TWO), "9 real items cannot make 100 cells"),
        (lambda: metrics.bootstrap(metrics.fad, TWO, TWO), "at least 4 independent"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_half_sample_interval_covers_a_mean_as_often_as_it_says() -> None:
    """200 samples of a skewed law with known mean; a 90% interval must hold it about 90% of the time."""
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        x = rng.exponential(size=(80, 1))
        got = metrics.bootstrap(lambda a: float(a.mean()), x, repeats=100, level=0.9, seed=trial)["value"]
        hits += got.low <= 1.0 <= got.high
    assert 0.82 <= hits / 200 <= 0.95


def test_interval_width_matches_the_spread_over_fresh_samples() -> None:
    """FAD and coverage: the half-sample spread is that of values on new draws, though both depend on N."""
    rng = np.random.default_rng(1)

    def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        return {"fad": metrics.fad(a, b), "coverage": metrics.density_coverage(a, b)[1]}

    fresh = [measure(rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 0.4) for _ in range(60)]
    one = metrics.bootstrap(measure, rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 0.4, repeats=100)
    for name in ("fad", "coverage"):
        spread = np.quantile([m[name] for m in fresh], 0.975) - np.quantile([m[name] for m in fresh], 0.025)
        assert 0.6 < (one[name].high - one[name].low) / spread < 1.7
        assert one[name].low <= one[name].value <= one[name].high


def test_groups_are_drawn_whole() -> None:
    x = np.repeat(np.arange(10.0), 20)[:, None]
    seen: set[tuple[float, ...]] = set()

    def look(a: np.ndarray) -> float:
        values, counts = np.unique(a, return_counts=True)
        assert (counts == 20).all()
        seen.add(tuple(values))
        return float(a.mean())

    labels = [str(v) for v in x[:, 0]]
    grouped = metrics.bootstrap(look, x, repeats=50, groups=[labels])["value"]
    assert all(len(s) in (5, 10) for s in seen)
    plain = metrics.bootstrap(lambda a: float(a.mean()), x, repeats=50)["value"]
    assert grouped.high - grouped.low > 2 * (plain.high - plain.low)
    assert (grouped.units, grouped.grouped, grouped.basis) == ((10,), (True,), "10 sources")
    assert plain.basis == "200 single loops (sources unknown)"


def test_drawn_by_source_an_interval_covers_and_drawn_by_bar_it_does_not() -> None:
    """Bars of a source share most of what they are: 100 trials of 24 sources of 8 bars, 90% intervals of the mean."""
    rng = np.random.default_rng(2)
    labels = [str(i // 8) for i in range(192)]
    hits = {"sources": 0, "bars": 0}
    for trial in range(100):
        x = np.repeat(rng.normal(size=24), 8) + 0.3 * rng.normal(size=192)
        for name, groups in (("sources", [labels]), ("bars", None)):
            got = metrics.bootstrap(lambda a: float(a.mean()), x, repeats=100, level=0.9, seed=trial, groups=groups)["value"]
            hits[name] += got.low <= 0.0 <= got.high
    assert 80 <= hits["sources"] <= 97
    assert hits["bars"] < 60


def test_intervals_say_what_each_side_was_drawn_from() -> None:
    x, y = np.arange(12.0)[:, None], np.arange(8.0)[:, None]

    def gap(a: np.ndarray, b: np.ndarray) -> float:
        return float(a.mean() - b.mean())

    both = metrics.bootstrap(gap, x, y, repeats=10, groups=[list("aabbccddeeff"), list("aabbccdd")])["value"]
    assert both.basis == "6 and 4 sources"
    one = metrics.bootstrap(gap, x, y, repeats=10, groups=[list("aabbccddeeff"), None])["value"]
    assert one.basis == "6 sources and 8 single loops (sources unknown)"


def test_one_source_gives_a_value_without_ends_or_an_error() -> None:
    x = np.arange(20.0)[:, None]
    with pytest.raises(InputError, match="at least 4 independent items or groups on each side, got 1"):
        metrics.bootstrap(lambda a: float(a.mean()), x, groups=[["only"] * 20])
    got = metrics.bootstrap(lambda a: float(a.mean()), x, groups=[["only"] * 20], few="nan")["value"]
    assert got.value == 9.5
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    assert (got.units, got.repeats) == ((1,), 0)


def test_a_figure_that_does_not_apply_has_no_interval() -> None:
    x = np.arange(20.0)[:, None]
    got = metrics.bootstrap(lambda a: {"nan": math.nan, "mean": float(a.mean())}, x, repeats=20)
    assert math.isnan(got["nan"].low)
    assert math.isnan(got["nan"].value)
    assert got["mean"].low < 9.5 < got["mean"].high


def test_the_spread_over_kits_by_hand() -> None:
    x = np.array([1.0] * 10 + [5.0] * 12 + [2.0] * 11 + [100.0] * 3 + [np.nan] * 10)
    labels = ["a"] * 10 + ["b"] * 12 + ["c"] * 11 + ["few"] * 3 + ["nan"] * 10
    order = np.random.default_rng(0).permutation(len(x))
    got = metrics.per_group(
        lambda items, by: float(items.mean() * by[0]), x[order], [labels[i] for i in order], np.array([2.0])
    )
    assert (got.low, got.median, got.high) == (2.0, 4.0, 10.0)
    assert list(got.values) == ["a", "c", "b"]
    assert got.counts == {"a": 10, "c": 11, "b": 12}
    assert set(got.left_out) == {"few", "nan"}
    assert str(got) == "4 (2 to 10 over 3 groups)"
    assert math.isnan(metrics.per_group(lambda items: 1.0, x, labels, least=100).median)
    with pytest.raises(InputError, match="2 group labels for 46 items"):
        metrics.per_group(lambda items: 1.0, x, ["a", "b"])
