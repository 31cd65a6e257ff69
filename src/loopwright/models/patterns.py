"""A small model of drum patterns: which role, when, how hard, how early or late, for every cell of a circular grid.

An orderless autoregressive model (Uria et al., ICML 2014; for music Huang et al., Coconet, ISMIR 2017): a network sees some
cells of a bar and says what the others may hold. So it makes bars from nothing, in rounds that reveal a few cells each; fills
in roles beside given ones; varies part of a bar; and gives written patterns a human feel. A recurrent model has a first and a
last step; this one is a circle, and only a learned clock tells it where the downbeat is.

Shapes: N bars, R roles, D steps (32 a bar), V velocity levels, O offset levels, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loopwright.audio.drum_events import ROLE_INDEX, ROLES, Hit

STEPS = 32
VELOCITIES, OFFSETS = 16, 16  # levels of velocity, and of the offset within a step


@dataclass(frozen=True)
class Grid:
    """Bars of hits, a cell for each role and step, all (N, R, D).

    Attributes:
        onset: bool, whether there is a hit.
        velocity: 0..1.
        offset: -0.5..0.5 steps; negative is early.
    """

    onset: Tensor
    velocity: Tensor
    offset: Tensor

    def __len__(self) -> int:
        return len(self.onset)

    def __getitem__(self, rows: Tensor | slice) -> Grid:
        return Grid(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def silent(n: int, roles: int = len(ROLES), steps: int = STEPS) -> Grid:
        """Bars without a hit."""
        nothing = torch.zeros(n, roles, steps)
        return Grid(nothing.bool(), nothing, nothing.clone())


def grid_of(bars: Sequence[Iterable[Hit]]) -> Grid:
    """Hits of bars to their nearest steps. Of two hits of a role in one step the louder stays."""
    velocity, offset = (np.zeros((len(bars), len(ROLES), STEPS), np.float32) for _ in range(2))
    for n, hits in enumerate(bars):
        for hit in hits:
            at = hit.start * STEPS
            step = math.floor(at + 0.5)
            cell = n, ROLE_INDEX[hit.role], step % STEPS
            if hit.velocity > velocity[cell]:
                velocity[cell], offset[cell] = hit.velocity, at - step
    return Grid(torch.from_numpy(velocity > 0), torch.from_numpy(velocity), torch.from_numpy(offset))


def hits_of(grid: Grid) -> list[list[Hit]]:
    """Hits of each bar, or longer circle, in order of time."""
    bars: list[list[Hit]] = []
    steps = grid.onset.shape[-1]
    for onset, velocity, offset in zip(grid.onset, grid.velocity, grid.offset, strict=True):
        found = [
            Hit(ROLES[r], (d + float(offset[r, d])) % steps / STEPS, max(float(velocity[r, d]), 1 / 127))
            for r, d in onset.nonzero().tolist()
        ]
        bars.append(sorted(found, key=lambda hit: (hit.start, ROLE_INDEX[hit.role])))
    return bars


class Block(nn.Module):
    """Every step looks at its neighbours round the circle, then at all steps, then thinks; each added to the input.

    Neither the convolution nor the attention knows where the circle begins. (N, C, D) -> (N, C, D).
    """

    def __init__(self, channels: int, dilation: int, heads: int) -> None:
        super().__init__()
        self.reach, self.heads = dilation, heads
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for _ in range(3))
        self.near = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.look = nn.Conv1d(channels, 3 * channels, 1)
        self.join = nn.Conv1d(channels, channels, 1)
        self.widen = nn.Conv1d(channels, 2 * channels, 1)
        self.narrow = nn.Conv1d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + F.gelu(self.near(F.pad(self.norms[0](x), (self.reach, self.reach), mode="circular")))
        q, k, v = (y.unflatten(1, (self.heads, -1)).transpose(2, 3) for y in self.look(self.norms[1](x)).chunk(3, dim=1))
        seen = F.scaled_dot_product_attention(q, k, v)
        x = x + self.join(seen.transpose(2, 3).flatten(1, 2))
        return x + self.narrow(F.gelu(self.widen(self.norms[2](x))))


class PatternModel(nn.Module):
    """What the unseen cells of a bar may hold, given the seen ones and a style.

    Args:
        channels, heads: size of the network.
        dilations: of its circular convolutions, one a block.
        styles: number of styles, 0 for none. One more, the last, stands for "any".
        roles: rows of the grid.
    """

    def __init__(
        self,
        *,
        channels: int = 128,
        heads: int = 4,
        dilations: Sequence[int] = (1, 2, 4, 8),
        styles: int = 0,
        roles: int = len(ROLES),
    ) -> None:
        super().__init__()
        self.roles, self.styles = roles, styles
        self.enter = nn.Conv1d(5 * roles, channels, 1)
        self.clock = nn.Parameter(torch.randn(channels, STEPS))
        self.style = nn.Embedding(styles + 1, channels)
        self.blocks = nn.ModuleList(Block(channels, d, heads) for d in dilations)
        self.norm = nn.GroupNorm(1, channels)
        self.leave = nn.Conv1d(channels, roles * (1 + VELOCITIES + OFFSETS), 1)
        with torch.no_grad():
            self.leave.bias[:roles] = -3.0  # type: ignore[index]  # one cell in twenty holds a hit
            self.enter.weight.normal_(std=0.5)  # a single hit must not drown in clock and style
            self.clock.mul_(0.3)
            self.style.weight.mul_(0.3)

    def forward(self, grid: Grid, seen: Tensor, felt: Tensor, style: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Odds of each cell.

        Args:
            grid: bars; cells that are not seen may hold anything.
            seen: (N, R, D) bool, whether a cell's onset is known.
            felt: (N, R, D) bool, whether its velocity and offset are known, too.
            style: (N,) numbers of styles; `styles` for any.

        Returns:
            Logits of an onset (N, R, D), of velocities (N, V, R, D) and offsets (N, O, R, D) should there be one.
        """
        onset, known = (grid.onset & seen).float(), (grid.onset & felt).float()
        cells = torch.cat([seen.float(), felt.float(), onset, known * grid.velocity, known * grid.offset], dim=1)
        x = self.enter(cells) + self.clock + self.style(style)[:, :, None]
        for block in self.blocks:
            x = block(x)
        y = self.leave(F.gelu(self.norm(x))).unflatten(1, (1 + VELOCITIES + OFFSETS, self.roles))
        return y[:, 0], y[:, 1 : 1 + VELOCITIES], y[:, 1 + VELOCITIES :]

    @torch.no_grad()
    def sample(
        self,
        style: Tensor,
        generator: torch.Generator,
        *,
        temperature: float = 1.0,
        rounds: int = 24,
        start: Grid | None = None,
        seen: Tensor | None = None,
        felt: Tensor | None = None,
    ) -> Grid:
        """Draw bars, or what is not yet known of them.

        Cells are revealed in a random order, few in the first rounds and more in the later ones.

        Args:
            style: (N,) numbers of styles.
            generator: of all random numbers.
            temperature: below 1 more usual, above 1 less.
            rounds: passes of the network.
            start, seen, felt: bars that are partly known, as in `forward`; all cells known and none felt asks for a feel alone.
        """
        n = len(style)
        grid = Grid.silent(n, self.roles) if start is None else Grid(*(getattr(start, f.name).clone() for f in fields(start)))
        nothing = torch.zeros_like(grid.onset)
        seen = nothing if seen is None else seen.clone()
        felt = nothing if felt is None else felt & seen
        order = torch.rand(grid.onset.shape, generator=generator)
        for i in range(rounds):
            now = (order < (1 - math.cos(math.pi / 2 * (i + 1) / rounds))) & ~felt if i + 1 < rounds else ~felt
            onset, velocity, offset = self(grid, seen, felt, style)
            hit = torch.rand(order.shape, generator=generator) < torch.sigmoid(onset / temperature)
            fresh = now & ~seen
            grid.onset[fresh] = hit[fresh]
            level = _draw(velocity / temperature, generator) + torch.rand(order.shape, generator=generator)
            place = _draw(offset / temperature, generator) + torch.rand(order.shape, generator=generator)
            grid.velocity[now] = (level / VELOCITIES)[now]
            grid.offset[now] = (place / OFFSETS - 0.5)[now]
            seen, felt = seen | now, felt | now
        grid.velocity.mul_(grid.onset).clamp_(0, 1)
        grid.offset.mul_(grid.onset)
        return grid


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Levels drawn from logits (N, V, R, D) -> (N, R, D)."""
    flat = logits.movedim(1, -1).reshape(-1, logits.shape[1]).softmax(dim=-1)
    drawn = torch.multinomial(flat, 1, generator=generator)[:, 0]
    return drawn.reshape(logits.shape[0], *logits.shape[2:])


def hide(grid: Grid, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What a network is shown of each bar in training: `seen` and `felt`, (N, R, D) each.

    For half of the bars any share of the cells; for a fifth whole roles, as when others are filled in; for the rest all onsets
    and any share of the feel.
    """
    n, roles, steps = grid.onset.shape
    kind, share = (torch.rand(n, 1, 1, generator=generator) for _ in range(2))
    cells = torch.rand(n, roles, steps, generator=generator) < share
    rows = (torch.rand(n, roles, 1, generator=generator) < share).expand(-1, -1, steps)
    seen = torch.where(kind < 0.5, cells, torch.where(kind < 0.7, rows, torch.ones_like(cells)))
    return seen, torch.where(kind < 0.7, seen, cells)


