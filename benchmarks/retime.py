"""A loop at another tempo: re-timed frames before the vocoder, or the finished bar stretched? Held against the bar played so.

    python benchmarks/retime.py --groove GROOVE --oneshots ONESHOTS [--bars 24]

Drums: test bars of the corpus (performances and kits no training has seen), hits placed at 120 BPM and at the tempo, dry.
Notes: three-note chords of eleven harmonics, four a bar. The log-mel of the bar at 120 BPM goes through the bundled house
vocoder; `hits` is `vocoder.render`, `even` the same with all frames stretched alike, `stretch` is
`stretch_circle` of the loop at 120 BPM, `own` the vocoder on the
log-mel of the bar played at the tempo: what cannot be better. Errors in dB as `loopwright vocode` measures them, 95 %
intervals over bars.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from loopwright.audio.mel import LogMel
from loopwright.audio.stretch import stretch_circle
from loopwright.config import LOOP48
from loopwright.corpus.circular import add_wrapped
from loopwright.corpus.drums import DrumRenderer, choose_part, hit_sound, loop_rng, plan_drums, setup_of, stop_samples
from loopwright.corpus.groove import read_groove
from loopwright.metrics import bootstrap
from loopwright.vocoder import load, loop_samples, render
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.fidelity import attack_errors, mel_errors

RATE = LOOP48.rate_hz
FADE = 480


def drum_bar(renderer: DrumRenderer, number: int, bpm: float) -> np.ndarray:
    """Dry hits of a bar of the plan at a tempo: the sounds are as at 120 BPM, only their places (and cuts) are not."""
    bar, ratio = renderer.plan[number], 120 / bpm
    setup = setup_of(renderer.library, bar, renderer.rooms, loop_rng(renderer.seed, number))
    out = np.zeros(whole_frames(bpm), np.float32)
    stops = stop_samples(bar)
    cache: dict[tuple[object, ...], np.ndarray] = {}
    for i, role in enumerate(bar.role.tolist()):
        if role not in setup.parts:
            continue
        part = choose_part(setup.parts[role], int(bar.pitch[i]), int(setup.turn[i]))
        sound = hit_sound(renderer.library, setup, role, part, int(bar.velocity[i]), cache).copy()
        stop = round(int(stops[i]) * ratio)
        if stop < len(sound):
            sound = sound[: stop + FADE]
            sound[stop:] *= np.linspace(1, 0, FADE, dtype=np.float32)[: len(sound) - stop]
        add_wrapped(out, sound, round(int(bar.position[i]) * ratio), float(setup.jitter[i]))
    return 0.9 * out / max(float(np.abs(out).max()), 1e-9)


def note_bar(seed: int, bpm: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = whole_frames(bpm)
    out = np.zeros(n)
    for k in range(4):
        start, stop = k * n // 4, (k + 1) * n // 4
        t = np.arange(stop - start) / RATE
        envelope = np.minimum(1, np.minimum(t, t[::-1]) / 0.015)
        for hz in rng.choice([110.0, 130.8, 146.8, 164.8, 196.0, 220.0, 261.6, 329.6, 392.0, 440.0], 3, replace=False):
            for h in range(1, 12):
                out[start:stop] += 0.05 / h * envelope * np.sin(2 * np.pi * hz * h * t + rng.uniform(0, 6))
    return (0.9 * out / np.abs(out).max()).astype(np.float32)


def whole_frames(bpm: float) -> int:
    """Samples of a bar to the nearest frame, so that the truth has a log-mel: its tempo is off by under 0.3 %."""
    return round(loop_samples(1, bpm, RATE) / LOOP48.hop) * LOOP48.hop


def errors(vocoder: Vocoder, make: Callable[[float], np.ndarray], bpm: float) -> dict[str, tuple[float, float]]:
    """(log-mel, attack) error in dB of each way."""
    analyse = LogMel(LOOP48)
    n = whole_frames(bpm)
    exact_bpm = 240 * RATE / n
    want, at_120 = torch.from_numpy(make(bpm))[None], torch.from_numpy(make(120.0))[None]
    with torch.no_grad():
        mel = analyse(at_120)
        turn = torch.cat([mel, mel[..., :1]], dim=-1)
        ways = {
            "own": vocoder(analyse(want)),
            "hits": torch.from_numpy(render(vocoder, mel[0].numpy(), exact_bpm))[None],
            "even": vocoder(F.interpolate(turn, n // LOOP48.hop + 1, mode="linear", align_corners=True)[..., :-1]),
            "stretch": torch.from_numpy(stretch_circle(render(vocoder, mel[0].numpy(), 120.0), n, RATE))[None],
        }
        mel_want = analyse(want)
    return {
        name: (float(mel_errors(mel_want, got, analyse)[0]), float(attack_errors(want, got, RATE)[0]))
        for name, got in ways.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groove", type=Path, required=True)
    parser.add_argument("--oneshots", type=Path, required=True)
    parser.add_argument("--bars", type=int, default=24)
    parser.add_argument("--tempi", type=float, nargs="*", default=[60, 80, 100, 110, 130, 140, 160, 180])
    args = parser.parse_args()
    torch.set_num_threads(1)
    vocoder = load("ring", LOOP48)
    renderer = DrumRenderer(plan_drums(read_groove(args.groove), 15_000, 0), args.oneshots, 0)
    test = [i for i, bar in enumerate(renderer.plan) if bar.split == "test"]
    picked = np.random.default_rng(0).choice(test, args.bars, replace=False).tolist()
    makers: dict[str, list[Callable[[float], np.ndarray]]] = {
        "drums": [lambda bpm, i=i: drum_bar(renderer, i, bpm) for i in picked],
        "notes": [lambda bpm, i=i: note_bar(i, bpm) for i in range(max(4, args.bars // 3))],
    }
    print("| sounds | BPM | own | hits | even | stretch | hits - stretch | attack: hits | even | stretch |")
    print("|" + "---|" * 10)
    for kind, makes in makers.items():
        for bpm in args.tempi:
            rows = np.array([list(errors(vocoder, make, bpm).values()) for make in makes])  # (bars, ways, 2)
            gap = bootstrap(lambda x: float(np.mean(x)), rows[:, 1, 0] - rows[:, 3, 0], seed=0)["value"]
            mean = np.nanmean(rows, axis=0)
            cells = [kind, f"{bpm:g}", *(f"{x:.2f}" for x in mean[:, 0])]
            cells += [f"{gap.value:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]", *(f"{x:.2f}" for x in mean[1:, 1])]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
