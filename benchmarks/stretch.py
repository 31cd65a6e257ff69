"""Quality and cost of time-stretching loops to 2 s: ours, Signalsmith, Rubber Band and librosa on the same sounds.

    python benchmarks/stretch.py            (needs python-stretch, librosa, and pyrubberband with its program)

Clicks: where the peaks of sixteenth-note clicks land against the grid. Pitch: of a steady tone. Seam: high-band energy of 10 ms
round the wrap over the loudest 10 ms elsewhere, for a chord of low tones that turns round without a seam before stretching.
Drums, notes: mean difference in dB of log-mels (48 kHz, above -80 dB) between a bar that was stretched and the same one-shots,
or the same three-note chords, played at 120 BPM in the first place. Signalsmith runs as we ran it before: on more than a turn,
blocks of 80 ms every 25 ms. Cost: process CPU time of one 2 s bar, one thread, alternating; Rubber Band is a child process, so
its children's time counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from loopwright.audio.mel import LogMel
from loopwright.audio.stretch import crossfade, stretch_circle
from loopwright.config import LOOP48

RATE = 44_100
N_OUT = 2 * RATE
TEMPI = (85.0, 92.0, 97.0, 104.0, 110.0, 126.0, 131.0, 140.0, 150.0, 160.0, 170.0)


def ours(x: np.ndarray) -> np.ndarray:
    return stretch_circle(x, N_OUT, RATE)


def signalsmith(x: np.ndarray) -> np.ndarray:
    import python_stretch

    stretcher = python_stretch.Signalsmith.Stretch(0)
    stretcher.configure(1, round(0.080 * RATE), round(0.025 * RATE))
    factor, fade = len(x) / N_OUT, 1024
    pad = round(1.25 * stretcher.blockSamples()) + int(np.ceil(fade * factor))
    stretcher.setTimeFactor(factor)
    long = np.asarray(stretcher.process(np.take(x, np.arange(-pad, len(x) + pad), mode="wrap")[None]))[0]
    start = round(pad / factor)
    out = long[start : start + N_OUT].copy()
    out[-fade:] = crossfade(out[-fade:], long[start - fade : start])
    return out


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


def chord(n: int, tones_hz: Sequence[float] = (110.0, 220.5, 331.3, 640.1)) -> np.ndarray:
    t = np.arange(n) / n
    return sum(0.2 * np.sin(2 * np.pi * round(f * n / RATE) * t + f) for f in tones_hz).astype(np.float32)


def seam_db(y: np.ndarray) -> float:
    spectrum = np.fft.rfft(y)
    spectrum[np.fft.rfftfreq(len(y), 1 / RATE) < 6000] = 0
    power = np.fft.irfft(spectrum, len(y)) ** 2
    width = RATE // 100
    blocks = np.roll(power, width // 2)[: len(y) // width * width].reshape(-1, width).sum(axis=1)
    return float(10 * np.log10((blocks[0] + 1e-20) / (np.max(blocks[2:-1]) + 1e-20)))


def seams(method: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """The seam at every whole tempo from 85 to 170, and of 120 chords of one to five random low tones at random tempi."""
    rng = np.random.default_rng(1)
    lengths = [round(60 * RATE * 4 / bpm) for bpm in range(85, 171) if bpm != 120]
    same = np.array([seam_db(method(chord(n))) for n in lengths])
    random = []
    for _ in range(120):
        n = round(60 * RATE * 4 / rng.uniform(85, 170))
        random.append(seam_db(method(chord(n, rng.uniform(80, 1200, rng.integers(1, 6))))))
    both = np.array([*same, *random])
    return {
        "worst_of_85_tempi": round(float(same.max()), 1),
        "worst_of_120_chords": round(float(np.max(random)), 1),
        "median": round(float(np.median(both)), 1),
        "share_above_3_db": round(float(np.mean(both > 3)), 3),
    }


def drums(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 7.5 * (1 - np.exp(-40 * t)))) * np.exp(-14 * t)
    snare = 0.5 * rng.standard_normal(len(t)) * np.exp(-25 * t) + 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-30 * t)
    hat = 0.25 * np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-70 * t)
    x = np.zeros(n)
    for k in range(16):
        at = (round(k * n / 16) + np.arange(len(t))) % n
        if k % 2 == 0 or rng.random() < 0.3:
            x[at] += hat * rng.uniform(0.4, 1)
        if k in (0, 10) or rng.random() < 0.15:
            x[at] += kick
        if k in (4, 12) or rng.random() < 0.1:
            x[at] += snare * rng.uniform(0.3, 1)
    return (0.3 * x).astype(np.float32)


def notes(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    length = n // 4
    t = np.arange(length) / RATE
    envelope = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.015 * RATE))
    x = np.zeros(n)
    for k in range(4):
        for hz in rng.choice([110.0, 130.8, 146.8, 164.8, 196.0, 220.0, 261.6, 329.6, 392.0, 440.0], 3, replace=False):
            for h in range(1, 12):
                x[k * length : (k + 1) * length] += 0.05 / h * envelope * np.sin(2 * np.pi * hz * h * t + rng.uniform(0, 6))
    return x.astype(np.float32)


def mel_difference_db(y: np.ndarray, want: np.ndarray) -> float:
    import librosa

    log_mel = LogMel(LOOP48)
    at_48k = [librosa.resample(z, orig_sr=RATE, target_sr=48_000)[:96_000] for z in (y, want)]
    a, b = (log_mel(torch.from_numpy(z)).clamp_min(-4) for z in at_48k)
    return float(20 * (a - b).abs().mean())


def cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="every so many of the tempi")
    parser.add_argument("--only", nargs="*", help="some of the methods")
    parser.add_argument("--seams", action="store_true", help="only the seam, at many tempi and with many chords")
    args = parser.parse_args()
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "loopwright": ours,
        "signalsmith": signalsmith,
        "rubberband": rubberband,
        "librosa": phase_vocoder,
    }
    methods = {name: method for name, method in methods.items() if not args.only or name in args.only}
    torch.set_num_threads(1)
    for method in methods.values():  # imports and caches are not what is measured
        method(chord(80_000))
    if args.seams:
        for name, method in methods.items():
            print(json.dumps({"method": name, **seams(method)}))
        return
    spent: dict[str, list[float]] = {name: [] for name in methods}
    errors: dict[str, list[float]] = {name: [] for name in methods}
    pitch: dict[str, list[float]] = {name: [] for name in methods}
    seam: dict[str, list[float]] = {name: [] for name in methods}
    played: dict[str, dict[str, list[float]]] = {name: {"drums": [], "notes": [], "both": []} for name in methods}
    rng = np.random.default_rng(0)
    for seed, bpm in enumerate(TEMPI[:: args.every]):
        n = round(60 * RATE * 4 / bpm)
        tone = np.sin(2 * np.pi * round(440 * n / RATE) * np.arange(n) / n).astype(np.float32)
        music = {"drums": [drums(m, seed) for m in (n, N_OUT)], "notes": [notes(m, seed) for m in (n, N_OUT)]}
        music["both"] = [a + b for a, b in zip(*music.values(), strict=True)]
        for name, method in methods.items():
            errors[name] += list(click_errors_ms(method(clicks(n))))
            pitch[name].append(cents(method(tone), round(440 * n / RATE) * RATE / n))
            seam[name].append(seam_db(method(chord(n))))
            noise = (0.1 * rng.standard_normal(n)).astype(np.float32)
            for kind, (at, want) in music.items():
                played[name][kind].append(mel_difference_db(method(at), want))
            start = cpu_s()
            method(noise)
            spent[name].append(cpu_s() - start)
    for name in methods:
        late = np.array(errors[name])
        print(
            json.dumps(
                {
                    "method": name,
                    "bars": len(spent[name]),
                    "click_ms_median": round(float(np.median(late)), 2),
                    "click_ms_worst": round(float(np.max(np.abs(late))), 2),
                    "pitch_cents_worst": round(float(np.max(np.abs(pitch[name]))), 2),
                    "seam_db_median": round(float(np.median(seam[name])), 1),
                    "seam_db_worst": round(float(np.max(seam[name])), 1),
                    **{f"{kind}_db": round(float(np.mean(v)), 2) for kind, v in played[name].items()},
                    "cpu_ms_per_bar": round(1000 * float(np.median(spent[name])), 1),
                }
            )
        )


if __name__ == "__main__":
    main()
