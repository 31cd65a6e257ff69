"""Many channels to one without cancelling: stereo wideners and swapped polarity would leave holes in a plain mean.

Shapes: N samples, C channels, B frequency bands.
"""

from __future__ import annotations

import numpy as np

from loopwright.arrays import Float32, Float64

WORST_LOSS_DB = 6.0  # in any band that matters; two unrelated channels lose 3 dB
_BLOCK = 4096
_EDGES = (1, 8, 24, 75, 240, 2049)  # bins of the bands: at 44.1 kHz up to 86, 258, 800 and 2600 Hz and the rest
_MATTERS_DB = -30.0  # bands this far under the loudest are not looked at
_SILENT_DB = -60.0  # channels this far under the loudest are not there


def _covariances(samples: Float32) -> Float64:
    """Covariance of the channels in each band, from up to 64 blocks spread over the file. (N, C) -> (B, C, C)."""
    n, channels = samples.shape
    starts = np.unique(np.linspace(0, max(0, n - _BLOCK), 64).astype(int))
    blocks = np.zeros((len(starts), _BLOCK, channels), dtype=np.float32)
    for i, start in enumerate(starts):
        part = samples[start : start + _BLOCK]
        blocks[i, : len(part)] = part
    spectra = np.fft.rfft(blocks * np.hanning(_BLOCK)[None, :, None], axis=1)
    pairs = zip(_EDGES[:-1], _EDGES[1:], strict=True)
    return np.stack([np.einsum("tfc,tfd->cd", spectra[:, a:b], spectra[:, a:b].conj()).real for a, b in pairs])


def _worst_loss_db(weights: Float64, covariances: Float64) -> float:
    """Largest drop of a band's level under the mean level of its channels."""
    powers = np.einsum("bcc->b", covariances) / covariances.shape[1]
    mixed = np.einsum("c,bcd,d->b", weights, covariances, weights)
    matters = powers > powers.max() * 10 ** (_MATTERS_DB / 10)
    return float(np.max(-10 * np.log10(np.maximum(mixed[matters], 1e-30) / powers[matters])))


def mixdown_weights(samples: Float32) -> Float64:
    """Weights (C,) of a mono mix of (N, C) that loses no band by more than 6 dB, if there is one.

    The plain mean of the channels that sound, if it does not cancel; else the mean with the polarity of channels turned
    that oppose the others; else the one channel that holds most of every band.
    """
    channels = samples.shape[1]
    if channels == 1:
        return np.ones(1)
    covariances = _covariances(samples)
    powers = np.einsum("bcc->c", covariances)
    if powers.max() <= 0:
        return np.full(channels, 1.0 / channels)
    live = powers > powers.max() * 10 ** (_SILENT_DB / 10)
    mean = live / live.sum()
    total = covariances.sum(axis=0)
    signs = np.zeros(channels)
    for channel in np.argsort(-powers):
        if live[channel]:
            signs[channel] = -1.0 if total[channel] @ signs < 0 else 1.0
    candidates = [mean, signs / live.sum(), *np.eye(channels)[live]]
    # losses are against the channels that sound
    part = covariances[:, live][:, :, live]
    losses = [_worst_loss_db(weights[live], part) for weights in candidates]
    for weights, loss in zip(candidates[:2], losses[:2], strict=True):
        if loss <= WORST_LOSS_DB:
            return weights
    return candidates[int(np.argmin(losses))]


def mixdown(samples: Float32) -> Float32:
    """Mono mix of (N, C) -> (N,), see `mixdown_weights`."""
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    mono: Float32 = (samples @ mixdown_weights(samples).astype(np.float32)).astype(np.float32)
    return mono
