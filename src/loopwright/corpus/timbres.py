"""Sounds for synth loops, drawn by style: filtered waveforms, two-operator FM, detuned stacks and plucks."""

from __future__ import annotations

import dataclasses

import numpy as np

from loopwright.corpus.sources import Sources
from loopwright.corpus.synthesis import Envelope, Timbre, harmonics_of

Rng = np.random.Generator

# style -> attack, decay, sustain, release; cutoff; octaves of the filter envelope; most voices. (low, high) each.
_SHAPES: dict[str, tuple[tuple[float, float], ...]] = {
    "bass": ((0.001, 0.008), (0.1, 0.6), (0.15, 0.95), (0.03, 0.12), (90, 900), (0.0, 4.5), (1, 2)),
    "arp": ((0.001, 0.01), (0.08, 0.5), (0.0, 0.6), (0.04, 0.4), (250, 4000), (0.0, 3.5), (1, 2)),
    "chords": ((0.001, 0.02), (0.1, 0.8), (0.1, 0.9), (0.04, 0.4), (200, 4000), (0.0, 3.0), (1, 3)),
    "pad": ((0.08, 0.6), (0.4, 1.5), (0.6, 1.0), (0.2, 0.9), (250, 3500), (-0.5, 2.0), (2, 4)),
    "lead": ((0.002, 0.05), (0.1, 0.7), (0.4, 1.0), (0.04, 0.3), (500, 6000), (0.0, 2.5), (1, 3)),
}
KINDS = ("filter", "fm", "stack", "pluck")
_KIND_CHANCES = {
    "bass": (0.62, 0.15, 0.13, 0.1),
    "arp": (0.45, 0.18, 0.07, 0.3),
    "chords": (0.45, 0.18, 0.2, 0.17),
    "pad": (0.55, 0.12, 0.33, 0.0),
    "lead": (0.5, 0.15, 0.25, 0.1),
}
_SWEEP_CHANCES = {"bass": 0.12, "arp": 0.3, "chords": 0.25, "pad": 0.4, "lead": 0.12}


def between(rng: Rng, low: float, high: float) -> float:
    """A draw that is even on the log scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_envelope(style: str, rng: Rng) -> Envelope:
    """An envelope for a sampled instrument, which has its own attack."""
    _, decay, sustain, release = _SHAPES[style][:4]
    return Envelope(0.002, between(rng, *decay), rng.uniform(*sustain), between(rng, *release))


def _waveform(sources: Sources, split: str, rng: Rng) -> tuple[str, np.ndarray[tuple[int], np.dtype[np.complex128]]]:
    """A group of the side, and the harmonics of one of its cycles or of two mixed."""
    groups = sources.groups[split]
    weights = np.sqrt([len(rows) for rows in groups.values()])
    kit = list(groups)[rng.choice(len(groups), p=weights / weights.sum())]
    rows = groups[kit]
    harmonics = harmonics_of(sources.cycles[rows[int(rng.integers(len(rows)))]])
    if rng.random() < 0.4:
        other = harmonics_of(sources.cycles[rows[int(rng.integers(len(rows)))]])
        share = rng.uniform(0.25, 0.6)
        harmonics = harmonics * (1 - share) + other * share
    return kit, harmonics


def draw_timbre(sources: Sources, split: str, style: str, bars: int, rng: Rng) -> tuple[str, Timbre]:
    """A sound for a style from one side of the split, and the name of what it is made from (a waveform group, or FM)."""
    attack, decay, sustain, release, cutoff, octaves, voices = _SHAPES[style]
    kind = KINDS[rng.choice(len(KINDS), p=_KIND_CHANCES[style])]
    slow = style == "pad"
    kit, harmonics = _waveform(sources, split, rng)
    times = 1
    if kind == "fm":
        times = sources.fm[split][int(rng.integers(len(sources.fm[split])))]
        kit = f"fm-{times}"
    amp = Envelope(between(rng, *attack), between(rng, *decay), rng.uniform(*sustain), between(rng, *release))
    if kind == "pluck":
        amp = Envelope(0.001, between(rng, 0.3, 2.0), 0.0, between(rng, 0.05, 0.5))
        place = rng.uniform(0.08, 0.5)  # where the string is plucked takes harmonics out
        harmonics = harmonics * np.abs(np.sin(np.pi * place * np.arange(1, len(harmonics) + 1)))
        harmonics = harmonics / max(float(np.sqrt(2 * np.sum(np.abs(harmonics) ** 2))), 1e-9)
    sweeps = rng.random() < _SWEEP_CHANCES[style] and kind != "pluck"
    low_index = rng.uniform(0.0, 1.0)
    timbre = Timbre(
        harmonics=harmonics,
        amp=amp,
        filter_env=Envelope(
            between(rng, 0.2, 1.0) if slow else between(rng, 0.001, 0.03), between(rng, 0.05, 0.7), rng.uniform(0, 0.5), 0.15
        ),
        cutoff_hz=between(rng, *cutoff) if kind in ("filter", "stack") else between(rng, 2500, 16000),
        env_octaves=rng.uniform(*octaves),
        resonance=rng.uniform(0, 2.2) if rng.random() < 0.5 else 0.0,
        slope=float(rng.choice([1.0, 2.0, 2.0, 4.0])),
        track=rng.uniform(0.2, 1.0),
        voices=int(rng.integers(int(voices[0]), int(voices[1]) + 1)),
        detune_cents=between(rng, 4, 18),
        sub=rng.uniform(0.1, 0.6) if style == "bass" and rng.random() < 0.5 else 0.0,
        noise=rng.uniform(0.005, 0.05) if rng.random() < 0.2 else 0.0,
        vibrato_cents=rng.uniform(5, 25) if style == "lead" and rng.random() < 0.5 else 0.0,
        vibrato_hz=rng.uniform(4.5, 6.5),
        moves="filter" if kind == "stack" else kind,  # type: ignore[arg-type]
        modulator=times,
        index=(low_index, low_index + between(rng, 0.6, 6.0 / np.sqrt(times))),
        damping_s=between(rng, 0.15, 1.5),
        sweep_octaves=rng.uniform(0.6, 2.2) if sweeps else 0.0,
        sweep_turns=int(rng.choice([1, 1, 2])) * (bars if rng.random() < 0.4 else 1),
        sweep_phase=rng.random(),
        glide_s=between(rng, 0.015, 0.09),
    )
    if kind == "stack":
        return kit, _stacked(timbre, rng)
    return kit, timbre if kind == "filter" else _single(timbre, rng)


def _stacked(timbre: Timbre, rng: Rng) -> Timbre:
    """Five or seven detuned voices, a little brighter."""
    return dataclasses.replace(
        timbre, voices=int(rng.choice([5, 7])), detune_cents=between(rng, 10, 26), cutoff_hz=timbre.cutoff_hz * 1.5, track=1.0
    )


def _single(timbre: Timbre, rng: Rng) -> Timbre:
    """FM and plucks: one voice, or two that beat slowly."""
    return dataclasses.replace(timbre, voices=1 if rng.random() < 0.75 else 2, detune_cents=between(rng, 2, 6))
