"""A small synthesiser: band-limited oscillators whose sound moves, ADSR, glide and vibrato, chorus round the loop.

An oscillator is one cycle given by its harmonics. Harmonics above the audible band are left out, so nothing aliases. A sound
that moves (a filter, the index of FM, the damping of a string) is a stack of such cycles, read with a moving index: exact for
each table, free of clicks, and quick without a loop over samples. FM: Chowning, JAES 21(7), 1973. Plucks decay as a string
does, high harmonics first, after Karplus and Strong, CMJ 7(2), 1983, but with harmonics in tune.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Float32, Float64
from loopwright.corpus.bar import CORPUS_RATE_HZ

TOP_HZ = 20_000.0
TABLE_BITS = 12
TABLE = 1 << TABLE_BITS  # points in a cycle
MAX_HARMONICS = 299  # of a 600-sample cycle
_CUTOFFS_HZ = 60.0 * 2 ** (np.arange(27) / 3.0)  # three tables an octave, 60 Hz to 24 kHz
_FM_STEP = 0.4  # radians of index from one table to the next
_DAMP_ROWS = 24
Uint32 = NDArray[np.uint32]


@dataclass(frozen=True)
class Envelope:
    """Attack, decay and release in seconds, sustain 0 .. 1. Decay and release are exponential."""

    attack_s: float
    decay_s: float
    sustain: float
    release_s: float

    def curve(self, gate_samples: int) -> Float32:
        """Values for a note held `gate_samples`: float32 (gate + release,), ends at 0."""
        total = gate_samples + max(int(self.release_s * CORPUS_RATE_HZ), 64)
        time_s = np.arange(total, dtype=np.float32) / np.float32(CORPUS_RATE_HZ)
        attack = max(self.attack_s, 0.0005)
        after = np.maximum(time_s - np.float32(attack), 0)
        level = np.minimum(time_s / np.float32(attack), 1) * (
            np.float32(self.sustain) + np.float32(1 - self.sustain) * np.exp(-after / np.float32(max(self.decay_s, 0.002) / 3))
        )
        tail = total - gate_samples
        past = np.arange(tail, dtype=np.float32) / np.float32(tail)
        end = np.float32(np.exp(-5.0))
        level[gate_samples:] = level[min(gate_samples, total - 1)] * (np.exp(-5 * past) - end) / (1 - end)
        return level.astype(np.float32)


@dataclass(frozen=True)
class Timbre:
    """A sound, to be played at any pitch.

    `moves` says what the filter envelope (and the sweep) moves: the cutoff of a filter over `harmonics`, or the index of
    two-operator FM (then `harmonics` is not used). A pluck's stack is read by time alone.
    """

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
    vibrato_hz: float = 5.5
    moves: Literal["filter", "fm", "pluck"] = "filter"
    modulator: int = 1  # FM: its frequency in multiples of the note, which is the carrier
    index: tuple[float, float] = (0.5, 3.0)  # FM: modulation index with the envelope at 0 and at 1
    damping_s: float = 0.3  # pluck: time in which the tenth harmonic falls by 60 dB more than the first, at C4
    sweep_octaves: float = 0.0  # of the cutoff, up and down round the loop; FM: a fifth of it in index
    sweep_turns: int = 1
    sweep_phase: float = 0.0
    glide_s: float = 0.06  # time constant of a slide


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


def _cycles(spectra: NDArray[np.complexfloating]) -> Float32:
    """Harmonics (K, H) as cycles (K, TABLE + 1), the first point repeated at the end."""
    full = np.zeros((len(spectra), TABLE // 2 + 1), np.complex64)
    full[:, 1 : spectra.shape[1] + 1] = spectra * np.float32(TABLE)
    out = np.empty((len(spectra), TABLE + 1), np.float32)
    out[:, :TABLE] = np.fft.irfft(full, TABLE)
    out[:, TABLE] = out[:, 0]
    return out


def _lowpass(ratio: NDArray[np.floating], resonance: float, slope: float) -> NDArray[np.floating]:
    """Magnitude at frequencies given as multiples of the cutoff."""
    magnitude = 1 / np.sqrt(1 + ratio ** (2 * slope))
    if resonance:
        magnitude = magnitude * (1 + resonance * np.exp(-0.5 * (np.log2(ratio) / 0.18) ** 2))
    return magnitude


def _audible(f0_hz: float, most: int) -> int:
    return min(most, max(int(TOP_HZ / f0_hz), 1))


def tables(harmonics: NDArray[np.complex128], f0_hz: float, cutoffs_hz: Float64, resonance: float, slope: float) -> Float32:
    """One cycle for each cutoff, (K, TABLE + 1): harmonics below TOP_HZ, low-passed in magnitude with a bump at the cutoff."""
    count = _audible(f0_hz, len(harmonics))
    ratio = f0_hz * np.arange(1, count + 1)[None] / cutoffs_hz[:, None]
    return _cycles(harmonics[:count] * _lowpass(ratio, resonance, slope))


@lru_cache(maxsize=16)
def _fm_spectra(modulator: int, low: float, high: float) -> NDArray[np.complex128]:
    """Harmonics of sin(t + I sin(m t)) for rising I, (K, H), RMS 1. They are Bessel functions of I; here by FFT."""
    index = low + (high - low) * np.linspace(0, 1, max(int(np.ceil((high - low) / _FM_STEP)) + 1, 2))
    turn = 2 * np.pi * np.arange(TABLE) / TABLE
    cycles = np.sin(turn + index[:, None] * np.sin(modulator * turn))
    return np.fft.rfft(cycles)[:, 1 : MAX_HARMONICS + 1] * (np.sqrt(2) / TABLE)


def _stack(timbre: Timbre, midi: float, velocity: float, env: Float32, sweep: Float32 | float) -> tuple[Float32, Float32]:
    """The cycles a note moves through, (K, TABLE + 1), and its place among them for each sample, float32 (n,) or (1,)."""
    f0 = frequency(midi)
    bright = 1.5 * (velocity - 0.8)
    key = (midi - 60) / 12
    if timbre.moves == "filter":
        base = np.log2(timbre.cutoff_hz / _CUTOFFS_HZ[0]) + timbre.track * key + bright
        index = np.clip(3 * (base + timbre.env_octaves * env + sweep), 0, len(_CUTOFFS_HZ) - 1.001).astype(np.float32)
        first, last = int(index.min()), min(int(index.max()) + 2, len(_CUTOFFS_HZ))
        return tables(timbre.harmonics, f0, _CUTOFFS_HZ[first:last], timbre.resonance, timbre.slope), index - np.float32(first)
    cutoff = timbre.cutoff_hz * 2 ** (timbre.track * key + bright)
    if timbre.moves == "fm":
        spectra = _fm_spectra(timbre.modulator, *timbre.index)
        place = np.clip((env + 0.2 * sweep) * (0.6 + 0.5 * velocity), 0, 1)
        index = (place * (len(spectra) - 1.001)).astype(np.float32)
    else:
        rows = np.arange(_DAMP_ROWS) / (_DAMP_ROWS - 1)
        spectra = timbre.harmonics * np.exp(-9.0 * rows[:, None] * np.arange(len(timbre.harmonics)) / 9)
        # The tenth harmonic is 60 dB (a factor of e ** -6.9) down after `damping_s`, sooner in high notes; rows end at e ** -9.
        seconds = timbre.damping_s * 2 ** (-0.6 * key) * 9.0 / 6.9
        time_s = np.arange(len(env), dtype=np.float32) / np.float32(CORPUS_RATE_HZ)
        index = np.minimum(time_s * np.float32((_DAMP_ROWS - 1) / seconds), np.float32(_DAMP_ROWS - 1.001))
    count = _audible(f0, spectra.shape[1])
    low = _lowpass(f0 * np.arange(1, count + 1) / cutoff, 0.0, timbre.slope)
    return _cycles(spectra[:, :count] * low), index


def _read(stack: Float32, index: Float32, phase: Uint32) -> Float32:
    """The stack at a phase (n,), in 2**-32 of a cycle, between points and rows by straight lines."""
    shift = np.uint32(32 - TABLE_BITS)
    point = (phase >> shift).astype(np.int64)
    part = (phase & np.uint32((1 << (32 - TABLE_BITS)) - 1)).astype(np.float32) * np.float32(2.0 ** (TABLE_BITS - 32))
    if len(index) == 1:
        low = int(index[0])
        one = stack[low] if len(stack) == 1 else stack[low] + (index[0] - low) * (stack[low + 1] - stack[low])
        a = one[point]
        return a + (one[point + 1] - a) * part
    flat = stack.ravel()
    row = index.astype(np.int64)
    mix = index - row.astype(np.float32)
    point += row * (TABLE + 1)
    a = flat[point]
    a += (flat[point + 1] - a) * part
    point += TABLE + 1
    b = flat[point]
    b += (flat[point + 1] - b) * part
    return a + (b - a) * mix


def _seconds(timbre: Timbre, n: int, slide: int) -> Float64 | None:
    """Seconds since the start, stretched by slide and vibrato, for each sample; None if the pitch is constant."""
    if not timbre.vibrato_cents and not slide:
        return None
    time_s = np.arange(n) / CORPUS_RATE_HZ
    octaves = np.zeros(n, np.float32)
    if timbre.vibrato_cents:
        grow = np.minimum(time_s / 0.35, 1)
        octaves += (timbre.vibrato_cents / 1200 * grow * np.sin(2 * np.pi * timbre.vibrato_hz * time_s)).astype(np.float32)
    if slide:
        octaves += (slide / 12 * np.exp(-time_s / timbre.glide_s)).astype(np.float32)
    return np.cumsum(np.exp2(octaves), dtype=np.float64) / CORPUS_RATE_HZ


def _phase(f0: float, n: int, warped_s: Float64 | None, start: float) -> Uint32:
    """Phase in 2**-32 of a cycle, wrapped. 2**-32 of 48 kHz is 11 microhertz."""
    first = np.uint32(int(start * 2**32) & 0xFFFFFFFF)
    if warped_s is None:
        out = np.arange(n, dtype=np.uint32)
        out *= np.uint32(round(f0 / CORPUS_RATE_HZ * 2**32))
    else:
        out = (warped_s * (f0 * 2.0**32)).astype(np.int64).astype(np.uint32)
    out += first
    return out


def play(
    timbre: Timbre,
    midi: float,
    gate_samples: int,
    velocity: float,
    rng: np.random.Generator,
    *,
    slide: int = 0,
    place: float = 0.0,
    samples: int = 96_000,
) -> Float32:
    """One note, float32 (gate + release,). `velocity` 0 .. 1 sets level and brightness; `slide` is where it comes from.

    `place` (share of the loop) and `samples` (its length) matter for sounds that sweep with the loop.
    """
    f0 = frequency(midi)
    amp = timbre.amp.curve(gate_samples)
    n = len(amp)
    env = np.zeros(n, np.float32)
    curve = timbre.filter_env.curve(gate_samples)[:n]
    env[: len(curve)] = curve
    sweep: Float32 | float = 0.0
    if timbre.sweep_octaves:
        turn = np.arange(n, dtype=np.float32) * np.float32(timbre.sweep_turns / samples)
        turn += np.float32(place * timbre.sweep_turns + timbre.sweep_phase)
        sweep = np.float32(timbre.sweep_octaves) * np.sin(np.float32(2 * np.pi) * turn)
    stack, index = _stack(timbre, midi, velocity, env, sweep)
    warped_s = _seconds(timbre, n, slide)
    out = np.zeros(n, np.float32)
    for voice in range(timbre.voices):
        spread = 0.0 if timbre.voices == 1 else 2 * voice / (timbre.voices - 1) - 1
        start = rng.random() if timbre.voices > 1 else 0.0
        out += _read(stack, index, _phase(f0 * 2 ** (timbre.detune_cents * spread / 1200), n, warped_s, start))
    out /= np.float32(np.sqrt(timbre.voices))
    if timbre.sub:
        low = _phase(f0 / 2, n, warped_s, 0.0).astype(np.float32) * np.float32(2 * np.pi / 2**32)
        out += np.float32(1.4 * timbre.sub) * np.sin(low)
    if timbre.noise:
        out += np.float32(timbre.noise) * rng.standard_normal(n, dtype=np.float32) * env
    out *= amp
    out *= np.float32(0.35 + 0.65 * velocity)
    return out


def chorus(x: Float32, rng: np.random.Generator, *, depth_ms: float, mix: float, bars: int = 1) -> Float32:
    """Two modulated delays whose sweeps go a whole number of times round the loop (N,), so the loop stays seamless."""
    n = len(x)
    turn = np.arange(n, dtype=np.float32) * np.float32(2 * np.pi / n)
    place = np.arange(n)
    wet = np.zeros(n, np.float32)
    for turns in rng.choice([1, 2, 3], 2, replace=False):
        sweep = 1 + np.sin(np.float32(turns * bars) * turn + np.float32(2 * np.pi * rng.random()))
        delay = np.float32(CORPUS_RATE_HZ * 0.008) + np.float32(CORPUS_RATE_HZ * depth_ms / 2000) * sweep
        whole = np.ceil(delay)
        part = whole - delay  # of a sample, from the older one on
        low = place - whole.astype(np.int64)  # negative indices go round by themselves
        a = x[low]
        wet += a + (x[low + 1] - a) * part
    return (x * np.float32(1 - mix / 2) + wet * np.float32(mix / 2)).astype(np.float32)
