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

from loopwright.arrays import Float32, Float64, Int64
from loopwright.audio.io import write_wav
from loopwright.audio.mel import LogMel
from loopwright.audio.picture import mel_sheet
from loopwright.audio.resample import resample_circle
from loopwright.config import MelConfig
from loopwright.data import PreparedData
from loopwright.errors import InputError
from loopwright.features import Judge, load_judge
from loopwright.files import load_tensors, save_tensors, sha256_of, write_json, write_text
from loopwright.measuring.report import cell, markdown_table
from loopwright.measuring.results import Estimate, Result
from loopwright.measuring.settings import Progress, no_progress
from loopwright.metrics import bootstrap, fad, kad
from loopwright.metrics.loops import CLICK, wrap_jump
from loopwright.vocoder import load
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.fidelity import FLOOR, attack_errors, magnitude, mel_errors, stft_errors

ROWS = {"spectral convergence": "", "log STFT": " (dB)", "log mel": " (dB)", "attack": " (dB)"}  # with their units
_SHOWN = 4  # loops in the sheet and as WAV files
_PART = 16  # loops analysed at once


class Wrap(Result, frozen=True):
    """Where the step from the last sample to the first lies among those inside (0 to 1)."""

    mean: float
    clicks: float  # share above 0.999


class VocoderRow(Result, frozen=True):
    """One vocoder."""

    errors: dict[str, Estimate]  # those of ROWS, then FAD and KAD by each judge; lower is better
    wrap: Wrap
    cpu_s_per_loop: float
    peak: float


class Comparison(Result, frozen=True):
    """What comparison.json holds."""

    loopwright: str
    mel: str
    split: str
    n: int
    seed: int
    kits: tuple[str, ...]
    judges: dict[str, str]  # name -> checksum
    real: Wrap
    rows: dict[str, VocoderRow]


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
) -> Comparison:
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

    Returns what comparison.json holds. Raises InputError, MelMismatchError, WeightsError.
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
    log_mel = torch.cat([analyse(part) for part in torch.split(real, _PART)])
    bench = _Bench(real, log_mel, [str(s) for s in prepared.column("source", rows)], prepared.mel, networks, seed)
    report = progress or no_progress
    table: dict[str, VocoderRow] = {}
    sheet = {"real": _picture(real[:_SHOWN])}
    _write_wavs(out, "real", real[:_SHOWN], prepared.mel.rate_hz)
    for name, model in models.items():
        label = Path(name).stem if Path(name).suffix else name
        key = sha256_of(Path(name))[:16] if Path(name).is_file() else name
        fake, seconds = _resynthesise(model, log_mel, rows, out / "work" / key, functools.partial(report, label))
        table[label] = VocoderRow(
            errors=bench.errors(fake), wrap=_wrap(fake), cpu_s_per_loop=seconds, peak=float(fake.abs().max())
        )
        sheet[label] = _picture(fake[:_SHOWN])
        _write_wavs(out, label, fake[:_SHOWN], prepared.mel.rate_hz)
    titles = [f"{label} {i}" for label, pictures in sheet.items() for i in range(len(pictures))]
    mel_sheet(out / "sheet.png", torch.cat(list(sheet.values())).numpy(), titles=titles, low=-4.0, high=-0.5)
    result = Comparison(
        loopwright=version("loopwright"),
        mel=prepared.mel.name,
        split=split,
        n=len(rows),
        seed=seed,
        kits=tuple(sorted({str(k) for k in prepared.column("kit", rows)})),
        judges={j.name: j.checksum for j in networks},
        real=_wrap(real),
        rows=table,
    )
    write_json(out / "comparison.json", result.to_json())
    write_text(out / "comparison.md", as_markdown(result))
    shutil.rmtree(out / "work")
    return result


