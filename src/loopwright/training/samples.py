"""Loops of fixed seeds from a generator that learns: as log-mels to measure, and as pictures and WAVs to look at and hear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.audio.io import write_wav
from loopwright.audio.picture import mel_sheet
from loopwright.config import MelConfig, Representation
from loopwright.data import PreparedData
from loopwright.models.generator import StyledGenerator
from loopwright.training.seeds import generator_for
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.check import HIGHEST_LOG_MEL


@torch.no_grad()
def generate_batch(
    generator: StyledGenerator,
    n: int,
    *,
    seed: int,
    first: int = 0,
    batch: int = 25,
    truncation: float = 1.0,
    labels: Tensor | None = None,
    given: Tensor | None = None,
) -> Tensor:
    """`n` normalised log-mels (n, M, T) on the CPU, numbers first, first + 1, ...; each depends on (seed, number) alone.

    `given`: scores or patterns (n, ...), for a generator that is given them.
    """
    device = generator.constant.device
    parts = []
    for start in range(0, n, batch):
        rngs = [generator_for(seed, first + i, "eval") for i in range(start, min(n, start + batch))]
        z = torch.cat([torch.randn(1, generator.z_dim, generator=rng) for rng in rngs]).to(device)
        noise = [torch.cat(maps) for maps in zip(*(generator.make_noise(1, rng) for rng in rngs), strict=True)]
        some = None if labels is None else labels[start : start + len(z)].to(device)
        w = generator.truncate(generator.mapping(z, some), truncation)
        own = None if given is None else given[start : start + len(z)].to(device)
        parts.append(generator.compose(w[:, None].expand(-1, generator.n_styles, -1), noise, own).float().cpu())
    return torch.cat(parts)


def to_log_mels(normalised: Tensor, mean: Tensor, std: Tensor, representation: Representation) -> Tensor:
    """Log-mels (n, M, T) of a generator's output, band statistics (M,), as when a model is used.

    Quieter than silence is silence, and what an unbounded generator draws ends somewhere.
    """
    return (normalised * std[:, None] + mean[:, None]).clamp(float(np.log10(representation.log_floor)), HIGHEST_LOG_MEL)


def write_samples(folder: Path, name: str, log_mels: Tensor, data: PreparedData, *, waves: int = 4) -> None:
    """A sheet of pictures (n, M, T) and, of log-mels, the first `waves` as WAV, through Griffin-Lim."""
    mel_sheet(folder / f"{name}.png", log_mels.numpy(), title=f"{name} thousand images")
    mel = data.representation
    if not isinstance(mel, MelConfig) or not mel.circular:  # the published analysis has no circular vocoder of ours
        return
    audible = log_mels[:waves].clamp(np.log10(mel.log_floor), HIGHEST_LOG_MEL)  # a young generator may draw anything
    for i, wave in enumerate(load_vocoder("griffinlim", mel)(audible)):
        wave = wave / max(1.0, float(wave.abs().max()) / 0.99)
        write_wav(folder / f"{name}-{i}.wav", wave.numpy(), mel.rate_hz, subtype="PCM_16")
