"""Which metric hears which musical fault? Real bars are spoiled in ways a musician hears at once, and measured.

    python scripts/musical_sanity.py CORPUS -o OUT [--judges yamnet,musicnn,basic_pitch] [-n 120]

CORPUS: a folder of `loopwright corpus synth` or `drums`. Reference: its test bars; spoiled: N validation bars; innocent: draws
of N unspoiled validation bars, which tell how far a value moves by chance (and by other kits). A fault is seen if its value is
worse than the innocent mean by 5 standard deviations and worse than every innocent draw. Two rows are no faults but what the
means of making faults do by themselves; read the faults beside them. Bars are heard at 48 kHz by the musical metrics and at
each judge's own rate by the judges. Writes musical.json and musical.md.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics
from loopwright.audio.io import read_audio
from loopwright.audio.resample import resample_circle
from loopwright.features import load_judge
from loopwright.features.basic_pitch import HOP, BasicPitch, pool
from loopwright.metrics.music import MEASURES

RATE = 48_000
SEMITONES = 12  # an octave
LOWEST_HZ = 440 * 2 ** ((24 - 69) / 12)  # C1
BANDS = 112  # up to 20 kHz

Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def move(x: np.ndarray, cents: float, chosen: np.ndarray) -> np.ndarray:
    """Move the content of semitone-wide bands by `cents`, each as a whole, by so many lines of the spectrum: exactly periodic.

    A band so moved keeps its envelope. What bands do together is not kept: attacks lose 7 dB of their rise, so there is a row
    that is moved without being a fault. `chosen`: (BANDS,), which are moved.
    """
    spectrum = np.fft.rfft(x)
    top, hz = len(spectrum), RATE / len(x)
    edges = LOWEST_HZ * 2 ** ((np.arange(BANDS + 1) - 0.5) / SEMITONES)  # a note is in the middle of its band
    first, last = round(edges[0] / hz), round(edges[-1] / hz)
    out = np.zeros_like(spectrum)
    out[:first], out[last:] = spectrum[:first], spectrum[last:]
    for band in range(BANDS):
        first, last = round(edges[band] / hz), round(edges[band + 1] / hz)
        by = round((edges[band] * edges[band + 1]) ** 0.5 * (2 ** (cents / 1200) - 1) / hz) if chosen[band] else 0
        some = spectrum[first:last][: max(top - first - by, 0)]
        out[first + by : first + by + len(some)] += some
    return np.fft.irfft(out, len(x))


def faster(x: np.ndarray, cents: float) -> np.ndarray:
    """The bar played so much faster that it is so much higher: a whole bar at another tempo, nothing else touched."""
    return resample_circle(x.astype(np.float32), round(len(x) / 2 ** (cents / 1200)))


def semitone_faster(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """6% faster, a semitone up: in tune. No fault, but what a change of speed does by itself."""
    return faster(x, 100)


def detune(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """2% faster, 35 cents up."""
    return faster(x, 35)


def semitone(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All bands a semitone up: in tune. No fault, but what moving bands does by itself."""
    return move(x, 100, np.ones(BANDS, bool))


