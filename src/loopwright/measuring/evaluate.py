"""Evaluate: two sides of loops in, a table with error bars out.

Every row is measured against the same reference, with as many loops: generated ones, held-out real ones (what a perfect
model would score), and, where a model is evaluated, real ones through its vocoder (the best that model could score).
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from loopwright import metrics
from loopwright.audio.mel import LogMel
from loopwright.audio.melscale import slaney_hz_to_mel
from loopwright.audio.picture import mel_sheet
from loopwright.audio.resample import resample_circle
from loopwright.config import LOOP16
from loopwright.errors import InputError, LoopwrightError
from loopwright.features import Judge, load_judge
from loopwright.files import write_json, write_text
from loopwright.measuring.cache import EmbeddingCache, content_hash
from loopwright.measuring.report import draw, to_markdown
from loopwright.measuring.sides import ModelSide, PreparedSide, Side, VocodedSide, open_side
from loopwright.metrics.loops import LoopFeatures

Progress = Callable[[str, int, int], None]
Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

FORMAT = 1
RATE_HZ = 16_000  # what judges and loop metrics hear
METRICS = ("fad", "fad_inf", "kad", "precision", "recall", "density", "coverage", "is", "ndb", "jsd", "loops", "novelty")
_CHUNK = 32
_POOL = (2, 2)  # mel bands and frames averaged for novelty
_JUDGE_SECONDS = (2.0, 20.0)  # loops shorter than this are repeated for a judge, longer ones cut


@dataclass(frozen=True)
class Settings:
    """What to measure, and how."""

    judges: tuple[str, ...] = ("yamnet", "musicnn")
    metrics: tuple[str, ...] = METRICS
    n: int | None = None  # loops on each side; None: as many as all sides have
    k: int = 5
    seed: int = 0
    repeats: int = 100  # half-samples for an interval
    bins: int = 100  # cells of NDB
    split: str | None = None  # reference split of the real side; None: test (with validation if small), or a random half
    vocoder: str = "auto"
    truncation: float = 1.0
    pictures: bool = True  # draw evaluation.png and neighbours.png


@dataclass
class Measured:
    """A set of loops, measured. Arrays have one row a loop, except `patterns` and `owner`: one a bar."""

    names: list[str]
    groups: list[str]
    rows: Ints
    embeddings: dict[str, Float32]
    probabilities: dict[str, Float32]
    loops: LoopFeatures
    patterns: Float32
    owner: Ints
    rms_db: npt.NDArray[np.float64]
    hashes: list[str]
    bars: list[int]
    facts: Counter[str]
    skipped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def take(self, keep: Ints) -> Measured:
        """Some of the loops."""
        bars = np.isin(self.owner, keep)
        renumber = {int(old): new for new, old in enumerate(keep)}
        return Measured(
            [self.names[i] for i in keep],
            [self.groups[i] for i in keep],
            self.rows[keep],
            {k: v[keep] for k, v in self.embeddings.items()},
            {k: v[keep] for k, v in self.probabilities.items()},
            self.loops[keep],
            self.patterns[bars],
            np.array([renumber[int(o)] for o in self.owner[bars]], dtype=np.int64),
            self.rms_db[keep],
            [self.hashes[i] for i in keep],
            [self.bars[i] for i in keep],
            self.facts,
            self.skipped,
        )


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
) -> dict[str, Any]:
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

    Returns the contents of evaluation.json. Raises InputError if a side is empty, unreadable or too small, WeightsError if a
    judge has no weights.
    """
    settings = settings or Settings()
    report = progress or _quiet
    _check(settings)
    if threads is not None:
        torch.set_num_threads(threads)
    work = Path(out) / "work"
    cache_file = EmbeddingCache(cache)
    judges = [_named_judge(name, weights) for name in settings.judges]
    warnings: list[str] = []
    real_side = open_side(real, count=2 * settings.n if settings.n else None, seed=settings.seed, vocoder=settings.vocoder)
    reference_rows, held_rows, how = _split(real_side, settings, whole=held_out is not None)
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
    least = 2 * (settings.k + 1)
    if n < least:
        raise InputError(
            f"an evaluation with k = {settings.k} needs at least {least} loops in each of reference, held-out real and "
            f"generated; there are {len(reference_rows)}, {len(held_rows)} and {len(fake_side)}. "
            "Give more loops or a smaller --k."
        )
    rng = np.random.default_rng(settings.seed)
    sets: dict[str, tuple[Side, Ints]] = {
        "reference": (real_side, _sample(rng, reference_rows, n)),
        "held-out real": (held_side, _sample(rng, held_rows, n)),
    }
    if isinstance(fake_side, ModelSide):
        vocoded = VocodedSide(held_side, sets["held-out real"][1].tolist(), fake_side.vocoder, keep=work)
        sets["vocoded real"] = (vocoded, np.arange(n))
    sets["generated"] = (fake_side, _sample(rng, np.arange(len(fake_side)), n))
    measured = {
        name: _measure(side, rows, judges, settings, cache_file, functools.partial(report, name))
        for name, (side, rows) in sets.items()
    }
    smallest = min(len(m) for m in measured.values())
    if smallest < least:
        raise InputError(f"after leaving out unreadable files only {smallest} loops are left, {least} are needed.")
    measured = {name: m if len(m) == smallest else m.take(np.arange(smallest)) for name, m in measured.items()}
    warnings += _look_for_trouble(measured, judges, settings)
    rows = []
    others = [name for name in measured if name != "reference"]
    for number, name in enumerate(others):
        report("intervals", number, len(others))
        rows.append(
            {"row": name, "loops": len(measured[name]), "values": _compare(measured["reference"], measured[name], settings)}
        )
    report("intervals", len(others), len(others))
    result: dict[str, Any] = {
        "format": FORMAT,
        "loopwright": version("loopwright"),
        "n": smallest,
        "k": settings.k,
        "seed": settings.seed,
        "interval": {"level": 0.95, "method": "half-sampling", "repeats": settings.repeats},
        "judges": [{"name": j.name, "dim": j.dim, "rate_hz": j.rate_hz, "checksum": j.checksum} for j in judges],
        "real": real_side.describe() | {"reference": how},
        "fake": fake_side.describe(),
        "rows": rows,
        "reference_loops": metrics.summarise(measured["reference"].loops),
    }
    if "novelty" in settings.metrics:
        result["novelty"] = _novelty(Path(out), real_side, fake_side, measured, training, settings, report)
    if cache_file.note:
        warnings.append(cache_file.note)
    result["warnings"] = warnings
    write_json(Path(out) / "evaluation.json", result)
    write_text(Path(out) / "evaluation.md", to_markdown(result))
    if settings.pictures:
        draw(result, Path(out) / "evaluation.png")
    cache_file.close()
    shutil.rmtree(work, ignore_errors=True)
    return result


