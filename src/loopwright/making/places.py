"""Find one's way in a model: more like this, less like this, between two loops, along its directions.

A `Place` says which loop a model makes, as plain numbers that can be saved, sent and edited: a style vector (or one a layer)
and the seeds of its noise. Places come from seeds, from other places, or from a recording that was looked up in the model.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import Tensor

from loopwright.config import STEPS_PER_BAR
from loopwright.errors import InputError
from loopwright.making.directions import Direction, pick
from loopwright.making.loop import Loop
from loopwright.making.project import Projected
from loopwright.making.torch_model import BAR_VARIATION, MAX_SEED, Model, check_settings, draw
from loopwright.making.words import SPACE, word_for

MAX_NOISES = 6  # seeds blended into one noise; the weakest go first
AWAY_DRAWS = 48


class Place(BaseModel, frozen=True, extra="forbid"):
    """Which loop: a style vector of the model (W numbers, or L x W, one a layer; truncated already) and a blend of noise seeds.

    The weights of the seeds have squares that sum to 1, so that the blended noise is as strong as a plain one. The seeds also
    say how further bars differ from the first.
    """

    w: tuple[float, ...]
    noise: tuple[tuple[int, float], ...] = Field(min_length=1, max_length=MAX_NOISES)
    truncation: float = 1.0  # of the styles that further bars walk to


def _place(ws: Tensor, noise: Sequence[tuple[int, float]], truncation: float) -> Place:
    """ws: (W,) or (L, W)."""
    if ws.dim() == 2 and bool((ws == ws[:1]).all()):
        ws = ws[0]
    kept = sorted(noise, key=lambda pair: -abs(pair[1]))[:MAX_NOISES]
    norm = math.sqrt(sum(weight**2 for _, weight in kept))
    values = tuple(float(f"{v:.9g}") for v in ws.flatten().tolist())  # nine digits bring a float32 back exactly
    return Place(w=values, noise=tuple((seed, round(weight / norm, 6)) for seed, weight in kept), truncation=truncation)


def _blend_noise(a: Place, b: Place, angle: float) -> list[tuple[int, float]]:
    weights: dict[int, float] = {}
    for place, share in ((a, math.cos(angle)), (b, math.sin(angle))):
        for seed, weight in place.noise:
            weights[seed] = weights.get(seed, 0.0) + share * weight
    return [(seed, weight) for seed, weight in weights.items() if abs(weight) > 1e-6] or list(a.noise)


def _styles(model: Model, places: Sequence[Place]) -> Tensor:
    """(B, L, W)."""
    size, layers = model.generator.w_dim, model.generator.n_styles
    out = []
    for place in places:
        if len(place.w) not in (size, size * layers):
            raise InputError(
                f"this loop's style has {len(place.w)} numbers, model '{model.name}' has {size}. "
                "It was made with another model: choose that one."
            )
        out.append(torch.tensor(place.w).reshape(-1, size).expand(layers, size))
    return torch.stack(out).to(model.device)


def place_of(model: Model, seed: int, *, style: str | None = None, truncation: float = 1.0) -> Place:
    """The place of a seed: rendering it gives the loop that `model.generate([seed])` gives."""
    (seed,) = model.check_seeds([seed])
    w = model.styles_of([seed], style=style, truncation=truncation)[0]
    return _place(w, [(seed, 1.0)], truncation)


def place_of_projected(projected: Projected, seed: int = 0) -> Place:
    """The place of a recording that `variations.project` looked up with this seed."""
    return _place(projected.ws[0], [(seed, 1.0)], 0.9)


def interpolate(model: Model, a: Place, b: Place, t: float) -> Place:
    """A place between two: `a` at t = 0, `b` at t = 1. Styles go straight, noise keeps its strength on the way."""
    if not 0 <= t <= 1:
        raise InputError(f"t {t:g} is out of range: 0 (the first loop) to 1 (the second).")
    if t in (0.0, 1.0):
        return b if t else a
    ws = _styles(model, [a, b])
    truncation = a.truncation + t * (b.truncation - a.truncation)
    return _place(ws[0].lerp(ws[1], t), _blend_noise(a, b, t * math.pi / 2), truncation)


def near(model: Model, place: Place, amount: float, salt: int, *, style: str | None = None) -> Place:
    """More like this: a neighbour of a place. amount 0 is the place itself, 1 an unrelated loop; `salt` picks which neighbour.

    The style turns towards that of a fresh seed, keeping its distance from the average style, so that neighbours are as
    pronounced as the original.
    """
    if not 0 <= amount <= 1:
        raise InputError(f"amount {amount:g} is out of range: 0 (the same) to 1 (unrelated).")
    fresh = place_of(model, _fresh_seed(place, salt), style=style, truncation=place.truncation)
    ws, other = _styles(model, [place, fresh])
    centre = model.generator.w_avg
    angle = amount * math.pi / 2
    turned = centre + math.cos(angle) * (ws - centre) + math.sin(angle) * (other - centre)
    return _place(turned, _blend_noise(place, fresh, angle), place.truncation)


def away(model: Model, place: Place, salt: int, *, style: str | None = None) -> Place:
    """Less like this: of many seeds, one of those whose style points away from the place's; `salt` picks which."""
    seeds = [_fresh_seed(place, i) for i in range(AWAY_DRAWS)]
    styles = model.styles_of(seeds, style=style, truncation=place.truncation) - model.generator.w_avg
    w = _styles(model, [place])[0].mean(dim=0) - model.generator.w_avg
    order = torch.nn.functional.cosine_similarity(styles, w[None]).argsort()
    return place_of(model, seeds[int(order[salt % AWAY_DRAWS])], style=style, truncation=place.truncation)


