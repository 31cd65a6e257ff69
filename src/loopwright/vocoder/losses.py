"""Distances between loops, in many window lengths, all circular.

`spectral_energy` follows "A Spectral Energy Distance for Parallel Speech Synthesis" (Gritsenko et al., NeurIPS 2020): two
loops made from the same mel with different noise are drawn to the real one and pushed from each other. With weight 1 that
is a proper score: its minimum is the true distribution of loops given a mel, noise stays noise, and no adversary is needed.

Shapes: B batch, N samples, F bins, T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from loopwright.audio.stft import circular_stft

# Window and overlap divisor. The shortest, 64 samples, is 1.3 ms at 48 kHz: it sees the attack itself.
WINDOWS = (2048, 1024, 512, 256, 128, 64)
LONG_WINDOW = 512  # spectral convergence is of these windows and longer ones
FLOOR = 1e-4  # amplitudes below -80 dB of full scale are as good as silence


def hop_for(n: int, window: int) -> int:
    """The largest hop of at most a third of the window that divides the loop of n samples."""
    return next(h for h in range(max(window // 3, 1), 0, -1) if n % h == 0)


def amplitudes(loop: Tensor, windows: tuple[int, ...] = WINDOWS) -> list[Tensor]:
    """Magnitude spectrograms scaled so that a full-scale sine is near 1. (B, N) -> one (B, F, T) per window."""
    out = []
    for window in windows:
        spectrum = circular_stft(loop, window, hop_for(loop.shape[-1], window)) * (4 / window)
        out.append((spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt())
    return out


def distance(a: list[Tensor], b: list[Tensor], scale: list[Tensor]) -> Tensor:
    """Mean over windows of the L1 distance, linear (over `scale`, one per item) plus logarithmic (decades). Scalar."""
    total = torch.zeros((), device=a[0].device)
    for x, y, s in zip(a, b, scale, strict=True):
        linear = ((x - y).abs().mean(dim=(1, 2)) / s).mean()
        log = ((x + FLOOR).log10() - (y + FLOOR).log10()).abs().mean()
        total = total + linear + log
    return total / len(a)


def convergence(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Spectral convergence: Frobenius norm of the difference over that of the real, mean over items and long windows. Scalar.

    The loudest bins decide: it is the fit of kicks and basses that counts, where `distance` hears every bin.
    """
    terms = [
        ((x - y).square().sum(dim=(1, 2)) + 1e-8).sqrt() / x.norm(dim=(1, 2)).clamp_min(1e-2)
        for x, y, window in zip(real, fake, WINDOWS, strict=True)
        if window >= LONG_WINDOW
    ]
    return torch.stack(terms).mean()


def spectral_energy(
    real: Tensor, first: Tensor, second: Tensor, *, repulsion: float, fit: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Attraction of two fakes to the real loops, and the loss: attraction - repulsion/2 * distance of the two.

    All (B, N). `fit` is the weight of the spectral convergence in both. Returns (mean distance to real, loss), scalars.
    """
    with torch.no_grad():
        target = amplitudes(real)
        scale = [t.mean(dim=(1, 2)).clamp_min(FLOOR) for t in target]
    a, b = amplitudes(first), amplitudes(second)
    pull = (distance(target, a, scale) + distance(target, b, scale)) / 2
    if fit:
        pull = pull + fit * (convergence(target, a) + convergence(target, b)) / 2
    if not repulsion:
        return pull, pull
    return pull, pull - 0.5 * repulsion * distance(a, b, scale)


def log_mel_distance(analyse: nn.Module, real_log_mel: Tensor, fake: Tensor, *, floor: float = -4.0) -> Tensor:
    """Mean absolute difference of log10 mels above `floor`, in decades. `analyse` is a LogMel; fake (B, N). Scalar."""
    return (analyse(fake).clamp_min(floor) - real_log_mel.clamp_min(floor)).abs().mean()
