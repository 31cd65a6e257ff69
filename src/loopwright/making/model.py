"""What every engine shares: which settings are possible, how bars go on, and the finished loop.

`TorchModel` and `OnnxModel` compute three things: styles of seeds, what a generator draws of styles and noise, and what a
vocoder makes of log-mels. All else is here, in numpy, so that every engine plays alike. This module imports neither. What was
drawn, and how it sounds, depends on the kind of generator: see `making.speaker`.

Shapes: B batch, L style inputs, W style, S steps, M bands of the picture, T frames, N samples.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio import midi
from loopwright.audio.keys import Key, parse_key
from loopwright.audio.loudness import level_to
from loopwright.audio.seam import rest_at_seam
from loopwright.config import GRID_BPM, STEPS_PER_BAR
from loopwright.errors import InputError
from loopwright.making.bank import Bank, bank_of
from loopwright.making.clip import Clip
from loopwright.making.draws import Blend, check_seeds, noise_map, seed_of_bar, strongest
from loopwright.making.drumkit import KitSpeaker
from loopwright.making.loop import Loop, word_for
from loopwright.making.speaker import Arrays, MelSpeaker, Speaker, Wanted
from loopwright.making.styles import Styled
from loopwright.making.tonal import TonalSpeaker
from loopwright.models.modelfile import ModelFile
from loopwright.vocoder.render import BEATS_PER_BAR, LoopVocoder

SPEAKERS: dict[str, type[Speaker]] = {"log-mel": MelSpeaker, "pitch-grid": TonalSpeaker, "pattern-kit": KitSpeaker}
LOW_BPM, HIGH_BPM = 40.0, 240.0
RATES = (16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000)
BARS = (1, 2, 4)
BAR_VARIATION = 0.35  # how far the style of a second bar walks from the first one's


class Asked(TypedDict, total=False):
    """What can be asked of loops, see `Model.stream`."""

    bpm: float
    bars: int
    truncation: float
    style: str | None
    rate_hz: int
    batch: int
    pack: str
    key: str | Key | None
    clip: Clip | None


class Model(Styled, ABC):
    """A generator with its voice, whatever computes them. Made by `loopwright.load`.

    Attributes:
        name: its name or file.
        path: the model file.
        header: everything the model file says of itself.
        mel: representation of its pictures, log-mels or other.
        bars: bars in one turn of the generator's circle.
        styles: class names of a conditional model, () otherwise.
        sizes: all of the generator but its weights.
        speaker: what makes sound of what the generator draws.
        vocoder: what the speaker makes sound of log-mels with; None where there are none.
        n_styles: style inputs L of the generator, coarse ones first.
        w_dim: numbers W in a style.
        borders: style inputs at which another part of the loop begins, see `GeneratorSizes.borders`.
    """

    def __init__(self, file: ModelFile, name: str, vocoder: LoopVocoder | None) -> None:
        self.path, self.name, self.header, self._file = file.path, name, file.header, file
        self.mel, self.bars, self.styles, self.sizes = file.representation, file.bars, file.styles, file.sizes
        self.n_styles, self.w_dim, self.borders = self.sizes.n_styles, self.sizes.config.w_dim, self.sizes.borders
        self.speaker, self.vocoder = SPEAKERS[self.sizes.config.kind](file.representation, self.sizes.config), vocoder

    # ---- what an engine computes

    @property
    @abstractmethod
    def w_avg(self) -> Float32:
        """The average style (W,)."""

    @abstractmethod
    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Float32:
        """Style vectors (B, W) of seeds, truncated towards the average. `style`: a class of a conditional model."""

    @abstractmethod
    def synthesis(self, ws: Float32, maps: Sequence[Float32], given: Sequence[Float32] | None) -> list[Arrays]:
        """What the generator draws for each loop, as its speaker takes it.

        Args:
            ws: styles (B, W), (B, L, W) or (B, L, W, S).
            maps: noise maps, each (B, 1, m, t).
            given: for each loop the score or pattern, of a generator that is given them.
        """

    # ---- what the generator is, and what it plays

    @property
    def vocoder_name(self) -> str:
        """Name of the vocoder, or of what makes the sound instead."""
        return self.vocoder.name if self.vocoder is not None else "additive"

    @functools.cached_property
    def bank(self) -> Bank | None:
        """Clips that the model brings along, if it is given what it plays."""
        return bank_of(self._file)

    def clip_of(self, seed: int) -> Clip | None:
        """What the loop of a seed plays, where that is given to the generator; None where the generator writes it.

        Raises InputError for a model that needs clips and brings none.
        """
        if not self.speaker.is_given:
            return None
        if self.bank is None:
            raise InputError(
                f"model '{self.name}' plays what it is given, and brings nothing to play. Give it a MIDI file (--midi), or "
                "export it where its training data is: loopwright export RUN -o FILE"
            )
        return self.bank.draw(seed)

    def clip_from_midi(self, source: Path | bytes, *, bars: int | None = None) -> Clip:
        """A MIDI file (or its bytes) as a clip for this model: notes, or hits by the General MIDI drum map.

        Args:
            source: the file.
            bars: take so many from the start; None for those of the file, which must be 1, 2 or 4.

        Raises InputError for a model that takes none, and for a file that it cannot play.
        """
        if not self.speaker.is_given:
            raise InputError(f"model '{self.name}' is given nothing to play, so it takes no MIDI. Choose a model that is.")
        clip = self.speaker.clip_from_midi(source, bars=bars)
        if clip.bars not in BARS:
            raise InputError(f"{midi.name_of(source)} has {clip.bars} bars; loops have 1, 2 or 4. Say how many to take: --bars")
        return clip

    def clips_for(
        self, seeds: Sequence[int], bars: int, *, key: Key | None = None, clip: Clip | None = None
    ) -> list[Clip | None]:
        """What loops of seeds play: the clip, or each seed's own; brought to the length and to the key.

        Raises InputError for a key or a clip that the model can do nothing with.
        """
        if key is not None and self.speaker.plays != "notes":
            raise InputError(f"model '{self.name}' knows no notes, so it has no key. Leave --key out.")
        if clip is not None and not self.speaker.is_given:
            raise InputError(f"model '{self.name}' is given nothing to play. Leave the clip out, or choose a model that is.")
        found = [clip if clip is not None else self.clip_of(seed) for seed in seeds]
        length = self.turns(bars) * self.bars
        return [None if one is None else one.over(length).in_key(key) for one in found]

    # ---- from seeds and styles to loops

    def drawn(
        self, ws: Float32, noise: Sequence[int | Blend], *, bars: int = 1, clips: Sequence[Clip | None] | None = None
    ) -> list[Arrays]:
        """What the generator draws for styles.

        Args:
            ws: (B, W), one style a layer (B, L, W), or a style for each of S steps (B, L, W, S).
            noise: for each loop the seed of its noise, or a blend of seeds.
            bars: length; one turn of the circle is `self.bars`.
            clips: what each loop plays; None for those of the noise's seeds.
        """
        shapes = self.sizes.noise_shapes(self.turns(bars))
        maps = [np.stack([noise_map(one, i, shape) for one in noise]) for i, shape in enumerate(shapes)]
        clips = self.clips_for([strongest(one) for one in noise], bars) if clips is None else clips
        given = [self.speaker.given(clip) for clip in clips if clip is not None]
        return self.synthesis(ws, maps, given if self.speaker.is_given else None)

    def log_mel(
        self, ws: Float32, noise: Sequence[int | Blend], *, bars: int = 1, clips: Sequence[Clip | None] | None = None
    ) -> Float32:
        """Pictures (B, M, T) of styles: log10 magnitudes in the model's representation. Arguments as of `drawn`."""
        clips = self.clips_for([strongest(one) for one in noise], bars) if clips is None else clips
        found = self.drawn(ws, noise, bars=bars, clips=clips)
        return np.stack([self.speaker.picture(one, clip) for one, clip in zip(found, clips, strict=True)])

    def unlevelled(self, ws: Float32, seeds: Sequence[int], *, bpm: float, rate_hz: int) -> Float32:
        """Loops (B, N) of styles as they come, for who measures them: not levelled, not limited, begun where they begin."""
        clips = self.clips_for(seeds, self.bars)
        found = zip(self.drawn(ws, seeds, bars=self.bars, clips=clips), clips, seeds, strict=True)
        wanted = Wanted(bpm, rate_hz, vocoder=self.vocoder)
        return np.stack([self.speaker.sound(one, clip, seed, wanted) for one, clip, seed in found])

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
        drawn: Sequence[Arrays],
        noise: Sequence[int | Blend],
        *,
        bpm: float,
        rate_hz: int,
        pack: str = "",
        details: Sequence[dict[str, Any]],
        words: Sequence[str],
        clips: Sequence[Clip | None] | None = None,
        key: Key | None = None,
    ) -> list[Loop]:
        """What was drawn to finished loops: sound at the tempo, level, name.

        Args:
            drawn: of each loop, see `drawn`.
            noise: of the sound, for each loop.
            bpm: tempo, already checked.
            rate_hz: output rate.
            pack: word in the file names, the model's name if empty.
            details: where each loop came from.
            words: each loop's own word in its name.
            clips: what was given to the generator for each loop.
            key: that notes which the generator has written are moved to.
        """
        kind = self.name if self.name.isalpha() else "loop"  # digits in a name mean the tempo alone
        loops = []
        clips = [None] * len(drawn) if clips is None else clips
        for one, own, white, word, given in zip(drawn, details, noise, words, clips, strict=True):
            clip, up = (given, 0) if given is not None else _moved(self.speaker.written(one), key)
            samples = self.speaker.sound(one, given, white, Wanted(bpm, rate_hz, up, self.vocoder))
            shown = [(key or clip.key).name] if clip is not None and clip.key is not None else []
            name = "_".join(["Loopwright", pack or kind.capitalize(), f"{bpm:g}", *shown, kind, word])
            finished = rest_at_seam(level_to(samples, rate_hz), rate_hz)
            info = {"model": self.name, **own, **({"key": shown[0]} if shown else {})}
            if clip is not None and clip.credits:
                info["credits"] = list(clip.credits)
            beats = BEATS_PER_BAR * self.speaker.bars_of(one)
            loops.append(Loop(finished, rate_hz, beats, name, info, clip))
        return loops

    def generate(self, seeds: Iterable[int] = range(8), **asked: Unpack[Asked]) -> list[Loop]:
        """Make one loop a seed. See `stream` for what can be asked."""
        return list(self.stream(seeds, **asked))

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
        key: str | Key | None = None,
        clip: Clip | None = None,
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
            key: that notes are brought to, such as "Amin"; those of the relative key are the same.
            clip: what every loop plays, of a model that is given it; see `speaker.clip_from_midi`.
            cancelled: asked before each batch; true ends the stream.

        Raises InputError or ConfigError for values out of range.
        """
        wanted = self.seeds_of_style(style, check_seeds(seeds))
        check_settings(bpm, bars, truncation, rate_hz)
        into = parse_key(key) if isinstance(key, str) else key
        self.clips_for([], bars, key=into, clip=clip)  # refuses what cannot be, before anything is made
        size = 1  # the first loop comes alone, and soon
        while wanted:
            if cancelled():
                return
            part, wanted, size = wanted[:size], wanted[size:], batch
            ws = self.bar_styles(self.styles_of(part, style=style, truncation=truncation), part, bars, truncation=truncation)
            clips = self.clips_for(part, bars, key=into, clip=clip)
            details = [{"seed": seed, "truncation": truncation, **({"style": style} if style else {})} for seed in part]
            yield from self.render(
                self.drawn(ws, part, bars=bars, clips=clips),
                part,
                bpm=bpm,
                rate_hz=rate_hz,
                pack=pack,
                details=details,
                words=[word_for(seed) for seed in part],
                clips=clips,
                key=into,
            )


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
    if bars not in BARS:
        raise InputError(f"bars {bars} is not possible: 1, 2 or 4.")
    if not 0 <= truncation <= 1.5:
        raise InputError(f"truncation {truncation:g} is out of range: 0 (all alike) to 1.5 (wild); 1 is as trained.")
    if rate_hz not in RATES:
        raise InputError(f"rate {rate_hz} is not possible: {', '.join(map(str, RATES))}.")


def _moved(clip: Clip | None, key: Key | None) -> tuple[Clip | None, int]:
    """What a generator has written, moved to a key, and by how many semitones. Without notes there is nothing to move."""
    if clip is None or clip.key is None or key is None:
        return clip, 0
    up = clip.key.to(key)
    return clip.moved(up), up
