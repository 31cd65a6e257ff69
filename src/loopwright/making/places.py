"""Find one's way in a model: between two loops, half of each, more like this, less like this, along its directions.

A `Place` says which loop a model makes, as plain numbers that can be saved, sent and edited: a style vector (or one a layer)
and the seeds of its noise. Places come from seeds, from other places, or from a recording that was looked up in the model.
Command line, Python and studio all go from place to place with these functions and render with `render_place`: on one engine
they make the same samples.

Shapes: L style inputs, W style, M mel bands, T frames.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from loopwright.arrays import Float32, Float64
from loopwright.audio.keys import Key, parse_key
from loopwright.errors import InputError
from loopwright.making.clip import Clip
from loopwright.making.directions import MAX_MOVE, Direction, pick
from loopwright.making.draws import Blend, check_seeds, strongest
from loopwright.making.loop import WORDS, Loop, word_for
from loopwright.making.model import Model, check_settings

MAX_NOISES = 6  # seeds blended into one noise; the weakest go first
AWAY_DRAWS = 48
LEVELS = {"coarse": (0, 4), "middle": (4, 7), "fine": (7, 10)}  # tenths of a model's style inputs


class Place(BaseModel, frozen=True, extra="forbid"):
    """Which loop: a style vector of the model (W numbers, or L x W, one a layer; truncated already) and a blend of noise seeds.

    The weights of the seeds have squares that sum to 1, so that the blended noise is as strong as a plain one. The seeds also
    say how further bars differ from the first.
    """

    w: tuple[float, ...]
    noise: tuple[tuple[int, float], ...] = Field(min_length=1, max_length=MAX_NOISES)
    truncation: float = 1.0  # of the styles that further bars walk to
    plays: int | None = None  # seed of the clip, of a model that is given what it plays

    @model_serializer(mode="wrap")
    def _without_clip(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Places of models that play nothing given say nothing of it."""
        values: dict[str, Any] = plain(self)
        return {k: v for k, v in values.items() if k != "plays" or v is not None}


def place_at(ws: npt.NDArray[np.floating[Any]], noise: Blend, truncation: float, plays: int | None = None) -> Place:
    """The place of a style (W,) or of one a layer (L, W), rounded to float32, and a blend of seeds, brought to strength 1."""
    if ws.ndim == 2 and (ws == ws[:1]).all():
        ws = ws[0]
    kept = sorted(noise, key=lambda pair: -abs(pair[1]))[:MAX_NOISES]
    norm = math.sqrt(sum(weight**2 for _, weight in kept))
    # nine digits bring a float32 back exactly
    values = tuple(float(f"{v:.9g}") for v in ws.astype(np.float32).flatten().tolist())
    weights = tuple((seed, round(weight / norm, 6)) for seed, weight in kept)
    return Place(w=values, noise=weights, truncation=truncation, plays=plays)


def place_of(model: Model, seed: int, *, style: str | None = None, truncation: float = 1.0) -> Place:
    """The place of a seed: rendering it gives the loop that `model.generate([seed])` gives."""
    (seed,) = check_seeds([seed])
    plays = seed if model.speaker.is_given else None
    return place_at(model.styles_of([seed], style=style, truncation=truncation)[0], [(seed, 1.0)], truncation, plays)


def _styles(model: Model, place: Place) -> Float64:
    """(W,), or (L, W) of a place with one style a layer. Raises InputError for a place of another model."""
    size = model.w_dim
    if len(place.w) not in (size, size * model.n_styles):
        raise InputError(
            f"this loop's style has {len(place.w)} numbers, model '{model.name}' has {size}. "
            "It was made with another model: choose that one."
        )
    return np.array(place.w) if len(place.w) == size else np.array(place.w).reshape(model.n_styles, size)


def _blend_noise(a: Place, b: Place, angle: float) -> list[tuple[int, float]]:
    weights: dict[int, float] = {}
    for place, share in ((a, math.cos(angle)), (b, math.sin(angle))):
        for seed, weight in place.noise:
            weights[seed] = weights.get(seed, 0.0) + share * weight
    return [(seed, weight) for seed, weight in weights.items() if abs(weight) > 1e-6] or list(a.noise)