def _resynthesise(
    model: Vocoder, log_mel: Tensor, rows: Int64, work: Path, report: Callable[[int, int], None]
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


class _Bench:
    """Real loops (n, N), against which every vocoder's are held."""

    def __init__(
        self, real: Tensor, log_mel: Tensor, sources: list[str], mel: MelConfig, judges: Sequence[Judge], seed: int
    ) -> None:
        self.real, self.log_mel, self.sources, self.judges, self.seed = real, log_mel, sources, judges, seed
        self.rate_hz = mel.rate_hz
        self._analyse = LogMel(mel)
        self._embedded = self._embed(real)

    def _embed(self, loops: Tensor) -> dict[str, Float32]:
        """Embeddings of loops (n, N) by judge, at the judge's rate."""
        out = {}
        for judge in self.judges:
            length = round(loops.shape[-1] * judge.rate_hz / self.rate_hz)
            out[judge.name] = judge.embed(resample_circle(loops.numpy(), length))
        return out

    def errors(self, fake: Tensor) -> dict[str, Estimate]:
        """All measures with 95 % intervals; whole performances are drawn for the intervals."""
        parts: dict[str, list[Float64]] = {name: [] for name in ROWS}
        for a, b, m in zip(*(torch.split(x, _PART) for x in (self.real, fake, self.log_mel)), strict=True):
            values = (*stft_errors(a, b), mel_errors(m, b, self._analyse), attack_errors(a, b, self.rate_hz))
            for name, value in zip(ROWS, values, strict=True):
                parts[name].append(value)
        out: dict[str, Estimate] = {}
        for name in ROWS:
            value = np.concatenate(parts[name])
            heard = ~np.isnan(value)
            groups = [s for s, h in zip(self.sources, heard, strict=True) if h]
            found = bootstrap(lambda x: float(np.mean(x)), value[heard], seed=self.seed, groups=[groups])["value"]
            out[name] = Estimate.of(found).model_copy(update={"n": int(heard.sum())})
        embedded = self._embed(fake)
        for judge in self.judges:
            pair = np.stack([self._embedded[judge.name], embedded[judge.name]], axis=1)  # one draw for both sides
            for name, interval in bootstrap(_distances, pair, repeats=40, seed=self.seed, groups=[self.sources]).items():
                out[f"{name} {judge.name}"] = Estimate.of(interval).model_copy(update={"n": len(pair)})
        return out


def _distances(pair: npt.NDArray[Any]) -> dict[str, float]:
    """FAD and KAD of embeddings (n, 2, D), real and fake."""
    return {"FAD": fad(pair[:, 0], pair[:, 1]), "KAD": kad(pair[:, 0], pair[:, 1])}


def _wrap(loops: Tensor) -> Wrap:
    percentile = wrap_jump(loops.numpy())
    return Wrap(mean=float(np.mean(percentile)), clicks=float(np.mean(percentile > CLICK)))


def _picture(loop: Tensor) -> Tensor:
    """log10 amplitudes of the first half of a bar in windows of 512 samples, all frequencies alike: log-mels would look the
    same, since every vocoder was given them. (n, N) -> (n, F, T).
    """
    amplitude = magnitude(loop, 512).clamp_min(FLOOR).log10()
    return amplitude[..., : amplitude.shape[-1] // 2]


def _write_wavs(out: Path, label: str, loops: Tensor, rate_hz: int) -> None:
    for i, loop in enumerate(loops):
        write_wav(Path(out) / f"{label}_{i}.wav", (loop / loop.abs().max().clamp_min(1.0)).numpy(), rate_hz)


def as_markdown(result: Comparison) -> str:
    """The table of `compare_vocoders` for people. Lower is better everywhere."""
    rows = list(result.rows.values())
    lines = [[key + ROWS.get(key, ""), *(cell(row.errors[key], 3) for row in rows)] for key in rows[0].errors]
    lines.append(["CPU s per loop", *(f"{row.cpu_s_per_loop:.3f}" for row in rows)])
    above = f"wrap jump above 99.9th percentile (real: {100 * result.real.clicks:.1f} %)"
    lines.append([above, *(f"{100 * row.wrap.clicks:.1f} %" for row in rows)])
    head = f"{result.n} bars, split {result.split}, {result.mel}; kits: {', '.join(result.kits)}.\n\n"
    return head + markdown_table(["lower is better", *result.rows], lines)
