"""A trained model in torch: on any device, with any vocoder, and with gradients for who wants them (`making.project`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.data import MelStats
from loopwright.making.draws import Blend, Float32, draw, white_noise
from loopwright.making.find import default_vocoder, find_model, shown_name
from loopwright.making.model import Model
from loopwright.training.device import choose_device
from loopwright.training.gan_loop import load_model
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder import render


class TorchModel(Model):
    """A generator with its vocoder, in torch.

    Attributes:
        generator: the averaged one, in eval mode.
        vocoder: what makes sound of its log-mels.
        mean, std: (M,) statistics that undo the normalisation.
    """

    def __init__(self, path: Path, *, name: str, vocoder: str | None, device: str) -> None:
        self.device = choose_device(device)
        self.generator, header = load_model(path)
        super().__init__(path, name, header)
        self.generator.to(self.device)
        self.n_styles, self.w_dim = self.generator.n_styles, self.generator.w_dim
        self.stats = MelStats.from_json(self.header["statistics"])
        self.vocoder = load_vocoder(vocoder or default_vocoder(self.mel), self.mel)
        self.vocoder.to(self.device)
        self.mean = torch.from_numpy(self.stats.mean).to(self.device)
        self.std = torch.from_numpy(self.stats.std).to(self.device)

    @classmethod
    def load(cls, name: str = "drums", *, vocoder: str | None = None, device: str = "cpu") -> TorchModel:
        """A bundled model by name, a run folder, or a model file.

        Raises InputError if there is none, it is damaged, or it comes from a newer version.
        """
        path = find_model(name)
        return cls(path, name=shown_name(name, path), vocoder=vocoder, device=device)

    @property
    def vocoder_name(self) -> str:
        return self.vocoder.name

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

    def noise_shapes(self, turns: int = 1) -> list[tuple[int, int]]:
        return self.generator.noise_shapes(turns)

    @torch.no_grad()
    def synthesis(self, ws: Float32, maps: Sequence[Float32]) -> Float32:
        styles = torch.from_numpy(ws).to(self.device)
        if styles.dim() == 2:
            styles = styles[:, None].expand(-1, self.n_styles, -1)
        turns = maps[0].shape[-1] // self.noise_shapes()[0][1]
        noise = [torch.from_numpy(x).to(self.device) for x in maps]
        y = self.generator.synthesis(styles, noise, bars=turns)
        log_mel = y.float() * self.std[:, None] + self.mean[:, None]
        return _array(log_mel.clamp(min=float(np.log10(self.mel.log_floor))))

    def speak(self, log_mel: Float32, noise: Sequence[int | Blend], *, bpm: float, rate_hz: int) -> Float32:
        def white(frames: int) -> Tensor:
            return torch.from_numpy(np.stack([white_noise(one, self.mel.hop, frames) for one in noise])).to(self.device)

        given = torch.from_numpy(log_mel).to(self.device)
        return _array(render(self.vocoder, given, bpm, rate_hz=rate_hz, noise=white))


def _array(x: Tensor) -> Float32:
    return np.asarray(x.cpu().numpy(), dtype=np.float32)
