"""The paper's training step, written literally: what `loopwright` is timed against.

Our own code after the papers (StyleGAN2, arXiv:1912.04958; Projected GAN, arXiv:2111.01007) with the configuration of the
poster, in the plain way: weights modulated for each sample and run as one grouped convolution, the blur as a full
two-dimensional filter over zero-stuffed maps, NCHW, float32, zero padding, the mel cut into two halves for the network, and
a generator forward of its own for each of the two updates.

Shapes: B batch, C channels, T time, M mel; maps are (B, C, T, M), as published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def upfirdn2d(x: Tensor, kernel: Tensor, *, up: int = 1, pad: tuple[int, int]) -> Tensor:
    """Insert up - 1 zeros after each cell, pad by (before, after), convolve with the flipped kernel."""
    b, c, h, w = x.shape
    x = x.reshape(b * c, 1, h, 1, w, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(b * c, 1, h * up, w * up)
    x = F.conv2d(F.pad(x, (*pad, *pad)), kernel.flip(0, 1)[None, None])
    return x.reshape(b, c, *x.shape[2:])


def blur_kernel(gain: float = 1.0) -> Tensor:
    k = torch.tensor([1.0, 3.0, 3.0, 1.0])
    k = k[:, None] * k[None]
    return k / k.sum() * gain


class Linear(nn.Module):
    def __init__(self, a: int, b: int, *, bias: float = 0.0, lr_mul: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(b, a) / lr_mul)
        self.bias = nn.Parameter(torch.full((b,), bias / lr_mul))
        self.scale, self.lr_mul = a**-0.5 * lr_mul, lr_mul

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)


class ModulatedConv(nn.Module):
    """One set of weights a sample, all of them in one grouped convolution."""

    blur: Tensor

    def __init__(self, a: int, b: int, k: int, w_dim: int, *, demodulate: bool = True, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, b, a, k, k))
        self.affine = Linear(w_dim, a, bias=1.0)
        self.k, self.scale, self.demodulate, self.up = k, (a * k * k) ** -0.5, demodulate, up
        self.register_buffer("blur", blur_kernel(4.0))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        b, c, h, n = x.shape
        weight = self.scale * self.weight * self.affine(w).reshape(b, 1, c, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4)) + 1e-8)[:, :, None, None, None]
        out = weight.shape[1]
        if self.up:
            weight = weight.transpose(1, 2).reshape(b * c, out, self.k, self.k)
            x = F.conv_transpose2d(x.reshape(1, b * c, h, n), weight, stride=2, groups=b)
            return upfirdn2d(x.reshape(b, out, *x.shape[2:]), self.blur, pad=(1, 1))
        weight = weight.reshape(b * out, c, self.k, self.k)
        x = F.conv2d(x.reshape(1, b * c, h, n), weight, padding=self.k // 2, groups=b)
        return x.reshape(b, out, *x.shape[2:])


class StyledConv(nn.Module):
    def __init__(self, a: int, b: int, w_dim: int, *, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(a, b, 3, w_dim, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(b))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = self.conv(x, w) + self.noise_strength * noise
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * 2**0.5


class ToMel(nn.Module):
    blur: Tensor

    def __init__(self, a: int, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(a, 1, 1, w_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.register_buffer("blur", blur_kernel(4.0))

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None) -> Tensor:
        y = self.conv(x, w) + self.bias
        return y if skip is None else y + upfirdn2d(skip, self.blur, up=2, pad=(2, 1))


class Generator(nn.Module):
    """z (B, Z) -> z-scored log-mel (B, 1, T, M), unbounded. The paper: z 32, w 64, 512 channels at five scales, 192 x 64."""

    def __init__(
        self,
        *,
        channels: Sequence[int] = (512,) * 5,
        frames: int = 192,
        n_mels: int = 64,
        z_dim: int = 32,
        w_dim: int = 64,
        mapping_layers: int = 6,
    ) -> None:
        super().__init__()
        growth = 2 ** (len(channels) - 1)
        self.z_dim = z_dim
        sizes = [z_dim, *[w_dim] * mapping_layers]
        self.mapping = nn.ModuleList(Linear(a, b, lr_mul=0.01) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.constant = nn.Parameter(torch.randn(1, channels[0], frames // growth, n_mels // growth))
        self.convs = nn.ModuleList([StyledConv(channels[0], channels[0], w_dim)])
        self.to_mel = nn.ModuleList([ToMel(channels[0], w_dim)])
        for a, b in zip(channels[:-1], channels[1:], strict=True):
            self.convs += [StyledConv(a, b, w_dim, up=True), StyledConv(b, b, w_dim)]
            self.to_mel.append(ToMel(b, w_dim))

    def style(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            x = F.leaky_relu(layer(x), 0.2) * 2**0.5
        return x

    def forward(self, z: Tensor) -> Tensor:
        w = self.style(z)
        x = self.constant.repeat(len(z), 1, 1, 1)

        def noise(like: Tensor, grow: int) -> Tensor:
            return torch.randn(len(z), 1, like.shape[2] * grow, like.shape[3] * grow)

        x = self.convs[0](x, w, noise(x, 1))
        y = self.to_mel[0](x, w, None)
        for up, conv, to_mel in zip(self.convs[1::2], self.convs[2::2], self.to_mel[1:], strict=True):
            x = up(x, w, noise(x, 2))
            x = conv(x, w, noise(x, 1))
            y = to_mel(x, w, y)
        return y


def down_block(a: int, b: int) -> nn.Module:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(a, a, 3, 1, 1, groups=a, bias=False)),
        spectral_norm(nn.Conv2d(a, b, 1, bias=False)),
        nn.BatchNorm2d(b),
        nn.LeakyReLU(0.2),
        nn.AvgPool2d(2),
    )


class Head(nn.Module):
    """Blocks that halve the map until its shorter side is 8 or less, the group's deviation, one logit a cell."""

    def __init__(self, channels: int, downs: int) -> None:
        super().__init__()
        widths = [min(channels * 2**i, 256) for i in range(downs + 1)]
        self.blocks = nn.Sequential(*(down_block(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)))
        self.last = nn.Sequential(
            spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, 1, 1, groups=widths[-1], bias=False)),
            spectral_norm(nn.Conv2d(widths[-1], widths[-1], 1, bias=False)),
            nn.BatchNorm2d(widths[-1]),
            nn.LeakyReLU(0.2),
        )
        self.logits = spectral_norm(nn.Conv2d(widths[-1] + 1, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.blocks(x))
        b, _, h, w = x.shape
        group = 4 if b % 4 == 0 else b
        y = x.reshape(group, -1, *x.shape[1:])
        y = (y.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
        return self.logits(torch.cat([x, y.repeat(group)[:, None, None, None].expand(b, 1, h, w)], dim=1))


class Vgg(nn.Module):
    """VGGish's four pooling stages, frozen. (B, 1, T, M) -> four maps."""

    LAYOUT = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool")

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        a = 1
        for item in self.LAYOUT:
            if isinstance(item, int):
                layers += [nn.Conv2d(a, item, 3, 1, 1), nn.ReLU(inplace=True)]
                a = item
            else:
                layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers).requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        taps = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                taps.append(x)
        return taps


class Discriminator(nn.Module):
    """VGGish on the two halves, joined on the mel axis; CCM, CSM, heads."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Vgg()
        taps, widths, outs = (64, 128, 256, 512), (64, 128, 256, 512), (64, 64, 128, 256)
        self.ccm = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(taps, widths, strict=True))
        self.csm = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(widths, outs, strict=True))
        self.ccm.requires_grad_(False)
        self.csm.requires_grad_(False)
        self.heads = nn.ModuleList(Head(c, downs) for c, downs in zip(outs, (3, 2, 1, 0), strict=True))

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        half = log_mel.shape[2] // 2
        first, second = self.network(log_mel[:, :, :half]), self.network(log_mel[:, :, half:])
        taps = [torch.cat(pair, dim=3) for pair in zip(first, second, strict=True)]
        mixed = [ccm(x) for ccm, x in zip(self.ccm, taps, strict=True)]
        scales: list[Tensor] = []
        above: Tensor | None = None
        for x, csm in zip(reversed(mixed), reversed(list(self.csm)), strict=True):
            if above is not None:
                x = x + F.interpolate(above, scale_factor=2, mode="bilinear", align_corners=True)
            above = csm(x)
            scales.append(above)
        return [head(x) for head, x in zip(self.heads, reversed(scales), strict=True)]


def training_step(
    generator: Generator,
    discriminator: Discriminator,
    optimizer_g: torch.optim.Optimizer,
    optimizer_d: torch.optim.Optimizer,
    average: nn.Module,
    real: Tensor,
) -> None:
    """Update D, then G with a forward of its own, then the average, as published. `real` is (B, 1, T, M)."""
    trained = [p for group in optimizer_d.param_groups for p in group["params"]]

    def switch(on: bool) -> None:
        for p in trained:
            p.requires_grad_(on)

    update: Callable[[torch.optim.Optimizer, Tensor], None]

    def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    switch(True)
    with torch.no_grad():
        fake = generator(torch.randn(len(real), generator.z_dim))
    loss = sum((F.relu(1 + x).mean() for x in discriminator(fake)), torch.zeros(()))
    update(optimizer_d, loss + sum((F.relu(1 - x).mean() for x in discriminator(real)), torch.zeros(())))
    switch(False)
    update(
        optimizer_g,
        -sum((x.mean() for x in discriminator(generator(torch.randn(len(real), generator.z_dim)))), torch.zeros(())),
    )
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), generator.parameters(), strict=True):
            mine.mul_(0.998).add_(theirs, alpha=0.002)


def load_from_ours(reference: Generator, ours: nn.Module) -> None:
    """Copy the weights of `loopwright`'s two-dimensional generator: (mel, time) kernels become (time, mel) ones."""
    mine = ours.state_dict()
    state: dict[str, Tensor] = {"constant": mine["constant"].transpose(2, 3)}
    for key, value in mine.items():
        if key.startswith("mapping_net.layers"):
            state[key.replace("mapping_net.layers", "mapping")] = value
    count = len(reference.to_mel)
    names = (
        {0: "first"} | {2 * i + 1: f"ups.{i}" for i in range(count - 1)} | {2 * i + 2: f"convs.{i}" for i in range(count - 1)}
    )
    for index, name in names.items():
        state[f"convs.{index}.conv.weight"] = mine[f"{name}.conv.weight"].transpose(2, 3)[None]
        state[f"convs.{index}.bias"] = mine[f"{name}.bias"]
        for part in ("weight", "bias"):
            state[f"convs.{index}.conv.affine.{part}"] = mine[f"{name}.conv.affine.{part}"]
    for index in range(count):
        state[f"to_mel.{index}.conv.weight"] = mine[f"to_mel.{index}.conv.weight"][None]
        state[f"to_mel.{index}.bias"] = mine[f"to_mel.{index}.bias"].reshape(1, 1, 1, 1)
        for part in ("weight", "bias"):
            state[f"to_mel.{index}.conv.affine.{part}"] = mine[f"to_mel.{index}.conv.affine.{part}"]
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert all(key.endswith((".blur", "noise_strength")) for key in missing), missing
