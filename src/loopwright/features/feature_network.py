"""A network on our log-mels: through the bridge to its own input, on to its taps or to one vector.

Shapes: B batch, M mel bands of ours, T frames of ours, F bands and U frames of the network's own input, C channels,
D embedding size.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from loopwright.config import MelConfig, Representation, ToneConfig
from loopwright.errors import MelMismatchError
from loopwright.features.base import Network
from loopwright.features.bridge import Bridge, DirectView
from loopwright.features.tone_bridge import ToneBridge

Halves = Literal["none", "mel", "time"]


class FeatureNetwork(nn.Module):
    """Our log-mel in, a pyramid of frozen features out. Made by `features.build`.

    Differentiable to its input; nothing in it is trained, saved or ever in training mode.

    Shape: (B, M, T) -> one (B, C, F', T') per tap: frequency on axis 2, time on axis 3.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        mel: Representation,
        *,
        circular: bool = True,
        bridge: bool = True,
        direct: bool = False,
        halves: Halves = "none",
        depth: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.mel = mel
        self.network = network
        self.taps = network.taps[: len(network.taps) if depth is None else depth]
        self.circular = circular and halves == "none"
        self.halves = halves
        self.bridge: Bridge | ToneBridge | None = None
        if bridge and isinstance(mel, ToneConfig):
            self.bridge = ToneBridge(mel, network.mel_map, power=network.power, bar_frames=network.bar_frames)
        elif bridge and isinstance(mel, MelConfig):
            self.bridge = Bridge(mel, network.mel_map, power=network.power, bar_frames=network.bar_frames)
        self.direct: DirectView | None = None
        if direct and isinstance(mel, ToneConfig):
            raise MelMismatchError(f"'direct:' shows networks log-mels, not '{mel.name}'. Name the network without it.")
        if direct:
            assert isinstance(mel, MelConfig)
            self.direct = DirectView(mel, bands=network.n_bands, bar_frames=network.bar_frames, typical=network.typical)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> FeatureNetwork:  # noqa: ARG002
        """Stay in eval mode."""
        return super().train(False)

    def to_input(self, log_mel: Tensor) -> Tensor:
        """Our log-mel (B, M, T) to the network's own input (B, 1, F, U). Without a bridge: as it is."""
        if log_mel.ndim != 3 or log_mel.shape[1] != self.mel.bands:
            raise MelMismatchError(
                f"the feature network {self.name} was built for log-mels (batch, {self.mel.bands}, frames) of "
                f"'{self.mel.name}', got shape {tuple(log_mel.shape)}. Build it for the data's own representation."
            )
        if self.direct is not None:
            direct: Tensor = self.direct(log_mel)
            return direct
        if self.bridge is None:
            return log_mel[:, None]
        return self.network.compress(self.bridge(log_mel))

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        return self.features(self.to_input(log_mel))

    def features(self, x: Tensor) -> list[Tensor]:
        """Features of the network's own input (B, 1, F, U)."""
        if self.halves == "none":
            return self.pyramid(x)
        # As published: each half is a picture of its own, with edges in the middle of the bar.
        batch = len(x)
        maps = self.pyramid(torch.cat(x.chunk(2, dim=3)))
        axis = 2 if self.halves == "mel" else 3
        return [torch.cat([both[:batch], both[batch:]], dim=axis) for both in maps]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The network's taps, on a CPU a few bars at a time.

        Arrays above 32 MB come fresh from the operating system each time and cost a page fault every 4 kB, up to ten times
        the arithmetic; smaller ones are reused by the allocator.
        """
        depth, step = len(self.taps), self.network.bars_at_once
        if x.device.type != "cpu" or self.network.batch_stats or len(x) <= step:
            return self.network.pyramid(x, circular=self.circular, depth=depth)
        parts = [self.network.pyramid(part, circular=self.circular, depth=depth) for part in torch.split(x, step)]
        return [torch.cat(maps) for maps in zip(*parts, strict=True)]


class Embedder(nn.Module):
    """Our log-mel to one vector a bar, through the bridge: quick, for curves during training. (B, M, T) -> (B, D)."""

    def __init__(self, name: str, network: Network, mel: Representation) -> None:
        super().__init__()
        self.name = name
        self.dim = network.dim
        self.features = FeatureNetwork(name, network, mel)

    @torch.no_grad()
    def forward(self, log_mel: Tensor) -> Tensor:
        return self.features.network.embed(self.features.to_input(log_mel), circular=True)

    @torch.no_grad()
    def probabilities(self, log_mel: Tensor) -> Tensor | None:
        """Class probabilities that sum to 1, (B, M, T) -> (B, classes), of a network that tells styles apart; else None."""
        logits = getattr(self.features.network, "logits", None)
        if logits is None:
            return None
        scores: Tensor = logits(self.features.to_input(log_mel), circular=True)
        return scores.softmax(dim=1)
