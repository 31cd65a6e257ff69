"""Quality and cost of time-stretching loops to 2 s: ours, Rubber Band and librosa on the same sounds.

    python benchmarks/stretch.py            (needs pyrubberband with the rubberband program, and librosa)

Clicks: where the peaks of sixteenth-note clicks land against the grid. Pitch: of a steady tone. Seam: high-band energy of 10 ms
round the wrap over the loudest 10 ms elsewhere, for a chord of low tones that turns round without a seam before stretching.
Cost: process CPU time of one 2 s bar, one thread, alternating; Rubber Band is a child process, so its children's time counts.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable

import numpy as np

from loopwright.audio.stretch import stretch_circle

RATE = 44_100
N_OUT = 2 * RATE
TEMPI = (85.0, 92.0, 97.0, 104.0, 110.0, 126.0, 131.0, 140.0, 150.0, 160.0, 170.0)


def ours(x: np.ndarray) -> np.ndarray:
    return stretch_circle(x, N_OUT, RATE)


def rubberband(x: np.ndarray) -> np.ndarray:
    import pyrubberband

    return fit(pyrubberband.time_stretch(x, RATE, len(x) / N_OUT).astype(np.float32))


def phase_vocoder(x: np.ndarray) -> np.ndarray:
    import librosa

    return fit(librosa.effects.time_stretch(x, rate=len(x) / N_OUT))


def fit(y: np.ndarray) -> np.ndarray:
    return np.pad(y, (0, max(0, N_OUT - len(y))))[:N_OUT]


def clicks(n: int) -> np.ndarray:
    x = np.zeros(n, dtype=np.float32)
    for k in range(16):
        x[(round(n * (k + 0.3) / 16) + np.arange(-4, 5)) % n] += np.hanning(11)[1:-1].astype(np.float32)
    return x


def click_errors_ms(y: np.ndarray) -> np.ndarray:
    half = N_OUT // 32
    out = []
    for k in range(16):
        centre = round(N_OUT * (k + 0.3) / 16)
        near = np.abs(y[(centre + np.arange(-half, half)) % N_OUT])
        out.append((int(np.argmax(near)) - half) / RATE * 1000)
    return np.array(out)


def cents(y: np.ndarray, want_hz: float) -> float:
    middle = y[RATE // 2 : -RATE // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 16 * RATE))
    top = int(np.argmax(spectrum))
    a, b, c = np.log(spectrum[top - 1 : top + 2] + 1e-12)
    return float(1200 * np.log2((top + 0.5 * (a - c) / (a - 2 * b + c)) / 16 / want_hz))


def chord(n: int) -> np.ndarray:
    t = np.arange(n) / n
    return sum(0.2 * np.sin(2 * np.pi * round(f * n / RATE) * t + f) for f in (110.0, 220.5, 331.3, 640.1)).astype(np.float32)


def seam_db(y: np.ndarray) -> float:
    spectrum = np.fft.rfft(y)
    spectrum[np.fft.rfftfreq(len(y), 1 / RATE) < 6000] = 0
    power = np.fft.irfft(spectrum, len(y)) ** 2
    width = RATE // 100
    blocks = np.roll(power, width // 2)[: len(y) // width * width].reshape(-1, width).sum(axis=1)
    return float(10 * np.log10((blocks[0] + 1e-20) / (np.max(blocks[2:-1]) + 1e-20)))


def cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "loopwright": ours,
        "rubberband": rubberband,
        "librosa": phase_vocoder,
    }
    for method in methods.values():  # imports and caches are not what is measured
        method(chord(80_000))
    spent: dict[str, list[float]] = {name: [] for name in methods}
    errors: dict[str, list[float]] = {name: [] for name in methods}
    pitch: dict[str, list[float]] = {name: [] for name in methods}
    seam: dict[str, list[float]] = {name: [] for name in methods}
    rng = np.random.default_rng(0)
    for bpm in TEMPI:
        n = round(60 * RATE * 4 / bpm)
        tone = np.sin(2 * np.pi * round(440 * n / RATE) * np.arange(n) / n).astype(np.float32)
        for name, method in methods.items():
            errors[name] += list(click_errors_ms(method(clicks(n))))
            pitch[name].append(cents(method(tone), round(440 * n / RATE) * RATE / n))
            seam[name].append(seam_db(method(chord(n))))
            noise = (0.1 * rng.standard_normal(n)).astype(np.float32)
            start = cpu_s()
            method(noise)
            spent[name].append(cpu_s() - start)
    for name in methods:
        late = np.array(errors[name])
        print(
            json.dumps(
                {
                    "method": name,
                    "bars": len(TEMPI),
                    "click_ms_median": round(float(np.median(late)), 2),
                    "click_ms_worst": round(float(np.max(np.abs(late))), 2),
                    "pitch_cents_worst": round(float(np.max(np.abs(pitch[name]))), 2),
                    "seam_db_median": round(float(np.median(seam[name])), 1),
                    "seam_db_worst": round(float(np.max(seam[name])), 1),
                    "cpu_ms_per_bar": round(1000 * float(np.median(spent[name])), 1),
                }
            )
        )


if __name__ == "__main__":
    main()
