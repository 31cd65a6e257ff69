"""How near a waveform comes to the one it was to be: errors of spectra, log-mels and attacks. Pairs in, numbers out, no files.

All loops are circles, `(real, fake)` order. Magnitudes below -80 dB of full scale are counted as silence.

Shapes: n loops, N samples, F bins, M mel bands, T frames.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from loopwright.arrays import Float64
from loopwright.audio.mel import LogMel
from loopwright.audio.stft import circular_stft

FLOOR = 1e-4  # -80 dB of full scale: what lies below is counted as silence
STFT_WINDOWS = (2048, 1024, 512)
ATTACK_WINDOWS = (64, 128, 256)
ATTACK_BEFORE_S, ATTACK_AFTER_S = 0.010, 0.020


def magnitude(loop: Tensor, window: int) -> Tensor:
    """Magnitudes scaled so that a full-scale sine is near 1; hop a quarter of the window or the next divisor below."""
    n = loop.shape[-1]
    hop = next(h for h in range(window // 4, 0, -1) if n % h == 0)
    return circular_stft(loop, window, hop).abs() * (4 / window)


def stft_errors(real: Tensor, fake: Tensor) -> tuple[Float64, Float64]:
    """Multi-resolution STFT error, windows 2048, 1024, 512. (n, N) twice -> spectral convergence (n,), log L1 in dB (n,).

    Spectral convergence is |A - B| / |A| (Frobenius), the log error the mean of |20 log10| differences above -80 dB.
    """
    convergence, log = [], []
    for window in STFT_WINDOWS:
        a, b = magnitude(real, window), magnitude(fake, window)
        convergence.append((a - b).norm(dim=(1, 2)) / a.norm(dim=(1, 2)).clamp_min(FLOOR))
        log.append(20 * (a.clamp_min(FLOOR).log10() - b.clamp_min(FLOOR).log10()).abs().mean(dim=(1, 2)))
    return torch.stack(convergence).mean(0).double().numpy(), torch.stack(log).mean(0).double().numpy()


def onset_samples(real: Tensor, rate_hz: int) -> list[list[int]]:
    """Sample positions of attacks in each loop (n, N): where the level of 64 samples leaps.

    An attack is a local maximum (within 30 ms) of the rise of the log level over 5 ms, of at least 9 dB and less than
    40 dB below the loudest place.
    """
    hop = 64
    n = real.shape[-1] // hop * hop
    level = 10 * real[:, :n].reshape(len(real), -1, hop).square().mean(-1).clamp_min(1e-10).log10()
    smooth = torch.stack([level.roll(i, -1) for i in range(4)]).amax(0)
    step = max(1, round(0.005 * rate_hz / hop))
    rise = level - smooth.roll(step, -1)
    reach = max(1, round(0.03 * rate_hz / hop))
    around = torch.stack([rise.roll(i, -1) for i in range(-reach, reach + 1)]).amax(0)
    found = (rise >= around) & (rise > 9) & (level > level.amax(-1, keepdim=True) - 40)
    return [(row.nonzero()[:, 0] * hop).tolist() for row in found]


def attack_errors(real: Tensor, fake: Tensor, rate_hz: int) -> Float64:
    """Error of attacks in dB: mean |20 log10| difference of STFTs with windows of 64, 128 and 256 samples, 10 ms before to
    20 ms after every onset of the real loop. (n, N) twice -> (n,), NaN where there is no onset.
    """
    onsets = onset_samples(real, rate_hz)
    n = real.shape[-1]
    errors = []
    for window in ATTACK_WINDOWS:
        a, b = magnitude(real, window), magnitude(fake, window)
        hop = n // a.shape[-1]
        difference = 20 * (a.clamp_min(FLOOR).log10() - b.clamp_min(FLOOR).log10()).abs().mean(1)
        steps = np.arange(-round(ATTACK_BEFORE_S * rate_hz / hop), round(ATTACK_AFTER_S * rate_hz / hop) + 1)
        means = []
        for row, places in zip(difference.double().numpy(), onsets, strict=True):
            index = (np.asarray(places, dtype=np.int64)[:, None] // hop + steps) % len(row)
            means.append(row[index].mean() if places else np.nan)
        errors.append(means)
    return np.asarray(errors).mean(0)


def mel_errors(real_log_mel: Tensor, fake: Tensor, analyse: LogMel) -> Float64:
    """Mean absolute difference of log-mels in dB, above -80 dB. (n, M, T) and (n, N) -> (n,)."""
    floor = float(np.log10(FLOOR))
    difference = analyse(fake).clamp_min(floor) - real_log_mel.clamp_min(floor)
    return np.asarray(20 * difference.abs().mean(dim=(1, 2)).double().numpy())
