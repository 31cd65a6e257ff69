"""A trained model, ready to make loops: generator, statistics, vocoder. `load("drums").generate(seeds=range(8), bpm=124)`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwright.config import GRID_BPM, STEPS_PER_BAR, MelConfig
from loopwright.data import MelStats
from loopwright.errors import ConfigError, InputError
from loopwright.pipeline.bundled import BUNDLED, bundled_models
from loopwright.pipeline.device import choose_device
from loopwright.pipeline.loop import Loop, level_to
from loopwright.pipeline.words import word_for
from loopwright.training.loop import load_model
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder import render

MAX_SEED = 2**32 - 1
LOW_BPM, HIGH_BPM = 40.0, 240.0
RATES = (16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000)
BAR_VARIATION = 0.35  # how far the style of a second bar walks from the first one's


def find_model(name: str) -> Path:
    """A bundled model's name, a model file or a run folder -> the file. Raises InputError listing what exists."""
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    path = Path(name)
    for candidate in (path / "checkpoints" / "best.safetensors", path / "checkpoints" / "last.safetensors"):
        if candidate.is_file():
            return candidate
    if path.is_file():
        return path
    if path.is_dir():
        inside = sorted(path.glob("*/checkpoints/best.safetensors"))
        if inside:  # a folder of runs: its newest
            return inside[-1]
    known = ", ".join(bundled) or "none yet; train one with: loopwright train gan DATA"
    raise InputError(f"no model '{name}'. Bundled models: {known}. A run folder or a .safetensors file will do, too.")


