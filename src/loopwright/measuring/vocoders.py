"""Resynthesise real bars with vocoders, and measure, draw and write them side by side.

All measures are of the resynthesised loop against the loop its mel came from, circular, (real, fake) order.

Shapes: n loops, N samples, F bins, T frames.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwright.audio.io import write_wav
from loopwright.audio.mel import LogMel
from loopwright.audio.picture import mel_sheet
from loopwright.audio.resample import resample_circle
from loopwright.audio.stft import circular_stft
from loopwright.data import PreparedData
from loopwright.errors import InputError, WeightsError
from loopwright.features import Judge, load_judge
from loopwright.files import load_tensors, save_tensors, sha256_of, write_json, write_text
from loopwright.metrics import bootstrap, fad, kad
from loopwright.metrics.loops import wrap_jump
from loopwright.vocoder import load
from loopwright.vocoder.base import Vocoder

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

FLOOR = 1e-4  # -80 dB of full scale: what lies below is counted as silence
STFT_WINDOWS = (2048, 1024, 512)
ATTACK_WINDOWS = (64, 128, 256)
ATTACK_BEFORE_S, ATTACK_AFTER_S = 0.010, 0.020
ROWS = ("spectral convergence", "log STFT", "log mel", "attack")


def _magnitude(loop: Tensor, window: int) -> Tensor:
    """Magnitudes scaled so that a full-scale sine is near 1; hop a quarter of the window or the next divisor below."""
    n = loop.shape[-1]
    hop = next(h for h in range(window // 4, 0, -1) if n % h == 0)
    return circular_stft(loop, window, hop).abs() * (4 / window)


def stft_errors(real: Tensor, fake: Tensor) -> tuple[Floats, Floats]:
    """Multi-resolution STFT error, windows 2048, 1024, 512. (n, N) twice -> spectral convergence (n,), log L1 in dB (n,).

    Spectral convergence is |A - B| / |A| (Frobenius), the log error the mean of |20 log10| differences above -80 dB.
    """
    convergence, log = [], []
    for window in STFT_WINDOWS:
        a, b = _magnitude(real, window), _magnitude(fake, window)
        convergence.append((a - b).norm(dim=(1, 2)) / a.norm(dim=(1, 2)).clamp_min(FLOOR))
        log.append(20 * (a.clamp_min(FLOOR).log10() - b.clamp_min(FLOOR).log10()).abs().mean(dim=(1, 2)))
    return torch.stack(convergence).mean(0).double().numpy(), torch.stack(log).mean(0).double().numpy()


def _picture(loop: Tensor) -> Tensor:
    """log10 amplitudes of the first half of a bar in windows of 512 samples, all frequencies alike: log-mels would look the
    same, since every vocoder was given them. (n, N) -> (n, F, T).
    """
    amplitude = _magnitude(loop, 512).clamp_min(FLOOR).log10()
    return amplitude[..., : amplitude.shape[-1] // 2]


def onset_samples(real: Tensor, rate_hz: int) -> list[list[int]]:
    """Sample positions of attacks in each loop (n, N): where the level of 64 samples leaps.

    An attack is a local maximum (within 30 ms) of the rise of the log level over 5 ms, of at least 9 dB and less than
    40 dB below the loudest place.
    """
    hop = 64
    n = real.shape[-1] // hop * hop
    level = 10 * real[:, :n].reshape(len(real), -1, hop).square().mean(-1).clamp_min(1e-10).log10()
    smooth = torch.stack([level.roll(i, -1) for i in range(4)]).amax(0)
    step = max(1, round(0.005 * rate_hz / hop))
    rise = level - smooth.roll(step, -1)
    reach = max(1, round(0.03 * rate_hz / hop))
    around = torch.stack([rise.roll(i, -1) for i in range(-reach, reach + 1)]).amax(0)
    found = (rise >= around) & (rise > 9) & (level > level.amax(-1, keepdim=True) - 40)
    return [(row.nonzero()[:, 0] * hop).tolist() for row in found]


def attack_errors(real: Tensor, fake: Tensor, rate_hz: int) -> Floats:
    """Error of attacks in dB: mean |20 log10| difference of STFTs with windows of 64, 128 and 256 samples, 10 ms before to
    20 ms after every onset of the real loop. (n, N) twice -> (n,), NaN where there is no onset.
    """
    onsets = onset_samples(real, rate_hz)
    n = real.shape[-1]
    errors = []
    for window in ATTACK_WINDOWS:
        a, b = _magnitude(real, window), _magnitude(fake, window)
        hop = n // a.shape[-1]
        difference = 20 * (a.clamp_min(FLOOR).log10() - b.clamp_min(FLOOR).log10()).abs().mean(1)
        steps = np.arange(-round(ATTACK_BEFORE_S * rate_hz / hop), round(ATTACK_AFTER_S * rate_hz / hop) + 1)
        means = []
        for row, places in zip(difference.double().numpy(), onsets, strict=True):
            index = (np.asarray(places, dtype=np.int64)[:, None] // hop + steps) % len(row)
            means.append(row[index].mean() if places else np.nan)
        errors.append(means)
    return np.asarray(errors).mean(0)


def mel_errors(real_log_mel: Tensor, fake: Tensor, analyse: LogMel) -> Floats:
    """Mean absolute difference of log-mels in dB, above -80 dB. (n, M, T) and (n, N) -> (n,)."""
    floor = float(np.log10(FLOOR))
    difference = analyse(fake).clamp_min(floor) - real_log_mel.clamp_min(floor)
    return np.asarray(20 * difference.abs().mean(dim=(1, 2)).double().numpy())


def compare_vocoders(
    data: Path,
    out: Path,
    vocoders: Sequence[str] = ("griffinlim", "auto"),
    *,
    n: int = 200,
    split: str = "test",
    judges: Sequence[str] = ("yamnet", "musicnn"),
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Resynthesise `n` bars of a prepared folder with each vocoder; write comparison.json, .md, sheet.png and WAVs to `out`.

    Killed at any moment, the same call takes up what was done.

    Args:
        data: prepared folder with audio.
        out: folder for the results.
        vocoders: names or files, see `vocoder.load`.
        n: bars, drawn at random from `split`.
        split: rows to draw from; "test" holds kits no training has seen.
        judges: embedding networks for FAD and KAD of resynthesised against the very same real bars.
        seed: of the draw and of the intervals.
        threads: CPU threads; None: as they are.
        progress: called with (what, done, total).

    Returns the contents of comparison.json. Raises InputError, MelMismatchError, WeightsError.
    """
    out = Path(out)
    if threads is not None:
        torch.set_num_threads(threads)
    prepared = PreparedData.open(data)
    rows = prepared.indices(split)
    if len(rows) < 4:
        raise InputError(
            f"{data} has {len(rows)} rows of split '{split}'; a comparison needs at least 4. Choose another --split."
        )
    rows = np.sort(np.random.default_rng(seed).choice(rows, min(n, len(rows)), replace=False))
    models = {name: load(name, prepared.mel) for name in vocoders}
    networks = [load_judge(name) for name in judges]
    real = torch.from_numpy(prepared.audio(rows))
    analyse = LogMel(prepared.mel)
    log_mel = torch.cat([analyse(part) for part in torch.split(real, 16)])
    sources = [str(s) for s in prepared.column("source", rows)]
    report = progress or _quiet
    real_embedded = _embed(real, prepared.mel.rate_hz, networks)
    table: dict[str, dict[str, Any]] = {"real": {"wrap": _wrap(real)}}
    sheet = {"real": _picture(real[:4])}
    _write_wavs(out, "real", real[:4], prepared.mel.rate_hz)
    for name, model in models.items():
        label = Path(name).stem if Path(name).suffix else name
        key = sha256_of(Path(name))[:16] if Path(name).is_file() else name
        fake, seconds = _resynthesise(model, log_mel, rows, out / "work" / key, functools.partial(report, label))
        table[label] = _measure(real, fake, log_mel, analyse, sources, real_embedded, networks, seed)
        table[label] |= {"wrap": _wrap(fake), "cpu_s_per_loop": seconds, "peak": float(fake.abs().max())}
        sheet[label] = _picture(fake[:4])
        _write_wavs(out, label, fake[:4], prepared.mel.rate_hz)
    titles = [f"{label} {i}" for label, pictures in sheet.items() for i in range(len(pictures))]
    mel_sheet(out / "sheet.png", torch.cat(list(sheet.values())).numpy(), titles=titles, low=-4.0, high=-0.5)
    result = {
        "loopwright": version("loopwright"),
        "mel": prepared.mel.name,
        "split": split,
        "n": len(rows),
        "seed": seed,
        "kits": sorted({str(k) for k in prepared.column("kit", rows)}),
        "judges": {j.name: j.checksum for j in networks},
        "rows": table,
    }
    write_json(out / "comparison.json", result)
    write_text(out / "comparison.md", as_markdown(result))
    shutil.rmtree(out / "work")
    return result