def hidden_loss(model: PatternModel, grid: Grid, style: Tensor, seen: Tensor, felt: Tensor) -> dict[str, Tensor]:
    """Negative log-likelihood of what is hidden, in nats: of a cell for `onset`, of a hit for `velocity` and `offset`."""
    onset, velocity, offset = model(grid, seen, felt, style)
    hidden, unfelt = (~seen).float(), (grid.onset & ~felt).float()
    blind = F.binary_cross_entropy_with_logits(onset, grid.onset.float(), reduction="none")
    level = (grid.velocity * VELOCITIES).long().clamp(0, VELOCITIES - 1)
    place = ((grid.offset + 0.5) * OFFSETS).long().clamp(0, OFFSETS - 1)

    def mean(loss: Tensor, weight: Tensor) -> Tensor:
        """Mean of each bar, then of those that hide something: a bar that hides little counts as much as one that hides all."""
        count = weight.sum((1, 2))
        return ((loss * weight).sum((1, 2)) / count.clamp_min(1)).sum() / (count > 0).sum().clamp_min(1)

    return {
        "onset": mean(blind, hidden),
        "velocity": mean(F.cross_entropy(velocity, level, reduction="none"), unfelt),
        "offset": mean(F.cross_entropy(offset, place, reduction="none"), unfelt),
    }


