"""What makes a loop a loop: the seam, the beat, the grid. No network involved, so nothing was trained to please these.

Everything is first measured item by item (`loop_features`, arrays in), then summed up per set and compared (`compare_loops`).
No number has a right value of its own: each is read beside that of real loops.

Shapes: n items, N samples, M mel bands, T frames (a whole loop: frame t centred on sample t*N/T, wrapping), 16 steps a bar.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Float64, Intp
from loopwright.errors import InputError
from loopwright.metrics.bins import jensen_shannon

Array = NDArray[np.floating]

STEPS = 16
BEATS = 4
BANDS = ("low", "mid", "high")
CLICK = 0.999  # a wrap step above this share of the loop's own steps is counted as a click
_FLOOR = -3.0  # log10 magnitude below which a rise is no onset
_END_SHARE = 1 / 32  # of a bar: 62.5 ms at 120 BPM, the end that is compared with the whole


@dataclass(frozen=True)
class LoopFeatures:
    """Measures of n loops, each (n,) unless said otherwise. A silent loop has zeros, not NaN.

    wrap: |x[0] - x[N-1]| as a share of the steps |dx| inside the loop that are smaller, 0..1; even for a seamless loop.
    seam: log2 of spectral flux round the seam over the mean flux round the other beats; positive where more happens.
    end_db: level of the last 1/32 bar over the level of the whole loop, dB, not below -120.
    beat, half_bar, bar: autocorrelation of the onset envelope at these lags, -1..1 (bar: 0 for loops of one bar).
    grid: how sharply onsets keep to the sixteenths, 0 (anywhere) to 1 (all at one place within their step).
    steps: (n, 3, 16) onset histograms in low, mid, high bands, each of sum 1 (0 if the band is silent).
    """

    wrap: Float64
    seam: Float64
    end_db: Float64
    beat: Float64
    half_bar: Float64
    bar: Float64
    grid: Float64
    steps: Float64

    def __len__(self) -> int:
        return len(self.wrap)

    def __getitem__(self, rows: Intp) -> LoopFeatures:
        return LoopFeatures(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def join(parts: list[LoopFeatures]) -> LoopFeatures:
        """One set of several batches."""
        return LoopFeatures(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(LoopFeatures)))


def loop_features(waveforms: Array, log_mels: Array, *, bars: int, edges: tuple[int, int]) -> LoopFeatures:
    """Measure loops of `bars` bars each.

    Args:
        waveforms: (n, N), one turn each.
        log_mels: (n, M, T) log10 magnitude of the same loops, circular; 16 * bars must divide T.
        bars: bars in a turn (4/4).
        edges: mel bins at which the middle and the high band begin (near 200 Hz and 2 kHz).

    Raises InputError if shapes do not fit.
    """
    if waveforms.ndim != 2 or log_mels.ndim != 3 or len(waveforms) != len(log_mels) or waveforms.shape[1] < 2:
        raise InputError(f"loop metrics take (n, N) and (n, M, T), got {waveforms.shape} and {log_mels.shape}.")
    frames = log_mels.shape[2]
    if bars < 1 or frames % (STEPS * bars):
        raise InputError(f"{frames} frames do not divide into {STEPS} steps for each of {bars} bars.")
    if not 0 < edges[0] < edges[1] < log_mels.shape[1]:
        raise InputError(f"band edges {edges} do not split {log_mels.shape[1]} mel bands into three.")
    rise = flux(log_mels)
    bands = [rise[:, a:b].mean(axis=1) for a, b in zip((0, *edges), (*edges, rise.shape[1]), strict=True)]
    envelope = rise.mean(axis=1)
    bar_frames = frames // bars
    beat, half_bar, bar = (periodicity(envelope, lag) for lag in (bar_frames // BEATS, bar_frames // 2, bar_frames))
    return LoopFeatures(
        wrap=wrap_jump(waveforms),
        seam=seam_flux(envelope, bar_frames // BEATS),
        end_db=end_level(waveforms, bars),
        beat=beat,
        half_bar=half_bar,
        bar=bar if bars > 1 else np.zeros(len(bar)),
        grid=grid_sharpness(envelope, bar_frames // STEPS),
        steps=np.stack([step_histogram(band, bar_frames // STEPS) for band in bands], axis=1),
    )


def flux(log_mels: Array) -> Float64:
    """Rise of each band over the frame before, wrapping, silence clipped at -60 dB: (n, M, T) -> (n, M, T), decades."""
    x = np.maximum(log_mels.astype(np.float64), _FLOOR)
    return np.asarray(np.maximum(x - np.roll(x, 1, axis=2), 0.0))


def wrap_jump(waveforms: Array) -> Float64:
    """Share of the steps inside the loop that are smaller than the step across its seam, ties counting half. (n, N) -> (n,)."""
    out = np.empty(len(waveforms))
    for i, x in enumerate(waveforms):
        inside = np.abs(np.diff(x.astype(np.float64)))
        jump = abs(float(x[0]) - float(x[-1]))
        out[i] = np.mean(inside < jump) + 0.5 * np.mean(inside == jump)
    return out


def end_level(waveforms: Array, bars: int = 1) -> Float64:
    """Level of the last 1/32 bar against that of the whole loop in dB, (n, N) -> (n,); 0 for silence, at least -120."""
    x = waveforms.astype(np.float64) ** 2
    tail = max(1, round(x.shape[1] / bars * _END_SHARE))
    whole, end = x.mean(axis=1), x[:, -tail:].mean(axis=1)
    ratio = np.divide(end, whole, out=np.ones(len(x)), where=whole > 0)
    return np.asarray(10 * np.log10(np.maximum(ratio, 1e-12)))


def seam_flux(envelope: Float64, beat_frames: int) -> Float64:
    """log2 of the flux near the seam over its mean near the other beats; near is an eighth beat either way. (n, T) -> (n,)."""
    reach = beat_frames // 8
    around = sum(np.roll(envelope, shift, axis=1) for shift in range(-reach, reach + 1))
    beats = np.asarray(around)[:, ::beat_frames]
    tiny = 1e-3 * envelope.sum(axis=1) + 1e-9  # keeps silence and loops with one hit finite
    return np.asarray(np.log2((beats[:, 0] + tiny) / (beats[:, 1:].mean(axis=1) + tiny)))


def periodicity(envelope: Float64, lag: int) -> Float64:
    """Circular autocorrelation coefficient at `lag` frames of an onset envelope smoothed over 5 frames. (n, T) -> (n,)."""
    smooth = sum(w * np.roll(envelope, s, axis=1) for s, w in zip(range(-2, 3), (1, 2, 3, 2, 1), strict=True))
    x = smooth - np.asarray(smooth).mean(axis=1, keepdims=True)
    power = (x * x).sum(axis=1)
    product = (x * np.roll(x, lag, axis=1)).sum(axis=1)
    return np.asarray(np.divide(product, power, out=np.zeros(len(x)), where=power > 1e-12))


def grid_sharpness(envelope: Float64, step_frames: int) -> Float64:
    """Mean resultant length of onset energy's phase within its step: 1 all at one place, 0 spread evenly. (n, T) -> (n,)."""
    turn = np.exp(2j * np.pi * np.arange(envelope.shape[1]) / step_frames)
    total = envelope.sum(axis=1)
    return np.asarray(np.divide(np.abs(envelope @ turn), total, out=np.zeros(len(total)), where=total > 1e-12))


