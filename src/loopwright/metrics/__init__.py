"""Metrics: arrays in, numbers out. `(real, fake)` order, float64 where it matters, no files, no networks.

Definitions, bias and limits: docs/metrics.md. Needs numpy alone, so it imports in milliseconds.
"""

from loopwright.metrics.bins import Ndb, jensen_shannon, ndb
from loopwright.metrics.copies import Nearest, Novelty, nearest, novelty, novelty_from
from loopwright.metrics.frechet import FadInf, fad, fad_inf, frechet_distance
from loopwright.metrics.inception import InceptionScore, inception_score
from loopwright.metrics.intervals import Interval, bootstrap
from loopwright.metrics.kernel import kad, median_distance
from loopwright.metrics.loops import LoopFeatures, compare_loops, loop_features, summarise
from loopwright.metrics.neighbours import Prdc, density_coverage, prdc

__all__ = [
    "FadInf",
    "InceptionScore",
    "Interval",
    "LoopFeatures",
    "Ndb",
    "Nearest",
    "Novelty",
    "Prdc",
    "bootstrap",
    "compare_loops",
    "density_coverage",
    "fad",
    "fad_inf",
    "frechet_distance",
    "inception_score",
    "jensen_shannon",
    "kad",
    "loop_features",
    "median_distance",
    "ndb",
    "nearest",
    "novelty",
    "novelty_from",
    "prdc",
    "summarise",
]
