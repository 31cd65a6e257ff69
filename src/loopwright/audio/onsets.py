"""Onset strength on the circle: half-wave rectified spectral flux of a log-mel.

Shapes: B batch, M mel bands, T frames.
"""

from __future__ import annotations

from torch import Tensor


def spectral_flux(log_mel: Tensor, *, floor: float = -3.0) -> Tensor:
    """Mean rise of each frame over the one before it, in decades, wrapping round. (..., M, T) -> (..., T).

    Values below `floor` (log10 magnitude) count as silence, so noise far below hearing makes no onsets.
    """
    x = log_mel.clamp_min(floor)
    return (x - x.roll(1, dims=-1)).clamp_min(0).mean(dim=-2)


def band_flux(log_mel: Tensor, edges: tuple[int, ...], *, floor: float = -3.0) -> list[Tensor]:
    """`spectral_flux` in each band of mel bins edges[i]..edges[i+1]. -> len(edges) - 1 tensors (..., T)."""
    return [spectral_flux(log_mel[..., a:b, :], floor=floor) for a, b in zip(edges[:-1], edges[1:], strict=True)]