def interpolate(model: Model, a: Place, b: Place, t: float) -> Place:
    """A place between two: `a` at t = 0, `b` at t = 1. Styles go straight, noise keeps its strength on the way.

    There is nothing between two clips that are given to a model: the first half plays that of `a`, the rest that of `b`.
    """
    if not 0 <= t <= 1:
        raise InputError(f"t {t:g} is out of range: 0 (the first loop) to 1 (the second).")
    if t in (0.0, 1.0):
        return b if t else a
    ws = (1 - t) * _styles(model, a) + t * _styles(model, b)
    truncation = a.truncation + t * (b.truncation - a.truncation)
    return place_at(ws, _blend_noise(a, b, t * math.pi / 2), truncation, (a if t < 0.5 else b).plays)


def walk(model: Model, a: Place, b: Place, n: int) -> list[Place]:
    """`n` places from `a` to `b`, ends included, evenly spaced. Raises InputError for fewer than 2."""
    if n < 2:
        raise InputError(f"a walk needs at least 2 loops, got {n}.")
    return [interpolate(model, a, b, i / (n - 1)) for i in range(n)]


def levels_of(model: Model) -> dict[str, tuple[int, int]]:
    """First and last (exclusive) style input of each level of a model: shares of what it has, rounded.

    Coarse ones make the pattern, fine ones the sound. A model that is built of the two has `pattern` and `sound` as well, one
    of drums the two halves of its sound, `kit` and `room`.
    """
    n = model.n_styles
    found = {name: ((2 * n * first + 10) // 20, (2 * n * last + 10) // 20) for name, (first, last) in LEVELS.items()}
    if model.borders:
        found |= {"pattern": (0, model.borders[0]), "sound": (model.borders[0], n)}
    if len(model.borders) == 2:
        found |= {"kit": (model.borders[0], model.borders[1]), "room": (model.borders[1], n)}
    return found


def mix(model: Model, a: Place, b: Place, level: str) -> Place:
    """`a` with one level of `b`, such as the pattern of one with the sound of the other. Noise is that of `a`.

    Raises InputError for an unknown level, or one that this model has no style inputs for.
    """
    given = model.speaker.is_given  # then the pattern is no matter of styles
    levels = {name: ends for name, ends in levels_of(model).items() if ends[0] < ends[1] or (given and name == "pattern")}
    if level not in levels:
        raise InputError(f"no level '{level}' in model '{model.name}'. There are: {', '.join(levels)}.")
    first, last = levels[level]
    shape = (model.n_styles, model.w_dim)
    ws = np.broadcast_to(_styles(model, a), shape).copy()
    ws[first:last] = np.broadcast_to(_styles(model, b), shape)[first:last]
    return place_at(ws, a.noise, a.truncation, b.plays if given and level == "pattern" else a.plays)


def near(model: Model, place: Place, amount: float, salt: int, *, style: str | None = None) -> Place:
    """More like this: a neighbour of a place. amount 0 is the place itself, 1 an unrelated loop; `salt` picks which neighbour.

    The style turns towards that of a fresh seed, keeping its distance from the average style, so that neighbours are as
    pronounced as the original. What a model is given to play stays up to half the way.
    """
    if not 0 <= amount <= 1:
        raise InputError(f"amount {amount:g} is out of range: 0 (the same) to 1 (unrelated).")
    fresh = place_of(model, _fresh_seed(place, salt), style=style, truncation=place.truncation)
    centre, angle = model.w_avg.astype(np.float64), amount * math.pi / 2
    ws, other = _styles(model, place), _styles(model, fresh)
    turned = centre + math.cos(angle) * (ws - centre) + math.sin(angle) * (other - centre)
    plays = (place if amount < 0.5 else fresh).plays
    return place_at(turned, _blend_noise(place, fresh, angle), place.truncation, plays)


def away(model: Model, place: Place, salt: int, *, style: str | None = None) -> Place:
    """Less like this: of many seeds, one of those whose style points away from the place's; `salt` picks which."""
    seeds = [_fresh_seed(place, i) for i in range(AWAY_DRAWS)]
    others = model.styles_of(seeds, style=style, truncation=place.truncation) - model.w_avg
    ws = _styles(model, place)
    own = (ws if ws.ndim == 1 else ws.mean(axis=0)) - model.w_avg
    likeness = others @ own / np.maximum(np.linalg.norm(others, axis=1), 1e-9)
    order = np.argsort(likeness, kind="stable")
    return place_of(model, seeds[int(order[salt % AWAY_DRAWS])], style=style, truncation=place.truncation)


def move(model: Model, place: Place, amounts: Mapping[str, float], known: Sequence[Direction]) -> Place:
    """A place moved along named directions, by so many standard deviations of the model's styles.

    Raises InputError for unknown names, directions of another model, and more than `MAX_MOVE`.
    """
    ws = _styles(model, place)
    for name, amount in amounts.items():
        if not -MAX_MOVE <= amount <= MAX_MOVE:
            raise InputError(f"{name} {amount:g} is out of range: {-MAX_MOVE:g} to {MAX_MOVE:g} standard deviations.")
        direction = pick(known, name)
        if len(direction.vector) != model.w_dim:
            raise InputError(
                f"direction '{direction.name}' has {len(direction.vector)} numbers, model '{model.name}' has {model.w_dim}. "
                "Find its own: loopwright directions MODEL --save"
            )
        ws = ws + amount * np.array(direction.vector, dtype=np.float64)
    return place_at(ws, place.noise, place.truncation, place.plays)


def _fresh_seed(place: Place, salt: int) -> int:
    digest = hashlib.blake2b(f"{place.noise}|{salt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def log_mel_of(model: Model, place: Place, *, bars: int = 1) -> Float32:
    """The picture (M, T) of a place. For a seed's place this is what `Model.log_mel` makes of the seed."""
    return model.log_mel(_bars(model, place, bars), [place.noise], bars=bars, clips=_clips(model, place, bars))[0]


def _bars(model: Model, place: Place, bars: int) -> Float32:
    """Styles of all bars of a place, as a batch of one."""
    ws = _styles(model, place).astype(np.float32)[None]
    return model.bar_styles(ws, [place.noise], bars, truncation=place.truncation)


def _clips(model: Model, place: Place, bars: int, *, key: Key | None = None, clip: Clip | None = None) -> list[Clip | None]:
    seed = strongest(place.noise) if place.plays is None else place.plays
    return model.clips_for([seed], bars, key=key, clip=clip)


def render_place(
    model: Model,
    place: Place,
    *,
    bpm: float,
    bars: int = 1,
    rate_hz: int = 44_100,
    pack: str = "",
    info: Mapping[str, Any] | None = None,
    word: str = "",
    key: str | Key | None = None,
    clip: Clip | None = None,
) -> Loop:
    """The finished loop of a place.

    Args:
        model: the one that the place is of.
        place: which loop.
        bpm: tempo, 40 to 240.
        bars: 1, 2 or 4 bars of 4/4.
        rate_hz: output rate.
        pack: word in the file name, the model's name if empty.
        info: goes into the file: where the loop came from.
        word: the loop's own in its name; if empty that of the "seed" in `info`, else one drawn from all of the place's numbers.
        key: that notes are brought to.
        clip: what is played instead of the place's own, of a model that is given it.

    Raises InputError for values out of range or a place of another model.
    """
    check_settings(bpm, bars, 1.0, rate_hz)
    details = dict(info) if info is not None else {"seed": place.noise[0][0]}
    named = word or (word_for(int(details["seed"])) if "seed" in details else word_of(place))
    into = parse_key(key) if isinstance(key, str) else key
    clips = _clips(model, place, bars, key=into, clip=clip)
    drawn = model.drawn(_bars(model, place, bars), [place.noise], bars=bars, clips=clips)
    (loop,) = model.render(
        drawn,
        [place.noise],
        bpm=bpm,
        rate_hz=rate_hz,
        pack=pack,
        details=[details],
        words=[named],
        clips=clips,
        key=into,
    )
    return loop


def word_of(place: Place) -> str:
    """A word drawn from all of a place's numbers."""
    digest = hashlib.blake2b(json.dumps(place.model_dump()).encode(), digest_size=4).digest()
    return word_for(int.from_bytes(digest, "big") % WORDS)
