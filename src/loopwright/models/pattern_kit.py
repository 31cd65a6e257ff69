"""A drum loop as a pattern played on a kit: non-negative matrix factor deconvolution, run forwards.

    power[m, t] = sum over roles r, layers l, lags k of P[r, l, t - k]^2 A[r, l, m, k]  +  Z[m, t],  time round the circle

P is the pattern: when and how hard each role is hit. A is the kit: a one-shot for each role (kick, snare, ...) and velocity
layer. Z is a coarse residual. The factorisation is that of Smaragdis (ICA 2004), the networks are those of `generator`. Stems,
one-shots and MIDI are its parts, and mixing styles between its layers is "same groove, other kit".

Powers add, not magnitudes: hits have no common phase. With real one-shots on a grid, the sum of powers gives the log-mel of
the mix within 1.0 dB and without bias; the sum of magnitudes lies 3.5 dB too high.

Two forms:
* given: P comes from outside (`audio.drum_events.activations`), and styles are the kit's and the room's alone.
* from one latent: the coarsest style layers make the pattern, on a grid of 32 steps a bar with a velocity and an offset each.

P is smeared by the analysis window, as a log-mel smears every attack: else the attacks of this generator would be sharper than
any real one, and a discriminator would look at nothing else.

Shapes: B batch, Z latent, W style, S style inputs, M mel bands, T frames, R roles, L layers, K lags, N voices, E tails, D grid
steps.
A voice is a role that sounds in an item of the batch: only these are computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from loopwright.audio.drum_events import ROLE_INDEX, Hit, layer_weights
from loopwright.models import config
from loopwright.models.config import FRAMES_PER_S, QUIETEST, SOFTEST, TAIL_S
from loopwright.models.generator import StyledGenerator
from loopwright.models.layers import EqualLinear, Mapping
from loopwright.models.patterns import Grid, hits_of
from loopwright.models.trunk import Trunk

LN10 = math.log(10)
KIT_LOW, KIT_HIGH, KIT_START, KIT_FALL = -5.0, 1.0, -1.6, 3.0  # decades; a fresh one-shot falls by KIT_FALL over its frames
REST_LOW, REST_HIGH, REST_START = -5.0, -1.0, -3.8
GAIN_DECADES = 0.07  # 1.4 dB: how far the network may change a hit
GRID = config.PATTERN_STEPS  # steps a bar of the pattern made from a latent


def offset_for(start: Tensor, low: float, high: float) -> Tensor:
    """What `power` adds inside its tanh so that magnitudes begin at `start` decades."""
    return torch.atanh((start - (high + low) / 2) * (2 / (high - low)))


def power(y: Tensor, gain: float, bias: Tensor, offset: Tensor, low: float, high: float) -> Tensor:
    """Powers 100 ** x - 100 ** low of magnitudes softly bounded to low..high decades, with slope `gain` in the middle.

    x = middle + half tanh((gain y + bias) / half + offset). In single precision, in as few passes as may be.
    """
    half, middle = (high - low) / 2, (high + low) / 2
    x = torch.tanh(torch.add(bias / half + offset, y.float(), alpha=gain / half))
    return torch.exp(x * (2 * half * LN10) + 2 * middle * LN10) - 100**low


@dataclass(frozen=True)
class Parts:
    """What a loop is made of. N voices, sorted by item; L velocity layers, soft first.

    Attributes:
        pattern: (N, L, T) activations of each voice.
        items, roles: (N,) which item of the batch and which role a voice is.
        kit: (N, L, M, K) powers of the one-shots.
        tails: (N, L, E) shares of the exponential continuations after the last lag; they sum to 1.
        residual: (B, M, T) powers.
        gains: (N, L, T) what the network made of the pattern: factors within 1.4 dB that `pattern` has in it.
        velocity, offset: (B, R, D) of a pattern made from a latent: 0..1, and steps; None if the pattern was given.
    """

    pattern: Tensor
    items: Tensor
    roles: Tensor
    kit: Tensor
    tails: Tensor
    residual: Tensor
    gains: Tensor
    velocity: Tensor | None = None
    offset: Tensor | None = None

    def one_shots(self, frames: int) -> Tensor:
        """Magnitudes of the kit with its tails drawn out to `frames` lags: (N, L, M, frames)."""
        lags = self.kit.shape[-1]
        if frames <= lags:
            return self.kit[..., :frames].sqrt()
        fall = tail_decays(self.kit).pow(torch.arange(1, frames - lags + 1, device=self.kit.device)[:, None])
        tails = torch.einsum("nle,te->nlt", self.tails, fall)
        return torch.cat([self.kit, self.kit[..., -1:] * tails[:, :, None]], dim=-1).sqrt()

    def stems(self, roles: int) -> Tensor:
        """Power of each role: (B, R, M, T). Their sum, with the residual, is `power`."""
        b, m, t = self.residual.shape
        alone = convolve(replace(self, items=torch.arange(len(self.items), device=self.items.device)), len(self.items))
        out = self.kit.new_zeros(b * roles, m, t)
        return out.index_copy(0, self.items * roles + self.roles, alone).unflatten(0, (b, roles))  # type: ignore[no-untyped-call]

    def power(self) -> Tensor:
        """Power of the whole loop: (B, M, T)."""
        return convolve(self, len(self.residual)) + self.residual

    def made_hits(self, item: int) -> list[Hit]:
        """The hits of a pattern that was made from a latent, without those too soft to hear. Starts in bars."""
        assert self.velocity is not None
        assert self.offset is not None
        velocity, offset = self.velocity[item : item + 1].cpu(), self.offset[item : item + 1].cpu()
        return hits_of(Grid(velocity > SOFTEST, velocity, offset))[0]

    def hit_weights(self, item: int, hits: Sequence[Hit], bar_frames: int) -> list[tuple[float, float]]:
        """Amplitudes (soft, hard) of hits with the network's gains, for `audio.placing`."""
        out = []
        for hit in hits:
            (voice,) = ((self.items == item) & (self.roles == ROLE_INDEX[hit.role])).nonzero()[:, 0].tolist()
            frame = round(hit.start * bar_frames) % self.gains.shape[-1]
            gains = self.gains[voice, :, frame].tolist()
            out.append((layer_weights(hit.velocity)[0] * gains[0], layer_weights(hit.velocity)[1] * gains[1]))
        return out

    def residual_share(self) -> Tensor:
        """Share of the residual in the power of the whole, a number for each item: (B,)."""
        return self.residual.sum(dim=(1, 2)) / self.power().sum(dim=(1, 2)).clamp_min(1e-12)


