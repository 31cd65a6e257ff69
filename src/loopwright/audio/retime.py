"""Where the frames of a re-timed loop come from: hits keep their places on the grid, and ring at their own speed.

Stretching all frames alike slows every attack down and lengthens every ring. A drum played at another tempo does neither. So
each hit is put where it belongs, its first part runs at its own speed, and the rest of the way to the next hit is what is
stretched. A sound that does not die away before the next one (a held note) is stretched evenly.

Shapes: M mel bands, T frames, K hits.
"""

from __future__ import annotations

import numpy as np

from loopwright.arrays import Float32, Float64, Intp

QUIET = -3.5  # log10 magnitude below which nothing is heard
RISE = 0.25  # decades, mean over bands, that a hit rises by in two frames
APART = 4  # frames within which only the strongest rise is a hit
LEAD = 2  # frames before a hit that belong to it: the window sees it coming
SPEED_KEPT = 0.85  # share of the way to the next hit that a dying sound keeps its speed for
HELD_DECADES, DYING_DECADES = (
    0.35,
    0.7,
)  # decades of fall from a hit to the next: below, stretched evenly; above, SPEED_KEPT in full


def hits(log_mel: Float32) -> Intp:
    """Frames at which something begins. (M, T) -> (K,), ascending."""
    x = np.maximum(log_mel, QUIET)
    rise = np.maximum(x - np.roll(x, 1, axis=1), 0)
    rise = (rise + np.roll(rise, 1, axis=1)).mean(axis=0)
    before = np.max([np.roll(rise, i) for i in range(1, APART + 1)], axis=0)
    after = np.max([np.roll(rise, -i) for i in range(1, APART + 1)], axis=0)
    return np.flatnonzero((rise > before) & (rise >= after) & (rise > RISE))


def _kept(level: Float64, start: int, stop: int) -> float:
    """Share of the way from one hit to the next that keeps its speed, from the fall of the level (T,) on the way."""
    way = np.take(level, np.arange(start, stop), mode="wrap")
    fall = float(way[: 2 * LEAD + 2].max() - np.median(way[-max(2, len(way) // 4) :]))
    return SPEED_KEPT * min(max((fall - HELD_DECADES) / (DYING_DECADES - HELD_DECADES), 0.0), 1.0)


def retimed_places(log_mel: Float32, frames: int) -> Float64:
    """For each of `frames` new frames, the place in the old circle it is taken from. (M, T) -> (frames,) in [0, T)."""
    t = log_mel.shape[1]
    ratio = frames / t
    even = np.arange(frames) / ratio
    found = hits(log_mel)
    if not len(found) or frames == t:
        return even
    level = np.maximum(log_mel, QUIET).mean(axis=0, dtype=np.float64)
    old: list[float] = []
    new: list[float] = []
    for hit, following in zip(found, [*found[1:], found[0] + t], strict=True):
        way_old, way_new = int(following - hit), float(following - hit) * ratio
        own = max(_kept(level, int(hit), int(following)) * min(way_old, way_new) - LEAD, 0.0)
        lead = float(LEAD) if own > 0 else 0.0
        old += [hit - lead, hit + own]
        new += [hit * ratio - lead, hit * ratio + own]
    old.append(old[0] + t)
    new.append(new[0] + frames)
    at = np.arange(frames, dtype=np.float64)
    at = np.where(at < new[0], at + frames, at)
    at = np.where(at >= new[-1], at - frames, at)
    return np.asarray(np.interp(at, new, old) % t)
