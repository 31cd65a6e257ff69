"""Metrics: arrays in, numbers out. `(real, fake)` order, float64 where it matters, no files, no networks.

Definitions, bias and limits: docs/metrics.md. Needs numpy alone, so it imports in milliseconds.
"""

from loopwright.metrics.bins import Ndb, jensen_shannon, ndb
from loopwright.metrics.bootstrap import Interval, bootstrap
from loopwright.metrics.frechet import FadInf, fad, fad_inf, frechet_distance
from loopwright.metrics.inception import InceptionScore, inception_score
from loopwright.metrics.kernel import kad, kid, median_distance
from loopwright.metrics.neighbours import Prdc, density_coverage, prdc

__all__ = [
    "FadInf",
    "InceptionScore",
    "Interval",
    "Ndb",
    "Prdc",
    "bootstrap",
    "density_coverage",
    "fad",
    "fad_inf",
    "frechet_distance",
    "inception_score",
    "jensen_shannon",
    "kad",
    "kid",
    "median_distance",
    "ndb",
    "prdc",
]
