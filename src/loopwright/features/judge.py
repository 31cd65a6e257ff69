"""A network that measures finished audio, through its own exact front-end.

Shapes: B batch, N samples, D embedding size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwright.arrays import Float32
from loopwright.errors import MelMismatchError
from loopwright.features.base import Network


class Judge:
    """A network that looks at finished audio through its own exact front-end. Named, with its checksum, in every result.

    `rate_hz`: what its clips must be sampled at; `min_samples`: the shortest it takes.
    """

    def __init__(self, network: Network, checksum: str, name: str) -> None:
        self.network = network
        self.name = name
        self.dim = network.dim
        self.rate_hz = network.rate_hz
        self.min_samples = network.min_samples
        self.checksum = checksum

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, () if it does not classify."""
        return self.network.classes

    def embed(self, waveforms: npt.ArrayLike | Tensor, *, batch: int = 16) -> Float32:
        """Embeddings of clips at `rate_hz`. (B, N) float32 in [-1, 1] -> (B, D) float32."""
        return self._run(self.network.embed_waveform, waveforms, batch)

    def probabilities(self, waveforms: npt.ArrayLike | Tensor, *, batch: int = 16) -> Float32:
        """Class probabilities of clips at `rate_hz`. (B, N) -> (B, classes). Raises WeightsError if it has no classes."""
        return self._run(self.network.probabilities_of_waveform, waveforms, batch)

    @torch.no_grad()
    def _run(self, what: object, waveforms: npt.ArrayLike | Tensor, batch: int) -> Float32:
        assert callable(what)
        clips = waveforms if isinstance(waveforms, Tensor) else torch.from_numpy(np.asarray(waveforms, dtype=np.float32))
        if clips.ndim != 2 or clips.shape[1] < self.min_samples:
            raise MelMismatchError(
                f"{self.name} judges clips (batch, samples) at {self.rate_hz} Hz of at least {self.min_samples} "
                f"samples, got shape {tuple(clips.shape)}."
            )
        parts = [what(part.float()).cpu().numpy() for part in torch.split(clips, batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)
