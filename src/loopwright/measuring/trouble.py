"""What a reader must know before believing a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from loopwright.errors import InputError
from loopwright.features import Judge
from loopwright.measuring.compare import drawn_sources
from loopwright.measuring.judging import JUDGE_RATE_HZ
from loopwright.measuring.measured import Measured
from loopwright.measuring.settings import LEADING_N, Settings
from loopwright.metrics.intervals import LEAST

_SILENT_DB = -60.0
_LOUDER_DB = 3.0
_FEW_SOURCES = 8
_ATTACK_HZ = 44_100  # a lower rate leaves something out of an attack


def refuse_nan(measured: Mapping[str, Measured], judges: Sequence[Judge]) -> None:
    """Raise InputError, naming the file, if a judge makes no sense of one."""
    for name, m in measured.items():
        for judge in judges:
            bad = np.flatnonzero(~np.isfinite(m.embeddings[judge.name]).all(axis=1))
            if len(bad):
                raise InputError(
                    f"{judge.name} gives NaN for {len(bad)} of {len(m)} loops of {name} "
                    f"(first: {m.loops[bad[0]].entry.name}). Remove these files, or use another judge."
                )


def look_for_trouble(measured: Mapping[str, Measured], judges: Sequence[Judge], settings: Settings) -> list[str]:
    """One sentence for each thing. `measured` by kind: "reference", "real", "generated" and others."""
    out = [line for name, m in measured.items() for line in _of_set(name, m)]
    rates = sorted({loop.rate_hz for m in measured.values() for loop in m.loops})
    if rates != [JUDGE_RATE_HZ]:
        out.append(f"{', '.join(f'{rate} Hz' for rate in rates)} resampled to {JUDGE_RATE_HZ} Hz, all that most judges hear.")
    reference, real, fake = measured["reference"], measured["real"], measured["generated"]
    out += _of_fakes(reference, real, fake)
    n = len(reference)
    for judge in judges:
        if n <= judge.dim and {"fad", "fad_inf"} & set(settings.metrics):
            out.append(
                f"N = {n} does not fill the {judge.dim} x {judge.dim} covariance of {judge.name}: FAD is far too high in "
                "all rows alike. Compare with the real row, or read KAD."
            )
    if judges and "ndb" in settings.metrics and n < 10 * settings.bins:
        out.append(f"NDB with {settings.bins} cells wants {10 * settings.bins} loops, there are {n}: it is noisy here.")
    if judges and n < LEADING_N:
        out.append(f"N = {n}: coverage and recall fall as N grows. Tables of finished models are for N = {LEADING_N}.")
    if "music" in settings.metrics:
        out += _of_music(measured)
    return out


def _of_music(measured: Mapping[str, Measured]) -> list[str]:
    out = []
    lowest = {name: min(loop.rate_hz for loop in m.loops) for name, m in measured.items()}
    if min(lowest.values()) < _ATTACK_HZ and len(set(lowest.values())) > 1:
        shown = ", ".join(f"{name} {rate} Hz" for name, rate in lowest.items())
        out.append(f"Rise, crest and hits are measured at each side's own rate, which differ ({shown}): do not compare them.")
    if all(m.music is None or not np.isfinite(m.music.note_share).any() for m in measured.values()):
        out.append(
            "No transcriber is at hand: notes and keys are not measured. Get one: loopwright features fetch basic_pitch."
        )
    return out


def _of_set(name: str, m: Measured) -> list[str]:
    out = []
    sources = len(set(m.sources))
    if drawn_sources(m) is not None and sources < _FEW_SOURCES:
        what = "are rough" if sources >= LEAST else "cannot be given"
        out.append(f"{name}: {sources} source{'s' if sources > 1 else ''} only; intervals draw whole sources and {what}.")
    if m.skipped:
        out.append(f"{name}: {len(m.skipped)} files were left out; first: {m.skipped[0]}")
    lengths = sorted({f"{loop.seconds:.3f} s" for loop in m.loops})
    if len(lengths) > 1:
        shown = ", ".join(lengths[:4]) + (" ..." if len(lengths) > 4 else "")
        out.append(f"{name}: {len(lengths)} different lengths ({shown}), embedded as they are.")
    silent = sum(loop.rms_db < _SILENT_DB for loop in m.loops)
    if silent:
        out.append(f"{name}: {silent} loops are silent (below {_SILENT_DB:g} dB).")
    return out


def _of_fakes(reference: Measured, real: Measured, fake: Measured) -> list[str]:
    out = []
    n = len(reference)
    digests = [loop.digest for loop in fake.loops]
    copies = len(set(digests) & {loop.digest for loop in (*reference.loops, *real.loops)})
    if copies:
        out.append(
            f"{copies} of {n} generated loops are, sample for sample, real ones. "
            "If both sides are the same folder, this table says nothing."
        )
    repeated = len(digests) - len(set(digests))
    if repeated:
        out.append(f"{repeated} of {n} generated loops are exact repeats of others.")
    gap = float(np.median([x.rms_db for x in fake.loops]) - np.median([x.rms_db for x in reference.loops]))
    if abs(gap) > _LOUDER_DB:
        out.append(
            f"generated loops are {gap:+.1f} dB against the reference; judges hear level. Bring both to one level first."
        )
    bars = [dict(Counter(loop.bars for loop in m.loops)) for m in (reference, fake)]
    if bars[0].keys() != bars[1].keys():
        out.append(f"bars differ: reference {bars[0]}, generated {bars[1]}.")
    return out
