"""Walks and crosses between seeds: interpolation in W, style mixing, moves along directions. Each gives finished loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from loopwright.errors import InputError
from loopwright.making.directions import directions_of, pick
from loopwright.making.loop import Loop
from loopwright.making.torch_model import Model, check_settings
from loopwright.making.words import word_for

LEVELS = {"coarse": (0, 4), "middle": (4, 7), "fine": (7, None)}  # style inputs taken from the second seed


def walk(
    model: Model, a: int, b: int, *, n: int = 8, bpm: float = 120.0, bars: int = 1, rate_hz: int = 44_100, pack: str = "Walk"
) -> list[Loop]:
    """`n` loops from seed `a` to seed `b`, evenly spaced in W, all on the same beat. Ends are the seeds' own loops."""
    seeds = model.check_seeds([a, b])
    check_settings(bpm, bars, 1.0, rate_hz)
    if n < 2:
        raise InputError(f"a walk needs at least 2 loops, got {n}.")
    w = model.styles_of(seeds)
    loops: list[Loop] = []
    for i in range(n):
        t = i / (n - 1)
        style = w[0].lerp(w[1], t)[None]
        noise = [a if t < 0.5 else b]
        log_mel = model.log_mel(model.bar_styles(style, noise, bars), noise, bars=bars)
        details = [{"from": a, "to": b, "at": round(t, 4), "seed": noise[0]}]
        loops += model.render(
            log_mel, noise, bpm=bpm, rate_hz=rate_hz, pack=pack, details=details, words=[f"{step_word(i)}{word_for(b)}"]
        )
    return loops


def step_word(i: int) -> str:
    """a, b, ... z, ba, bb, ...: order of a file in a walk, without digits."""
    letters = ""
    while True:
        i, rest = divmod(i, 26)
        letters = chr(97 + rest) + letters
        if i == 0:
            return letters + "-"


def mix(
    model: Model, rows: Sequence[int], columns: Sequence[int], *, level: str = "fine", bpm: float = 120.0, rate_hz: int = 44_100
) -> list[Loop]:
    """A grid: each row seed's loop with the `level` layers of each column seed. Coarse is pattern, fine is sound.

    Returns rows x columns loops, row by row.
    """
    if level not in LEVELS:
        raise InputError(f"no level '{level}'. There are: {', '.join(LEVELS)}.")
    check_settings(bpm, 1, 1.0, rate_hz)
    model.check_seeds([*rows, *columns])
    first, last = LEVELS[level]
    a, b = model.styles_of(rows), model.styles_of(columns)
    loops: list[Loop] = []
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            ws = a[i][None, None].repeat(1, model.generator.n_styles, 1)
            ws[:, first:last] = b[j]
            details = [{"seed": row, "mixed_with": column, "level": level}]
            word = f"{word_for(row)}-{word_for(column)}"
            loops += model.render(
                model.log_mel(ws, [row]), [row], bpm=bpm, rate_hz=rate_hz, pack="Mix", details=details, words=[word]
            )
    return loops


def edit(
    model: Model, seeds: Sequence[int], moves: Mapping[str, float], *, bpm: float = 120.0, bars: int = 1, rate_hz: int = 44_100
) -> list[Loop]:
    """The seeds' loops, moved along named directions by so many standard deviations: `{"brightness": 1.5}`."""
    check_settings(bpm, bars, 1.0, rate_hz)
    known = directions_of(model)
    w = model.styles_of(model.check_seeds(seeds))
    for name, amount in moves.items():
        if abs(amount) > 10:
            raise InputError(f"amount {amount:g} for '{name}' is out of range: -10 to 10 standard deviations.")
        w = w + amount * torch.tensor(pick(known, name).vector, device=w.device)
    log_mel = model.log_mel(model.bar_styles(w, seeds, bars), seeds, bars=bars)
    details = [{"seed": seed, "moves": dict(moves)} for seed in seeds]
    return model.render(log_mel, list(seeds), bpm=bpm, rate_hz=rate_hz, pack="Edit", details=details)
