"""What musicians hear, loop by loop: in tune, notes, key, punch, pattern. Definitions and limits: docs/metrics.md.

One function measures (`musical_features`, arrays in), two sum up (`summarise_music`, `compare_music`), as in `loops`. A figure
that does not apply to a loop (the tuning of a loop without notes, the swing of one without offbeats) is NaN, never 0, and
is left out of medians and distances; how many loops it applies to is said beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.arrays import Float32, Float64, Int64, Intp
from loopwright.errors import InputError
from loopwright.metrics.checks import as_loops
from loopwright.metrics.loops import kolmogorov_smirnov
from loopwright.metrics.pattern import onsets_of, pattern_of
from loopwright.metrics.pitch import KEY_NAMES, heard, key, tuning
from loopwright.metrics.punch import punch_of

Array = NDArray[np.floating[Any]]

POSTERIOR_RATE_HZ = 22_050 / 256  # frames a second of Basic Pitch
NOTED = 0.05  # a loop with a note in fewer frames than this has none
LEAST = 5  # loops a side to which a figure must apply for a distance

_CHECKED_ONCE = 64  # loops whose blocks are in memory together


@dataclass(frozen=True)
class MusicalFeatures:
    """Measures of n loops, each (n,), NaN where it does not apply.

    From the sound alone:
    rise_db, attack_db, crest_db, level_db, early, pre_db: see `punch.Punch`.
    onsets, grid_ms, swing: see `pattern.Pattern`.
    tuning_r, tuning_offset: see `pitch.Tuning`; with posteriors NaN for loops with a note in under 5% of the frames.

    From a transcriber's posteriors (NaN without):
    note_share, notes, peak, struck: see `pitch.Heard` (`struck`: its `onsets`).
    in_key, entropy: see `pitch.Key`. key (-1: none) and key_fits are whole numbers.
    """

    tuning_r: Float64
    tuning_offset: Float64
    note_share: Float64
    notes: Float64
    peak: Float64
    struck: Float64
    in_key: Float64
    entropy: Float64
    rise_db: Float64
    attack_db: Float64
    crest_db: Float64
    level_db: Float64
    early: Float64
    pre_db: Float64
    onsets: Float64
    grid_ms: Float64
    swing: Float64
    key: Int64
    key_fits: Int64

    def __len__(self) -> int:
        return len(self.level_db)

    def __getitem__(self, rows: Intp) -> MusicalFeatures:
        return MusicalFeatures(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def key_names(self) -> list[str]:
        """Names such as "Ebmin", "" where there is no key."""
        return [KEY_NAMES[i] if i >= 0 else "" for i in self.key]

    @staticmethod
    def join(parts: Sequence[MusicalFeatures]) -> MusicalFeatures:
        """One set of several batches."""
        return MusicalFeatures(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(MusicalFeatures)))


# What a median and a distance are taken of.
MEASURES = tuple(f.name for f in fields(MusicalFeatures) if f.name not in ("key", "key_fits"))


def musical_features(
    waveforms: ArrayLike, rate_hz: int, bars: int, *, posteriors: Sequence[Array] | None = None
) -> MusicalFeatures:
    """Measure loops of one length and of `bars` bars each.

    Args:
        waveforms: (n, N) floats, one turn each; 44.1 or 48 kHz, or attacks are not what they were.
        rate_hz: of the waveforms.
        bars: bars of 4/4 in a turn.
        posteriors: notes and onsets (n, U, 88) of a transcriber with 86.13 frames a second, heard round the circle; what comes
            after these two is not used. None: notes, key and what follows from them are NaN.

    Raises InputError for arrays of other shapes, and for NaN in either: a loop of NaN has no music. Silence is measured: it has
    no notes and no level (NaN).
    """
    loops = as_loops(waveforms, bars, rate_hz)
    if posteriors is not None and (len(posteriors) < 2 or len(posteriors[0]) != len(loops)):
        raise InputError(f"posteriors are notes and onsets of the same {len(loops)} loops, got {[len(p) for p in posteriors]}.")
    parts = [
        _measure(loops[i : i + _CHECKED_ONCE], rate_hz, bars, posteriors and [p[i : i + _CHECKED_ONCE] for p in posteriors[:2]])
        for i in range(0, max(len(loops), 1), _CHECKED_ONCE)
    ]
    return parts[0] if len(parts) == 1 else MusicalFeatures.join(parts)


def _measure(loops: Float32, rate_hz: int, bars: int, posteriors: Sequence[Array] | None) -> MusicalFeatures:
    onsets = onsets_of(loops, rate_hz)
    length_s = loops.shape[1] / rate_hz
    steps = pattern_of(onsets, len(loops), 1000 * length_s, bars)
    hits = punch_of(loops, rate_hz, bars, onsets)
    tune = tuning(loops, rate_hz, bars=bars)
    r, offset = tune
    nothing = np.full(len(loops), np.nan)
    share = notes = peak = struck = in_key = entropy = nothing
    number, fits = np.full(len(loops), -1), np.zeros(len(loops), dtype=np.int64)
    if posteriors is not None:
        covered = posteriors[0].shape[1] / POSTERIOR_RATE_HZ / length_s * bars
        share, notes, peak, struck = heard(posteriors[0], posteriors[1], bars_heard=covered)
        number, in_key, fits, entropy = key(posteriors[0])
        r, offset = (np.where(share >= NOTED, x, np.nan) for x in tune)
    return MusicalFeatures(
        r, offset, share, notes, peak, struck, in_key, entropy, *hits, *steps, number, fits
    )  # fmt: skip


def summarise_music(features: MusicalFeatures) -> dict[str, float]:
    """A set in a few numbers: the median of each measure over the loops it applies to (NaN: to none), and for the set

    loops_with_notes: share of loops with a note in at least 5% of the frames (NaN without a transcriber);
    cents_off: median distance from A440's grid, 0 to 50 (25: anywhere);
    level_spread_db: from the 10th to the 90th percentile of levels;
    keys_fitting: median number of keys that fit as well as the best: what a named key is worth;
    silent: share of silent loops.
    """
    out = {name: _median(getattr(features, name)) for name in MEASURES}
    level = features.level_db[np.isfinite(features.level_db)]
    known = np.isfinite(features.note_share)
    return out | {
        "loops_with_notes": float(np.mean(features.note_share[known] >= NOTED)) if known.any() else np.nan,
        "cents_off": _median(np.abs(features.tuning_offset)),
        "level_spread_db": float(np.subtract(*np.quantile(level, [0.9, 0.1]))) if len(level) else np.nan,
        "keys_fitting": _median(features.key_fits[features.key >= 0].astype(np.float64)),
        "silent": float(np.mean(~np.isfinite(features.level_db))) if len(features) else np.nan,
    }


def compare_music(real: MusicalFeatures, fake: MusicalFeatures) -> dict[str, float]:
    """Kolmogorov-Smirnov distance of each measure's distributions, `ks_rise_db` and so on, 0 (alike) to 1.

    Over the loops to which a measure applies; NaN where these are fewer than 5 on a side. So a set without notes is not "as
    well in tune" as another: it has no figure, and `ks_note_share` is near 1. Of the offset the distance from A440's grid
    counts, as -50 and 50 cents are the same place.
    """
    out = {}
    for name in MEASURES:
        a, b = (np.abs(x) if name == "tuning_offset" else x for x in (getattr(real, name), getattr(fake, name)))
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        out[f"ks_{name}"] = kolmogorov_smirnov(a, b) if min(len(a), len(b)) >= LEAST else np.nan
    return out


def _median(values: Float64) -> float:
    some = values[np.isfinite(values)]
    return float(np.median(some)) if len(some) else np.nan
