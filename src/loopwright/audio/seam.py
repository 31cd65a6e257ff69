"""How the end of a loop meets its start. Shapes: N samples of one turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.arrays import Float32


def click_ratio(loop: Float32) -> float:
    """Step from the last sample to the first over the 99.9th percentile of the steps inside: above 1 is a click. (N,)."""
    inside = float(np.percentile(np.abs(np.diff(loop)), 99.9)) if len(loop) > 1 else 0.0
    step = abs(float(loop[0]) - float(loop[-1]))
    return step / inside if inside > 0 else (np.inf if step > 0 else 0.0)


def rest_at_seam(loop: Float32, rate_hz: int, *, reaches_s: Sequence[float] = (0.00025, 0.001, 0.004)) -> Float32:
    """Turn a loop so that its file does not begin in the middle of an attack. (N,) -> (N,).

    One loop in a thousand has one of its thousand largest steps at the seam. Nobody hears it, but a sampler that fades the ends
    of files would. Such a loop is turned to the nearest step of half the 99.9th percentile within a quarter of a millisecond,
    or the smallest there; others stay as they are. Where a low, loud tone rises across the seam all steps there are large: then
    it looks further. A thousandth of the steps of a bar is 2 ms in all, so it finds one.
    """
    ratio = click_ratio(loop)
    if ratio <= 1:
        return loop
    limit = abs(float(loop[0] - loop[-1])) / ratio
    turn = 0
    for reach in (round(reach_s * rate_hz) for reach_s in reaches_s):
        around = np.take(loop, np.arange(-reach - 1, reach + 1), mode="wrap")
        steps = np.abs(np.diff(around))  # the one in the middle is the seam's
        # the nearest, not the smallest: rounding decides between small ones, and loops of two engines would come apart
        near = np.flatnonzero(steps <= 0.5 * limit) - reach
        turn = int(near[np.argmin(np.abs(near))] if len(near) else np.argmin(steps) - reach)
        if steps[turn + reach] < limit:
            break
    return np.roll(loop, -turn)