def _quiet(what: str, done: int, total: int) -> None:  # noqa: ARG001
    return None


def _named_judge(name: str, weights: Path | None) -> Judge:
    """The judge under the name it was asked by, so that `random:yamnet` and `yamnet` do not share a column."""
    judge = load_judge(name, weights=weights)
    judge.name = name
    return judge


def _check(settings: Settings) -> None:
    unknown = [name for name in settings.metrics if name not in METRICS]
    if unknown or not settings.metrics:
        raise InputError(f"no metric {', '.join(unknown) or 'given'}. Known: {', '.join(METRICS)}.")
    if settings.k < 1 or settings.repeats < 2 or settings.bins < 2:
        raise InputError("k must be 1 or above, repeats and bins 2 or above.")
    if not settings.judges or len(set(settings.judges)) < len(settings.judges):
        raise InputError("no judge given, or one twice. Pass --judge yamnet,musicnn or others.")


def _split(side: Side, settings: Settings, *, whole: bool) -> tuple[Ints, Ints, str]:
    """Rows of the reference, rows held out, and in words how they were chosen."""
    splits = np.array([loop.split for loop in side.loops])
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
        if len(test) < 200:
            test = np.flatnonzero(np.isin(splits, ["test", "validation"]))
            return test, train, "splits test and validation, held out: split train"
        return test, train, "split test, held out: split train"
    rng = np.random.default_rng(settings.seed)
    sources = [loop.source or loop.name for loop in side.loops]
    names = sorted(set(sources))
    half: set[str] = set()
    counts = Counter(sources)
    total = 0
    for name in rng.permutation(names):
        if total >= len(sources) / 2:
            break
        half.add(str(name))
        total += counts[str(name)]
    inside = np.array([source in half for source in sources])
    return np.flatnonzero(inside), np.flatnonzero(~inside), "a random half by source, held out: the other half"