def build_patterns(*, styles: int, seed: int, channels: int = 128) -> tuple[PatternModel, torch.optim.Optimizer]:
    """A fresh model and its optimizer, from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PatternModel(channels=channels, styles=styles)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.99), weight_decay=1e-2)


def train_step(
    model: PatternModel,
    optimizer: torch.optim.Optimizer,
    data: Grid,
    styles: Tensor,
    *,
    seed: int,
    step: int,
    steps: int,
    batch: int = 128,
    rate: float = 2e-3,
    any_style: float = 0.15,
    onset_weight: float = 10.0,
) -> dict[str, float]:
    """One update; all randomness depends on (seed, step), so that a run goes on where it stopped.

    Args:
        model, optimizer: as from `build_patterns`.
        data: bars to learn from.
        styles: (N,) style of each.
        seed, step: see above.
        steps: length of the run: the rate rises over the first twentieth and falls to nothing along half a cosine.
        batch: bars at once.
        rate: the highest learning rate.
        any_style: share of bars whose style is withheld, so that the model can do without.
        onset_weight: of the onsets; most cells are silent, and their loss is small.

    Returns:
        Losses to log, in nats.
    """
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) & 0x7FFF_FFFF_FFFF_FFFF)
    rows = torch.randint(len(data), (batch,), generator=generator)
    bars, style = data[rows], styles[rows]
    style = torch.where(torch.rand(batch, generator=generator) < any_style, torch.full_like(style, model.styles), style)
    warm = max(1, steps // 20)
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    losses = hidden_loss(model, bars, style, *hide(bars, generator))
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(onset_weight * losses["onset"] + losses["velocity"] + losses["offset"])
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def statistics(grid: Grid) -> dict[str, Tensor]:
    """What patterns are compared by.

    Returns:
        density: (N,) hits a bar; per_role: (R,) mean hits a bar; steps: (R, D) share of bars with a hit in a cell; velocity:
        (R,) mean of the hits; swing: (N,) how late the hits near the odd sixteenths are against those near the even ones, in
        sixteenths, NaN where there are none; spread: (N,) mean distance of hits from that swung grid, in sixteenths.
    """
    onset = grid.onset.float()
    place = (torch.arange(grid.onset.shape[-1]) + grid.offset) / 2 % 2  # in sixteenths, within its eighth
    odd = onset * ((place >= 0.5) & (place < 1.6))  # up to a sixteenth late by triplets, and a little more
    even = onset - odd
    lag_odd, lag_even = place - 1, torch.where(place >= 1.6, place - 2, place)

    def mean(x: Tensor, weight: Tensor) -> Tensor:
        return (x * weight).sum((1, 2)) / weight.sum((1, 2))

    late, base = mean(lag_odd, odd), mean(lag_even, even)
    away = odd * (lag_odd - late.nan_to_num()[:, None, None]).abs() + even * (lag_even - base.nan_to_num()[:, None, None]).abs()
    return {
        "density": onset.sum((1, 2)),
        "per_role": onset.sum(2).mean(0),
        "steps": onset.mean(0),
        "velocity": (grid.velocity * onset).sum((0, 2)) / onset.sum((0, 2)).clamp_min(1),
        "swing": late - base,
        "spread": away.sum((1, 2)) / onset.sum((1, 2)),
    }
