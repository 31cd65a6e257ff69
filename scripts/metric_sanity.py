"""Which metric sees which fault? Real drum bars are spoiled in known ways and measured against other real drum bars.

Run: python scripts/metric_sanity.py CORPUS -o OUT --judge yamnet,musicnn
CORPUS is a folder of `loopwright corpus drums`. The reference is N bars of split test; faults are made from N bars of split
validation; memorised copies come from split train. What "nothing wrong" looks like is measured too: many draws of N
unspoiled validation bars. A fault counts as seen if its value lies beyond all of those, by the z-score in the table.
Writes sanity.json and sanity.md.
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
from loopwright.audio.stretch import stretch_circle
from loopwright.features import load_judge
from loopwright.measuring.cache import EmbeddingCache
from loopwright.measuring.measured import Ears, Measured
from loopwright.measuring.novelty import Bank
from loopwright.measuring.settings import Settings
from loopwright.measuring.sides import Entry, Reading, Side

RATE = 48_000
BAR = 96_000
STEP = BAR // 16
ELECTRONIC = ("techno", "house", "trap", "electro", "garage", "drumnbass", "dembow", "breakbeat")

Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise 30 dB under the bar."""
    return x + rng.normal(size=BAR) * np.sqrt(np.mean(x**2)) * 10 ** (-30 / 20)