def _sample(rng: np.random.Generator, rows: Ints, n: int) -> Ints:
    return np.sort(rng.choice(rows, n, replace=False)) if n < len(rows) else np.asarray(rows, dtype=np.int64)


def _measure(
    side: Side,
    rows: Ints,
    judges: Sequence[Judge],
    settings: Settings,
    cache: EmbeddingCache,
    report: Callable[[int, int], None],
) -> Measured:
    """Read loops in chunks; keep embeddings and measures, not the audio."""
    log_mel = LogMel(LOOP16)
    edges = band_edges()
    names: list[str] = []
    groups: list[str] = []
    kept: list[int] = []
    hashes: list[str] = []
    bars: list[int] = []
    skipped: list[str] = []
    facts: Counter[str] = Counter()
    features: list[LoopFeatures] = []
    patterns: list[Float32] = []
    owner: list[int] = []
    levels: list[float] = []
    vectors: dict[str, list[Float32]] = {judge.name: [] for judge in judges}
    odds: dict[str, list[Float32]] = {judge.name: [] for judge in judges if _gives_odds(judge, settings)}
    for start in range(0, len(rows), _CHUNK):
        report(start, len(rows))
        clips: list[Float32] = []
        for row in rows[start : start + _CHUNK]:
            loop = side.loops[int(row)]
            try:
                read = side.read(int(row), RATE_HZ)
            except LoopwrightError as error:
                skipped.append(f"{loop.name}: {error}")
                continue
            number = len(names)
            names.append(loop.name)
            groups.append(loop.source or loop.name)
            kept.append(int(row))
            bars.append(read.bars)
            facts[f"{read.rate_hz} Hz"] += 1
            facts[f"{len(read.samples) / RATE_HZ:.3f} s"] += 1
            levels.append(float(np.sqrt(np.mean(read.samples.astype(np.float64) ** 2))))
            clips.append(_judge_clip(read.samples))
            grid = resample_circle(read.samples, read.bars * LOOP16.bar_samples)[None]
            with torch.no_grad():
                picture = log_mel(torch.from_numpy(grid)).numpy()
            one = metrics.loop_features(grid, picture, bars=read.bars, edges=edges)
            features.append(dataclasses.replace(one, wrap=np.array([read.wrap])))
            for bar in np.split(_pooled(picture[0]), read.bars, axis=1):
                patterns.append(bar)
                owner.append(number)
        keys = [content_hash(clip) for clip in clips]
        hashes += keys
        for judge in judges:
            vectors[judge.name] += _through(judge, clips, keys, cache, "embedding")
            if judge.name in odds:
                odds[judge.name] += _through(judge, clips, keys, cache, "probabilities")
    report(len(rows), len(rows))
    if not names:
        first = f" ({skipped[0]})" if skipped else ""
        raise InputError(f"none of the {len(rows)} loops of {side.label} can be read{first}.")
    return Measured(
        names,
        groups,
        np.asarray(kept),
        {name: np.stack(v) for name, v in vectors.items()},
        {name: np.stack(v) for name, v in odds.items()},
        LoopFeatures.join(features),
        np.stack(patterns),
        np.asarray(owner, dtype=np.int64),
        20 * np.log10(np.maximum(levels, 1e-6)),
        hashes,
        bars,
        facts,
        skipped,
    )