def _quiet(what: str, done: int, total: int) -> None:
    """No progress wanted."""


def _resynthesise(
    model: Vocoder, log_mel: Tensor, rows: npt.NDArray[np.int64], work: Path, report: Callable[[int, int], None]
) -> tuple[Tensor, float]:
    """Loops one by one, as a user gets them, and the process CPU time of one. What is done already is taken from `work`."""
    loops, seconds = [], []
    for i, (row, one) in enumerate(zip(rows.tolist(), torch.split(log_mel, 1), strict=True)):
        kept = work / f"{row}.safetensors"
        if kept.exists():
            tensors, header = load_tensors(kept)
            loop, took = tensors["loop"], float(header["seconds"])
        else:
            start = time.process_time()
            with torch.no_grad():
                loop = model(one)
            took = time.process_time() - start
            save_tensors(kept, {"loop": loop}, {"seconds": took})
        loops.append(loop)
        seconds.append(took)
        report(i + 1, len(log_mel))
    return torch.cat(loops), float(np.median(seconds))


def _embed(loops: Tensor, rate_hz: int, judges: Sequence[Judge]) -> dict[str, Float32]:
    """Embeddings of loops (n, N) by judge, at the judge's rate."""
    out = {}
    for judge in judges:
        length = round(loops.shape[-1] * judge.rate_hz / rate_hz)
        out[judge.name] = judge.embed(resample_circle(loops.numpy(), length))
    return out


