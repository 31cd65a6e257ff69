"""Metrics: arrays in, numbers out. `(real, fake)` order, float64 where it matters, no files, no networks.

Definitions, bias and limits: docs/metrics.md. Needs numpy alone, so it imports in milliseconds.
"""

from loopwright.metrics.bins import Ndb, jensen_shannon, ndb
from loopwright.metrics.copies import Nearest, Novelty, nearest, novelty, novelty_from
from loopwright.metrics.frechet import FadInf, fad, fad_inf, frechet_distance
from loopwright.metrics.inception import InceptionScore, inception_score
from loopwright.metrics.intervals import Interval, Spread, bootstrap, per_group
from loopwright.metrics.kernel import kad, median_distance
from loopwright.metrics.loops import LoopFeatures, compare_loops, loop_features, summarise
from loopwright.metrics.music import MusicalFeatures, compare_music, musical_features, summarise_music
from loopwright.metrics.neighbours import Prdc, density_coverage, prdc
from loopwright.metrics.notes import NoteScores, match_notes, note_scores
from loopwright.metrics.panel import FAMILIES, Kendall, Panel, family_of, kendall, rank_by_families
from loopwright.metrics.pattern import Pattern, onsets_per_role, pattern_features
from loopwright.metrics.pitch import KEY_NAMES, Heard, Key, Tuning, heard, key, tuning, tuning_of_rows
from loopwright.metrics.punch import Punch, punch_features

__all__ = [
    "FAMILIES",
    "KEY_NAMES",
    "FadInf",
    "Heard",
    "InceptionScore",
    "Interval",
    "Kendall",
    "Key",
    "LoopFeatures",
    "MusicalFeatures",
    "Ndb",
    "Nearest",
    "NoteScores",
    "Novelty",
    "Panel",
    "Pattern",
    "Prdc",
    "Punch",
    "Spread",
    "Tuning",
    "bootstrap",
    "compare_loops",
    "compare_music",
    "density_coverage",
    "fad",
    "fad_inf",
    "family_of",
    "frechet_distance",
    "heard",
    "inception_score",
    "jensen_shannon",
    "kad",
    "kendall",
    "key",
    "loop_features",
    "match_notes",
    "median_distance",
    "musical_features",
    "ndb",
    "nearest",
    "note_scores",
    "novelty",
    "novelty_from",
    "onsets_per_role",
    "pattern_features",
    "per_group",
    "prdc",
    "punch_features",
    "rank_by_families",
    "summarise",
    "summarise_music",
    "tuning",
    "tuning_of_rows",
]
