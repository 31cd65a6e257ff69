"""Pitch-grid generator: loops of notes that are in tune by construction.

The trunk is the 1-D StyleGAN2 generator's. Instead of rows of a spectrum it emits, per frame, a score (how loud each semitone
is), a sound (gains of harmonics) and a residual (coarse bands of noise). What they read in the constant-Q is a fixed linear map
of their products (`audio.pitchgrid`): a note is a comb, the comb's place is a grid, and nothing is left to drift. The parts
are enough for audio (`audio.additive`) and for MIDI.

Two forms:
* from one latent: the coarse scales write the score, the fine ones the sound. Styles mixed at `border` are the same notes in
  another sound, exactly: no later style reaches the score.
* score given (`given=True`): the score enters the trunk at every scale, and styles are sound alone (`border` 0).

Shapes: B batch, L style inputs, W style, P pitches, H harmonics, R residual bands, K rows of the constant-Q, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.audio.pitchgrid import PitchGrid
from loopwright.models.config import SCORE_SCALES, SOFT_FLOOR
from loopwright.models.generator import Generator, ToMel
from loopwright.models.kernels import pad_cylinder
from loopwright.models.layers import leaky, upsample

FAINT = 3e-4  # what a pitch without a note is let through by, so that a score's silence is not a wall


class Parts(NamedTuple):
    """What a loop is made of, as amplitudes."""

    score: Tensor  # (B, P, T)
    gains: Tensor  # (B, H, T)
    residual: Tensor  # (B, R, T)


class SoftRange(nn.Module):
    """Rows of real numbers to amplitudes 10 ** x, with x softly kept in a range.

    A sigmoid moved so that 0 gives `start` and scaled so that the slope there is `slope` decades.

    Shape: (B, C, T) -> (B, C, T).
    """

    offset: Tensor
    factor: Tensor

    def __init__(self, start: Tensor, low: float, high: float, slope: float) -> None:
        super().__init__()
        share = (start - low) / (high - low)
        self.low, self.high = low, high
        self.register_buffer("offset", torch.logit(share)[:, None], persistent=False)
        self.register_buffer("factor", (slope / ((high - low) * share * (1 - share)))[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        exponent = self.low + (self.high - self.low) * torch.sigmoid(self.offset + self.factor * x.float())
        return 10.0**exponent


class ScoreInput(nn.Module):
    """A given score and its onsets, as one map for each scale of the trunk.

    One small convolution at full rate, then averages over each scale's frames and a 1x1 convolution to its channels.

    Shape: (B, P, T) -> list of (B, C, 1, T / 2**(scales - 1 - i)), coarsest first.
    """

    def __init__(self, pitches: int, channels: Sequence[int], *, width: int = 64, circular: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, 2 * pitches, 1, 3))
        self.bias = nn.Parameter(torch.zeros(width))
        self.to_scales = nn.ParameterList(torch.randn(c, width, 1, 1) for c in channels)
        self.circular = circular

    def forward(self, score: Tensor) -> list[Tensor]:
        onsets = F.relu(score - score.roll(1, dims=-1))
        x = pad_cylinder(torch.cat([score, onsets], dim=1)[:, :, None], 0, 1, circular=self.circular)
        # few of the pitches sound at once: scaled as if four did
        x = leaky(F.conv2d(x, self.weight * (4 * 3) ** -0.5) + self.bias[:, None, None])
        maps = []
        for i, weight in enumerate(self.to_scales):
            cell = 2 ** (len(self.to_scales) - 1 - i)
            pooled = F.avg_pool2d(x, (1, cell)) if cell > 1 else x
            maps.append(F.conv2d(pooled, weight * weight.shape[1] ** -0.5))
        return maps


class PitchGridGenerator(Generator):
    """Latents, and in its second form a score, to normalised constant-Q rows (z-scores), as `Generator` to log-mels.

    Args:
        mean, std: of the data's log10 rows, (K,): what z-scores are made with.
        frames: of one bar; a multiple of 2**(scales - 1).
        grid: pitches, harmonics, residual bands, and the bank.
        given: the score is given.
        channels: one count a scale, coarsest first.
        z_dim, w_dim, mapping_layers, circular, classes: see `Generator`.
        gain: slope of the parts at the start, decades.
        bar_s: length of a bar in the data, seconds: what the rows' smear goes by.

    Shape: z (B, Z), score (B, P, T) or None -> (B, K, T).
    """

    combs: Tensor
    smear: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        mean: Tensor,
        std: Tensor,
        frames: int,
        grid: PitchGrid | None = None,
        given: bool = False,
        channels: Sequence[int] = (384, 384, 384, 384, 320),
        z_dim: int = 64,
        w_dim: int = 128,
        mapping_layers: int = 4,
        gain: float = 0.3,
        circular: bool = True,
        classes: int = 0,
        bar_s: float = 2.0,
    ) -> None:
        grid = PitchGrid() if grid is None else grid
        super().__init__(
            n_mels=grid.bank.bands,
            frames=frames,
            dims=1,
            channels=channels,
            z_dim=z_dim,
            w_dim=w_dim,
            mapping_layers=mapping_layers,
            bound=0.0,
            gain=gain,
            circular=circular,
            classes=classes,
        )
        assert mean.shape == std.shape == (grid.bank.bands,), (mean.shape, std.shape)
        del self.to_mel
        self.grid, self.given, self.bar_s = grid, given, bar_s
        scales = len(channels)
        self.score_scales = range(scales) if given else range(min(SCORE_SCALES, scales - 1))
        self.sound_scales = range(scales) if given else range(self.score_scales[-1], scales)
        sound = grid.harmonics + grid.residual
        self.to_score = nn.ModuleList(ToMel(channels[i], grid.pitches, w_dim) for i in self.score_scales)
        self.to_sound = nn.ModuleList(ToMel(channels[i], sound, w_dim) for i in self.sound_scales)
        self.score_input = ScoreInput(grid.pitches, channels, circular=circular) if given else None
        start = -1.2 if given else -2.6
        harmonic = torch.arange(1, grid.harmonics + 1, dtype=torch.float32)
        self.score_range = SoftRange(torch.full((grid.pitches,), start), -5.5, 0.3, gain)
        self.gains_range = SoftRange(-1.2 * harmonic.log10(), -3.0, 0.5, gain)
        self.residual_range = SoftRange(torch.full((grid.residual,), -4.2), -5.2, 0.0, gain)
        combs = torch.from_numpy(grid.combs()).float().flatten(1)
        self.register_buffer("combs", torch.cat([combs, torch.from_numpy(grid.spread()).float()], dim=1), persistent=False)
        self.register_buffer("mean", mean.detach().float().clone(), persistent=False)
        self.register_buffer("std", std.detach().float().clone(), persistent=False)
        self.register_buffer("smear", torch.from_numpy(grid.smear(frames, bar_s)).float(), persistent=False)

    @property
    def border(self) -> int:
        """The first style input that is sound: those before it, and no other, write the score."""
        return 0 if self.given else 2 * len(self.score_scales) - 1

    def parts(self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1, score: Tensor | None = None) -> Parts:
        """What the loop is made of. Arguments as of `synthesis`."""
        assert (score is not None) == self.given, "the form with a given score needs one, the other takes none"
        beside = None
        if self.score_input is not None:
            assert score is not None
            assert score.shape[1:] == (self.grid.pitches, self.frames * bars), (score.shape, bars)
            beside = self.score_input(score)
        to_score = dict(zip(self.score_scales, self.to_score, strict=True))
        to_sound = dict(zip(self.sound_scales, self.to_sound, strict=True))
        notes: Tensor | None = None
        sound: Tensor | None = None
        for i, x in enumerate(self.features(ws, noise, bars=bars, beside=beside)):
            notes = None if notes is None else upsample(notes, mel=False, circular=self.circular)
            sound = None if sound is None else upsample(sound, mel=False, circular=self.circular)
            if i in to_score:
                part = to_score[i](x, ws[:, 2 * i])
                notes = part if notes is None else notes + part
            if i in to_sound:
                part = to_sound[i](x, ws[:, 2 * i + 1])
                sound = part if sound is None else sound + part
        assert notes is not None
        assert sound is not None
        gains, residual = sound[:, : self.grid.harmonics, 0], sound[:, self.grid.harmonics :, 0]
        level: Tensor = self.score_range(notes[:, :, 0])
        if score is not None:
            level = level * (score.float() + FAINT)
        return Parts(level, self.gains_range(gains), self.residual_range(residual))

    def rows(self, parts: Parts) -> Tensor:
        """What the parts read in the bank, normalised: (B, K, T). In single precision whatever autocast says."""
        with torch.autocast(parts.score.device.type, enabled=False):
            partials = (parts.gains[:, :, None] * parts.score[:, None]).flatten(1, 2)
            magnitude = self.combs @ torch.cat([partials, parts.residual], dim=1)
            frames = magnitude.shape[-1]
            magnitude = torch.fft.irfft(torch.fft.rfft(magnitude) * self._smear(frames), n=frames)
            log = 0.5 * (magnitude.square() + SOFT_FLOOR).log10()
            return (log - self.mean[:, None]) / self.std[:, None]

    def _smear(self, frames: int) -> Tensor:
        if frames == self.frames:
            return self.smear
        longer = self.grid.smear(frames, self.bar_s * frames / self.frames)
        return torch.from_numpy(longer).to(self.smear)

    def compose(self, ws: Tensor, noise: Sequence[Tensor] | None, given: Tensor | None, *, bars: int = 1) -> Tensor:
        return self.synthesis(ws, noise, bars=bars, score=given)

    def synthesis(self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1, score: Tensor | None = None) -> Tensor:
        """Styles, and in the second form a score, to normalised rows.

        Args:
            ws: (B, L, W), one style a layer, or (B, L, W, S): a style for each of S steps.
            noise: maps as from `make_noise`, or None for none.
            bars: turns of the constant: a longer circle.
            score: (B, P, bars * frames), 0 to 1, for the second form.

        Returns:
            (B, K, bars * frames).
        """
        return self.rows(self.parts(ws, noise, bars=bars, score=score))

    def forward(
        self,
        z: Tensor,
        noise: Sequence[Tensor] | None = None,
        labels: Tensor | None = None,
        score: Tensor | None = None,
    ) -> Tensor:
        w = self.mapping(z, labels)
        return self.synthesis(w[:, None].expand(-1, self.n_styles, -1), noise, score=score)
