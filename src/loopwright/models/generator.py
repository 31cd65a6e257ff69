"""StyleGAN2 generator of loops: a log-mel on a circle of time (arXiv:1912.04958, and the ISMIR 2022 paper's sizes).

Two forms of one module:
* `dims=2`: the paper's. Feature maps are (mel x time); both axes grow by 16 over five scales.
* `dims=1`: mel bands as channels. Feature maps are time only, each scale is projected to all bands by a 1x1 convolution:
  several times quicker on a CPU, where the cost of a 2-D generator is memory traffic.

The constant has 16 columns a bar, one a sixteenth-note. All time operations wrap, so rolling the constant and the noise by
whole steps rolls the loop: there is no first or last frame.

Shapes: B batch, Z latent, W style, L style inputs (layers), M mel bands, T frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from loopwright.models.config import GeneratorSizes
from loopwright.models.kernels import finish
from loopwright.models.layers import Mapping, ModulatedConv, channels_last, upsample


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU. Noise strength is learned per channel, from zero."""

    def __init__(
        self, channels: int, out_channels: int, w_dim: int, kernel: tuple[int, int], *, up: bool, circular: bool
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(channels, out_channels, w_dim, kernel=kernel, up=up, circular=circular)
        self.noise_strength = nn.Parameter(torch.zeros(out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x, norms = self.conv.parts(x, w)
        assert norms is not None
        return finish(x, norms, self.bias, self.noise_strength, noise)


class ToMel(nn.Module):
    """1x1 modulated convolution without demodulation: features to one channel (dims=2) or to all mel bands (dims=1)."""

    def __init__(self, channels: int, out_channels: int, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(channels, out_channels, w_dim, kernel=(1, 1), demodulate=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv(x, w) + self.bias[:, None, None]


class StyledGenerator(nn.Module, ABC):
    """What every generator here is: latents to styles, one for each layer, and styles with noise to a loop.

    A subclass makes `mapping_net`, `embedding` and `constant`, and sets the sizes, in its own order.

    Attributes:
        constant: what the layers in time begin with, (1, C, m, columns): its columns are the sixteenth-notes of a bar.
        n_styles: style inputs (layers).
    """

    w_avg: Tensor
    constant: nn.Parameter
    mapping_net: Mapping
    embedding: nn.Embedding | None
    n_mels: int
    frames: int
    n_styles: int
    z_dim: int
    w_dim: int
    classes: int

    def mapping(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (B, Z), and labels (B,) of a conditional generator, to styles (B, W)."""
        if self.embedding is None:
            return self.mapping_net(z)
        assert labels is not None, "a conditional generator needs labels"
        y = self.embedding(labels)
        y = y * torch.rsqrt(y.square().mean(dim=1, keepdim=True) + 1e-8)
        z = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        return self.mapping_net(torch.cat([z, y], dim=1))

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Pull styles towards the average one: 1 leaves them, 0 gives the average loop."""
        return self.w_avg.lerp(w, truncation) if truncation != 1 else w

    @abstractmethod
    def noise_shapes(self, bars: int = 1) -> list[tuple[int, int]]:
        """(mel, time) sizes of the noise maps, in the order `synthesis` takes them."""

    def make_noise(self, batch: int, generator: torch.Generator, bars: int = 1) -> list[Tensor]:
        """Draw noise maps (B, 1, m, t) on the CPU from a seeded generator, so that they are the same on every device."""
        return [torch.randn(batch, 1, m, t, generator=generator).to(self.constant) for m, t in self.noise_shapes(bars)]

    @abstractmethod
    def synthesis(self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1) -> Tensor:
        """Styles (B, L, W) or (B, L, W, S) and noise maps to normalised log-mels (B, M, bars * frames)."""

    def compose(self, ws: Tensor, noise: Sequence[Tensor] | None, given: Tensor | None, *, bars: int = 1) -> Tensor:
        """As `synthesis`, with the score or pattern that a generator is given; None for those that are given nothing."""
        assert given is None, "this generator is given nothing"
        return self.synthesis(ws, noise, bars=bars)


class Generator(StyledGenerator):
    """Latents to normalised log-mels (z-scores per band), softly bounded to +-`bound`.

    Args:
        n_mels, frames: size of the output for one bar. frames and (dims=2) n_mels are multiples of 2**(scales - 1).
        dims: 2 for the paper's maps, 1 for mel bands as channels.
        channels: one count a scale, coarsest first.
        z_dim, w_dim, mapping_layers: latent, style, depth of the mapping (paper: 32, 64, 6).
        bound: largest |z-score| that comes out; 0 leaves it unbounded, as published. An unbounded generator sends
            features through the roof before it comes back.
        gain: slope of the output at zero, below 1 so that a fresh generator starts inside the range.
        circular: wrap time; False pads with zeros, as published.
        classes: number of labels of a conditional generator, 0 for none.

    Shape: z (B, Z) -> (B, M, T).
    """

    def __init__(
        self,
        *,
        n_mels: int,
        frames: int,
        dims: int = 2,
        channels: Sequence[int] = (512, 512, 512, 512, 512),
        z_dim: int = 32,
        w_dim: int = 64,
        mapping_layers: int = 6,
        bound: float = 3.5,
        gain: float = 0.3,
        circular: bool = True,
        classes: int = 0,
    ) -> None:
        super().__init__()
        growth = 2 ** (len(channels) - 1)
        assert frames % growth == 0, (frames, growth)
        assert dims in (1, 2), dims
        assert dims == 1 or n_mels % growth == 0, (n_mels, growth)
        self.n_mels, self.frames, self.dims = n_mels, frames, dims
        self.z_dim, self.w_dim, self.classes = z_dim, w_dim, classes
        self.bound, self.gain, self.circular = bound, gain, circular
        kernel = (3, 3) if dims == 2 else (1, 3)
        out = 1 if dims == 2 else n_mels
        self.mapping_net = Mapping(z_dim * (2 if classes else 1), w_dim, mapping_layers)
        self.embedding = nn.Embedding(classes, z_dim) if classes else None
        self.constant = nn.Parameter(torch.randn(1, channels[0], n_mels // growth if dims == 2 else 1, frames // growth))
        self.first = StyledConv(channels[0], channels[0], w_dim, kernel, up=False, circular=circular)
        self.to_mel = nn.ModuleList([ToMel(channels[0], out, w_dim)])
        self.ups, self.convs = nn.ModuleList(), nn.ModuleList()
        for before, after in zip(channels[:-1], channels[1:], strict=True):
            self.ups.append(StyledConv(before, after, w_dim, kernel, up=True, circular=circular))
            self.convs.append(StyledConv(after, after, w_dim, kernel, up=False, circular=circular))
            self.to_mel.append(ToMel(after, out, w_dim))
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.n_styles = 2 * len(channels)  # two a scale: as StyleGAN2 counts them
        if dims == 2:
            channels_last(self)  # the convolutions' own layout: no reordering before and after

    @classmethod
    def of(cls, sizes: GeneratorSizes) -> Generator:
        """A generator of these sizes, with fresh weights."""
        config = sizes.config.model_dump(exclude={"kind", "given"})
        return cls(n_mels=sizes.bands, frames=sizes.frames, classes=sizes.classes, **config)

    def noise_shapes(self, bars: int = 1) -> list[tuple[int, int]]:
        m, t = self.constant.shape[2], self.constant.shape[3] * bars
        shapes = [(m, t)]
        for _ in self.ups:
            m, t = (m * 2 if self.dims == 2 else m), t * 2
            shapes += [(m, t), (m, t)]
        return shapes

    def features(
        self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1, beside: Sequence[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Feature maps of each scale, coarsest first, (B, C, m, t). Arguments as of `synthesis`.

        `beside`: one map a scale, (B, C, m, t), added to what enters its last convolution.
        """
        assert ws.shape[1] == self.n_styles, (ws.shape, self.n_styles)
        maps: list[Tensor | None] = list(noise) if noise is not None else [None] * (1 + 2 * len(self.ups))
        x = self.constant.expand(len(ws), -1, -1, -1)
        x = x.repeat(1, 1, 1, bars) if bars > 1 else x
        x = self.first(x if beside is None else x + beside[0], ws[:, 0], maps[0])
        yield x
        for i, (up, conv) in enumerate(zip(self.ups, self.convs, strict=True)):
            x = up(x, ws[:, 2 * i + 1], maps[2 * i + 1])
            x = conv(x if beside is None else x + beside[i + 1], ws[:, 2 * i + 2], maps[2 * i + 2])
            yield x

    def synthesis(self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1) -> Tensor:
        """Styles to normalised log-mels.

        Args:
            ws: (B, L, W), one style a layer, or (B, L, W, S): a style for each of S steps, such as one a sixteenth-note.
            noise: maps as from `make_noise`, or None for none.
            bars: turns of the constant: a longer circle.

        Returns:
            (B, M, bars * frames).
        """
        y: Tensor | None = None
        for x, to_mel, w in zip(self.features(ws, noise, bars=bars), self.to_mel, ws[:, 1::2].unbind(1), strict=True):
            part = to_mel(x, w)
            y = part if y is None else upsample(y, mel=self.dims == 2, circular=self.circular) + part
        assert y is not None
        y = y[:, 0] if self.dims == 2 else y[:, :, 0]
        if not self.bound:
            return y
        return self.bound * torch.tanh(y * (self.gain / self.bound))

    def forward(self, z: Tensor, noise: Sequence[Tensor] | None = None, labels: Tensor | None = None) -> Tensor:
        w = self.mapping(z, labels)
        return self.synthesis(w[:, None].expand(-1, self.n_styles, -1), noise)