def low_pass(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing above 4 kHz, circular, so the seam stays whole."""
    spectrum = np.fft.rfft(x)
    spectrum[int(4000 * BAR / RATE) :] = 0
    return np.fft.irfft(spectrum, BAR)


def shift(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sixteenth late, wrapped."""
    return np.roll(x, STEP)


def tempo(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """2% too slow and cut to the bar, as a wrong tempo label does."""
    return stretch_circle(x.astype(np.float32), round(BAR * 1.02), RATE)[:BAR]


def gap(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """80 ms of silence at the end: the reference's fault."""
    out = x.copy()
    out[-round(0.08 * RATE) :] = 0
    return out


def trimmed(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The last 20 ms are missing from the file."""
    return x[: -round(0.02 * RATE)]


def jitter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every sixteenth moved by up to 30 ms at random: no common grid left."""
    out = np.zeros(BAR)
    fade = np.minimum(1, np.minimum(np.arange(STEP), np.arange(STEP)[::-1]) / 240)
    for step in range(16):
        at = step * STEP + int(rng.uniform(-0.03, 0.03) * RATE)
        out[(at + np.arange(STEP)) % BAR] += x[step * STEP : (step + 1) * STEP] * fade
    return out


def quieter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """12 dB down."""
    return x * 10 ** (-12 / 20)


SPOILERS: dict[str, Spoil] = {
    "noise, -30 dB": noise,
    "low-pass, 4 kHz": low_pass,
    "12 dB quieter": quieter,
    "a sixteenth late": shift,
    "tempo 2% slow": tempo,
    "jitter of 30 ms": jitter,
    "80 ms gap at the end": gap,
    "trimmed 20 ms short": trimmed,
}


class Bars(Side):
    """Bars of the corpus, each perhaps spoiled on its way in."""

    kind = "folder"

    def __init__(self, folder: Path, rows: list[dict[str, str]], spoil: Spoil | None, seed: int) -> None:
        self.folder, self.rows, self.spoil, self.seed = folder, rows, spoil, seed
        self.label = folder.name
        self.entries = [Entry(row["file"], 1, row["source"], row["split"]) for row in rows]

    def read(self, index: int) -> Reading:
        x = read_audio(self.folder / self.rows[index]["file"]).samples[:, 0].astype(np.float64)
        if self.spoil is not None:
            x = self.spoil(x, np.random.default_rng((self.seed, index)))
        return Reading(x.astype(np.float32), RATE, 1)


HIGHER_IS_WORSE = {
    "fad": 1, "fad_inf": 1, "kad": 1, "precision": -1, "recall": -1, "density": -1, "coverage": -1, "ndb": 1,
    "onset_jsd": 1, "ks_wrap": 1, "ks_seam": 1, "ks_end_db": 1, "ks_beat": 1, "ks_half_bar": 1, "ks_grid": 1,
    "click_share": 1, "copied": 1,
}  # fmt: skip


def numbers(reference: Measured, fake: Measured, bank: Bank, held: np.ndarray, *, slow: bool) -> dict[str, float]:
    """Every metric of one set against the reference."""
    out: dict[str, float] = {}
    for judge in reference.embeddings:
        a, b = reference.embeddings[judge], fake.embeddings[judge]
        out[f"fad/{judge}"] = metrics.fad(a, b)
        if slow:
            out[f"fad_inf/{judge}"] = metrics.fad_inf(a, b, steps=8).value
        out[f"kad/{judge}"] = metrics.kad(a, b)
        out |= {f"{key}/{judge}": value for key, value in metrics.prdc(a, b)._asdict().items()}
        out[f"ndb/{judge}"] = metrics.ndb(a, b, bins=40).share
    loops = metrics.compare_loops(reference.features, fake.features)
    out |= {key: loops[key] for key in HIGHER_IS_WORSE if key in loops}
    out["click_share"] = metrics.summarise(fake.features)["click_share"]
    near = metrics.nearest(bank.patterns.bars, fake.patterns.bars).similarity
    out["copied"] = metrics.novelty_from(held, near).copied
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--judge", default="yamnet,musicnn")
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--pool", type=int, default=1200, help="unspoiled bars that the innocent draws come from")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    with (args.corpus / "loops.csv").open(newline="", encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))

    def some(split: str, n: int) -> list[dict[str, str]]:
        rows = [row for row in table if row["split"] == split]
        return [rows[i] for i in np.sort(rng.permutation(len(rows))[:n])]

    judges = [load_judge(name) for name in args.judge.split(",")]
    ears = Ears(judges, Settings(judges=tuple(j.name for j in judges)), EmbeddingCache(args.cache))

    def measure(name: str, rows: list[dict[str, str]], spoil: Spoil | None = None) -> Measured:
        side = Bars(args.corpus, rows, spoil, args.seed)
        print(f"{name}: {len(rows)} bars", flush=True)
        return ears.measure(side, np.arange(len(rows)), lambda done, total: None)

    n = args.n
    reference = measure("reference", some("test", n))
    pool_rows = some("validation", args.pool)
    pool = measure("innocent pool", pool_rows)
    train_rows = some("train", 1500)
    bank = Bank.read(Bars(args.corpus, train_rows, None, args.seed), np.arange(len(train_rows)), lambda done, total: None)
    held = metrics.nearest(bank.patterns.bars, reference.patterns.bars).similarity
    innocent = [
        numbers(reference, pool.take(np.sort(rng.choice(len(pool), n, replace=False))), bank, held, slow=i < args.draws)
        for i in range(args.draws)
    ]
    first = np.sort(rng.choice(len(pool), n, replace=False))
    victims = [pool_rows[i] for i in first]
    sets = {name: measure(name, victims, spoil) for name, spoil in SPOILERS.items()}
    sets["mode collapse: 10 loops"] = pool.take(first[rng.integers(0, n, 10)][rng.integers(0, 10, n)])
    copies = [train_rows[i] for i in rng.permutation(len(train_rows))[:n]]
    turns = rng.integers(0, 256, n)
    side = Bars(args.corpus, copies, None, args.seed)
    by_file = {row["file"]: int(turn) for row, turn in zip(copies, turns, strict=True)}
    plain_read = side.read

    def turned(index: int) -> Reading:
        reading = plain_read(index)
        turn = by_file[copies[index]["file"]] * len(reading.samples) // 256
        return Reading(np.roll(reading.samples, turn) * np.float32(0.7), RATE, 1)

    side.read = turned  # type: ignore[method-assign]
    print("memorised copies", flush=True)
    sets["memorised, rolled"] = ears.measure(side, np.arange(n), lambda done, total: None)
    electronic = [i for i, row in enumerate(pool_rows) if row["style"] in ELECTRONIC]
    sets["electronic styles only"] = pool.take(np.array(electronic)[rng.integers(0, len(electronic), n)])
    faults = {name: numbers(reference, m, bank, held, slow=True) for name, m in sets.items()}
    mean = {key: float(np.mean([row[key] for row in innocent])) for key in innocent[0]}
    # A share that is 0 in every innocent draw has no spread of its own: one item in N is the least that can be told.
    spread = {key: max(float(np.std([row[key] for row in innocent], ddof=1)), 0.3 / n) for key in innocent[0]}
    worst = {
        key: max(HIGHER_IS_WORSE[key.split("/")[0]] * (row[key] - mean[key]) / spread[key] for row in innocent)
        for key in innocent[0]
    }
    scores = {
        name: {key: HIGHER_IS_WORSE[key.split("/")[0]] * (row[key] - mean[key]) / spread[key] for key in mean}
        for name, row in faults.items()
    }
    result = {
        "n": n,
        "pool": len(pool),
        "draws": args.draws,
        "seed": args.seed,
        "judges": [{"name": j.name, "checksum": j.checksum, "dim": j.dim} for j in judges],
        "innocent_mean": mean,
        "innocent_sd": spread,
        "innocent_worst_z": worst,
        "faults": faults,
        "z": scores,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "sanity.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (args.out / "sanity.md").write_text(table_of(result), encoding="utf-8")
    print((args.out / "sanity.md").read_text(encoding="utf-8"))


def table_of(result: dict) -> str:
    """Faults down, metrics across, z-scores; bold where seen: above 5, and above every innocent draw."""
    lines = []
    judges = [judge["name"] for judge in result["judges"]]
    groups = [
        (
            f"Judge {judge}",
            [f"{key}/{judge}" for key in ("fad", "fad_inf", "kad", "precision", "recall", "density", "coverage", "ndb")],
        )
        for judge in judges
    ]
    groups.append(("No network", [k for k in HIGHER_IS_WORSE if k in result["innocent_mean"]]))
    for title, keys in groups:
        lines.append(f"### {title}\n")
        lines.append("| fault | " + " | ".join(key.split("/")[0].replace("ks_", "") for key in keys) + " |")
        lines.append("|---|" + "--:|" * len(keys))
        shown = [f"{result['innocent_mean'][key]:.3g} ± {result['innocent_sd'][key]:.2g}" for key in keys]
        lines.append("| *innocent: mean ± sd* | " + " | ".join(shown) + " |")
        for name, row in result["z"].items():
            cells = []
            for key in keys:
                seen = row[key] > 5 and row[key] > result["innocent_worst_z"][key]
                text = f"{row[key]:.0f}" if abs(row[key]) >= 9.95 else f"{row[key]:.1f}"
                cells.append(f"**{text}**" if seen else text)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