def third(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One partial in three 35 cents up."""
    return move(x, 35, rng.permutation(BANDS) % 3 == 0)


def half(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The second half of the bar a semitone up, with fades of 10 ms."""
    n, fade = len(x), round(0.01 * RATE)
    share = np.zeros(n)
    share[n // 2 :] = 1
    share[n // 2 : n // 2 + fade] = np.linspace(0, 1, fade)
    share[-fade:] = np.linspace(1, 0, fade)
    return x * (1 - share) + semitone(x, rng) * share


def blur(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every moment spread over 20 ms: convolved with 20 ms of noise, whose spectrum is made flat so that no timbre changes."""
    kernel = np.zeros(len(x))
    length = round(0.02 * RATE)
    kernel[:length] = rng.normal(size=length) * np.hanning(length)
    spectrum = np.fft.rfft(np.roll(kernel, -length // 2))
    return np.fft.irfft(np.fft.rfft(x) * spectrum / np.maximum(np.abs(spectrum), 1e-9), len(x))


FAULTS: dict[str, Spoil] = {
    "6% faster, in tune (no fault)": semitone_faster,
    "2% faster, 35 cents up": detune,
    "bands a semitone up (no fault)": semitone,
    "one partial in three 35 cents up": third,
    "second half a semitone up": half,
    "blur of 20 ms": blur,
}


class Heard:
    """Bars as judges and musical metrics hear them."""

    def __init__(self, embeddings: dict[str, np.ndarray], music: metrics.MusicalFeatures) -> None:
        self.embeddings, self.music = embeddings, music

    def take(self, rows: np.ndarray) -> Heard:
        return Heard({name: e[rows] for name, e in self.embeddings.items()}, self.music[rows])


def hear(bars: np.ndarray, judges: list) -> Heard:
    """Embeddings and musical features of (n, N) at 48 kHz. Basic Pitch runs once for both."""
    embeddings: dict[str, list[np.ndarray]] = {judge.name: [] for judge in judges}
    parts = []
    for i in range(0, len(bars), 16):
        some, posteriors = bars[i : i + 16].astype(np.float32), None
        for judge in judges:
            clips = resample_circle(some, round(some.shape[1] * judge.rate_hz / RATE))
            turn = clips.shape[1]
            if clips.shape[1] < judge.min_samples:
                clips = np.tile(clips, 2)
            if isinstance(judge, BasicPitch):
                posteriors = judge.notes(clips)
                embeddings[judge.name].append(pool(posteriors, turn / HOP))
            else:
                embeddings[judge.name].append(judge.embed(clips))
        parts.append(metrics.musical_features(some, RATE, 1, posteriors=posteriors))
    return Heard({name: np.concatenate(v) for name, v in embeddings.items()}, metrics.MusicalFeatures.join(parts))


def numbers(reference: Heard, fake: Heard) -> dict[str, float]:
    """All figures of one set against the reference; larger is worse."""
    out = {}
    for judge, real in reference.embeddings.items():
        out[f"KAD {judge}"] = metrics.kad(real, fake.embeddings[judge])
        out[f"1 - coverage {judge}"] = 1 - metrics.density_coverage(real, fake.embeddings[judge])[1]
    return out | metrics.compare_music(reference.music, fake.music)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--judges", default="yamnet,musicnn,basic_pitch")
    parser.add_argument("-n", type=int, default=120)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    judges = [load_judge(name) for name in args.judges.split(",")]
    with (args.corpus / "loops.csv").open(newline="", encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))

    def bars(split: str) -> np.ndarray:
        files = [args.corpus / row["file"] for row in table if row["split"] == split]
        return np.stack([read_audio(path).samples[:, 0] for path in files])

    print("reference and innocent bars", flush=True)
    reference, spare = hear(bars("test"), judges), bars("validation")
    pool, n = hear(spare, judges), args.n
    picks = [np.sort(rng.choice(len(spare), n, replace=False)) for _ in range(args.draws + 1)]
    innocent = [numbers(reference, pool.take(rows)) for rows in picks[1:]]
    summaries = {"test": metrics.summarise_music(reference.music), "validation": metrics.summarise_music(pool.music)}
    faults = {}
    for name, spoil in FAULTS.items():
        print(name, flush=True)
        spoiled = hear(
            np.stack([spoil(x, np.random.default_rng((args.seed, i))) for i, x in enumerate(spare[picks[0]])]), judges
        )
        faults[name] = numbers(reference, spoiled)
        summaries[name] = metrics.summarise_music(spoiled.music)
    keys = list(innocent[0])
    values = {key: np.array([row[key] for row in innocent]) for key in keys}
    mean = {key: float(v.mean()) for key, v in values.items()}
    spread = {key: max(float(v.std(ddof=1)), 0.3 / n) for key, v in values.items()}
    z = {name: {key: (row[key] - mean[key]) / spread[key] for key in keys} for name, row in faults.items()}
    seen = {name: [key for key in keys if z[name][key] > 5 and row[key] > values[key].max()] for name, row in faults.items()}
    result = {
        "corpus": args.corpus.name, "n": n, "reference": len(reference.music), "pool": len(spare), "draws": args.draws,
        "seed": args.seed, "judges": {judge.name: judge.checksum for judge in judges}, "innocent_mean": mean,
        "innocent_sd": spread, "faults": faults, "z": z, "seen": seen, "summaries": summaries,
    }  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "musical.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (args.out / "musical.md").write_text(table_of(result), encoding="utf-8")
    print((args.out / "musical.md").read_text(encoding="utf-8"))


def table_of(result: dict) -> str:
    """Metrics down, faults across: values, then z-scores; bold where seen."""
    faults = list(result["faults"])
    lines = ["| | innocent: mean ± sd | " + " | ".join(faults) + " |", "|---|--:|" + "--:|" * len(faults)]
    for key, mean in result["innocent_mean"].items():
        cells = []
        for name in faults:
            text = f"{result['faults'][name][key]:.2f} ({result['z'][name][key]:.1f})"
            cells.append(f"**{text}**" if key in result["seen"][name] else text)
        if np.isfinite(mean):
            lines.append(
                f"| {key.removeprefix('ks_')} | {mean:.2f} ± {result['innocent_sd'][key]:.2f} | " + " | ".join(cells) + " |"
            )
    lines += ["", "| medians | " + " | ".join(result["summaries"]) + " |", "|---|" + "--:|" * len(result["summaries"])]
    for key in (*MEASURES, "loops_with_notes", "cents_off"):
        row = [f"{summary[key]:.2f}" for summary in result["summaries"].values()]
        lines.append(f"| {key} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