def tail_decays(like: Tensor) -> Tensor:
    """Factor on the power from one frame to the next of each exponential tail: (E,)."""
    return torch.tensor([10 ** (-6 / (s * FRAMES_PER_S)) for s in TAIL_S]).to(like)


def convolve(parts: Parts, batch: int) -> Tensor:
    """Circular convolution of each voice's squared pattern with its one-shot and tails, summed by item: (B, M, T).

    A matrix product an item: the kit's lags against the pattern turned by each of them, and the last lag against the pattern as
    an exponential has heard it. The tail wraps round for ever: 1 + g^T + g^2T + ... is summed in closed form.
    """
    pattern, kit = parts.pattern.square(), parts.kit
    lags, t = kit.shape[-1], pattern.shape[-1]
    turned = torch.cat([pattern[..., t - lags + 1 :], pattern], dim=-1).unfold(-1, t, 1)  # (N, L, K, T), the longest lag first
    decay = tail_decays(kit)
    after = (torch.arange(t, device=kit.device) - lags) % t
    impulse = decay[:, None] ** (after + 1) / (1 - decay[:, None] ** t)
    heard = torch.fft.irfft(torch.fft.rfft(pattern)[:, :, None] * torch.fft.rfft(impulse), t)  # (N, L, E, T)
    counts = torch.bincount(parts.items, minlength=batch).tolist()
    out = []
    for shot, tail, row, ring in zip(*(x.split(counts) for x in (kit, parts.tails, turned, heard)), strict=True):
        last = torch.einsum("nlm,nle->mnle", shot[..., -1], tail).flatten(1)
        bands = shot.flip(-1).permute(2, 0, 1, 3).flatten(1)
        out.append(torch.addmm(last @ ring.flatten(0, 2), bands, row.flatten(0, 2)))
    return torch.stack(out)


def draw_hits(velocity: Tensor, offset: Tensor, step_frames: int, window_frames: float) -> Tensor:
    """Activations of hits on a grid, as `audio.drum_events.activations` draws them, differentiable by velocity and offset.

    Args:
        velocity: (B, R, D) in 0..1.
        offset: (B, R, D) frames from the step, less than half a step.
        step_frames: frames of a step; half a step and half a window are at most one step.
        window_frames: length of the analysis window.

    Returns:
        (B, R, 2, D * step_frames).
    """
    assert step_frames / 2 + window_frames / 2 <= step_frames
    place = torch.arange(-step_frames, step_frames, device=velocity.device) - offset[..., None]
    window = torch.where(place.abs() < window_frames / 2, 0.5 + 0.5 * torch.cos(2 * math.pi / window_frames * place), 0.0)
    level = velocity**1.5
    weights = torch.stack([level * (1 - velocity).sqrt(), level * velocity.sqrt()], dim=2)
    before, after = (weights[..., None] * window[:, :, None]).chunk(2, dim=-1)
    return (after + before.roll(-1, dims=-2)).flatten(-2)


