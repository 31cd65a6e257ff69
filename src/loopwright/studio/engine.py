"""Wishes to loops: which function of `making` does what, on models that are loaded once."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import InputError
from loopwright.making import places
from loopwright.making.bundled import bundled_models, read_header
from loopwright.making.directions import Direction, directions_path, find_directions, load_directions, save_directions
from loopwright.making.engines import load
from loopwright.making.find import find_model
from loopwright.making.model import Model, check_settings
from loopwright.making.styles import load_table, table_path
from loopwright.studio import wishes
from loopwright.studio.jobs import Event, Job, Jobs
from loopwright.studio.library import Kept, Library, audio_length_s, id_of
from loopwright.studio.runs import Runs
from loopwright.tasks.loopify import loopify

PAGE_RATE_HZ = 44_100  # the page's audio context runs at this rate, so that nothing resamples a loop and breaks its seam
MODELS_LOADED = 3
UPLOADS = 12
MOST_SECONDS = 60.0
MAGIC = (
    *((b"RIFF", ".wav"), (b"RF64", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"FORM", ".aiff"), (b"ID3", ".mp3")),
    *((bytes([0xFF, second]), ".mp3") for second in (0xFB, 0xFA, 0xF3, 0xF2)),
)
RECIPE_VERSION = 2  # of what a loop's recipe means: raise it when the same recipe gives another sound


@dataclass(frozen=True)
class Entry:
    """A model that can be chosen."""

    key: str
    name: str  # what `making.load` takes
    path: Path


def whole_bar_bpm(bpm: float) -> float:
    """The nearest tempo whose bar is a whole number of samples: then loops of 1, 2 and 4 bars never drift apart."""
    exact = 240.0 * PAGE_RATE_HZ / round(240.0 * PAGE_RATE_HZ / bpm)
    return min(240.0, max(40.0, exact))


class Engine:
    """Models, uploads and the library behind the page.

    Args:
        models: model files, run folders or bundled names to offer beside the bundled ones; the first is the default.
        library: where loops go.
        runs: training runs, whose best models are offered too.
        jobs: the queue that `work` is done by.
    """

    def __init__(self, models: list[str], library: Library, runs: Runs | None, jobs: Jobs) -> None:
        self.library, self.runs, self.jobs = library, runs, jobs
        self._given: dict[str, Entry] = {}
        for name in models:
            path = find_model(name)
            key = name if name in bundled_models() else _key_of(path)
            while key in self._given:
                key += "-2"
            self._given[key] = Entry(key, name, path)
        self._loaded: OrderedDict[tuple[str, str, str], Model] = OrderedDict()
        self._found: dict[Path, list[Direction]] = {}
        self._uploads: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="loopwright-studio-"))

    def close(self) -> None:
        """Remove uploads."""
        shutil.rmtree(self._folder, ignore_errors=True)

    # ---- models

    def entries(self) -> dict[str, Entry]:
        """Models that can be chosen, the default first."""
        found = dict(self._given)
        for name, path in bundled_models().items():
            found.setdefault(name, Entry(name, name, path))
        for run_id, path in self.runs.models().items() if self.runs is not None else ():
            if path not in {entry.path for entry in found.values()}:
                found.setdefault(run_id, Entry(run_id, str(path), path))
        return found

    def describe_models(self) -> list[dict[str, Any]]:
        """For the page: from the files' headers, without loading them."""
        out = []
        for entry in self.entries().values():
            with contextlib.suppress(OSError, ValueError, KeyError, InputError):
                header = read_header(entry.path)
                names = [d.name for d in self._known(entry.path)]
                out.append(
                    {
                        "key": entry.key,
                        "mel": header["mel"]["name"],
                        "kimg": round(float(header.get("training", {}).get("kimg", 0)), 1),
                        "bars": header["bars"],
                        "styles": header.get("styles") or list(self._table(entry.path)),
                        "directions": names,
                        "description": header.get("description", ""),
                    }
                )
        return out

    def model(self, key: str, *, engine: str = "auto") -> tuple[Model, str]:
        """A loaded model and the stamp of its file. Only the worker calls this. Raises InputError."""
        entry = self.entries().get(key)
        if entry is None:
            raise InputError(f"no model '{key}' here. There are: {', '.join(self.entries()) or 'none'}.")
        try:
            facts = entry.path.stat()
        except OSError as error:
            raise InputError(f"the file of model '{key}' is gone ({error.strerror}).") from error
        stamp = f"{facts.st_size:x}-{facts.st_mtime_ns:x}"
        known = (key, stamp, engine)
        if known not in self._loaded:
            self._loaded[known] = load(entry.name, engine=engine)
            while len(self._loaded) > MODELS_LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(known)
        return self._loaded[known], stamp

    def warm_up(self) -> None:
        """Load the default model and run it once, so that the first loop asked for comes soon."""
        keys = list(self.entries())
        if keys:
            self.jobs.submit("loopwright itself", "warm-up", 1, self._warm(keys[0]))

    def _warm(self, key: str) -> Any:
        def work(_: Job) -> Iterator[Event]:
            model, _stamp = self.model(key)
            places.render_place(model, places.place_of(model, 0), bpm=120.0, rate_hz=PAGE_RATE_HZ)
            yield {"type": "warm"}

        return work

    # ---- uploads

    def take_upload(self, body: bytes) -> dict[str, Any]:
        """Keep an uploaded file for a while: its id and length. Raises InputError if it is not audio, too long, or silent."""
        suffix = next((suffix for magic, suffix in MAGIC if body.startswith(magic)), None)
        if suffix is None:
            raise InputError("this is not an audio file that can be read. WAV, FLAC, AIFF, OGG and MP3 can.")
        upload = secrets.token_hex(8)
        path = self._folder / f"{upload}{suffix}"
        path.write_bytes(body)
        try:
            length_s = audio_length_s(path, MOST_SECONDS)
        except InputError as error:
            path.unlink(missing_ok=True)
            raise InputError(str(error).replace(str(path), "the file")) from error
        with self._lock:
            self._uploads[upload] = path
            while len(self._uploads) > UPLOADS:
                _, old = self._uploads.popitem(last=False)
                old.unlink(missing_ok=True)
                old.with_suffix(".bar.wav").unlink(missing_ok=True)
        return {"upload": upload, "length_s": round(length_s, 4)}

    # ---- work

    def total(self, wish: wishes.AnyWish) -> int:
        """Loops that a wish makes."""
        if isinstance(wish, wishes.Retempo):
            return len(wish.loops)
        return int(getattr(wish, "count", 1))

    def work(self, wish: wishes.AnyWish) -> Any:
        """The work of a wish, for `Jobs.submit`."""

        def run(job: Job) -> Iterator[Event]:
            for item in self._make(wish, job):
                yield {"type": "loop", "loop": public(item)} if isinstance(item, Kept) else item

        return run

    def _make(self, wish: wishes.AnyWish, job: Job) -> Iterator[Kept | Event]:
        info: dict[str, Any]
        match wish:
            case wishes.Generate():
                check_settings(wish.bpm, wish.bars, wish.truncation, PAGE_RATE_HZ)
                for i in range(wish.count):
                    model, stamp = self.model(wish.model)
                    seed = (wish.seed + i) % 2**32
                    if wish.style and (listed := self._table(model.path).get(wish.style)):
                        seed = listed[seed % len(listed)]
                    place = places.place_of(model, seed, style=wish.style, truncation=wish.truncation)
                    info = {"seed": seed, "truncation": wish.truncation} | ({"style": wish.style} if wish.style else {})
                    yield self._keep(wish.model, model, stamp, place, wish.bpm, wish.bars, info)
            case wishes.Near() | wishes.Away():
                kept = self.library.get(wish.loop)
                for i in range(wish.count):
                    model, stamp, place = self._at(kept)
                    style = kept.info.get("style")
                    if isinstance(wish, wishes.Near):
                        found = places.near(model, place, wish.amount, wish.salt + i, style=style)
                        info = {"near": kept.name, "amount": wish.amount}
                    else:
                        found = places.away(model, place, wish.salt + i, style=style)
                        info = {"seed": found.noise[0][0], "truncation": found.truncation, "unlike": kept.name}
                    yield self._keep(kept.how["model"], model, stamp, found, wish.bpm or kept.bpm, kept.bars, info)
            case wishes.Blend():
                a, b = self.library.get(wish.a), self.library.get(wish.b)
                model, stamp, place, other = self._both(a, b)
                between = places.interpolate(model, place, other, wish.t)
                info = {"between": [a.name, b.name], "at": wish.t}
                yield self._keep(a.how["model"], model, stamp, between, wish.bpm or a.bpm, max(a.bars, b.bars), info)
            case wishes.Mix():
                a, b = self.library.get(wish.a), self.library.get(wish.b)
                model, stamp, place, other = self._both(a, b)
                mixed = places.mix(model, place, other, wish.level)
                info = {"mixed": [a.name, b.name], "level": wish.level}
                yield self._keep(a.how["model"], model, stamp, mixed, wish.bpm or a.bpm, a.bars, info)
            case wishes.Move():
                kept = self.library.get(wish.loop)
                model, stamp, place = self._at(kept)
                place = places.move(model, place, wish.amounts, self._directions(model))
                info = {"moved": kept.name, "moves": wish.amounts}
                yield self._keep(kept.how["model"], model, stamp, place, wish.bpm or kept.bpm, kept.bars, info)
            case wishes.Retempo():
                for loop_id in wish.loops:
                    kept = self.library.get(loop_id)
                    model, stamp, place = self._at(kept)
                    info = {k: v for k, v in kept.info.items() if k != "model"}
                    made = self._keep(kept.how["model"], model, stamp, place, wish.bpm, kept.bars, info)
                    yield {"type": "loop", "loop": public(made), "instead_of": loop_id}
            case wishes.Variations():
                yield from self._variations(wish, job)
            case wishes.Directions():
                model, _ = self.model(wish.model)
                self.jobs.note(job, {"type": "note", "text": "measuring what the model's directions do"})
                known = find_directions(model, count=4, samples=1000, probes=32)
                self._found[model.path] = known
                with contextlib.suppress(InputError):  # a bundled model's folder may be read-only: then until the studio ends
                    save_directions(directions_path(model.path), known)
                yield {"type": "directions", "directions": [d.name for d in known]}

    def _variations(self, wish: wishes.Variations, job: Job) -> Iterator[Kept | Event]:
        path = self._uploads.get(wish.upload)
        if path is None or not path.is_file():
            raise InputError("that upload is not here any more. Drop the file again.")
        from loopwright.making.project import IN_THE_BOX, project, target_log_mel
        from loopwright.making.torch_model import TorchModel

        name = wish.model
        if self.model(name)[0].speaker.plays:
            name = IN_THE_BOX
            yield {"type": "note", "text": f"'{wish.model}' cannot look up recordings, so '{name}' does"}
        model, stamp = self.model(name)
        # looking for a loop takes gradients, so torch; it is played by the engine that plays the others
        searched = model if isinstance(model, TorchModel) else self.model(name, engine="torch")[0]
        assert isinstance(searched, TorchModel)
        bar = path.with_suffix(".bar.wav")
        try:
            loopify(path, bar, bars=model.bars)  # the best bar of it, its circle closed
        except InputError:
            bar = path  # no tempo to be found: taken as one bar, if its length allows
        log_mel, bpm = target_log_mel(searched, bar)
        yield {"type": "note", "text": f"one bar at {bpm:.1f} BPM; looking for it in the model"}

        def progress(done: int, total: int) -> None:
            if done % 10 == 0:
                self.jobs.note(job, {"type": "note", "text": f"looking for it in the model: {100 * done // total} %"})

        found = project(searched, log_mel, bpm=bpm, steps=80, starts=96, progress=progress)
        place = found.place
        tempo = wish.bpm or min(240.0, max(40.0, bpm))
        info = {"variation_of": "a recording", "error_db": round(found.error, 2)}
        yield self._keep(name, model, stamp, place, tempo, 1, info)
        for i in range(wish.count - 1):
            near = places.near(model, place, wish.amount, i)
            yield self._keep(name, model, stamp, near, tempo, 1, info | {"amount": wish.amount})

    def _at(self, kept: Kept) -> tuple[Model, str, places.Place]:
        """Model and place of a loop in the library."""
        model, stamp = self.model(kept.how["model"])
        return model, stamp, places.Place(**kept.how["place"])

    def _both(self, a: Kept, b: Kept) -> tuple[Model, str, places.Place, places.Place]:
        """Model and places of two loops. Raises InputError if they are from two models."""
        if a.how["model"] != b.how["model"]:
            raise InputError(f"'{a.name}' and '{b.name}' are from two models. Choose loops of one model.")
        model, stamp, place = self._at(a)
        return model, stamp, place, self._at(b)[2]

    def _table(self, path: Path) -> dict[str, tuple[int, ...]]:
        """Seeds of each style of a model that was not trained on styles, from the table beside its file."""
        table = load_table(table_path(path))
        return table.seeds if table is not None else {}

    def _known(self, path: Path) -> list[Direction]:
        """Directions kept beside a model's file, or found since the studio began."""
        return load_directions(directions_path(path)) or self._found.get(path, [])

    def _directions(self, model: Model) -> list[Direction]:
        found = self._known(model.path)
        if not found:
            raise InputError(f"the directions of model '{model.name}' are not known yet. Press 'Find directions'.")
        return found

    def _keep(
        self, key: str, model: Model, stamp: str, place: places.Place, bpm: float, bars: int, info: dict[str, Any]
    ) -> Kept:
        """Render a place into the library; a loop that was made this way before is just found."""
        bpm = whole_bar_bpm(bpm)
        how = {"version": RECIPE_VERSION, "model": key, "stamp": stamp, "place": place.model_dump(mode="json")}
        how |= {"bpm": bpm, "bars": bars, "vocoder": model.vocoder_name}
        if (known := self.library.find(id_of(how))) is not None:
            return known
        named = pack_name(model, key)
        loop = places.render_place(model, place, bpm=bpm, bars=bars, rate_hz=PAGE_RATE_HZ, pack=named, info=info)
        return self.library.add(loop, how)


def pack_name(model: Model, key: str) -> str:
    """The word for a model in file names: letters only, since digits mean the tempo."""
    letters = "".join(c for c in key if c.isalpha())
    return (letters or model.name).capitalize()


def _key_of(path: Path) -> str:
    """`runs/00003-house/checkpoints/best.safetensors` -> `00003-house`; else the file's own name."""
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.stem


def public(kept: Kept) -> dict[str, Any]:
    """What the page is told of a loop."""
    out = kept.to_json()
    how = out.pop("how")
    return out | {"model": how.get("model", "")}
