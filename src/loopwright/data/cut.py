"""Cut circles out of recordings: each row starts where its bar starts and ends where it can go on to that start.

The fade that closes a circle lies at its *end*: the last samples fade into the audio that precedes the row's start, so
that the row ends exactly with what came before its start. The attack on the downbeat, and what anticipates it, stays
whole; a fade at the start would mix two downbeats.
"""

from __future__ import annotations

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.resample import around
from loopwright.audio.stretch import crossfade

FADE_S = 1024 / 48_000  # as long as the stretcher's
STEP_S = 0.004  # over which a step at the seam is spread, to each side
TURN_S = 0.00025
STEP_SHARE = 0.3  # of the steps inside that the step at the seam may have


def join_ends(loop: Float32, rate_hz: int) -> Float32:
    """Take the click out of a loop whose end does not meet its start. (N,) -> (N,), or (N, C) -> (N, C).

    Where the step across the seam is above three tenths of the steps inside (their 99.9th percentile), the loop is first
    turned by up to a quarter of a millisecond to a smaller one. What is still above is split in two halves that decay over
    4 ms into either side: for a loop that meets, this is less than its ordinary steps, for a click, all of it. Channels are
    not turned: a sample between them moves the image.
    """
    if loop.ndim == 2 and loop.shape[1] > 1:
        return np.stack([_join(np.ascontiguousarray(channel), rate_hz, turn=False) for channel in loop.T], axis=1)
    return _join(loop.reshape(-1), rate_hz, turn=True).reshape(loop.shape)


def _join(loop: Float32, rate_hz: int, *, turn: bool) -> Float32:
    n = len(loop)
    if n < 8:
        return loop
    every = max(1, n // 20_000)  # some of the steps tell as well as all
    steps = np.abs(loop[1::every] - loop[:-1:every])
    step = float(loop[0]) - float(loop[-1])
    last = round(0.999 * (len(steps) - 1))
    if np.count_nonzero(steps >= abs(step) / STEP_SHARE) >= len(steps) - last:  # counting is far quicker than sorting
        return loop
    usual = STEP_SHARE * float(np.partition(steps, last)[last])
    reach = min(round(TURN_S * rate_hz), n // 4)
    steps = np.abs(np.diff(around(loop, -reach - 1, reach + 1)))
    steps[reach] = np.inf  # where it is now
    # turning away from a click leaves it inside: only ordinary seams are turned
    if turn and abs(step) <= usual / STEP_SHARE and float(steps.min()) <= usual:
        near = np.flatnonzero(steps <= usual) - reach
        return np.roll(loop, -int(near[np.argmin(np.abs(near))]))
    excess = step - float(np.clip(step, -usual, usual))
    width = max(2, min(round(STEP_S * rate_hz), n // 4))
    decay = (0.25 * excess * (1 + np.cos(np.pi * np.arange(width) / width))).astype(np.float32)
    out = loop.copy()
    out[:width] -= decay
    out[n - width :] += decay[::-1]
    return out


def cut_circle(recording: Float32, start: int, length: int, rate_hz: int) -> Float32:
    """One circle of `length` samples from `start` of a recording (N,) or (N, C), closed by a fade into what precedes it.

    Where nothing precedes, the fade is into silence.
    """
    row = recording[start : start + length].copy()
    assert len(row) == length
    fade = min(round(FADE_S * rate_hz), length // 4)
    before = np.zeros((fade, *recording.shape[1:]), dtype=np.float32)
    have = min(fade, start)
    if have:
        before[fade - have :] = recording[start - have : start]
    row[length - fade :] = crossfade(row[length - fade :], before)
    return join_ends(row, rate_hz)


def cut_loop(loop: Float32, n_rows: int, rate_hz: int) -> list[Float32]:
    """Cut a whole loop (N,) or (N, C) into `n_rows` equal circles (to the sample). One row is the loop itself, ends joined."""
    closed = join_ends(loop, rate_hz)
    if n_rows == 1:
        return [closed]
    edges = np.round(np.arange(n_rows + 1) * (len(loop) / n_rows)).astype(int)
    fade = min(round(FADE_S * rate_hz), len(loop) // n_rows)
    turn = np.concatenate([closed[-fade:], closed])  # the loop's own end precedes its first row
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return [cut_circle(turn, int(a) + fade, int(b - a), rate_hz) for a, b in pairs]