def _measure(
    real: Tensor,
    fake: Tensor,
    log_mel: Tensor,
    analyse: LogMel,
    sources: Sequence[str],
    real_embedded: dict[str, Float32],
    judges: Sequence[Judge],
    seed: int,
) -> dict[str, Any]:
    """All measures with 95 % intervals; whole performances are drawn for the intervals."""
    rate_hz = analyse.mel.rate_hz
    parts: dict[str, list[Floats]] = {name: [] for name in ROWS}
    for a, b, m in zip(torch.split(real, 16), torch.split(fake, 16), torch.split(log_mel, 16), strict=True):
        values = (*stft_errors(a, b), mel_errors(m, b, analyse), attack_errors(a, b, rate_hz))
        for name, value in zip(ROWS, values, strict=True):
            parts[name].append(value)
    out: dict[str, Any] = {}
    for name in ROWS:
        value = np.concatenate(parts[name])
        heard = ~np.isnan(value)
        groups = [s for s, h in zip(sources, heard, strict=True) if h]
        interval = bootstrap(lambda x: float(np.mean(x)), value[heard], seed=seed, groups=[groups])["value"]
        out[name] = {"value": interval.value, "low": interval.low, "high": interval.high, "n": int(heard.sum())}
    embedded = _embed(fake, rate_hz, judges)
    for judge in judges:
        pair = np.stack([real_embedded[judge.name], embedded[judge.name]], axis=1)  # one draw for both sides

        def distances(x: npt.NDArray[Any]) -> dict[str, float]:
            return {"FAD": fad(x[:, 0], x[:, 1]), "KAD": kad(x[:, 0], x[:, 1])}

        for name, interval in bootstrap(distances, pair, repeats=40, seed=seed, groups=[list(sources)]).items():
            key = f"{name} {judge.name}"
            out[key] = {"value": interval.value, "low": interval.low, "high": interval.high, "n": len(pair)}
    return out


def _wrap(loops: Tensor) -> dict[str, float]:
    """Where the step from the last sample to the first lies among those inside (0 to 1): mean, and share above 0.999."""
    percentile = wrap_jump(loops.numpy())
    return {"mean": float(np.mean(percentile)), "share above 99.9": float(np.mean(percentile > 0.999))}


def _write_wavs(out: Path, label: str, loops: Tensor, rate_hz: int) -> None:
    for i, loop in enumerate(loops):
        write_wav(Path(out) / f"{label}_{i}.wav", (loop / loop.abs().max().clamp_min(1.0)).numpy(), rate_hz)


def as_markdown(result: dict[str, Any]) -> str:
    """The table of `compare_vocoders` for people. Lower is better everywhere."""
    units = {"log STFT": " (dB)", "log mel": " (dB)", "attack": " (dB)"}
    fakes = {name: row for name, row in result["rows"].items() if name != "real"}
    lines = [
        f"{result['n']} bars, split {result['split']}, {result['mel']}; kits: {', '.join(result['kits'])}.",
        "",
        "| lower is better | " + " | ".join(fakes) + " |",
        "|---|" + "---|" * len(fakes),
    ]
    keys = [key for key, value in next(iter(fakes.values())).items() if isinstance(value, dict) and "low" in value]
    for key in keys:
        cells = [f"{row[key]['value']:.3f} [{row[key]['low']:.3f}, {row[key]['high']:.3f}]" for row in fakes.values()]
        lines.append(f"| {key}{units.get(key, '')} | " + " | ".join(cells) + " |")
    lines.append("| CPU s per loop | " + " | ".join(f"{row['cpu_s_per_loop']:.3f}" for row in fakes.values()) + " |")
    above = [f"{100 * row['wrap']['share above 99.9']:.1f} %" for row in fakes.values()]
    real_above = 100 * result["rows"]["real"]["wrap"]["share above 99.9"]
    lines.append(f"| wrap jump above 99.9th percentile (real: {real_above:.1f} %) | " + " | ".join(above) + " |")
    return "\n".join(lines) + "\n"


def judges_at_hand(names: Sequence[str]) -> list[str]:
    """Those of `names` whose weights are found here."""
    found = []
    for name in names:
        try:
            load_judge(name)
        except WeightsError:
            continue
        found.append(name)
    return found
