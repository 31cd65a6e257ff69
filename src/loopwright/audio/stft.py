"""The circular short-time Fourier transform: frames wrap round the loop, and the inverse overlap-adds modulo its length.

Shapes: N samples of one turn, F = n_fft/2 + 1 bins, T = N/hop frames. Frame t is centred on sample t*hop, so rolling the
loop by k*hop samples rolls the frames by k, exactly.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=8)
def hann(n_fft: int) -> Tensor:
    """Periodic Hann window (n_fft,), float32."""
    return torch.hann_window(n_fft, periodic=True)


def wrap_pad(x: Tensor, before: int, after: int) -> Tensor:
    """Extend the last axis by its own wrap-around, also by more than one turn. (..., N) -> (..., before + N + after)."""
    n = x.shape[-1]
    if before <= n and after <= n:
        return torch.cat([x[..., n - before :], x, x[..., :after]], dim=-1)
    index = torch.arange(-before, n + after, device=x.device) % n
    return x[..., index]


def circular_stft(x: Tensor, n_fft: int, hop: int, window: Tensor | None = None) -> Tensor:
    """STFT of one turn of a loop. (..., N) real -> (..., F, T) complex, T = N/hop.

    Raises ValueError if hop does not divide N.
    """
    n = x.shape[-1]
    if n % hop:
        raise ValueError(f"hop {hop} does not divide the loop of {n} samples")
    window = (hann(n_fft) if window is None else window).to(x)
    padded = wrap_pad(x, n_fft // 2, n_fft - n_fft // 2)
    frames = padded.unfold(-1, n_fft, hop)[..., : n // hop, :]
    return torch.fft.rfft(frames * window, dim=-1).transpose(-1, -2)


def overlap_add(frames: Tensor, hop: int, n: int) -> Tensor:
    """Add frames (..., T, W) at t*hop - W//2, modulo n. -> (..., n). T*hop must be n."""
    *lead, t, width = frames.shape
    # Piece j of a frame, one hop long, belongs to cell t + j; what hangs over the end belongs to the beginning.
    pieces = -(-width // hop)
    cells = frames.new_zeros(*lead, t + pieces, hop)
    for j in range(pieces):
        part = frames[..., j * hop : (j + 1) * hop]
        cells[..., j : j + t, : part.shape[-1]] += part
    for first in range(0, pieces, t):
        over = cells[..., t + first : min(t + first + t, t + pieces), :]
        cells[..., : over.shape[-2], :] += over
    return torch.roll(cells[..., :t, :].reshape(*lead, n), -(width // 2), dims=-1)


def circular_istft(spectrum: Tensor, n_fft: int, hop: int, window: Tensor | None = None) -> Tensor:
    """Least-squares inverse of `circular_stft`. (..., F, T) complex -> (..., T*hop) real.

    The window envelope is the exact periodic one, so analysis followed by synthesis is the identity.
    """
    t = spectrum.shape[-1]
    frames = torch.fft.irfft(spectrum.transpose(-1, -2), n_fft, dim=-1)
    window = _synthesis_window(n_fft, hop, window).to(frames)
    return overlap_add(frames.mul_(window), hop, t * hop)


def _synthesis_window(n_fft: int, hop: int, window: Tensor | None) -> Tensor:
    """The window over the sum of all squared windows at the same place: what makes the inverse exact. (n_fft,)."""
    if window is None:
        return _hann_synthesis_window(n_fft, hop)
    # On a circle the envelope repeats every hop, so one hop of it is enough: what one frame adds to a single hop-long loop.
    envelope = overlap_add((window**2)[None], hop, hop).clamp_min(1e-8)
    places = (torch.arange(n_fft, device=window.device) - n_fft // 2) % hop
    return window / envelope[places]


@functools.lru_cache(maxsize=8)
def _hann_synthesis_window(n_fft: int, hop: int) -> Tensor:
    return _synthesis_window(n_fft, hop, hann(n_fft))
