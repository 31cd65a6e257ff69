"""Real bars, as training sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from loopwright.data import PreparedData
from loopwright.training.parallel import ALONE, World
from loopwright.training.seeds import generator_for


@dataclass
class Batches:
    """Normalised log-mels of random training bars; the choice depends on (seed, step) alone."""

    data: PreparedData
    rows: np.ndarray
    batch: int
    seed: int
    mean: Tensor
    std: Tensor
    classes: np.ndarray | None = None  # class of each of `rows`
    world: World = ALONE

    def _picks(self, step: int) -> Tensor:
        return torch.randint(len(self.rows), (self.batch,), generator=generator_for(self.seed, step, "real"))

    def __call__(self, step: int) -> Tensor:
        """(B, M, T) on the device of `mean`: this process's part of the joint batch."""
        picks = self.world.mine(self._picks(step))
        log_mel = torch.from_numpy(self.data.log_mel(self.rows[picks.numpy()]))
        log_mel = log_mel[..., : self.data.bars * self.data.representation.model_frames].to(self.mean.device)
        return (log_mel - self.mean[:, None]) / self.std[:, None]

    def labels(self, step: int) -> Tensor | None:
        """(B,) classes of the joint batch, or None."""
        if self.classes is None:
            return None
        return torch.from_numpy(self.classes[self._picks(step).numpy()]).to(self.mean.device)
