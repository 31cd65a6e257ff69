"""What a file's name does: right names, wrong names, and right names on files that are no whole loops.

    python benchmarks/names.py --material MATERIAL --groove 100

Real loops and loops cut from held-out human drumming (as in tempo.py). Wrong: random tempi that are no octave of the true one,
written as `x 93bpm.wav` and as `x_93.wav`. Tail: a dying sound of 0.2 to 1.7 s is left after the loop. Piece: the file ends
after 60 to 93 % of the loop. Counts: the true tempo was read; the file was left out as not sure; the stated tempo, or another,
was believed, with and without a warning.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tempo import groove_loops, real_loops

from loopwright.data.clues import clues_from_name
from loopwright.data.rhythm import Tempogram, onset_envelope
from loopwright.data.stated import Span
from loopwright.data.tempo import read_tempo

NAMES = {"explicit": "x {:g}bpm.wav", "bare": "x_{:.0f}.wav"}


def variants(mono: np.ndarray, rate: int, bpm: float, wrong: list[int]) -> Iterator[tuple[str, np.ndarray, list[float]]]:
    """(kind, samples, tempi to write into the name)."""
    yield "right name", mono, [bpm]
    yield "wrong name", mono, [float(w) for w in wrong]
    for tail_s in (0.2, 0.5, 1.0, 1.7):
        n = round(tail_s * rate)
        tail = np.resize(mono[::-1], n) * np.exp(-np.arange(n) / (0.12 * rate)) * 0.7
        yield "right name, tail", np.concatenate([mono, tail.astype(np.float32)]), [bpm]
    for share in (0.6, 0.83, 0.93):
        yield "right name, piece", mono[: int(share * len(mono))], [bpm]


def wrong_tempi(bpm: float, count: int, rng: np.random.Generator) -> list[int]:
    out: list[int] = []
    while len(out) < count:
        tempo = int(rng.integers(70, 181))
        octaves = np.log2(tempo / bpm)
        if abs(octaves - round(octaves)) > 0.04:
            out.append(tempo)
    return out


def verdict(span: Span, tempogram: Tempogram, name: str, truth: float, stated: float) -> str:
    reading = read_tempo(span.n / span.rate_hz, tempogram, clues_from_name(name), span=span)
    if reading is None or reading.confidence < 0.5:
        return "not sure"
    if abs(reading.bpm / truth - 1) < 0.012:
        return "true"
    believed = "as stated" if abs(reading.bpm / stated - 1) < 0.012 else "another"
    return believed + (", warned" if reading.warnings else ", silent")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--material", type=Path, required=True, help="folder with data/real_loops and data/groove")
    parser.add_argument("--groove", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sets = {
        "real loops": real_loops(args.material / "data/real_loops"),
        "groove loops": groove_loops(args.material / "data", args.groove, args.seed),
    }
    for name, loops in sets.items():
        rng = np.random.default_rng(args.seed)
        counts: dict[tuple[str, str], Counter[str]] = {}
        for _, mono, rate, bpm, _ in loops:
            for kind, samples, tempi in variants(mono, rate, bpm, wrong_tempi(bpm, 12, rng)):
                tempogram = Tempogram.of(onset_envelope(samples, rate))
                for form, text in NAMES.items():
                    found = counts.setdefault((kind, form), Counter())
                    found.update(
                        verdict(Span.of(np.ascontiguousarray(samples), rate), tempogram, text.format(t), bpm, t) for t in tempi
                    )
        for (kind, form), found in counts.items():
            print(json.dumps({"set": name, "kind": kind, "name": form, "n": found.total(), **dict(found.most_common())}))


if __name__ == "__main__":
    main()
