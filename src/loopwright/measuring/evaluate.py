"""Evaluate: two sides of loops in, a table with error bars out.

Every row is measured against the same reference, with as many loops: other real loops (what a perfect model would score),
training bars (what copying scores), where a model is evaluated real ones through its vocoder (the best that model could score),
and generated ones.
"""

from __future__ import annotations

import functools
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics
from loopwright.errors import InputError, WeightsError
from loopwright.features import Judge
from loopwright.features.basic_pitch import BasicPitch
from loopwright.files import write_text
from loopwright.measuring.cache import EmbeddingCache
from loopwright.measuring.chart import chart
from loopwright.measuring.compare import compare, drawn_sources, music_summary
from loopwright.measuring.judging import judges_called, named_judge
from loopwright.measuring.kits import from_kit_to_kit
from loopwright.measuring.measured import Ears, Measured
from loopwright.measuring.novelty import Bank, neighbour_sheet, search
from loopwright.measuring.page import to_markdown
from loopwright.measuring.results import FORMAT, Evaluation, IntervalFacts, JudgeFacts, NoveltyFacts, Row, SetFacts
from loopwright.measuring.rows import Plan, plan
from loopwright.measuring.settings import Progress, Settings, no_progress
from loopwright.measuring.sides import Side
from loopwright.measuring.trouble import look_for_trouble, refuse_nan

TRANSCRIBER = "basic_pitch"


def evaluate(
    real: Path,
    fake: Path,
    out: Path,
    settings: Settings | None = None,
    *,
    held_out: Path | None = None,
    training: Path | None = None,
    cache: Path | None = None,
    weights: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure `fake` against `real` and write evaluation.json, .md, .png and neighbours.png into `out`.

    Args:
        real: folder of audio, prepared data, pack, or run.
        fake: the same kinds.
        out: folder for the results.
        settings: what to measure.
        held_out: more real loops; without, the real side is split by source into reference and others.
        training: what the fakes were trained on, for the row of training bars and for novelty; a run knows its own. Without,
            the training split of the real side, or, for novelty alone, all its loops.
        cache: SQLite file of embeddings; None: nothing is kept.
        weights: folder of judges' weights, before the usual places.
        threads: CPU threads; None: as they are.
        progress: called with (what, done, total).

    Returns what evaluation.json holds. Raises InputError if a side is empty, unreadable or too small, WeightsError if a judge
    has no weights.
    """
    settings = settings or Settings()
    report = progress or no_progress
    settings.check()
    if threads is not None:
        torch.set_num_threads(threads)
    work = Path(out) / "work"
    cache_file = EmbeddingCache(cache)
    judges = judges_called(settings.judges, weights)
    chosen = plan(real, fake, settings, held_out=held_out, training=training, work=work)
    ears = Ears(judges, settings, cache_file, _transcriber(judges, weights) if "music" in settings.metrics else None)
    measured = _measure(chosen, ears, settings, report)
    refuse_nan(measured, judges)
    reference = measured["reference"]
    warnings = chosen.notes + look_for_trouble(measured, judges, settings)
    others = chosen.rows[1:]
    rows = []
    for number, row in enumerate(others):
        report("intervals", number, len(others))
        m = measured[row.kind]
        rows.append(Row(row=row.title, kind=row.kind, set=_facts(m), values=compare(reference, m, settings)))
    report("intervals", len(others), len(others))
    novelty = _novelty(Path(out), chosen, measured, settings, report) if "novelty" in settings.metrics else None
    if cache_file.note:
        warnings.append(cache_file.note)
    result = Evaluation(
        format=FORMAT,
        loopwright=version("loopwright"),
        n=len(reference),
        k=settings.k,
        seed=settings.seed,
        interval=IntervalFacts(level=0.95, method="half-sampling", repeats=settings.repeats),
        judges=tuple(JudgeFacts(name=j.name, dim=j.dim, rate_hz=j.rate_hz, checksum=j.checksum) for j in judges),
        real=chosen.rows[0].side.describe().model_copy(update={"reference": chosen.how}),
        fake=chosen.fake.describe(),
        rows=tuple(rows),
        reference=_facts(reference),
        reference_loops=metrics.summarise(reference.features),
        reference_music=_finite(music_summary(reference.music)) if reference.music is not None else None,
        kits=from_kit_to_kit(reference, {row.title: measured[row.kind] for row in others})
        if "kad" in settings.metrics
        else None,
        novelty=novelty,
        warnings=tuple(warnings),
    )
    result.write(Path(out))
    write_text(Path(out) / "evaluation.md", to_markdown(result))
    if settings.pictures:
        chart(result, Path(out) / "evaluation.png")
    cache_file.close()
    shutil.rmtree(work, ignore_errors=True)
    return result


def _transcriber(judges: list[Judge], weights: Path | None) -> BasicPitch | None:
    """What hears notes, if its file is at hand."""
    for judge in judges:
        if isinstance(judge, BasicPitch):
            return judge
    try:
        judge = named_judge(TRANSCRIBER, weights)
    except WeightsError:
        return None
    assert isinstance(judge, BasicPitch)
    return judge


def _measure(chosen: Plan, ears: Ears, settings: Settings, report: Progress) -> dict[str, Measured]:
    """Every row by its kind, as many loops in each: as many as the row with most unreadable files has left."""
    found = {row.kind: ears.measure(row.side, row.rows, functools.partial(report, row.title)) for row in chosen.rows}
    smallest = min(len(m) for m in found.values())
    if smallest < settings.fewest:
        raise InputError(f"after leaving out unreadable files only {smallest} loops are left, {settings.fewest} are needed.")
    return {kind: m if len(m) == smallest else m.take(np.arange(smallest)) for kind, m in found.items()}


def _facts(m: Measured) -> SetFacts:
    sources = {loop.entry.source for loop in m.loops} - {""}
    drawn = "loops" if drawn_sources(m) is None else "sources"
    return SetFacts(loops=len(m), sources=len(sources), kits=len(set(m.kits) - {""}), drawn=drawn)


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if np.isfinite(value)}


def _novelty(out: Path, chosen: Plan, measured: dict[str, Measured], settings: Settings, report: Progress) -> NoveltyFacts:
    """How near the generated loops come to what they were trained on, beside real ones."""
    real_row = chosen.rows[1]
    real, generated = measured["real"], measured["generated"]
    if chosen.training is not None:
        side: Side = chosen.training.side
        bank = Bank.read(side, chosen.training.rows, functools.partial(report, "training set"))
        of = f"{side.label}, {len(bank)} training loops"
    else:
        side, sets = chosen.rows[0].side, [measured["reference"]]
        if real_row.side is side:
            sets.append(real)
        bank = Bank.of(*sets)
        of = f"{side.label}, {len(bank)} real loops, for each real one those of other sources"
    found = search(bank, real, generated, functools.partial(report, "novelty"))
    if settings.pictures:
        neighbour_sheet(out / "neighbours.png", side, bank, chosen.fake, generated, found.nearest)
    return NoveltyFacts(training=of, real=real_row.title, values=found.estimates(settings))