def draw(seed: int, purpose: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Normal numbers that depend on (seed, purpose) alone: numpy's Philox, the same in every engine and on every machine."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape, dtype=np.float32)


class Model:
    """A generator with its vocoder. Made by `load`.

    Attributes:
        name: its name or file.
        path: the model file.
        mean, std: (M,) statistics that undo the normalisation.
        mel: representation it speaks.
        header: everything the model file says of itself.
        styles: class names of a conditional model, () otherwise.
    """

    def __init__(self, path: Path, *, name: str, vocoder: str | None, device: str) -> None:
        self.path = path
        self.device = choose_device(device)
        self.generator, self.header = load_model(path)
        self.generator.to(self.device)
        self.name = name
        self.mel = MelConfig(**self.header["mel"])
        self.stats = MelStats.from_json(self.header["statistics"])
        self.bars = int(self.header["bars"])
        self.styles: tuple[str, ...] = tuple(self.header.get("styles", ()))
        self.vocoder = load_vocoder(vocoder or default_vocoder(self.mel), self.mel)
        self.vocoder.to(self.device)
        self.mean = torch.from_numpy(self.stats.mean).to(self.device)
        self.std = torch.from_numpy(self.stats.std).to(self.device)

    def check_seeds(self, seeds: Iterable[int]) -> list[int]:
        """Seeds as a list; raises InputError for one out of range."""
        out = [int(seed) for seed in seeds]
        bad = [seed for seed in out if not 0 <= seed <= MAX_SEED]
        if bad:
            raise InputError(f"seed {bad[0]} is out of range: seeds go from 0 to {MAX_SEED}.")
        return out

    @torch.no_grad()
    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Tensor:
        """Style vectors (B, W) of seeds, truncated towards the average."""
        z = torch.from_numpy(np.stack([draw(seed, "latent", (self.generator.z_dim,)) for seed in seeds]))
        w = self.generator.mapping(z.to(self.device), self._labels(style, len(seeds)))
        return self.generator.truncate(w, truncation)

    def _labels(self, style: str | None, count: int) -> Tensor | None:
        if not self.styles:
            if style is not None:
                raise ConfigError(f"model '{self.name}' knows no styles. Leave --style out.")
            return None
        if style is None:
            return torch.arange(count, device=self.device) % len(self.styles)
        if style not in self.styles:
            raise ConfigError(f"model '{self.name}' has no style '{style}'. It has: {', '.join(self.styles)}.")
        return torch.full((count,), self.styles.index(style), device=self.device)

    @torch.no_grad()
    def log_mel(self, ws: Tensor, noise_seeds: Sequence[int], *, bars: int = 1) -> Tensor:
        """Log-mels (B, M, T) of styles: (B, W), (B, L, W) or (B, L, W, steps). Noise depends on the seed alone."""
        if ws.dim() == 2:
            ws = ws[:, None].expand(-1, self.generator.n_styles, -1)
        turns = -(-bars // self.bars)
        maps = [
            torch.from_numpy(np.stack([draw(seed, f"noise {i}", (1, *shape)) for seed in noise_seeds])).to(self.device)
            for i, shape in enumerate(self.generator.noise_shapes(turns))
        ]
        y = self.generator.synthesis(ws, maps, bars=turns)
        log_mel = y.float() * self.std[:, None] + self.mean[:, None]
        return log_mel.clamp(min=float(np.log10(self.mel.log_floor)))

    def bar_styles(self, w: Tensor, seeds: Sequence[int], bars: int, *, truncation: float = 1.0) -> Tensor:
        """Styles for loops of several bars: each bar after the first walks a little way towards another latent.

        (B, W) -> (B, L, W) for one turn, else (B, L, W, steps): one circle, not bars set side by side.
        """
        turns = -(-bars // self.bars)
        n = self.generator.n_styles
        if turns == 1:
            return w[:, None].expand(-1, n, -1)
        parts = [w]
        for bar in range(1, turns):
            others = self.styles_of([(s + 0x9E3779B1 * bar) % (MAX_SEED + 1) for s in seeds], truncation=truncation)
            # every other bar answers the first one: A B, A B A C
            parts.append(w if bar % 2 == 0 else w.lerp(others, BAR_VARIATION))
        steps = torch.stack(parts, dim=-1).repeat_interleave(STEPS_PER_BAR * self.bars, dim=-1)
        return steps[:, None].expand(-1, n, -1, -1)

    def generate(
        self,
        seeds: Iterable[int] = range(8),
        *,
        bpm: float = GRID_BPM,
        bars: int = 1,
        truncation: float = 1.0,
        style: str | None = None,
        rate_hz: int = 44_100,
        batch: int = 8,
        pack: str = "",
    ) -> list[Loop]:
        """Make one loop a seed. See `stream` for the arguments."""
        return list(
            self.stream(seeds, bpm=bpm, bars=bars, truncation=truncation, style=style, rate_hz=rate_hz, batch=batch, pack=pack)
        )

    def stream(
        self,
        seeds: Iterable[int],
        *,
        bpm: float = GRID_BPM,
        bars: int = 1,
        truncation: float = 1.0,
        style: str | None = None,
        rate_hz: int = 44_100,
        batch: int = 8,
        pack: str = "",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[Loop]:
        """Make loops one after another; the first is ready before the rest is begun.

        Args:
            seeds: one loop each; the same seed gives the same loop, whatever else is asked for with it.
            bpm: tempo, 40 to 240. The loop has round(60 * rate * beats / bpm) samples.
            bars: 1, 2 or 4 bars of 4/4.
            truncation: 1 as trained; nearer 0 safer and more alike.
            style: a class of a conditional model.
            rate_hz: output rate.
            batch: loops at once.
            pack: word in the file names, the model's name if empty.
            cancelled: asked before each batch; true ends the stream.

        Raises InputError or ConfigError for values out of range.
        """
        wanted = self.check_seeds(seeds)
        check_settings(bpm, bars, truncation, rate_hz)
        size = 1  # the first loop comes alone, and soon
        while wanted:
            if cancelled():
                return
            part, wanted, size = wanted[:size], wanted[size:], batch
            w = self.styles_of(part, style=style, truncation=truncation)
            log_mel = self.log_mel(self.bar_styles(w, part, bars, truncation=truncation), part, bars=bars)
            details = [{"seed": seed, "truncation": truncation, **({"style": style} if style else {})} for seed in part]
            yield from self.render(log_mel, part, bpm=bpm, rate_hz=rate_hz, pack=pack, details=details)

    def render(
        self,
        log_mel: Tensor,
        seeds: Sequence[int],
        *,
        bpm: float,
        rate_hz: int,
        pack: str = "",
        details: Sequence[dict[str, Any]] = (),
        words: Sequence[str] = (),
    ) -> list[Loop]:
        """Log-mels (B, M, T) to finished loops: vocoder at the tempo, level, name."""
        audio = render(self.vocoder, log_mel, bpm, rate_hz=rate_hz).cpu().numpy()
        beats = 4 * round(log_mel.shape[-1] / self.mel.bar_frames)
        kind = self.name if self.name.isalpha() else "loop"  # digits in a name mean the tempo alone
        loops = []
        for i, samples in enumerate(audio):
            word = words[i] if words else word_for(seeds[i])
            name = "_".join(["Loopwright", pack or kind.capitalize(), f"{bpm:g}", kind, word])
            info = {"model": self.name, **(details[i] if details else {"seed": seeds[i]})}
            loops.append(Loop(level_to(samples, rate_hz), rate_hz, beats, name, info))
        return loops


def check_settings(bpm: float, bars: int, truncation: float, rate_hz: int) -> None:
    """Raise InputError for a tempo, length, truncation or rate out of range."""
    if not LOW_BPM <= bpm <= HIGH_BPM:
        raise InputError(f"bpm {bpm:g} is out of range: {LOW_BPM:g} to {HIGH_BPM:g}.")
    if bars not in (1, 2, 4):
        raise InputError(f"bars {bars} is not possible: 1, 2 or 4.")
    if not 0 <= truncation <= 1.5:
        raise InputError(f"truncation {truncation:g} is out of range: 0 (all alike) to 1.5 (wild); 1 is as trained.")
    if rate_hz not in RATES:
        raise InputError(f"rate {rate_hz} is not possible: {', '.join(map(str, RATES))}.")


def default_vocoder(mel: MelConfig) -> str:
    """The bundled vocoder for these mel settings, else Griffin-Lim."""
    path = BUNDLED / f"vocoder_{mel.name}.safetensors"
    return str(path) if path.is_file() else "griffinlim"


def load(name: str = "drums", *, vocoder: str | None = None, device: str = "cpu") -> Model:
    """Load a bundled model by name, a run folder, or a model file.

    Raises InputError if there is none, it is damaged, or it comes from a newer version.
    """
    path = find_model(name)
    shown = name if name in bundled_models() else path.stem if path.stem not in ("best", "last") else "loops"
    return Model(path, name=shown, vocoder=vocoder, device=device)
