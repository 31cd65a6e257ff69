"""Tempo and bars with names, tags and tables hidden, librosa's tempo on the same samples beside it.

    python benchmarks/tempo.py --material MATERIAL --groove 120

Two sets: the real loops (their CSV has the truth), and loops cut from human drum performances (Groove MIDI, rendered here
at their own tempo with one-shots). The second has nothing to do with how the weights in data/tempo.py were chosen.
"""

from __future__ import annotations

import argparse
import csv
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import mido
import numpy as np

from loopwright.audio.io import read_audio
from loopwright.data.mixdown import mixdown
from loopwright.data.rhythm import Tempogram, onset_envelope
from loopwright.data.tempo import read_tempo

RATE = 22_050
KITS = ("muldjord", "uzu", "tr808_fischer", "sonicpi_acoustic", "gogodze_close", "freesound_mixed")


def real_loops(folder: Path) -> Iterator[tuple[str, np.ndarray, int, float, float]]:
    with (folder / "real_loops.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if row["bpm"]:
                audio = read_audio(folder / row["file"])
                yield row["file"], mixdown(audio.samples), audio.rate_hz, float(row["bpm"]), float(row["n_bars"])


def groove_loops(
    material: Path, count: int, seed: int, splits: tuple[str, ...] = ("validation", "test")
) -> Iterator[tuple[str, np.ndarray, int, float, float]]:
    """Whole bars of held-out performances, tails wrapped round, as a producer would cut them."""
    import soundfile

    with (material / "groove/pitch_map.csv").open(encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))
    pitch_key = next(k for k in table[0] if "pitch" in k.lower() or "note" in k.lower())
    role_key = next(k for k in table[0] if "role" in k.lower())
    roles = {int(row[pitch_key]): row[role_key] for row in table}
    kits: dict[str, dict[str, np.ndarray]] = {}
    for kit in KITS:
        kits[kit] = {}
        for path in sorted((material / "oneshots" / kit).glob("*.flac")):
            role = path.stem.rsplit("_", 1)[0]
            if role not in kits[kit]:
                x, rate = soundfile.read(path, dtype="float32")
                kits[kit][role] = np.interp(np.arange(0, len(x), rate / RATE), np.arange(len(x)), x).astype(np.float32)
    with (material / "groove/info.csv").open(encoding="utf-8") as handle:
        info = [
            row
            for row in csv.DictReader(handle)
            if row["split"] in splits
            and row["beat_type"] == "beat"
            and row["time_signature"] == "4-4"
            and 60 <= float(row["bpm"]) <= 200
        ]
    rng = np.random.default_rng(seed)
    made = 0
    for i in rng.permutation(len(info)):
        row = info[i]
        midi = mido.MidiFile(material / "groove" / row["midi_filename"])
        bpm, bar = float(row["bpm"]), 4 * midi.ticks_per_beat
        at, hits = 0, []
        for message in mido.merge_tracks(midi.tracks):
            at += message.time
            if message.type == "note_on" and message.velocity > 0:
                hits.append((at, message.note, message.velocity))
        n_bars = int(rng.choice([1, 2, 4, 8], p=[0.2, 0.3, 0.35, 0.15]))
        have = at // bar
        if have < n_bars:
            continue
        first = int(rng.integers(0, have - n_bars + 1)) * bar
        kit = kits[str(rng.choice(KITS))]
        n = round(60 * RATE * 4 * n_bars / bpm)
        out = np.zeros(n, dtype=np.float32)
        used = 0
        for tick, note, velocity in hits:
            sound = kit.get(roles.get(note, ""), None)
            if first <= tick < first + n_bars * bar and sound is not None:
                start = round((tick - first) / (n_bars * bar) * n)
                np.add.at(out, (start + np.arange(len(sound))) % n, sound * (velocity / 127) ** 1.5)
                used += 1
        if used < 4 * n_bars:
            continue
        yield f"{row['midi_filename']} {n_bars} bars", out / max(1e-9, np.abs(out).max()), RATE, bpm, float(n_bars)
        made += 1
        if made == count:
            return


def judge(bpm: float, truth: float) -> str:
    ratio = bpm / truth
    if abs(ratio - 1) < 0.01:
        return "right"
    return "octave" if min(abs(ratio - 2), abs(ratio - 0.5)) < 0.02 else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--material", type=Path, required=True, help="folder with data/real_loops and data/groove")
    parser.add_argument("--groove", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-librosa", action="store_true")
    args = parser.parse_args()
    sets = {
        "real loops": real_loops(args.material / "data/real_loops"),
        "groove loops": groove_loops(args.material / "data", args.groove, args.seed),
    }
    for name, loops in sets.items():
        ours: list[str] = []
        theirs: list[str] = []
        bars, errors, confidence = [], [], []
        for file, mono, rate, bpm, n_bars in loops:
            reading = read_tempo(len(mono) / rate, Tempogram.of(onset_envelope(mono, rate)))
            got, beats, sure = (reading.bpm, reading.beats, reading.confidence) if reading else (1.0, 0, 0.0)
            ours.append(judge(got, bpm))
            bars.append(beats == round(4 * n_bars))
            confidence.append(sure)
            if ours[-1] != "right":
                errors.append(f"{file}: {bpm:g} x {n_bars:g} read as {got:.1f} x {beats / 4:g} (sure {sure:.2f})")
            if not args.no_librosa:
                import librosa

                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs.append(judge(float(np.atleast_1d(librosa.beat.beat_track(y=mono, sr=rate)[0])[0]), bpm))
        right = np.array([o == "right" for o in ours])
        sure_ones = np.array(confidence) >= 0.5
        print(
            json.dumps(
                {
                    "set": name,
                    "n": len(ours),
                    "within_1_percent": round(float(right.mean()), 3),
                    "octave_errors": ours.count("octave"),
                    "wrong": ours.count("wrong"),
                    "bars_right": round(float(np.mean(bars)), 3),
                    "accepted_at_confidence_0.5": int(sure_ones.sum()),
                    "right_among_accepted": round(float(right[sure_ones].mean()), 3),
                    "librosa_within_1_percent": round(theirs.count("right") / max(1, len(theirs)), 3),
                    "librosa_octave_errors": theirs.count("octave"),
                    "librosa_wrong": theirs.count("wrong"),
                }
            )
        )
        for line in errors[:40]:
            print("   ", line)


if __name__ == "__main__":
    main()
