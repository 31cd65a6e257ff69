"""A trained model in torch: on any device, with any vocoder, and with gradients for who wants them (`making.project`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.making.draws import Float32, draw
from loopwright.making.find import default_vocoder, find_model, shown_name
from loopwright.making.model import Model
from loopwright.models import modelfile
from loopwright.training.device import choose_device
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.render import LoopVocoder


class TorchModel(Model):
    """A generator with its vocoder, in torch.

    Attributes:
        generator: the averaged one, in eval mode.
        vocoder: what makes sound of its log-mels.
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

    @torch.no_grad()
    def synthesis(self, ws: Float32, maps: Sequence[Float32]) -> Float32:
        styles = torch.from_numpy(ws).to(self.device)
        if styles.dim() == 2:
            styles = styles[:, None].expand(-1, self.n_styles, -1)
        turns = maps[0].shape[-1] // self.sizes.noise_shapes()[0][1]
        noise = [torch.from_numpy(x).to(self.device) for x in maps]
        y = self.generator.synthesis(styles, noise, bars=turns)
        log_mel = y.float() * self.std[:, None] + self.mean[:, None]
        return _array(log_mel.clamp(min=float(np.log10(self.mel.log_floor))))

    @property
    def voice(self) -> LoopVocoder:
        return self.vocoder


def _array(x: Tensor) -> Float32:
    return np.asarray(x.cpu().numpy(), dtype=np.float32)
