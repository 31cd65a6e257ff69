"""What every engine shares: which settings are possible, how bars go on, and the finished loop.

`TorchModel` and `OnnxModel` compute three things: styles of seeds, log-mels of styles and noise, and sound of
log-mels. All else is here, in numpy, so that every engine plays alike. This module imports neither.

Shapes: B batch, L style inputs, W style, S steps, M mel bands, T frames, N samples.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from loopwright.audio.loudness import level_to
from loopwright.audio.seam import rest_at_seam
from loopwright.config import GRID_BPM, STEPS_PER_BAR, MelConfig
from loopwright.errors import ConfigError, InputError
from loopwright.making.draws import Blend, Float32, check_seeds, noise_map, seed_of_bar, white_noise
from loopwright.making.loop import Loop, word_for
from loopwright.making.styles import StyleTable, load_table, table_path
from loopwright.models.modelfile import ModelFile
from loopwright.vocoder.render import BEATS_PER_BAR, LoopVocoder, bars_of, render

LOW_BPM, HIGH_BPM = 40.0, 240.0
RATES = (16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000)
BAR_VARIATION = 0.35  # how far the style of a second bar walks from the first one's


class Model(ABC):
    """A generator with its vocoder, whatever computes them. Made by `loopwright.load`.

    Attributes:
        name: its name or file.
        path: the model file.
        header: everything the model file says of itself.
        mel: representation it speaks.
        bars: bars in one turn of the generator's circle.
        styles: class names of a conditional model, () otherwise.
        sizes: all of the generator but its weights.
        n_styles: style inputs L of the generator, coarse ones first.
        w_dim: numbers W in a style.
        border: the first style input of the sound, of a generator whose earlier ones are the pattern; None for others.
    """

    border: int | None = None

    def __init__(self, file: ModelFile, name: str) -> None:
        self.path, self.name, self.header = file.path, name, file.header
        self.mel, self.bars, self.styles, self.sizes = _mel_of(file), file.bars, file.styles, file.sizes
        self.n_styles, self.w_dim = self.sizes.n_styles, self.sizes.config.w_dim

    # ---- what an engine computes

    @property
    @abstractmethod
    def vocoder_name(self) -> str:
        """Name of the vocoder."""

    @property
    @abstractmethod
    def w_avg(self) -> Float32:
        """The average style (W,)."""

    @abstractmethod
    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Float32:
        """Style vectors (B, W) of seeds, truncated towards the average. `style`: a class of a conditional model."""

    @abstractmethod
    def synthesis(self, ws: Float32, maps: Sequence[Float32]) -> Float32:
        """Log-mels (B, M, T) of styles (B, W), (B, L, W) or (B, L, W, S) and noise maps, each (B, 1, m, t). See `log_mel`."""

    @property
    @abstractmethod
    def voice(self) -> LoopVocoder:
        """The vocoder, for one loop after another."""

    def speak(self, log_mel: Float32, noise: Sequence[int | Blend], *, bpm: float, rate_hz: int) -> Float32:
        """Log-mels (B, M, T) to sound (B, N) at a tempo. `noise`: of the vocoder, a seed or a blend for each loop."""
        white = [functools.partial(white_noise, one, self.mel.hop) for one in noise]
        pairs = zip(log_mel, white, strict=True)
        return np.stack([render(self.voice, x, bpm, rate_hz=rate_hz, noise=one) for x, one in pairs])

    # ---- from seeds and styles to loops

    def log_mel(self, ws: Float32, noise: Sequence[int | Blend], *, bars: int = 1) -> Float32:
        """Log-mels (B, M, T) of styles.

        Args:
            ws: (B, W), one style a layer (B, L, W), or a style for each of S steps (B, L, W, S).
            noise: for each loop the seed of its noise, or a blend of seeds.
            bars: length; one turn of the circle is `self.bars`.
        """
        shapes = self.sizes.noise_shapes(self.turns(bars))
        return self.synthesis(ws, [np.stack([noise_map(one, i, shape) for one in noise]) for i, shape in enumerate(shapes)])

    def turns(self, bars: int) -> int:
        """Turns of the generator's circle that hold so many bars."""
        return -(-bars // self.bars)

    def bar_styles(self, ws: Float32, noise: Sequence[int | Blend], bars: int, *, truncation: float = 1.0) -> Float32:
        """Styles for loops of several bars: each bar after the first walks a little way towards another seed's style.

        (B, W) or (B, L, W) -> the same for one turn, else (B, L, W, S): one circle, not bars set side by side. Where the noise
        is a blend, so is the style that a bar walks to, by the squares of the weights.
        """
        turns = self.turns(bars)
        if turns == 1:
            return ws
        blends = [[(one, 1.0)] if isinstance(one, int) else list(one) for one in noise]
        parts = [ws]
        for bar in range(1, turns):
            seeds = [seed_of_bar(seed, bar) for blend in blends for seed, _ in blend]
            styles = iter(self.styles_of(seeds, truncation=truncation))
            others = np.stack([_mean([(next(styles), weight**2) for _, weight in blend]) for blend in blends])
            others = others if ws.ndim == 2 else others[:, None]
            # every other bar answers the first one: A B, A B A C
            parts.append(ws if bar % 2 == 0 else ws + np.float32(BAR_VARIATION) * (others - ws))
        steps = np.repeat(np.stack(parts, axis=-1), STEPS_PER_BAR * self.bars, axis=-1)
        if ws.ndim == 2:
            steps = np.broadcast_to(steps[:, None], (len(ws), self.n_styles, *steps.shape[1:]))
        return np.ascontiguousarray(steps)

    def render(
        self,
        log_mel: Float32,
        noise: Sequence[int | Blend],
        *,
        bpm: float,
        rate_hz: int,
        pack: str = "",
        details: Sequence[dict[str, Any]],
        words: Sequence[str],
    ) -> list[Loop]:
        """Log-mels (B, M, T) to finished loops: vocoder at the tempo, level, name.

        Args:
            log_mel: log10 mels of whole bars.
            noise: of the vocoder, for each loop.
            bpm: tempo, already checked.
            rate_hz: output rate.
            pack: word in the file names, the model's name if empty.
            details: where each loop came from.
            words: each loop's own word in its name.
        """
        audio = self.speak(log_mel, noise, bpm=bpm, rate_hz=rate_hz)
        beats = BEATS_PER_BAR * bars_of(log_mel.shape[-1], self.mel)
        kind = self.name if self.name.isalpha() else "loop"  # digits in a name mean the tempo alone
        loops = []
        for samples, own, word in zip(audio, details, words, strict=True):
            name = "_".join(["Loopwright", pack or kind.capitalize(), f"{bpm:g}", kind, word])
            finished = rest_at_seam(level_to(samples, rate_hz), rate_hz)
            loops.append(Loop(finished, rate_hz, beats, name, {"model": self.name, **own}))
        return loops

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
            style: a class of a conditional model, or a style of its table; then seeds count the loops of that style.
            rate_hz: output rate.
            batch: loops at once.
            pack: word in the file names, the model's name if empty.
            cancelled: asked before each batch; true ends the stream.

        Raises InputError or ConfigError for values out of range.
        """
        wanted = self.seeds_of_style(style, check_seeds(seeds))
        check_settings(bpm, bars, truncation, rate_hz)
        size = 1  # the first loop comes alone, and soon
        while wanted:
            if cancelled():
                return
            part, wanted, size = wanted[:size], wanted[size:], batch
            ws = self.styles_of(part, style=style, truncation=truncation)
            log_mel = self.log_mel(self.bar_styles(ws, part, bars, truncation=truncation), part, bars=bars)
            details = [{"seed": seed, "truncation": truncation, **({"style": style} if style else {})} for seed in part]
            words = [word_for(seed) for seed in part]
            yield from self.render(log_mel, part, bpm=bpm, rate_hz=rate_hz, pack=pack, details=details, words=words)

    # ---- styles by name

    @functools.cached_property
    def style_table(self) -> StyleTable | None:
        """Seeds of each style, of a model that was not trained on styles; None if nobody has looked."""
        return None if self.styles else load_table(table_path(self.path))

    def labels(self, style: str | None, seeds: Sequence[int]) -> list[int] | None:
        """Class numbers for a conditional model: of the style, or of each seed's own. Raises ConfigError for unknown styles."""
        if not self.styles:
            if style is not None:
                self._listed(style)
            return None
        if style is None:
            return [seed % len(self.styles) for seed in seeds]
        if style not in self.styles:
            raise ConfigError(f"model '{self.name}' has no style '{style}'. It has: {', '.join(self.styles)}.")
        return [self.styles.index(style)] * len(seeds)

    def _listed(self, style: str) -> tuple[int, ...]:
        """Seeds of a style in the table. Raises ConfigError for a model without one, and for unknown styles."""
        if self.style_table is None:
            raise ConfigError(
                f"model '{self.name}' knows no styles. Leave --style out, or let a classifier find them: "
                f"loopwright styles {self.name} --save"
            )
        if style not in self.style_table.seeds:
            known = ", ".join(self.style_table.seeds) or "none"
            raise ConfigError(f"model '{self.name}' has no style '{style}'. It has: {known}.")
        return self.style_table.seeds[style]

    def seeds_of_style(self, style: str | None, numbers: Sequence[int]) -> list[int]:
        """The seeds behind numbers of a style: its first loop is 0, its second 1, and so on.

        For a model trained on styles, and without a style, they are the numbers themselves. Raises ConfigError for an
        unknown style, InputError for a number above what the table lists.
        """
        if style is None or self.styles:
            return list(numbers)
        listed = self._listed(style)
        if numbers and max(numbers) >= len(listed):
            raise InputError(f"style '{style}' of model '{self.name}' has loops 0 to {len(listed) - 1}, got {max(numbers)}.")
        return [listed[number] for number in numbers]


def _mean(parts: Sequence[tuple[Float32, float]]) -> Float32:
    """Weighted mean of vectors."""
    if len(parts) == 1:
        return parts[0][0]
    weights = np.array([weight for _, weight in parts])
    return np.asarray(np.average([x for x, _ in parts], axis=0, weights=weights), dtype=np.float32)


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


def _mel_of(file: ModelFile) -> MelConfig:
    if not isinstance(file.representation, MelConfig):
        raise InputError(f"{file.path} draws {file.representation.name}: this version makes loops of log-mels alone.")
    return file.representation
