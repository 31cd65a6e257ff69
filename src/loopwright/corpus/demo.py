"""A demo corpus made of nothing: a drum machine and simple synths by DSP alone, seeded, labelled, quick.

It shows and tests the machinery where no recordings are at hand. It is not a data set to judge models by.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Float32
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.circular import add_wrapped, biquad
from loopwright.corpus.folder import Event, RenderedLoop, write_corpus
from loopwright.corpus.groove import ROLES, STEP_SAMPLES
from loopwright.corpus.notes import KEY_NAMES, MAJOR, MINOR, Chord, parse_numeral
from loopwright.corpus.parts import PART_NAMES, PARTS, gate_samples, note_events
from loopwright.corpus.phrases import write_phrase
from loopwright.corpus.synthesis import Envelope, Timbre, analog_harmonics, play

DRUM_STYLES = ("house", "techno", "trap", "drumnbass", "electro", "breakbeat")
SYNTH_STYLES = ("bass", "arp", "chords")
STYLES = (*DRUM_STYLES, *SYNTH_STYLES)
_SPLITS = ("train",) * 8 + ("validation", "test")
_PROGRESSIONS = (
    ("major", "I V vi IV"),
    ("major", "I IV"),
    ("major", "ii V I I"),
    ("minor", "i VI III VII"),
    ("minor", "i iv"),
    ("minor", "i"),
)


def _noise(rng: np.random.Generator, seconds: float, low_hz: float, decay_s: float) -> Float32:
    """Decaying noise, mostly above `low_hz`."""
    n = int(seconds * CORPUS_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n), 2 * n)
    rise = np.arange(len(spectrum)) * (CORPUS_RATE_HZ / 2 / n / low_hz)
    filtered = np.fft.irfft(spectrum * rise**2 / (1 + rise**2), 2 * n)[:n]
    return (filtered * np.exp(-np.arange(n) / (decay_s * CORPUS_RATE_HZ))).astype(np.float32)


def _thump(seconds: float, from_hz: float, to_hz: float, fall_s: float, decay_s: float) -> Float32:
    """A sine that falls in pitch and dies away."""
    time = np.arange(int(seconds * CORPUS_RATE_HZ)) / CORPUS_RATE_HZ
    turns = to_hz * time + (from_hz - to_hz) * fall_s * (1 - np.exp(-time / fall_s))
    return (np.sin(2 * np.pi * turns) * np.exp(-time / decay_s)).astype(np.float32)


def drum_machine(rng: np.random.Generator) -> dict[str, Float32]:
    """One sound for every role, faded to zero at its end, peak 1 or less."""
    base, u = rng.uniform(42, 58), rng.uniform
    click = np.pad(_noise(rng, 0.01, 2000, 0.002), (0, int(0.49 * CORPUS_RATE_HZ)))
    snare_tone = np.pad(_thump(0.2, u(220, 320), u(160, 200), 0.02, 0.06), (0, int(0.1 * CORPUS_RATE_HZ)))
    clap_noise = _noise(rng, 0.3, 1200, u(0.04, 0.09))
    claps = clap_noise + np.roll(clap_noise, 480) + np.roll(clap_noise, 960)
    sounds: dict[str, NDArray[Any]] = {
        "kick": _thump(0.5, u(130, 260), base, u(0.02, 0.05), u(0.1, 0.25)) + 0.1 * click,
        "snare": 0.6 * snare_tone + 0.35 * _noise(rng, 0.3, u(900, 2500), u(0.04, 0.12)),
        "clap": claps,
        "rim": _thump(0.1, 1900, u(800, 1100), 0.004, 0.015),
        "hat_closed": _noise(rng, 0.12, u(6000, 10000), u(0.01, 0.03)),
        "hat_open": _noise(rng, 0.4, u(6000, 10000), u(0.08, 0.16)),
        "ride": _noise(rng, 0.5, u(4000, 7000), u(0.1, 0.25)) + 0.3 * _thump(0.5, 3300, 3200, 0.1, 0.15),
        "crash": _noise(rng, 1.2, u(3000, 5000), u(0.3, 0.6)),
        "perc": _thump(0.2, u(400, 900), u(300, 600), 0.02, 0.05),
        "cowbell": _thump(0.25, 540, 540, 1.0, 0.07) + 0.7 * _thump(0.25, 800, 800, 1.0, 0.07),
    }
    for role, hz in (("tom_low", 80), ("tom_mid", 120), ("tom_high", 170)):
        sounds[role] = _thump(0.35, hz * 1.6, hz, 0.04, u(0.08, 0.15))
    out = {}
    for role in ROLES:
        x = sounds[role]
        fade = np.minimum(np.arange(len(x), 0, -1) / 480, 1)
        out[role] = (x * fade / np.abs(x).max()).astype(np.float32)
    return out


_LEVELS = {
    "kick": 1.0,
    "snare": 0.8,
    "clap": 0.6,
    "rim": 0.35,
    "hat_closed": 0.2,
    "hat_open": 0.18,
    "ride": 0.15,
    "crash": 0.22,
}


def _drums(
    seed: int, number: int, style: str, split: str, rng: np.random.Generator
) -> tuple[dict[str, str], list[Event], Float32]:
    phrase = write_phrase(style, number, split, seed)
    machine = drum_machine(rng)
    x = np.zeros(BAR_SAMPLES, np.float32)
    events: list[Event] = []
    for at, role, velocity in zip(phrase.position.tolist(), phrase.role.tolist(), phrase.velocity.tolist(), strict=True):
        name = ROLES[role]
        add_wrapped(x, machine[name], at, _LEVELS.get(name, 0.4) * velocity / 127)
        events.append((name, round(at / BAR_SAMPLES, 6), round(velocity / 127, 3)))
    return {"kind": "drum", "key": "", "source": f"demo/{phrase.source}"}, events, x


def _synth(number: int, style: str, rng: np.random.Generator) -> tuple[dict[str, str], list[Event], Float32]:
    mode, text = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    chords: list[Chord] = [parse_numeral(name, mode) for name in text.split()]
    tonic = int(rng.integers(12))
    notes = PARTS[style](rng, chords, tonic, MAJOR if mode == "major" else MINOR, 1)
    timbre = Timbre(
        harmonics=analog_harmonics(("saw", "square")[rng.integers(2)], float(rng.uniform(0.2, 0.5))),
        amp=Envelope(0.003, float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.2, 0.8)), 0.08),
        filter_env=Envelope(0.002, float(rng.uniform(0.05, 0.4)), 0.1, 0.08),
        cutoff_hz=float(rng.uniform(250, 900)),
        env_octaves=float(rng.uniform(1, 4)),
        resonance=float(rng.uniform(0, 1.5)),
    )
    x = np.zeros(BAR_SAMPLES, np.float32)
    for note in notes:
        sound = play(timbre, note.midi, gate_samples(note), note.velocity, rng, slide=note.slide)
        add_wrapped(x, sound, round(note.at * STEP_SAMPLES))
    key = KEY_NAMES[tonic] + ("maj" if mode == "major" else "min")
    row = {"kind": "synth", "key": key, "source": f"demo/synth/{style}/{number:06d}"}
    return row, note_events(notes, PART_NAMES[style], 1), x


class DemoRenderer:
    """The demo loops, by number: styles in turn, the last two of every ten rounds held out."""

    bars = 1

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed

    def __len__(self) -> int:
        return self.n

    def loop(self, number: int) -> RenderedLoop:
        """Make loop `number`."""
        rng = np.random.default_rng([self.seed, 23, number])
        style, split = STYLES[number % len(STYLES)], _SPLITS[number // len(STYLES) % 10]
        if style in DRUM_STYLES:
            row, events, x = _drums(self.seed, number, style, split, rng)
        else:
            row, events, x = _synth(number, style, rng)
        tone = biquad("highpass", 25, CORPUS_RATE_HZ, BAR_SAMPLES) * biquad(
            "highshelf", 4000, CORPUS_RATE_HZ, BAR_SAMPLES, gain_db=rng.normal(0, 3)
        )
        y = np.fft.irfft(np.fft.rfft(x) * tone, BAR_SAMPLES)
        y *= 10 ** (rng.uniform(-6, -1) / 20) / max(float(np.abs(y).max()), 1e-9)
        labels = {"split": split, "style": style, "kit": "demo", "licence": "CC0-1.0", "attribution": ""}
        return RenderedLoop({**labels, **row}, events, lambda: y.astype(np.float32))


def demo_bars(n: int, seed: int = 0) -> tuple[Float32, list[dict[str, str]]]:
    """n demo loops in memory: float32 (n, 96000) at 48 kHz, and their rows as in `loops.csv` (without `file`).

    >>> bars, rows = demo_bars(2)
    >>> bars.shape, rows[0]["style"], rows[0]["kind"]
    ((2, 96000), 'house', 'drum')
    """
    renderer = DemoRenderer(n, seed)
    bars = np.empty((n, BAR_SAMPLES), np.float32)
    rows = []
    for number in range(n):
        loop = renderer.loop(number)
        bars[number] = loop.render()
        rows.append({"bpm": "120", "bars": "1", "performer": "", **loop.row})
    return bars, rows


def render_demo(
    out: Path, n: int, seed: int = 0, *, workers: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write n demo loops, `events.jsonl` and `loops.csv` into `out`, which is returned. Raises InputError or BusyError."""
    settings = {"corpus": "demo", "n": n, "seed": seed}
    write_corpus(partial(DemoRenderer, n, seed), n, Path(out), settings, workers=workers, on_progress=on_progress)
    return Path(out)
