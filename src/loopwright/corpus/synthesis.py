"""A small wavetable synthesiser: band-limited oscillators, a filter with an envelope, ADSR, chorus round the loop.

An oscillator is one cycle given by its harmonics. Harmonics above the audible band are left out (so nothing aliases) and
the filter is applied to the harmonics: a stack of tables with rising cutoff is read with a moving index. That makes a
moving filter exact for each table, free of clicks, and quick without a loop over samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopwright.corpus.circular import Floats

RATE_HZ = 48_000
TOP_HZ = 20_000.0
TABLE = 4096  # points in a cycle
MAX_HARMONICS = 299  # of a 600-sample cycle
_CUTOFFS_HZ = 60.0 * 2 ** (np.arange(27) / 3.0)  # three tables an octave, 60 Hz to 24 kHz


@dataclass(frozen=True)
class Envelope:
    """Attack, decay and release in seconds, sustain 0 .. 1. Decay and release are exponential."""

    attack_s: float
    decay_s: float
    sustain: float
    release_s: float

    def curve(self, gate_samples: int) -> Floats:
        """Values for a note held `gate_samples`: float32 (gate + release,), ends at 0."""
        total = gate_samples + max(int(self.release_s * RATE_HZ), 64)
        time_s = np.arange(total, dtype=np.float32) / np.float32(RATE_HZ)
        attack = max(self.attack_s, 0.0005)
        after = np.maximum(time_s - np.float32(attack), 0)
        level = np.minimum(time_s / np.float32(attack), 1) * (
            self.sustain + (1 - self.sustain) * np.exp(-after / np.float32(max(self.decay_s, 0.002) / 3))
        )
        tail = total - gate_samples
        past = np.arange(tail, dtype=np.float32) / np.float32(tail)
        level[gate_samples:] = level[min(gate_samples, total - 1)] * (np.exp(-5 * past) - np.exp(-5.0)) / (1 - np.exp(-5.0))
        return level.astype(np.float32)


@dataclass(frozen=True)
class Timbre:
    """A sound, to be played at any pitch."""

    harmonics: NDArray[np.complex128]  # (H,) complex amplitudes of the fundamental upwards
    amp: Envelope
    filter_env: Envelope
    cutoff_hz: float  # with the filter envelope at 0 and the key at C4
    env_octaves: float
    resonance: float = 0.0  # 0 .. 3: height of the bump at the cutoff
    slope: float = 2.0  # filter steepness, in poles
    track: float = 0.5  # how much the cutoff follows the key
    voices: int = 1
    detune_cents: float = 0.0
    sub: float = 0.0  # level of a sine an octave below
    noise: float = 0.0
    vibrato_cents: float = 0.0


def frequency(midi: float) -> float:
    """Hz of a MIDI note; A4 = 69 = 440 Hz."""
    return float(440.0 * 2 ** ((midi - 69) / 12))


def harmonics_of(cycle: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.complex128]:
    """Complex harmonics of one cycle (P,): mean removed, RMS of the sound 1. All zeros stay zeros."""
    spectrum = np.fft.rfft(np.asarray(cycle, dtype=np.float64))[1:][:MAX_HARMONICS]
    power = np.sqrt(2 * np.sum(np.abs(spectrum) ** 2))
    return spectrum / power if power > 0 else spectrum


def analog_harmonics(shape: str, pulse_width: float = 0.5) -> NDArray[np.complex128]:
    """Harmonics of "saw", "square" (any pulse width), "triangle" or "sine", RMS 1."""
    k = np.arange(1, MAX_HARMONICS + 1)
    if shape == "saw":
        a = -1j / k
    elif shape == "square":
        a = -1j * (1 - np.exp(-2j * np.pi * k * pulse_width)) / k
    elif shape == "triangle":
        a = np.where(k % 2 == 1, 1.0 / k**2, 0.0) + 0j
    else:
        a = np.where(k == 1, -1j, 0j)
    return np.asarray(a / np.sqrt(2 * np.sum(np.abs(a) ** 2)))


def tables(
    harmonics: NDArray[np.complex128], f0_hz: float, cutoffs_hz: NDArray[np.float64], resonance: float, slope: float
) -> Floats:
    """One cycle for each cutoff, (K, TABLE): harmonics below TOP_HZ, low-passed in magnitude with a bump at the cutoff."""
    count = min(len(harmonics), max(int(TOP_HZ / f0_hz), 1))
    ratio = f0_hz * np.arange(1, count + 1)[None] / cutoffs_hz[:, None]
    magnitude = 1 / np.sqrt(1 + ratio ** (2 * slope))
    if resonance:
        magnitude = magnitude * (1 + resonance * np.exp(-0.5 * (np.log2(ratio) / 0.18) ** 2))
    spectrum = np.zeros((len(cutoffs_hz), TABLE // 2 + 1), np.complex128)
    spectrum[:, 1 : count + 1] = harmonics[:count] * magnitude
    return (np.fft.irfft(spectrum, TABLE) * TABLE).astype(np.float32)


def play(timbre: Timbre, midi: float, gate_samples: int, velocity: float, rng: np.random.Generator) -> Floats:
    """One note, float32 (gate + release,). `velocity` 0 .. 1 sets level and brightness."""
    f0 = frequency(midi)
    amp = timbre.amp.curve(gate_samples)
    n = len(amp)
    env = np.zeros(n, np.float32)
    curve = timbre.filter_env.curve(gate_samples)[:n]
    env[: len(curve)] = curve
    base = np.log2(timbre.cutoff_hz / _CUTOFFS_HZ[0]) + timbre.track * (midi - 60) / 12 + 1.5 * (velocity - 0.8)
    index = np.clip(3 * (base + timbre.env_octaves * env), 0, len(_CUTOFFS_HZ) - 1.001).astype(np.float32)
    first, last = int(index.min()), min(int(index.max()) + 2, len(_CUTOFFS_HZ))
    stack = tables(timbre.harmonics, f0, _CUTOFFS_HZ[first:last], timbre.resonance, timbre.slope)
    index -= first
    row = index.astype(np.int64)
    mix = index - row
    flat = stack.ravel()
    time = np.arange(n)
    out = np.zeros(n, np.float32)
    wobble = 0.0
    if timbre.vibrato_cents:
        depth = f0 * (2 ** (timbre.vibrato_cents / 1200) - 1)
        rate = 5.5
        grow = np.minimum(time / (0.35 * RATE_HZ), 1)
        wobble = grow * depth / rate / (2 * np.pi) * (1 - np.cos(2 * np.pi * rate * time / RATE_HZ))
    for voice in range(timbre.voices):
        spread = 0.0 if timbre.voices == 1 else 2 * voice / (timbre.voices - 1) - 1
        ratio = 2 ** (timbre.detune_cents * spread / 1200)
        start = rng.random() if timbre.voices > 1 else 0.0
        phase = (start + ratio * (f0 / RATE_HZ * time + wobble)) % 1.0 * TABLE
        point = phase.astype(np.int64)
        part = (phase - point).astype(np.float32)
        after = (point + 1) % TABLE
        low = row * TABLE
        a = flat[low + point] * (1 - part) + flat[low + after] * part
        b = flat[low + TABLE + point] * (1 - part) + flat[low + TABLE + after] * part
        out += a + (b - a) * mix
    out /= np.float32(np.sqrt(timbre.voices))
    if timbre.sub:
        out += np.float32(1.4 * timbre.sub) * np.sin(np.pi * f0 / RATE_HZ * time).astype(np.float32)
    if timbre.noise:
        out += np.float32(timbre.noise) * rng.standard_normal(n).astype(np.float32) * env
    return out * amp * np.float32(0.35 + 0.65 * velocity)


def chorus(x: Floats, rng: np.random.Generator, *, depth_ms: float, mix: float) -> Floats:
    """Two modulated delays whose sweeps go a whole number of times round the loop (N,), so the loop stays seamless."""
    n = len(x)
    time = np.arange(n)
    wet = np.zeros(n, np.float32)
    for turns in rng.choice([1, 2, 3], 2, replace=False):
        sweep = np.sin(2 * np.pi * (turns * time / n + rng.random()))
        place = (time - RATE_HZ * (0.008 + depth_ms / 1000 * 0.5 * (1 + sweep))) % n
        low = place.astype(np.int64) % n
        part = (place - np.floor(place)).astype(np.float32)
        wet += x[low] * (1 - part) + x[(low + 1) % n] * part
    return (x * np.float32(1 - mix / 2) + wet * np.float32(mix / 2)).astype(np.float32)