def move(model: Model, place: Place, amounts: Mapping[str, float], known: list[Direction]) -> Place:
    """A place moved along named directions, by so many standard deviations. Raises InputError for unknown names."""
    (ws,) = _styles(model, [place])
    for name, amount in amounts.items():
        if not -6 <= amount <= 6:
            raise InputError(f"{name} {amount:g} is out of range: -6 to 6 standard deviations.")
        ws = ws + amount * torch.tensor(pick(known, name).vector, device=model.device)
    return _place(ws, place.noise, place.truncation)


def _fresh_seed(place: Place, salt: int) -> int:
    digest = hashlib.blake2b(f"{place.noise}|{salt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


@torch.no_grad()
def log_mel_of(model: Model, place: Place, *, bars: int = 1) -> Tensor:
    """Log-mel (1, M, T) of a place. For a seed's place this is what `Model.log_mel` makes of the seed."""
    ws = _styles(model, [place])
    turns = -(-bars // model.bars)
    if turns > 1:
        parts = [ws]
        for bar in range(1, turns):
            others = model.styles_of(
                [(seed + 0x9E3779B1 * bar) % (MAX_SEED + 1) for seed, _ in place.noise], truncation=place.truncation
            )
            shares = torch.tensor([weight**2 for _, weight in place.noise], device=model.device)
            other = (shares[:, None] * others).sum(dim=0) / shares.sum()
            parts.append(ws if bar % 2 == 0 else ws.lerp(other.expand_as(ws), BAR_VARIATION))
        ws = torch.stack(parts, dim=-1).repeat_interleave(STEPS_PER_BAR * model.bars, dim=-1)
    maps = []
    for i, shape in enumerate(model.generator.noise_shapes(turns)):
        blended = sum(np.float32(weight) * draw(seed, f"noise {i}", (1, *shape)) for seed, weight in place.noise)
        maps.append(torch.from_numpy(np.asarray(blended, dtype=np.float32))[None].to(model.device))
    y = model.generator.synthesis(ws, maps, bars=turns)
    log_mel = y.float() * model.std[:, None] + model.mean[:, None]
    return log_mel.clamp(min=math.log10(model.mel.log_floor))


def render_place(
    model: Model,
    place: Place,
    *,
    bpm: float,
    bars: int = 1,
    rate_hz: int = 44_100,
    pack: str = "",
    info: Mapping[str, Any] | None = None,
) -> Loop:
    """The finished loop of a place. `info` goes into the file; with "seed" in it, the loop gets the seed's word as its name.

    Raises InputError for values out of range or a place of another model.
    """
    check_settings(bpm, bars, 1.0, rate_hz)
    log_mel = log_mel_of(model, place, bars=bars)
    details = dict(info) if info is not None else {"seed": place.noise[0][0]}
    word = word_for(int(details["seed"])) if "seed" in details else word_of(place)
    (loop,) = model.render(log_mel, [place.noise[0][0]], bpm=bpm, rate_hz=rate_hz, pack=pack, details=[details], words=[word])
    return loop


def word_of(place: Place) -> str:
    """A word drawn from all of a place's numbers."""
    digest = hashlib.blake2b(json.dumps(place.model_dump()).encode(), digest_size=4).digest()
    return word_for(int.from_bytes(digest, "big") % SPACE)
