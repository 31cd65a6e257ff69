"""The ring vocoder: a small ConvNeXt that shapes noise and tones in two circular STFTs.

The backbone is that of Vocos (Siuzdak, arXiv 2306.00814) with circular convolutions: it stays at the frame rate, and an
inverse STFT makes the samples, so it is quick. What differs, so that hours on a CPU are enough:

* The network does not make a spectrum from nothing. A fixed non-negative inverse of the mel matrix gives smooth magnitudes
  (the prior); below `top_hz` the network multiplies them by complex gains.
* Below `tone_hz` its phases start from phase-gradient integration (`pghi`), which finds most of a kick or a tom at no cost.
* White noise, shaped by the same prior and by learned gains, carries what is noise: its phases are consistent from the start.
* Besides the long window of the mel (tones) there is a short one with several frames per mel frame (attacks).
* At the end the loop is measured: its mel is compared with the wanted one, and the smooth ratio is applied to its STFT
  (`refine` times). Trained through, these steps take care of level and colour, the network of the fine structure.

Everything wraps round in time, and the noise of a frame is a hash of the frame (`noise`), so the map is exactly circular.

Shapes: B batch, M mel bands, F bins, T frames, S short frames per frame, D width, N = T * hop samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loopwright.audio.mel import mel_filterbank
from loopwright.audio.pghi import phase_from_magnitude
from loopwright.audio.stft import circular_istft, circular_stft, hann
from loopwright.config import MelConfig
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.noise import content_noise
from loopwright.vocoder.ring_config import RingConfig, short_window

LN10 = math.log(10)


class CircularConv(nn.Conv1d):
    """A convolution whose time axis is a circle. (B, C, T) -> (B, K, T)."""

    def __init__(self, channels: int, out_channels: int, kernel: int, *, groups: int = 1) -> None:
        super().__init__(channels, out_channels, kernel, groups=groups)
        self.reach = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.reach, self.reach), mode="circular"))


class ConvNeXtBlock(nn.Module):
    """Depthwise circular convolution, then a two-layer perceptron per frame, added to the input (arXiv 2201.03545).

    Shape: (B, D, T) -> (B, D, T).
    """

    def __init__(self, dim: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.conv = CircularConv(dim, dim, 7, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, hidden)
        self.contract = nn.Linear(hidden, dim)
        self.scale = nn.Parameter(torch.full((dim,), scale))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x).transpose(1, 2))
        y = self.contract(F.gelu(self.expand(y)))
        return x + (self.scale * y).transpose(1, 2)


class BandProduct(nn.Module):
    """Product with a matrix that is zero but for a band along its diagonal, a few columns at a time: a quarter of the work.

    Shape: (..., T, I) -> (..., T, O).
    """

    def __init__(self, matrix: Tensor, edges: Sequence[int]) -> None:
        """`edges` are the columns at which a block ends, the last one O."""
        super().__init__()
        self.rows = []
        for i, (start, stop) in enumerate(pairwise([0, *edges])):
            used = matrix[:, start:stop].any(dim=1).nonzero()[:, 0].tolist() or [0]
            self.rows.append((used[0], used[-1] + 1))
            self.register_buffer(f"block_{i}", matrix[used[0] : used[-1] + 1, start:stop].contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., first:last] @ self.get_buffer(f"block_{i}") for i, (first, last) in enumerate(self.rows)]
        return torch.cat(parts, dim=-1)


class MelPrior(nn.Module):
    """Smooth magnitudes with nearly the given mel, in a few matrix products, and the smooth spread of band values to bins.

    A step divides the wanted bands by those of the magnitudes and spreads the ratio. Low bands are narrow and share their bins
    with their neighbours, so they need more steps than high ones; they also touch few bins, so that these steps cost little.

    Shape: log-mel (..., M, T) -> magnitude (..., T, F), frames first: the order in memory that every later step wants.
    """

    level: Tensor
    low_bank: Tensor
    low_share: Tensor
    low_rest: Tensor

    def __init__(self, mel: MelConfig, low_hz: float = 1500.0, *, steps: int = 2, low_steps: int = 8) -> None:
        super().__init__()
        self.steps, self.low_steps = steps, low_steps
        bank = mel_filterbank(mel)
        share = bank / bank.sum(0).clamp_min(1e-9)  # how a bin is divided among the bands: 1 in all (0 where none hears)
        quarters = [mel.n_mels * i // 4 for i in (1, 2, 3, 4)]
        peaks = [int(bank[m - 1].argmax()) for m in quarters[:3]]
        self.bands = BandProduct(bank.T, quarters)  # magnitudes to their mel
        self.spread = BandProduct(share, [*peaks, bank.shape[1]])  # values of bands interpolated to bins
        self.register_buffer("level", 1 / bank.sum(1), persistent=False)
        bands, bins = low_block(mel, low_hz)
        self.register_buffer("low_bank", bank[:bands, :bins].T.contiguous(), persistent=False)
        self.register_buffer("low_share", share[:bands, :bins].contiguous(), persistent=False)
        self.register_buffer("low_rest", 1 - self.low_share.sum(0), persistent=False)  # shares of bands above: left alone

    def forward(self, log_mel: Tensor) -> Tensor:
        target = (log_mel.transpose(-1, -2) * LN10).exp()
        magnitude = self.spread(target * self.level)
        for _ in range(self.steps):
            magnitude.mul_(self.spread(target / self.bands(magnitude).clamp_min(1e-8)).clamp_(0.1, 10.0))
        bands, bins = self.low_share.shape
        low, target = magnitude[..., :bins].contiguous(), target[..., :bands]
        for _ in range(self.low_steps):
            ratio = target / (low @ self.low_bank).clamp_min(1e-8)
            low.mul_((ratio @ self.low_share).add_(self.low_rest).clamp_(0.1, 10.0))
        magnitude[..., :bins] = low
        return magnitude


def low_block(mel: MelConfig, low_hz: float) -> tuple[int, int]:
    """The bands that hear anything below `low_hz`, and the bins that these bands hear: counts (bands, bins), from 0 Hz up."""
    bank = mel_filterbank(mel)
    heard = bank[:, : 1 + round(low_hz * mel.n_fft / mel.rate_hz)].sum(1) > 0
    bands = int(heard.nonzero()[-1]) + 1
    return bands, int(bank[:bands].sum(0).nonzero()[-1]) + 1


def magnitudes(spectrum: Tensor) -> Tensor:
    """Magnitudes, never quite zero. Not abs(): that is slow on a CPU, backward most of all."""
    real, imag = spectrum.real, spectrum.imag
    if torch.is_grad_enabled() and spectrum.requires_grad:
        return (real.square() + imag.square() + 1e-14).sqrt()
    return torch.addcmul(real.square(), imag, imag).add_(1e-14).sqrt_()


def scaled(spectrum: Tensor, gain: Tensor) -> Tensor:
    """A complex spectrum times real gains; in place where no gradient is wanted."""
    if torch.is_grad_enabled() and (spectrum.requires_grad or gain.requires_grad):
        return torch.complex(spectrum.real * gain, spectrum.imag * gain)
    spectrum.real.mul_(gain)
    spectrum.imag.mul_(gain)
    return spectrum


def add_below(spectrum: Tensor, low: Tensor) -> Tensor:
    """Add `low` (..., K) to the first K bins of a spectrum (..., F); in place where no gradient is wanted."""
    k = low.shape[-1]
    if torch.is_grad_enabled() and (spectrum.requires_grad or low.requires_grad):
        return torch.cat([spectrum[..., :k] + low, spectrum[..., k:]], dim=-1)
    spectrum[..., :k] += low
    return spectrum


class RingVocoder(Vocoder):
    """See the module. `synthesise` is deterministic; training passes its own noise to `shape_noise`."""

    def __init__(self, mel: MelConfig, config: RingConfig) -> None:
        super().__init__("ring", mel)
        self.config = config
        dim = config.dim
        self.steps, self.short_fft, self.short_hop = short_window(mel)
        self.bins, self.short_bins = mel.n_fft // 2 + 1, self.short_fft // 2 + 1
        self.pool = mel.n_fft // self.short_fft
        self.prior = MelPrior(mel, config.tone_hz)
        self.embed = CircularConv(mel.n_mels + config.noise_channels, dim, 7)
        self.embed_norm = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, dim * config.expansion, 1 / config.layers) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.tone_bins = min(self.bins, round(config.tone_hz * mel.n_fft / mel.rate_hz))
        self.top_bins = max(self.tone_bins, min(self.bins, round(config.top_hz * mel.n_fft / mel.rate_hz)))
        self.parts = [2 * self.top_bins, mel.n_mels, 2 * self.steps * self.short_bins, self.steps * self.short_bins]
        self.spare = -sum(self.parts) % 16  # outputs without use: rows of whole cache lines are a third quicker
        self.head = nn.Linear(dim, sum(self.parts) + self.spare)
        self._begin_as_shaped_noise()

    @torch.no_grad()
    def _begin_as_shaped_noise(self) -> None:
        """Untrained: tones from the gradient phase, above them noise on the long window, a little on the short one."""
        mel = self.mel
        self.head.weight.mul_(0.1)
        centre_hz = self.prior.bands(torch.linspace(0, mel.rate_hz / 2, self.bins)) * self.prior.level
        short_hz = torch.linspace(0, mel.rate_hz / 2, self.short_bins).repeat(self.steps)
        air = torch.where(centre_hz < self.config.tone_hz, -3.0, 0.0)
        hiss = torch.where(short_hz < self.config.tone_hz, -4.0, -2.0)
        none = torch.zeros(self.parts[0]), torch.zeros(self.parts[2]), torch.zeros(self.spare)
        self.head.bias.copy_(torch.cat([none[0], air, none[1], hiss, none[2]]))

    def start(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """What is known without the network: smooth magnitudes (B, T, F), and phases of the low bins (B, T, K)."""
        with torch.no_grad():
            magnitude = self.prior(log_mel.float())
            low = magnitude[..., : self.tone_bins].transpose(1, 2).cpu().numpy()
            phase = phase_from_magnitude(low, self.mel.n_fft, self.mel.hop)
            return magnitude, torch.from_numpy(phase).to(magnitude).transpose(1, 2).contiguous()

    def backbone(self, log_mel: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        """The network: (B, M, T) and (B, noise_channels, T) -> tone, air, click, hiss, each (B, T, values a frame)."""
        scaled = (log_mel - self.config.low) * (2 / (self.config.high - self.config.low)) - 1
        x = self.embed(torch.cat([scaled, noise], dim=1))
        x = self.embed_norm(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x.transpose(1, 2))).float().split([*self.parts, self.spare], dim=-1)[:4]

    def shape_noise(self, log_mel: Tensor, noise: Tensor) -> Tensor:
        """Loops from log-mels (B, M, T) and white noise (R*B, hop, T) -> (R*B, T*hop), R loops a mel."""
        repeats = len(noise) // len(log_mel)
        parts = self.backbone(log_mel.repeat(repeats, 1, 1), noise[:, : self.config.noise_channels])
        with torch.autocast(log_mel.device.type, enabled=False):  # half precision, if any, is for the network alone
            return self._assemble(log_mel, noise, parts, repeats)

    def _assemble(self, log_mel: Tensor, noise: Tensor, parts: tuple[Tensor, ...], repeats: int) -> Tensor:
        """From what the network says to loops: arguments and result of `shape_noise`, and the network's outputs."""
        mel, t = self.mel, log_mel.shape[-1]
        magnitude, phase = (x.repeat(repeats, 1, 1) for x in self.start(log_mel))
        tone, air, click, hiss = parts
        white = noise.transpose(1, 2).reshape(len(noise), t * mel.hop)
        # Long window: noise with a gain for every band, and tones. Complex numbers by their parts: half the work on a CPU.
        gain = self.prior.spread(air).exp().mul(magnitude / self._norm(mel.n_fft))
        long = scaled(circular_stft(white, mel.n_fft, mel.hop).transpose(1, 2), gain)
        k, top = self.tone_bins, self.top_bins
        cos, sin, real, imag = phase.cos(), phase.sin(), tone[..., :top], tone[..., top:]
        low_real, low_imag = 1 + real[..., :k], imag[..., :k]
        real = torch.cat([cos * low_real - sin * low_imag, real[..., k:]], dim=-1)
        imag = torch.cat([sin * low_real + cos * low_imag, imag[..., k:]], dim=-1)
        level = magnitude[..., :top]
        long = add_below(long, torch.complex(level * real, level * imag))
        loop = circular_istft(long.transpose(1, 2), mel.n_fft, mel.hop)
        # Short window: attacks, and noise with a gain for every bin. The prior is pooled over bins and drawn out in time.
        fine = self._between(self._pooled(magnitude))
        gain = hiss.reshape(fine.shape).exp().mul(fine / self._norm(self.short_fft))
        short = scaled(circular_stft(white, self.short_fft, self.short_hop).transpose(1, 2), gain)
        click = click.reshape(*fine.shape[:2], 2 * self.short_bins)
        real, imag = fine * click[..., : self.short_bins], fine * click[..., self.short_bins :]
        short = add_below(short, torch.complex(real, imag))
        loop = loop + circular_istft(short.transpose(1, 2), self.short_fft, self.short_hop)
        return self.correct(loop, log_mel.repeat(repeats, 1, 1), magnitude, self.config.refine)

    def correct(self, loop: Tensor, log_mel: Tensor, prior: Tensor, times: int) -> Tensor:
        """Bring the mel of a loop nearer to the wanted one by smooth gains on its STFT. (B, N) -> (B, N).

        Low bands are narrow, and the mel says nearly what every bin should be: below `tone_hz` the gains lead `hold` of the way
        toward the prior's magnitudes (B, T, F).
        """
        mel = self.mel
        wanted = log_mel.transpose(1, 2)
        k, hold = self.tone_bins, self.config.hold
        held = prior[..., :k].clamp_min(1e-7).log() if hold and times else None
        for _ in range(times):
            spectrum = circular_stft(loop, mel.n_fft, mel.hop).transpose(1, 2)
            magnitude = magnitudes(spectrum)
            have = self.prior.bands(magnitude).clamp_min(mel.log_floor).log10()
            gain = self.prior.spread((wanted - have).clamp(-1.5, 1.5) * LN10)
            if held is not None:
                toward = (held - magnitude[..., :k].log()).clamp(-LN10, LN10)
                gain = torch.cat([torch.lerp(gain[..., :k], toward, hold), gain[..., k:]], dim=-1)
            loop = circular_istft(scaled(spectrum, gain.exp()).transpose(1, 2), mel.n_fft, mel.hop)
        return loop

    def _pooled(self, magnitude: Tensor) -> Tensor:
        """Mean over the bins around each short bin, at the level of the short window. (B, T, F) -> (B, T, short F).

        As avg_pool1d, in half the time.
        """
        half, pool = self.pool // 2, self.pool
        ends = half, self.short_bins * pool - half - self.bins
        count = F.pad(torch.ones(self.bins, device=magnitude.device), ends).reshape(-1, pool).sum(-1)
        return F.pad(magnitude, ends).unflatten(-1, (-1, pool)).sum(-1) * (pool**-0.5 / count)  # type: ignore[no-untyped-call]

    def _between(self, x: Tensor) -> Tensor:
        """Draw frames out to short frames, linearly, round the circle. (B, T, F) -> (B, T*S, F)."""
        following = x.roll(-1, dims=1)
        return torch.stack([torch.lerp(x, following, i / self.steps) for i in range(self.steps)], dim=2).flatten(1, 2)

    @staticmethod
    def _norm(n_fft: int) -> float:
        """Standard deviation of an STFT bin of unit white noise."""
        return float(hann(n_fft).square().sum().sqrt())

    def synthesise(self, log_mel: Tensor) -> Tensor:
        return self.shape_noise(log_mel, content_noise(log_mel, self.mel.hop))

    def synthesise_from(self, log_mel: Tensor, noise: Tensor) -> Tensor:
        return self.shape_noise(log_mel, noise)