def band_edges() -> tuple[int, int]:
    """Mel bins of LOOP16 at which 200 Hz and 2 kHz lie."""
    top = slaney_hz_to_mel(np.array([LOOP16.fmax_hz]))[0]
    low, high = slaney_hz_to_mel(np.array([200.0, 2000.0])) / top * (LOOP16.n_mels + 1) - 1
    return round(float(low)), round(float(high))


def _pooled(log_mel: Float32) -> Float32:
    bands, frames = _POOL
    m, t = log_mel.shape
    return np.asarray(log_mel.reshape(m // bands, bands, t // frames, frames).mean(axis=(1, 3)), dtype=np.float32)


def _judge_clip(samples: Float32) -> Float32:
    shortest, longest = (round(s * RATE_HZ) for s in _JUDGE_SECONDS)
    if len(samples) < shortest:
        samples = np.tile(samples, -(-shortest // len(samples)))
    return samples[:longest]


def _gives_odds(judge: Judge, settings: Settings) -> bool:
    """Whether IS can come from this judge: its classes exclude each other, which AudioSet's and MTAT's tags do not."""
    if "is" not in settings.metrics or not judge.classes:
        return False
    noise = np.random.default_rng(0).normal(size=(1, max(2 * RATE_HZ, judge.network.min_samples))).astype(np.float32)
    return bool(abs(float(judge.probabilities(0.1 * noise).sum()) - 1.0) < 1e-3)


def _through(judge: Judge, clips: list[Float32], keys: list[str], cache: EmbeddingCache, what: str) -> list[Float32]:
    """Vectors of clips, from the cache where they are known; clips of one length go through the judge together."""
    space = f"{judge.name} {judge.checksum} {what}"
    known = cache.get(space, keys)
    lengths: dict[int, list[int]] = {}
    for i, key in enumerate(keys):
        if key not in known:
            lengths.setdefault(max(len(clips[i]), judge.network.min_samples), []).append(i)
    fresh: dict[str, Float32] = {}
    for length, some in lengths.items():
        batch = np.stack([np.resize(clips[i], length) for i in some])  # one that is too short for the judge goes round again
        out = judge.embed(batch) if what == "embedding" else judge.probabilities(batch)
        fresh |= {keys[i]: np.asarray(vector) for i, vector in zip(some, out, strict=True)}
    if fresh:
        cache.put(space, {key: vector for key, vector in fresh.items() if np.isfinite(vector).all()})
    known |= fresh
    return [known[key] for key in keys]


def _look_for_trouble(measured: dict[str, Measured], judges: Sequence[Judge], settings: Settings) -> list[str]:
    """What a reader must know before believing the table."""
    out: list[str] = []
    reference, fake = measured["reference"], measured["generated"]
    n = len(reference)
    for name, m in measured.items():
        for judge in judges:
            bad = np.flatnonzero(~np.isfinite(m.embeddings[judge.name]).all(axis=1))
            if len(bad):
                raise InputError(
                    f"{judge.name} gives NaN for {len(bad)} of {len(m)} loops of {name} (first: {m.names[bad[0]]}). "
                    "Remove these files, or use another judge."
                )
        if m.skipped:
            out.append(f"{name}: {len(m.skipped)} files were left out; first: {m.skipped[0]}")
        rates = sorted(k for k in m.facts if k.endswith("Hz"))
        if len(rates) > 1 or rates != ["16000 Hz"]:
            out.append(f"{name}: {', '.join(rates)} resampled to {RATE_HZ} Hz, all that judges hear.")
        lengths = [k for k in m.facts if k.endswith(" s")]
        if len(lengths) > 1:
            shown = ", ".join(sorted(lengths)[:4])
            out.append(
                f"{name}: {len(lengths)} different lengths ({shown}{' ...' if len(lengths) > 4 else ''}), embedded as they are."
            )
        silent = int((m.rms_db < -60).sum())
        if silent:
            out.append(f"{name}: {silent} loops are silent (below -60 dB).")
    copies = len(set(fake.hashes) & (set(reference.hashes) | set(measured["held-out real"].hashes)))
    if copies:
        out.append(
            f"{copies} of {n} generated loops are, sample for sample, real ones. "
            "If both sides are the same folder, this table says nothing."
        )
    repeated = len(fake.hashes) - len(set(fake.hashes))
    if repeated:
        out.append(f"{repeated} of {n} generated loops are exact repeats of others.")
    gap = float(np.median(fake.rms_db) - np.median(reference.rms_db))
    if abs(gap) > 3:
        out.append(
            f"generated loops are {gap:+.1f} dB against the reference; judges hear level. Bring both to one level first."
        )
    if Counter(reference.bars).keys() != Counter(fake.bars).keys():
        out.append(f"bars differ: reference {dict(Counter(reference.bars))}, generated {dict(Counter(fake.bars))}.")
    for judge in judges:
        if n <= judge.dim and {"fad", "fad_inf"} & set(settings.metrics):
            out.append(
                f"N = {n} does not fill the {judge.dim} x {judge.dim} covariance of {judge.name}: FAD is far too high in "
                "all rows alike. Compare with the held-out row, or read KAD."
            )
    if "ndb" in settings.metrics and n < 10 * settings.bins:
        out.append(f"NDB with {settings.bins} cells wants {10 * settings.bins} loops, there are {n}: it is noisy here.")
    return out


def _groups(m: Measured) -> list[str] | None:
    """Sources for resampling, or None if every loop has its own, or there are too few to resample."""
    return m.groups if 8 <= len(set(m.groups)) < len(m.groups) else None


def _compare(real: Measured, fake: Measured, settings: Settings) -> dict[str, Any]:
    """Every number of one row: {"fad/yamnet": {"value", "low", "high"}, ...}."""
    wanted = set(settings.metrics)
    out: dict[str, Any] = {}
    groups = [_groups(real), _groups(fake)]
    half = functools.partial(metrics.bootstrap, repeats=settings.repeats, seed=settings.seed)
    k = settings.k
    for name in real.embeddings:
        a, b = real.embeddings[name], fake.embeddings[name]
        bandwidth = metrics.median_distance(a) if "kad" in wanted else None
        bins = min(settings.bins, len(a) // 4)

        def numbers(x: Float32, y: Float32, *, bandwidth: float | None = bandwidth, bins: int = bins) -> dict[str, float]:
            values: dict[str, float] = {}
            if "fad" in wanted:
                values["fad"] = metrics.fad(x, y)
            if "kad" in wanted:
                values["kad"] = metrics.kad(x, y, bandwidth=bandwidth)
            if wanted & {"precision", "recall", "density", "coverage"}:
                values |= metrics.prdc(x, y, k)._asdict()
            if wanted & {"ndb", "jsd"}:
                cells = metrics.ndb(x, y, bins=bins, seed=settings.seed)
                values |= {"ndb": cells.share, "jsd": cells.jsd}
            return {key: value for key, value in values.items() if key in wanted}

        if wanted & {"fad", "kad", "precision", "recall", "density", "coverage", "ndb", "jsd"}:
            for key, interval in half(numbers, a, b, groups=groups).items():
                out[f"{key}/{name}"] = _plain(interval, key)
        if "fad_inf" in wanted:
            found = metrics.bootstrap(
                lambda x, y: metrics.fad_inf(x, y, steps=8, seed=settings.seed).value,
                a,
                b,
                repeats=min(20, settings.repeats),  # each needs a whole series of FADs
                seed=settings.seed,
                groups=groups,
            )
            out[f"fad_inf/{name}"] = _plain(found["value"], "fad_inf")
        if name in fake.probabilities:
            found = half(
                lambda p: metrics.inception_score(p, splits=max(1, min(10, len(p) // 10)), seed=settings.seed).mean,
                fake.probabilities[name],
                groups=groups[1:],
            )
            out[f"is/{name}"] = _plain(found["value"], "is")
    if "loops" in wanted:
        mine, theirs = np.arange(len(real)), np.arange(len(fake))
        found = half(lambda i, j: metrics.compare_loops(real.loops[i], fake.loops[j]), mine, theirs, groups=groups)
        out |= {f"loops/{key}": _plain(interval, key) for key, interval in found.items()}
        found = half(lambda j: metrics.summarise(fake.loops[j]), theirs, groups=groups[1:])
        out |= {f"loops/{key}": _plain(interval, key) for key, interval in found.items()}
    return out


# Values that cannot lie outside: an interval moved onto the full value may reach past the end.
_ZERO_TO_ONE = {"precision", "recall", "coverage", "ndb", "click_share", "wrap", "grid", "copied"}
_FROM_ZERO = {"fad", "density", "jsd", "is"}


def _plain(interval: metrics.Interval, name: str) -> dict[str, float]:
    least, most = -np.inf, np.inf
    if name in _ZERO_TO_ONE or name.startswith("ks_"):
        least, most = 0.0, 1.0
    elif name in _FROM_ZERO or name.startswith("onset_jsd"):
        least = 0.0
    return {"value": interval.value, "low": max(interval.low, least), "high": min(interval.high, most)}


def _novelty(
    out: Path,
    real_side: Side,
    fake_side: Side,
    measured: dict[str, Measured],
    training: Path | None,
    settings: Settings,
    report: Progress,
) -> dict[str, Any]:
    """Nearest training bar of every generated one, and of held-out real ones to compare with."""
    reference, fake = measured["reference"], measured["generated"]
    if training is None and isinstance(fake_side, ModelSide):
        training = fake_side.training_data()
    if training is not None:
        side: Side = open_side(training, count=None, seed=settings.seed)
        rows = np.array([i for i, loop in enumerate(side.loops) if loop.split in ("train", "")], dtype=np.int64)
        library = _library(side, rows, functools.partial(report, "training set"))
        of = f"{side.label}, {len(library.names)} training loops"
    else:
        side, library = real_side, _join(reference, measured["held-out real"])
        of = f"{side.label}, {len(library.names)} real loops, for each real one those of other sources"
    numbers = {name: i for i, name in enumerate(dict.fromkeys(library.groups + reference.groups))}
    library_groups = np.array([numbers[library.groups[i]] for i in library.owner])
    held_groups = np.array([numbers[reference.groups[i]] for i in reference.owner])
    report("novelty", 0, 2)
    held = metrics.nearest(library.patterns, reference.patterns, groups=(library_groups, held_groups))
    report("novelty", 1, 2)
    found = metrics.nearest(library.patterns, fake.patterns)
    report("novelty", 2, 2)
    best_held, best_fake = _best(held.similarity, reference.owner), _best(found.similarity, fake.owner)

    def number(i: npt.NDArray[np.intp], j: npt.NDArray[np.intp]) -> dict[str, float]:
        value = metrics.novelty_from(best_held[i], best_fake[j])
        return {"copied": value.copied, "threshold": value.threshold, "fake": value.fake, "held_out": value.held_out}

    intervals = metrics.bootstrap(
        number, np.arange(len(best_held)), np.arange(len(best_fake)), repeats=settings.repeats, seed=settings.seed
    )
    if settings.pictures:
        _neighbour_sheet(out, side, fake_side, library, fake, found)
    return {"training": of, "values": {key: _plain(interval, key) for key, interval in intervals.items()}}


def _best(similarity: Float32, owner: Ints) -> Float32:
    """The most similar bar of each loop."""
    out = np.full(int(owner.max()) + 1, -1.0, dtype=np.float32)
    np.maximum.at(out, owner, similarity)
    return out


@dataclass(frozen=True)
class Library:
    """Loops to be compared with: `patterns` and `owner` have one row a bar, the rest one a loop."""

    names: list[str]
    groups: list[str]
    rows: Ints
    patterns: Float32
    owner: Ints


def _library(side: Side, rows: Ints, report: Callable[[int, int], None]) -> Library:
    """Patterns of many loops, and nothing else of them."""
    names: list[str] = []
    groups: list[str] = []
    kept: list[int] = []
    patterns: list[Float32] = []
    owner: list[int] = []
    log_mel = LogMel(LOOP16)
    ready = isinstance(side, PreparedSide) and side.data.representation == LOOP16  # analysed already
    for start in range(0, len(rows), _CHUNK):
        report(start, len(rows))
        part = rows[start : start + _CHUNK]
        if ready:
            assert isinstance(side, PreparedSide)
            pictures: list[Float32 | None] = list(side.data.log_mel(part))
        else:
            pictures = []
            for row in part:
                try:
                    read = side.read(int(row), RATE_HZ)
                except LoopwrightError:
                    pictures.append(None)
                    continue
                grid = resample_circle(read.samples, read.bars * LOOP16.bar_samples)
                with torch.no_grad():
                    pictures.append(log_mel(torch.from_numpy(grid)[None])[0].numpy())
        for row, picture in zip(part, pictures, strict=True):
            if picture is None:
                continue
            loop = side.loops[int(row)]
            for bar in np.split(_pooled(picture), picture.shape[1] // LOOP16.bar_frames, axis=1):
                patterns.append(bar)
                owner.append(len(names))
            names.append(loop.name)
            groups.append(loop.source or loop.name)
            kept.append(int(row))
    report(len(rows), len(rows))
    if not names:
        raise InputError(f"{side.label} has no training loops that can be read. Pass another --training.")
    return Library(names, groups, np.asarray(kept), np.stack(patterns), np.asarray(owner, dtype=np.int64))


def _join(a: Measured, b: Measured) -> Library:
    return Library(
        a.names + b.names,
        a.groups + b.groups,
        np.concatenate([a.rows, b.rows]),
        np.concatenate([a.patterns, b.patterns]),
        np.concatenate([a.owner, b.owner + len(a)]),
    )


def _neighbour_sheet(
    out: Path, side: Side, fake_side: Side, library: Library, fake: Measured, found: metrics.Nearest, count: int = 8
) -> None:
    """The generated bars closest to training, each beside its neighbour turned to fit."""
    pictures: list[Float32] = []
    titles: list[str] = []
    log_mel = LogMel(LOOP16)

    def picture(of: Side, m: Measured | Library, bar: int) -> Float32:
        row = int(m.owner[bar])
        read = of.read(int(m.rows[row]), RATE_HZ)
        grid = resample_circle(read.samples, read.bars * LOOP16.bar_samples)
        first = int(np.flatnonzero(m.owner == row)[0])
        with torch.no_grad():
            whole = log_mel(torch.from_numpy(grid)[None])[0].numpy()
        return np.asarray(np.split(whole, read.bars, axis=1)[bar - first])

    for bar in np.argsort(-found.similarity)[:count]:
        item = int(found.item[bar])
        pictures.append(picture(fake_side, fake, int(bar)))
        titles.append(f"generated: {fake.names[fake.owner[bar]][-36:]}")
        pictures.append(np.roll(picture(side, library, item), int(found.roll[bar]) * _POOL[1], axis=1))
        titles.append(f"closest ({found.similarity[bar]:.3f}): {library.names[library.owner[item]][-28:]}")
    mel_sheet(out / "neighbours.png", np.stack(pictures), titles=titles, title="The generated bars closest to training")
