"""A trained model in torch: generator, statistics, vocoder. `load("drums").generate(seeds=range(8), bpm=124)`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwright.config import STEPS_PER_BAR
from loopwright.making.loop import Loop
from loopwright.making.model import (
    BAR_VARIATION,
    MAX_SEED,
    Maker,
    check_settings,
    default_vocoder,
    draw,
    find_model,
    shown_name,
    white_noise,
)
from loopwright.models import modelfile
from loopwright.training.device import choose_device
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.render import BEATS_PER_BAR, bars_of, render

__all__ = ["BAR_VARIATION", "MAX_SEED", "Model", "check_settings", "default_vocoder", "draw", "find_model", "load"]


class Model(Maker):
    """A generator with its vocoder, in torch. Made by `load`.

    Attributes:
        mean, std: (M,) statistics that undo the normalisation.
    """

    def __init__(self, path: Path, *, name: str, vocoder: str | None, device: str) -> None:
        self.device = choose_device(device)
        file = modelfile.read(path)
        super().__init__(file, name)
        self.generator = modelfile.build(file).to(self.device)
        self.vocoder = load_vocoder(vocoder or default_vocoder(self.mel), self.mel)
        self.vocoder.to(self.device)
        self.mean = torch.from_numpy(file.mean).to(self.device)
        self.std = torch.from_numpy(file.std).to(self.device)

    @property
    def vocoder_name(self) -> str:
        return self.vocoder.name

    @torch.no_grad()
    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Tensor:
        """Style vectors (B, W) of seeds, truncated towards the average."""
        z = torch.from_numpy(np.stack([draw(seed, "latent", (self.generator.z_dim,)) for seed in seeds]))
        labels = self.labels(style, seeds)
        known = None if labels is None else torch.tensor(labels, device=self.device)
        w = self.generator.mapping(z.to(self.device), known)
        return self.generator.truncate(w, truncation)

    @torch.no_grad()
    def log_mel(self, ws: Tensor, noise_seeds: Sequence[int], *, bars: int = 1) -> Tensor:
        """Log-mels (B, M, T) of styles: (B, W), (B, L, W) or (B, L, W, steps). Noise depends on the seed alone."""
        if ws.dim() == 2:
            ws = ws[:, None].expand(-1, self.generator.n_styles, -1)
        turns = -(-bars // self.bars)
        maps = [
            torch.from_numpy(np.stack([draw(seed, f"noise {i}", (1, *shape)) for seed in noise_seeds])).to(self.device)
            for i, shape in enumerate(self.generator.noise_shapes(turns))
        ]
        y = self.generator.synthesis(ws, maps, bars=turns)
        log_mel = y.float() * self.std[:, None] + self.mean[:, None]
        return log_mel.clamp(min=float(np.log10(self.mel.log_floor)))

    def bar_styles(self, w: Tensor, seeds: Sequence[int], bars: int, *, truncation: float = 1.0) -> Tensor:
        """Styles for loops of several bars: each bar after the first walks a little way towards another latent.

        (B, W) -> (B, L, W) for one turn, else (B, L, W, steps): one circle, not bars set side by side.
        """
        turns = -(-bars // self.bars)
        n = self.generator.n_styles
        if turns == 1:
            return w[:, None].expand(-1, n, -1)
        parts = [w]
        for bar in range(1, turns):
            others = self.styles_of([(s + 0x9E3779B1 * bar) % (MAX_SEED + 1) for s in seeds], truncation=truncation)
            # every other bar answers the first one: A B, A B A C
            parts.append(w if bar % 2 == 0 else w.lerp(others, BAR_VARIATION))
        steps = torch.stack(parts, dim=-1).repeat_interleave(STEPS_PER_BAR * self.bars, dim=-1)
        return steps[:, None].expand(-1, n, -1, -1)

    def make(
        self, seeds: Sequence[int], *, bpm: float, bars: int, truncation: float, style: str | None, rate_hz: int, pack: str
    ) -> list[Loop]:
        w = self.styles_of(seeds, style=style, truncation=truncation)
        log_mel = self.log_mel(self.bar_styles(w, seeds, bars, truncation=truncation), seeds, bars=bars)
        details = [{"seed": seed, "truncation": truncation, **({"style": style} if style else {})} for seed in seeds]
        return self.render(log_mel, seeds, bpm=bpm, rate_hz=rate_hz, pack=pack, details=details)

    def render(
        self,
        log_mel: Tensor,
        seeds: Sequence[int],
        *,
        bpm: float,
        rate_hz: int,
        pack: str = "",
        details: Sequence[dict[str, Any]] = (),
        words: Sequence[str] = (),
    ) -> list[Loop]:
        """Log-mels (B, M, T) to finished loops: vocoder at the tempo, level, name."""

        beats = BEATS_PER_BAR * bars_of(log_mel.shape[-1], self.mel)
        loops = []
        for i, one in enumerate(log_mel.cpu().numpy()):
            noise = functools.partial(white_noise, seeds[i], self.mel.hop)
            samples = render(self.vocoder, one, bpm, rate_hz=rate_hz, noise=noise)
            own = dict(details[i]) if details else None
            word = words[i] if words else ""
            loop = self.finish(samples, seeds[i], bpm=bpm, beats=beats, rate_hz=rate_hz, pack=pack, details=own, word=word)
            loops.append(loop)
        return loops


def load(name: str = "drums", *, vocoder: str | None = None, device: str = "cpu") -> Model:
    """Load a bundled model by name, a run folder, or a model file.

    Raises InputError if there is none, it is damaged, or it comes from a newer version.
    """
    path = find_model(name)
    return Model(path, name=shown_name(name, path), vocoder=vocoder, device=device)
