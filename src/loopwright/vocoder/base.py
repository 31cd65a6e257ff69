"""What every vocoder in torch is: log-mel in, one turn of a loop out, refusing what it was not made for.

Shapes: B batch, M mel bands, T frames, N = T * hop samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from loopwright.arrays import Float32
from loopwright.config import MelConfig
from loopwright.vocoder.check import check_log_mel
from loopwright.vocoder.render import LoopVocoder


class Vocoder(nn.Module, ABC):
    """A map from log-mels (B, M, T) to loops (B, T*hop) at `mel.rate_hz`, circular in time.

    Rolling the log-mel by whole frames rolls the loop by whole hops.
    """

    name: str
    mel: MelConfig

    def __init__(self, name: str, mel: MelConfig) -> None:
        super().__init__()
        self.name = name
        self.mel = mel

    @abstractmethod
    def synthesise(self, log_mel: Tensor) -> Tensor:
        """The map itself, on a checked float32 input. (B, M, T) -> (B, T*hop)."""

    def synthesise_from(self, log_mel: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002
        """As `synthesise`, from white noise (B, hop, T) of the caller's, where the vocoder makes use of noise."""
        return self.synthesise(log_mel)

    def forward(self, log_mel: Tensor, noise: Tensor | None = None) -> Tensor:
        """Check the input (InputError), then synthesise. (B, M, T) -> (B, T*hop)."""
        check_log_mel(log_mel.detach().float().cpu().numpy(), self.mel, who=f"vocoder '{self.name}'")
        return self.synthesise(log_mel.float()) if noise is None else self.synthesise_from(log_mel.float(), noise)

    @torch.no_grad()
    def make_loop(self, log_mel: Float32, noise: Float32 | None) -> Float32:
        """One loop, as `render` asks for it. (M, T) and white noise (hop, T) -> (T*hop,)."""
        first = next(chain(self.parameters(), self.buffers()), torch.zeros(()))
        given = None if noise is None else torch.from_numpy(noise)[None].to(first.device)
        loop: Float32 = self(torch.from_numpy(log_mel)[None].to(first.device), given)[0].cpu().numpy()
        return loop


class Batched(Vocoder):
    """A vocoder without a network (Griffin-Lim) for tensors: one loop after another, no gradient."""

    def __init__(self, one: LoopVocoder) -> None:
        super().__init__(one.name, one.mel)
        self.one = one

    def synthesise(self, log_mel: Tensor) -> Tensor:
        loops = [self.one.make_loop(x.detach().cpu().numpy(), None) for x in log_mel]
        return torch.from_numpy(np.stack(loops)).to(log_mel.device)
