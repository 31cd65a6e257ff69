"""A trained model in torch: on any device, with any vocoder, and with gradients for who wants them (`making.project`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.arrays import Float32
from loopwright.making.draws import draw
from loopwright.making.find import find_model, shown_name, vocoder_for
from loopwright.making.model import Model
from loopwright.making.speaker import Arrays
from loopwright.models import modelfile
from loopwright.models.pattern_kit import PatternKit
from loopwright.models.pitch_grid import PitchGridGenerator
from loopwright.training.device import choose_device
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.base import Vocoder


class TorchModel(Model):
    """A generator with its vocoder, in torch.

    Attributes:
        generator: the averaged one, in eval mode.
        vocoder: what makes sound of its log-mels; None for a generator of another kind.
        mean, std: (M,) statistics that undo the normalisation.
    """

    vocoder: Vocoder | None

    def __init__(self, path: Path, *, name: str, vocoder: str | None, device: str) -> None:
        self.device = choose_device(device)
        file = modelfile.read(path)
        spoken = vocoder_for(file, vocoder)
        super().__init__(file, name, None)
        self.generator = modelfile.build(file).to(self.device)
        self.vocoder = load_vocoder(*spoken).to(self.device) if spoken is not None else None
        self.mean = torch.from_numpy(file.mean).to(self.device)
        self.std = torch.from_numpy(file.std).to(self.device)

    @classmethod
    def load(cls, name: str = "drums", *, vocoder: str | None = None, device: str = "cpu") -> TorchModel:
        """A bundled model by name, a run folder, or a model file.

        Raises InputError if there is none, it is damaged, or it comes from a newer version.
        """
        path = find_model(name)
        return cls(path, name=shown_name(name, path), vocoder=vocoder, device=device)

    @property
    def w_avg(self) -> Float32:
        return _array(self.generator.w_avg)

    @torch.no_grad()
    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Float32:
        z = torch.from_numpy(np.stack([draw(seed, "latent", (self.generator.z_dim,)) for seed in seeds]))
        labels = self.labels(style, seeds)
        known = None if labels is None else torch.tensor(labels, device=self.device)
        w = self.generator.mapping(z.to(self.device), known)
        return _array(self.generator.truncate(w, truncation))

    @torch.no_grad()
    def synthesis(self, ws: Float32, maps: Sequence[Float32], given: Sequence[Float32] | None) -> list[Arrays]:
        styles = torch.from_numpy(ws).to(self.device)
        if styles.dim() == 2:
            styles = styles[:, None].expand(-1, self.n_styles, -1)
        turns = maps[-1].shape[-1] // self.sizes.noise_shapes()[-1][1]
        noise = [torch.from_numpy(x).to(self.device) for x in maps]
        played = None if given is None else torch.from_numpy(np.stack(given)).to(self.device)
        if isinstance(self.generator, PitchGridGenerator):
            notes = self.generator.parts(styles, noise, bars=turns, score=played)
            return [{name: _array(x) for name, x in zip(notes._fields, one, strict=True)} for one in zip(*notes, strict=True)]
        if isinstance(self.generator, PatternKit):
            return [self._played(i, styles, noise, played, turns) for i in range(len(styles))]
        y = self.generator.synthesis(styles, noise, bars=turns)
        log_mel = y.float() * self.std[:, None] + self.mean[:, None]
        found = _array(log_mel.clamp(min=float(np.log10(self.mel.log_floor))))
        return [{"log_mel": one} for one in found]

    def _played(self, i: int, styles: Tensor, noise: Sequence[Tensor], pattern: Tensor | None, turns: int) -> Arrays:
        """What a pattern-kit generator draws for one loop of a batch."""
        assert isinstance(self.generator, PatternKit)
        given = None if pattern is None else pattern[i : i + 1]
        parts = self.generator.parts(styles[i : i + 1], [x[i : i + 1] for x in noise], bars=turns, pattern=given)
        found = {"kit": parts.kit, "tails": parts.tails, "gains": parts.gains, "residual": parts.residual[0]}
        if parts.velocity is not None and parts.offset is not None:
            found |= {"velocity": parts.velocity[0], "offset": parts.offset[0]}
        return {name: _array(x) for name, x in {**found, "roles": parts.roles}.items()}


def _array(x: Tensor) -> Float32:
    return np.asarray(x.cpu().numpy(), dtype=np.float32)
