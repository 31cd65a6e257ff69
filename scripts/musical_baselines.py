"""What the musical metrics say of folders of one-bar loops, side by side: medians with 95% intervals.

    python scripts/musical_baselines.py real=corpus/synth generated=packs/synth --vocode real -n 200 -o OUT

Each NAME=FOLDER: WAVs of one bar, or a corpus (loops.csv: its sources are what intervals draw; else single loops). --vocode
NAME adds that folder once more through the bundled vocoder. All are heard at 44.1 kHz; with basic_pitch at hand, notes too.
Writes baselines.json and baselines.md.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics, vocoder
from loopwright.audio.io import read_audio
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.config import LOOP48
from loopwright.errors import WeightsError
from loopwright.features import load_judge

RATE = 44_100
SHOWN = (
    "note_share", "notes", "peak", "struck", "loops_with_notes", "cents_off", "tuning_r", "in_key", "keys_fitting", "entropy",
    "rise_db", "attack_db", "crest_db", "level_db", "level_spread_db", "early", "pre_db", "onsets", "grid_ms", "swing",
)  # fmt: skip


def read(folder: Path, count: int) -> tuple[np.ndarray, list[str] | None]:
    """The first `count` loops at 48 kHz, (n, 96000), and their sources if they are known."""
    sources = None
    if (folder / "loops.csv").exists():
        with (folder / "loops.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))[:count]
        files = [folder / row["file"] for row in rows]
        sources = [row["source"] for row in rows] if rows and "source" in rows[0] else None
    else:
        files = sorted(folder.rglob("*.wav"))[:count]
    loops = [resample_circle(read_audio(path).samples[:, 0].astype(np.float32), LOOP48.bar_samples) for path in files]
    return np.stack(loops), sources


def vocoded(loops: np.ndarray) -> np.ndarray:
    ring, log_mel = vocoder.load("ring", LOOP48), LogMel(LOOP48)
    with torch.no_grad():
        parts = [vocoder.render(ring, log_mel(torch.from_numpy(x[None])), 120.0).numpy() for x in loops]
    return np.concatenate(parts)


def measure(loops: np.ndarray) -> metrics.MusicalFeatures:
    try:
        judge = load_judge("basic_pitch")
        posteriors = judge.notes(resample_circle(loops, 2 * judge.rate_hz))  # type: ignore[attr-defined]
    except WeightsError as error:
        print(error)
        posteriors = None
    return metrics.musical_features(resample_circle(loops, 2 * RATE), RATE, 1, posteriors=posteriors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--vocode")
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sets = {name: read(Path(folder), args.n) for name, _, folder in (x.partition("=") for x in args.folders)}
    if args.vocode:
        sets[f"{args.vocode}, vocoded"] = (vocoded(sets[args.vocode][0]), sets[args.vocode][1])
    record: dict[str, dict] = {}
    for name, (loops, sources) in sets.items():
        features = measure(loops)
        rows = np.arange(len(features))
        found = metrics.bootstrap(
            lambda i, features=features: metrics.summarise_music(features[i]), rows, groups=[sources], few="nan"
        )
        record[name] = {
            "loops": len(features),
            "drawn": found["level_db"].basis,
            "values": {key: [found[key].value, found[key].low, found[key].high] for key in SHOWN},
        }
        print(name, record[name]["drawn"], flush=True)
    titles = [f"{name} ({one['loops']})" for name, one in record.items()]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "--:|" * len(record)]
    for key in SHOWN:
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*one["values"][key]) for one in record.values()]
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "baselines.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (args.out / "baselines.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
