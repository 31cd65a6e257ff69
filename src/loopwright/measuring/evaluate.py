"""Evaluate: two sides of loops in, a table with error bars out.

Every row is measured against the same reference, with as many loops: generated ones, held-out real ones (what a perfect
model would score), and, where a model is evaluated, real ones through its vocoder (the best that model could score).
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics
from loopwright.errors import InputError
from loopwright.files import write_text
from loopwright.measuring.cache import EmbeddingCache
from loopwright.measuring.chart import chart
from loopwright.measuring.compare import compare
from loopwright.measuring.judging import named_judge
from loopwright.measuring.measured import Ears, Ints, Measured
from loopwright.measuring.novelty import Bank, neighbour_sheet, search
from loopwright.measuring.page import to_markdown
from loopwright.measuring.results import FORMAT, Evaluation, IntervalFacts, JudgeFacts, NoveltyFacts, Row
from loopwright.measuring.settings import Progress, Settings, no_progress
from loopwright.measuring.sides import ModelSide, Side, VocodedSide, open_side
from loopwright.measuring.trouble import look_for_trouble, refuse_nan

_SMALL_TEST = 200  # below this the validation split joins the reference


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
        held_out: more real loops; without, the real side is split by source into reference and held-out.
        training: what the fakes were trained on, for novelty; a run knows its own. Without, the whole real side is searched.
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
    judges = [named_judge(name, weights) for name in settings.judges]
    sides, how = _open(real, fake, settings, held_out, work)
    ears = Ears(judges, settings, cache_file)
    measured = _measure(sides, ears, settings, report)
    refuse_nan(measured, judges)
    reference, generated = measured["reference"], measured["generated"]
    warnings = look_for_trouble(measured, judges, settings)
    others = [name for name in measured if name != "reference"]
    rows = []
    for number, name in enumerate(others):
        report("intervals", number, len(others))
        rows.append(Row(row=name, loops=len(measured[name]), values=compare(reference, measured[name], settings)))
    report("intervals", len(others), len(others))
    novelty = None
    real_side, fake_side = sides["reference"][0], sides["generated"][0]
    if "novelty" in settings.metrics:
        bank_side, bank, of = _bank(real_side, fake_side, measured, training, settings, report)
        found = search(bank, reference, generated, functools.partial(report, "novelty"))
        novelty = NoveltyFacts(training=of, values=found.estimates(settings))
        if settings.pictures:
            neighbour_sheet(Path(out) / "neighbours.png", bank_side, bank, fake_side, generated, found.nearest)
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
        real=real_side.describe().model_copy(update={"reference": how}),
        fake=fake_side.describe(),
        rows=tuple(rows),
        reference_loops=metrics.summarise(reference.features),
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


Chosen = dict[str, tuple[Side, Ints]]  # by row of the table: a side, and which of its loops


def _open(real: Path, fake: Path, settings: Settings, held_out: Path | None, work: Path) -> tuple[Chosen, str]:
    """The loops of every row, as many in each, and in words how the reference was chosen."""
    real_side = open_side(real, count=2 * settings.n if settings.n else None, seed=settings.seed, vocoder=settings.vocoder)
    reference_rows, held_rows, how = split(real_side, settings, whole=held_out is not None)
    held_side = real_side
    if held_out is not None:
        held_side = open_side(held_out, count=settings.n, seed=settings.seed, vocoder=settings.vocoder)
        held_rows = np.arange(len(held_side))
    most = min(len(reference_rows), len(held_rows), settings.n or len(reference_rows))
    fake_side = open_side(
        fake,
        count=most,
        seed=settings.seed * 100_000,
        vocoder=settings.vocoder,
        truncation=settings.truncation,
        keep=work,
    )
    n = min(most, len(fake_side))
    if n < settings.fewest:
        raise InputError(
            f"an evaluation with k = {settings.k} needs at least {settings.fewest} loops in each of reference, held-out real "
            f"and generated; there are {len(reference_rows)}, {len(held_rows)} and {len(fake_side)}. "
            "Give more loops or a smaller --k."
        )
    rng = np.random.default_rng(settings.seed)
    chosen: Chosen = {
        "reference": (real_side, _sample(rng, reference_rows, n)),
        "held-out real": (held_side, _sample(rng, held_rows, n)),
    }
    if isinstance(fake_side, ModelSide):
        vocoded = VocodedSide(held_side, chosen["held-out real"][1].tolist(), fake_side.vocoder, keep=work)
        chosen["vocoded real"] = (vocoded, np.arange(n))
    chosen["generated"] = (fake_side, _sample(rng, np.arange(len(fake_side)), n))
    return chosen, how


def split(side: Side, settings: Settings, *, whole: bool) -> tuple[Ints, Ints, str]:
    """Rows of the reference, rows held out, and in words how they were chosen."""
    splits = np.array([entry.split for entry in side.entries])
    if settings.split is not None:
        reference = np.flatnonzero(splits == settings.split)
        if not len(reference):
            known = ", ".join(sorted({s for s in splits if s})) or "none"
            raise InputError(f"{side.label} has no loops of split '{settings.split}' (its splits: {known}). Leave --split out.")
        return reference, np.flatnonzero(splits != settings.split), f"split {settings.split}, held out: the other splits"
    if whole:
        return np.arange(len(side)), np.arange(0), "all"
    test, train = np.flatnonzero(splits == "test"), np.flatnonzero(splits == "train")
    if len(test) and len(train):
        if len(test) < _SMALL_TEST:
            test = np.flatnonzero(np.isin(splits, ["test", "validation"]))
            return test, train, "splits test and validation, held out: split train"
        return test, train, "split test, held out: split train"
    rng = np.random.default_rng(settings.seed)
    sources = [entry.unit for entry in side.entries]
    counts = Counter(sources)
    half: set[str] = set()
    total = 0
    for name in rng.permutation(sorted(counts)):
        if total >= len(sources) / 2:
            break
        half.add(str(name))
        total += counts[str(name)]
    inside = np.array([source in half for source in sources])
    return np.flatnonzero(inside), np.flatnonzero(~inside), "a random half by source, held out: the other half"


def _sample(rng: np.random.Generator, rows: Ints, n: int) -> Ints:
    return np.sort(rng.choice(rows, n, replace=False)) if n < len(rows) else np.asarray(rows, dtype=np.int64)


def _measure(chosen: Chosen, ears: Ears, settings: Settings, report: Progress) -> dict[str, Measured]:
    """Every set, as many loops in each: files that cannot be read are missing from all."""
    measured = {name: ears.measure(side, rows, functools.partial(report, name)) for name, (side, rows) in chosen.items()}
    smallest = min(len(m) for m in measured.values())
    if smallest < settings.fewest:
        raise InputError(f"after leaving out unreadable files only {smallest} loops are left, {settings.fewest} are needed.")
    return {name: m if len(m) == smallest else m.take(np.arange(smallest)) for name, m in measured.items()}


def _bank(
    real_side: Side,
    fake_side: Side,
    measured: dict[str, Measured],
    training: Path | None,
    settings: Settings,
    report: Progress,
) -> tuple[Side, Bank, str]:
    """What copies are searched in, and in words what it is."""
    if training is None and isinstance(fake_side, ModelSide):
        training = fake_side.training_data()
    if training is not None:
        side = open_side(training, count=None, seed=settings.seed)
        rows = np.array([i for i, entry in enumerate(side.entries) if entry.split in ("train", "")], dtype=np.int64)
        bank = Bank.read(side, rows, functools.partial(report, "training set"))
        return side, bank, f"{side.label}, {len(bank)} training loops"
    bank = Bank.of(measured["reference"], measured["held-out real"])
    return real_side, bank, f"{real_side.label}, {len(bank)} real loops, for each real one those of other sources"
