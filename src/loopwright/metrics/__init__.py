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
from loopwright.metrics.music import MusicalFeatures, compare_music, musical_features, summarise_music
from loopwright.metrics.neighbours import Prdc, density_coverage, prdc
from loopwright.metrics.pattern import Pattern, onsets_per_role, pattern_features
from loopwright.metrics.pitch import KEY_NAMES, Heard, Key, Tuning, heard, key, tuning, tuning_of_rows
from loopwright.metrics.punch import Punch, punch_features

__all__ = [
    "KEY_NAMES",
    "FadInf",
    "Heard",
    "InceptionScore",
    "Interval",
    "Key",
    "LoopFeatures",
    "MusicalFeatures",
    "Ndb",
    "Nearest",
    "Novelty",
    "Pattern",
    "Prdc",
    "Punch",
    "Tuning",
    "bootstrap",
    "compare_loops",
    "compare_music",
    "density_coverage",
    "fad",
    "fad_inf",
    "frechet_distance",
    "heard",
    "inception_score",
    "jensen_shannon",
    "kad",
    "key",
    "loop_features",
    "median_distance",
    "musical_features",
    "ndb",
    "nearest",
    "novelty",
    "novelty_from",
    "onsets_per_role",
    "pattern_features",
    "prdc",
    "punch_features",
    "summarise",
    "summarise_music",
    "tuning",
    "tuning_of_rows",
]