def step_histogram(envelope: Float64, step_frames: int) -> Float64:
    """Onset energy nearest to each of the 16 steps, summed over bars, sum 1: (n, T) -> (n, 16)."""
    centred = np.roll(envelope, step_frames // 2, axis=1)  # a step owns the frames half a step to either side
    steps = centred.reshape(len(envelope), -1, STEPS, step_frames).sum(axis=(1, 3))
    total = steps.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(steps, total, out=np.zeros_like(steps), where=total > 1e-9))


def onset_jsd(real: LoopFeatures, fake: LoopFeatures) -> dict[str, float]:
    """Jensen-Shannon divergence in nats of the mean onset histograms, by band: {"low", "mid", "high"}; 0 to ln 2.

    A band that is silent on one side only is ln 2 away; silent on both, 0.
    """
    out = {}
    for i, band in enumerate(BANDS):
        p, q = real.steps[:, i].mean(axis=0), fake.steps[:, i].mean(axis=0)
        if p.sum() > 0 and q.sum() > 0:
            out[band] = jensen_shannon(p, q)
        else:
            out[band] = float(np.log(2)) if p.sum() != q.sum() else 0.0
    return out


def summarise(features: LoopFeatures) -> dict[str, float]:
    """A set in a few numbers, in the units of `LoopFeatures`: share of clicks, medians of seam and end, means of the rest."""
    return {
        "click_share": float(np.mean(features.wrap > CLICK)),
        "wrap": float(features.wrap.mean()),
        "seam": float(np.median(features.seam)),
        "end_db": float(np.median(features.end_db)),
        "beat": float(features.beat.mean()),
        "half_bar": float(features.half_bar.mean()),
        "bar": float(features.bar.mean()),
        "grid": float(features.grid.mean()),
    }


def compare_loops(real: LoopFeatures, fake: LoopFeatures) -> dict[str, float]:
    """Distances between two sets of loops, 0 is alike.

    For each single measure the Kolmogorov-Smirnov distance of its distributions (`ks_wrap`, ..., 0..1), and `onset_jsd`,
    the mean over the three bands, with `onset_jsd_low` and so on.
    """
    out = {
        f"ks_{name}": kolmogorov_smirnov(getattr(real, name), getattr(fake, name))
        for name in ("wrap", "seam", "end_db", "beat", "half_bar", "grid")
    }
    bands = onset_jsd(real, fake)
    out["onset_jsd"] = float(np.mean(list(bands.values())))
    return out | {f"onset_jsd_{band}": value for band, value in bands.items()}


def kolmogorov_smirnov(real: Float64, fake: Float64) -> float:
    """Largest gap between two empirical distribution functions, 0..1."""
    if not len(real) or not len(fake):
        raise InputError("a distance between distributions needs items on both sides.")
    every = np.concatenate([real, fake])
    a = np.searchsorted(np.sort(real), every, side="right") / len(real)
    b = np.searchsorted(np.sort(fake), every, side="right") / len(fake)
    return float(np.abs(a - b).max())