class PatternKit(StyledGenerator):
    """Latents, and a pattern if it is given, to normalised log-mels (z-scores per band).

    Args:
        n_mels, frames: size of the output for one bar.
        given: the pattern comes from outside; else the coarsest style layers make it.
        roles, kit_frames: how many roles, and lags of a one-shot.
        pattern_channels, kit_channels, room_channels: channels of the three trunks, one count a scale, coarsest first.
        residual_bands: coarse bands of the residual.
        z_dim, w_dim, mapping_layers, classes: as in `Generator`.
        gain: slope of the outputs, in decades.
        window_frames: length of the analysis window in frames.
        log_floor: of magnitudes; its square is added to powers before the logarithm.

    `mean` and `std` (M,) of the data's log-mels, in decades, have to be set before use.

    Style layers: the pattern's up to `borders[0]`, the kit's up to `borders[1]`, then those of the room (residual and gains).
    """

    layers = config.LAYERS
    mean: Tensor
    std: Tensor
    spread: Tensor
    start: Tensor
    rest_start: Tensor

    def __init__(
        self,
        *,
        n_mels: int,
        frames: int,
        given: bool = True,
        roles: int = config.ROLES,
        kit_frames: int = config.KIT_FRAMES,
        pattern_channels: Sequence[int] = config.PATTERN_CHANNELS,
        kit_channels: Sequence[int] = config.KIT_CHANNELS,
        room_channels: Sequence[int] = config.ROOM_CHANNELS,
        residual_bands: int = 32,
        z_dim: int = 64,
        w_dim: int = 128,
        mapping_layers: int = 4,
        gain: float = 0.3,
        window_frames: float = 2048 / 375,
        log_floor: float = 1e-5,
        classes: int = 0,
    ) -> None:
        super().__init__()
        room_growth, kit_growth = 2 ** (len(room_channels) - 1), 2 ** (len(kit_channels) - 1)
        assert frames % room_growth == 0, (frames, room_growth)
        assert kit_frames % kit_growth == 0, (kit_frames, kit_growth)
        assert kit_frames <= frames, (kit_frames, frames)
        self.n_mels, self.frames, self.given, self.roles, self.kit_frames = n_mels, frames, given, roles, kit_frames
        self.z_dim, self.w_dim, self.classes, self.gain = z_dim, w_dim, classes, gain
        self.window_frames, self.log_floor = window_frames, log_floor
        self.mapping_net = Mapping(z_dim * (2 if classes else 1), w_dim, mapping_layers)
        self.embedding = nn.Embedding(classes, z_dim) if classes else None
        self.pattern: Trunk | None = None
        if not given:
            columns = GRID >> (len(pattern_channels) - 1)
            self.pattern = Trunk(pattern_channels, 2 * roles, columns, w_dim, circular=True)
        voices = roles * self.layers
        self.kit = Trunk(kit_channels, self.layers * n_mels, kit_frames // kit_growth, w_dim, circular=False, constants=roles)
        self.role_style = nn.Parameter(torch.randn(roles, w_dim))
        self.colour = nn.Parameter(torch.zeros(roles, self.layers * n_mels, 1))
        self.tail = EqualLinear(w_dim, self.layers * len(TAIL_S))
        out = voices + residual_bands
        self.room = Trunk(room_channels, out, frames // room_growth, w_dim, circular=True, heard=voices)
        first = self.pattern.n_styles if self.pattern is not None else 0
        self.borders = (first, first + self.kit.n_styles)
        self.n_styles = self.borders[1] + self.room.n_styles
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))
        start = KIT_START - KIT_FALL * torch.arange(kit_frames) / (kit_frames - 1)
        self.register_buffer("start", offset_for(start, KIT_LOW, KIT_HIGH), persistent=False)
        self.register_buffer("rest_start", offset_for(torch.tensor(REST_START), REST_LOW, REST_HIGH), persistent=False)
        self.register_buffer("spread", interpolation(residual_bands, n_mels), persistent=False)

    @property
    def constant(self) -> nn.Parameter:  # type: ignore[override]
        """The constant of the room: a column for each sixteenth-note."""
        return self.room.constant

    def noise_shapes(self, bars: int = 1) -> list[tuple[int, int]]:
        pattern = [] if self.pattern is None else [(1, t) for t in self.pattern.lengths(bars)]
        return pattern + [(self.roles, t) for t in self.kit.lengths()] + [(1, t) for t in self.room.lengths(bars)]

    def make_kit(self, ws: Tensor, roles: Tensor, noise: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """One-shots of voices: styles (N, S of the kit, W), roles (N,), noise (N, 1, 1, t) -> kit and tails as in `Parts`."""
        ws = ws + self.role_style[roles][:, None]
        y = self.kit(ws, noise, which=roles)
        kit = power(y, self.gain, self.colour[roles], self.start, KIT_LOW, KIT_HIGH)
        kit = kit.unflatten(1, (self.layers, self.n_mels))  # type: ignore[no-untyped-call]
        tails = self.tail(ws[:, -1]).float().unflatten(-1, (self.layers, -1)).softmax(dim=-1)
        return kit, tails

    def parts(self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1, pattern: Tensor | None = None) -> Parts:
        """Pattern, kit and residual. Arguments as in `synthesis`. A style that changes in time gives the kit its mean."""
        assert ws.shape[1] == self.n_styles, (ws.shape, self.n_styles)
        assert (pattern is not None) == self.given, "a pattern is given to generators that want one, and to no other"
        maps: list[Tensor | None] = list(noise) if noise is not None else [None] * len(self.noise_shapes())
        first, second = self.borders
        velocity = offset = None
        if self.pattern is not None:
            count = len(self.pattern.lengths())
            y = self.pattern(ws[:, :first], maps[:count], bars=bars).float()
            velocity = torch.sigmoid(4 * self.gain * y[:, : self.roles] - 2)
            offset = 0.5 * torch.tanh(self.gain * y[:, self.roles :])
            step = self.frames // GRID
            pattern, maps = draw_hits(velocity, offset * step, step, self.window_frames), maps[count:]
        assert pattern is not None
        kit_noise, room_noise = maps[: len(self.kit.lengths())], maps[len(self.kit.lengths()) :]
        room = self.room(ws[:, second:], room_noise, bars=bars, heard=pattern.flatten(1, 2)).float() * self.gain
        items, roles = (pattern.detach().amax(dim=(2, 3)) > QUIETEST).nonzero().unbind(1)
        styles = ws[:, first:second] if ws.dim() == 3 else ws[:, first:second].mean(dim=-1)
        kit, tails = self.make_kit(
            styles[items], roles, [None if x is None else x[items, :, roles][:, :, None] for x in kit_noise]
        )
        gains, rest = room.split([self.roles * self.layers, room.shape[1] - self.roles * self.layers], dim=1)
        gains = gains.reshape(len(gains), self.roles, self.layers, -1)[items, roles]
        gains = (GAIN_DECADES * LN10 * torch.tanh(gains)).exp()
        return Parts(
            pattern=pattern[items, roles] * gains,
            items=items,
            roles=roles,
            kit=kit,
            tails=tails,
            gains=gains,
            residual=power(self.spread @ rest, 1.0, rest.new_zeros(()), self.rest_start, REST_LOW, REST_HIGH),
            velocity=velocity,
            offset=offset,
        )

    def compose(self, ws: Tensor, noise: Sequence[Tensor] | None, given: Tensor | None, *, bars: int = 1) -> Tensor:
        return self.synthesis(ws, noise, bars=bars, pattern=given)

    def synthesis(self, ws: Tensor, noise: Sequence[Tensor] | None, *, bars: int = 1, pattern: Tensor | None = None) -> Tensor:
        """Styles, and a pattern if it is given, to normalised log-mels.

        Args:
            ws: (B, S, W), one style a layer, or (B, S, W, steps).
            noise: maps as from `make_noise`, or None for none.
            bars: length of the circle.
            pattern: (B, R, 2, bars * frames) activations, of a generator that is given them.

        Returns:
            (B, M, bars * frames).
        """
        with torch.autocast(ws.device.type, enabled=torch.is_autocast_enabled(ws.device.type)):
            parts = self.parts(ws, noise, bars=bars, pattern=pattern)
        with torch.autocast(ws.device.type, enabled=False):  # powers span twelve decades: half precision is for the networks
            log = 0.5 * (parts.power() + self.log_floor**2).log10()
            return (log - self.mean[:, None]) / self.std[:, None]

    def forward(
        self,
        z: Tensor,
        noise: Sequence[Tensor] | None = None,
        labels: Tensor | None = None,
        pattern: Tensor | None = None,
    ) -> Tensor:
        w = self.mapping(z, labels)
        return self.synthesis(w[:, None].expand(-1, self.n_styles, -1), noise, pattern=pattern)


def interpolation(bands: int, n_mels: int) -> Tensor:
    """Linear interpolation of coarse bands to all bands, the outermost held: (M, bands)."""
    at = ((torch.arange(n_mels) + 0.5) * bands / n_mels - 0.5).clamp(0, bands - 1)
    return (1 - (at[:, None] - torch.arange(bands)).abs()).clamp_min(0)
