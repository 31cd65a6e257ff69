"""Drum patterns of electronic styles that human performances lack: small grammars, drawn by seed.

Positions are in sixteenth-notes (0 .. 16, fractions allowed). In step strings `x` is a hit, `X` an accent, `o` a ghost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Hit = tuple[float, str, int]  # sixteenths, role, velocity
Rng = np.random.Generator

_VELOCITY = {"X": 118, "x": 98, "o": 46}


def steps(text: str, role: str) -> list[Hit]:
    """Hits of a step string of 16 characters: `x` hit, `X` accent, `o` ghost."""
    return [(float(i), role, _VELOCITY[c]) for i, c in enumerate(text) if c in _VELOCITY]


def euclid(pulses: int, rotation: int, role: str, velocity: int) -> list[Hit]:
    """`pulses` hits spread as evenly as 16 steps allow, rotated."""
    return [(float((i * 16 // pulses + rotation) % 16), role, velocity) for i in range(pulses)]


def _pick(rng: Rng, options: list[str]) -> str:
    return options[rng.integers(len(options))]


def _some(rng: Rng, places: list[int], role: str, chance: float, velocity: int) -> list[Hit]:
    return [(float(p), role, velocity) for p in places if rng.random() < chance]


def _hats(rng: Rng, kind: str) -> list[Hit]:
    accent = int(rng.integers(4))
    if kind == "16":
        return [
            (float(i), "hat_closed", 104 if i % 4 == 2 else 88 if i % 4 == accent else 62)
            for i in range(16)
            if rng.random() < 0.93
        ]
    if kind == "8":
        return [(float(i), "hat_closed", 100 if i % 4 == 0 else 80) for i in range(0, 16, 2) if rng.random() < 0.96]
    return [(float(i), "hat_closed", 96) for i in range(2, 16, 4)]


def _perc(rng: Rng, roles: list[str], chance: float = 0.55) -> list[Hit]:
    hits: list[Hit] = []
    for role in roles:
        if rng.random() < chance:
            hits += euclid(int(rng.integers(2, 7)), int(rng.integers(16)), role, int(rng.integers(60, 100)))
    return hits


def house(rng: Rng) -> list[Hit]:
    """Four on the floor, claps on two and four, open hats between."""
    hits = (
        steps("X...X...X...X...", "kick")
        + _some(rng, [3, 6, 10, 11], "kick", 0.05, 64)
        + _some(rng, [7, 14, 15], "kick", 0.12, 70)
    )
    hits += steps(
        _pick(rng, ["....x.......x...", "....x.......x...", "....x.......x..o", "....x..o....x..."]),
        _pick(rng, ["clap", "clap", "snare"]),
    )
    hits += steps("..x...x...x...x.", "hat_open") if rng.random() < 0.75 else []
    hits += _hats(rng, _pick(rng, ["16", "16", "8", "off"]))
    hits += _perc(rng, ["perc", "rim", "cowbell", "tom_mid"], 0.3)
    return hits


def techno(rng: Rng) -> list[Hit]:
    """Four on the floor, driven hats, toms and rims in uneven loops; often no backbeat."""
    hits = steps("X...X...X...X...", "kick") + _some(rng, [2, 6, 10, 14], "kick", 0.08, 56)
    hits += steps("....x.......x...", "clap") if rng.random() < 0.4 else []
    hits += steps("..x...x...x...x.", "hat_open") if rng.random() < 0.6 else []
    hits += steps("x.x.x.x.x.x.x.x.", "ride") if rng.random() < 0.25 else []
    hits += _hats(rng, _pick(rng, ["16", "16", "off"]))
    hits += _perc(rng, ["tom_low", "rim", "perc", "tom_mid"], 0.5)
    return hits


def trap(rng: Rng) -> list[Hit]:
    """Half-time: snare on three, sparse long kicks, hats in eighths or sixteenths with rolls."""
    hits = steps("........X.......", _pick(rng, ["snare", "clap"]))
    hits += steps("........x.......", "clap") if rng.random() < 0.4 else []
    hits += steps("X...............", "kick") + _some(rng, [3, 5, 6, 7, 10, 11, 13, 14], "kick", 0.28, 105)
    stride = 1 if rng.random() < 0.35 else 2
    for i in range(0, 16, stride):
        split = 1
        if rng.random() < 0.2:
            split = int(rng.choice([2, 3, 4])) if stride == 2 else int(rng.choice([2, 3]))
        for j in range(split):
            hits.append((i + stride * j / split, "hat_closed", int(98 - 26 * (split > 1) + 20 * j / split)))
    hits += _some(rng, [2, 6, 10, 14], "hat_open", 0.15, 90)
    hits += _perc(rng, ["perc", "rim"], 0.25)
    return hits


def drumnbass(rng: Rng) -> list[Hit]:
    """Two-step break: kicks on one and the late three, snares on two and four, ghost notes between."""
    kick = _pick(
        rng,
        [
            "X.........X.....",
            "X.X.......X.....",
            "X.........XX....",
            "X......x..X.....",
            "X.....x...X.....",
            "X..X......X..x..",
            "X.x....x..X.....",
        ],
    )
    hits = steps(kick, "kick") + steps("....X.......X...", "snare")
    hits += _some(rng, [2, 6, 7, 9, 11, 14, 15], "snare", 0.24, int(rng.integers(32, 62)))
    hits += _hats(rng, _pick(rng, ["8", "8", "16"]))
    hits += steps("x.x.x.x.x.x.x.x.", "ride") if rng.random() < 0.3 else []
    hits += _some(rng, [2, 6, 10, 14], "hat_open", 0.12, 84)
    hits += _perc(rng, ["perc"], 0.2)
    return hits


def electro(rng: Rng) -> list[Hit]:
    """Machine funk: syncopated kicks, dry backbeat, straight hats, cowbell and toms."""
    kick = _pick(
        rng,
        [
            "X..x......X.....",
            "X.....X...x.....",
            "X..x..x...X...x.",
            "X......x..X.....",
            "X.X....x..x.....",
            "X..X....x.X.....",
        ],
    )
    hits = steps(kick, "kick") + steps("....X.......X...", _pick(rng, ["snare", "snare", "clap"]))
    hits += steps("....x.......x...", "clap") if rng.random() < 0.35 else []
    hits += _some(rng, [1, 5, 9, 13, 15], "kick", 0.08, 84)
    hits += _hats(rng, _pick(rng, ["16", "8"]))
    hits += _some(rng, [2, 6, 10, 14], "hat_open", 0.22, 90)
    hits += _perc(rng, ["cowbell", "tom_low", "tom_high", "rim"], 0.32)
    return hits


def breakbeat(rng: Rng) -> list[Hit]:
    """Sampled-break feel: syncopated kicks, displaced snares, many ghost notes."""
    kick, snare = [
        ("X.X.......XX....", "....X..o.o..X..o"),
        ("X.X.......X.....", "....X..o.o....X."),
        ("X......x..X..x..", "....X..o....X..."),
        ("X.....x.x.......", "....X..o.o..X..."),
        ("X..x..x...X.....", "....X.....o.X..o"),
        ("X.x....x..x.....", "....X.o..o..X.o."),
    ][rng.integers(6)]
    hits = steps(kick, "kick") + steps(snare, "snare")
    hits += _some(rng, [1, 3, 6, 7, 9, 11, 13, 15], "snare", 0.14, int(rng.integers(28, 56)))
    hits += _some(rng, [3, 5, 11, 14], "kick", 0.12, 86)
    hits += steps("x.x.x.x.x.x.x.x.", "ride") if rng.random() < 0.3 else _hats(rng, _pick(rng, ["8", "8", "16"]))
    hits += _some(rng, [6, 10, 14], "hat_open", 0.2, 88)
    hits += _some(rng, [0], "crash", 0.07, 96)
    return hits


def garage(rng: Rng) -> list[Hit]:
    """Two-step with a shuffled grid: skipping kicks, tight snares, rims off the beat."""
    kick = _pick(
        rng,
        [
            "X.........x.....",
            "X..........x....",
            "X......x..x.....",
            "X.....x...x...x.",
            "X..x......x.....",
            "X.....x....x..x.",
        ],
    )
    hits = steps(kick, "kick") + steps("....X.......X...", _pick(rng, ["snare", "clap"]))
    hits += _some(rng, [7, 9, 15], "snare", 0.25, 44)
    hits += [(float(i), "hat_closed", 96 if i % 4 == 2 else 58) for i in range(16) if i % 2 == 0 or rng.random() < 0.55]
    hits += _some(rng, [2, 6, 10, 14], "hat_open", 0.35, 84)
    hits += _some(rng, [1, 3, 6, 7, 10, 11, 14, 15], _pick(rng, ["rim", "perc"]), 0.25, 78)
    return hits


def boombap(rng: Rng) -> list[Hit]:
    """Head-nod: heavy kick and snare, lazy swung hats."""
    kick = _pick(
        rng,
        [
            "X......x..x.....",
            "X.x......xx.....",
            "X.........X..x..",
            "X..x...x..X.....",
            "X......X.x......",
            "X.X....x..X....x",
        ],
    )
    hits = steps(kick, "kick") + steps("....X.......X...", "snare")
    hits += _some(rng, [7, 9, 15], "snare", 0.18, 38)
    hits += _hats(rng, _pick(rng, ["8", "8", "8", "16"]))
    hits += _some(rng, [6, 10, 14], "hat_open", 0.2, 86)
    hits += _some(rng, [3, 5, 11, 13], "kick", 0.1, 76) + _perc(rng, ["perc", "rim"], 0.15)
    return hits


def dembow(rng: Rng) -> list[Hit]:
    """Reggaeton: kick on every beat, snares three-three-two against it."""
    kick = _pick(rng, ["X...X...X...X...", "X...X...X...X...", "X.......X.......", "X...X...X...X.x."])
    snare = _pick(rng, ["...x..x....x..x.", "...x..x....x..x.", "...x..x...xx..x.", "...x..X....x..xx"])
    hits = steps(kick, "kick") + steps(snare, _pick(rng, ["snare", "snare", "clap", "rim"]))
    hits += _hats(rng, _pick(rng, ["8", "16", "off"])) if rng.random() < 0.8 else []
    hits += _some(rng, [3, 6, 11, 14], "clap", 0.12, 80)
    hits += _perc(rng, ["perc", "tom_mid", "cowbell", "tom_high"], 0.3)
    return hits


def dubstep(rng: Rng) -> list[Hit]:
    """Half-time with space: kick on one, snare on three, hats in uneven threes."""
    kick = _pick(
        rng,
        [
            "X...............",
            "X.....X.........",
            "X..x............",
            "X.........x..x..",
            "X.....x....X....",
            "X..............x",
        ],
    )
    hits = steps(kick, "kick") + steps("........X.......", _pick(rng, ["snare", "snare", "clap"]))
    hits += _some(rng, [6, 7, 14, 15], "snare", 0.14, 52)
    hat = _pick(rng, ["x..x..x..x..x.x.", "x.x.x.x.x.x.x.x.", "..x..x..x..x..x.", "x..xx..x..x.x..x", "..x...x...x...x."])
    hits += steps(hat, "hat_closed") + _some(rng, [4, 12], "hat_open", 0.25, 84)
    hits += _perc(rng, ["perc", "rim", "tom_low"], 0.4)
    return hits


def footwork(rng: Rng) -> list[Hit]:
    """Kicks in threes against a clap on two and four, toms rolling in between."""
    kick = _pick(rng, ["X..X..X..X..X.X.", "X..X..X.X..X..X.", "X..X....X..X....", "X..X..XX..X..X..", "X..X..X...XX..X."])
    hits = steps(kick, "kick") + steps(_pick(rng, ["....x.......x...", "............x...", "....x......xx..."]), "clap")
    hits += _some(rng, [1, 4, 7, 10, 13], "tom_low", 0.3, 86) + _some(rng, [2, 5, 11, 14], "tom_high", 0.22, 78)
    hits += _hats(rng, _pick(rng, ["off", "16", "8"])) + _some(rng, [2, 6, 10, 14], "hat_open", 0.3, 88)
    hits += _some(rng, [3, 9, 11, 15], "snare", 0.2, 60) + _perc(rng, ["cowbell", "rim"], 0.2)
    return hits


def minimal(rng: Rng) -> list[Hit]:
    """A soft four on the floor and little else: clicks, rims and hats of a few uneven cycles."""
    hits = steps(_pick(rng, ["X...X...X...X...", "X...X...X...X...", "X...X...X...X..o", "X...x...X...x..."]), "kick")
    hits += steps("....x.......x...", _pick(rng, ["clap", "rim", "snare"])) if rng.random() < 0.6 else []
    hits += _hats(rng, "off") if rng.random() < 0.7 else []
    hits += _some(rng, [1, 3, 5, 7, 9, 11, 13, 15], "hat_closed", 0.3, 54)
    for role in rng.permutation(["rim", "perc", "tom_mid", "cowbell", "hat_closed"])[: int(rng.integers(1, 4))].tolist():
        hits += euclid(int(rng.integers(1, 6)), int(rng.integers(16)), role, int(rng.integers(45, 92)))
    return hits


# style -> (grammar, range of swing: how late the odd sixteenths are, in sixteenths)
GRAMMARS: dict[str, tuple[Callable[[Rng], list[Hit]], tuple[float, float]]] = {
    "house": (house, (0.0, 0.16)),
    "techno": (techno, (0.0, 0.06)),
    "trap": (trap, (0.0, 0.05)),
    "drumnbass": (drumnbass, (0.0, 0.12)),
    "electro": (electro, (0.0, 0.08)),
    "breakbeat": (breakbeat, (0.05, 0.25)),
    "garage": (garage, (0.16, 0.36)),
    "boombap": (boombap, (0.1, 0.34)),
    "dembow": (dembow, (0.0, 0.08)),
    "dubstep": (dubstep, (0.0, 0.12)),
    "footwork": (footwork, (0.0, 0.06)),
    "minimal": (minimal, (0.0, 0.2)),
}
