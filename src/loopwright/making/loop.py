"""A finished loop: samples, exact tempo, where it came from. What `generate` returns and packs are made of."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.io import write_wav
from loopwright.audio.seam import click_ratio
from loopwright.audio.wavmeta import exact_bpm, loop_chunks
from loopwright.errors import InputError
from loopwright.files import atomic_path

if TYPE_CHECKING:
    from loopwright.making.clip import Clip


@dataclass(frozen=True)
class Loop:
    """One seamless loop.

    Attributes:
        samples: (N,) float32 in [-1, 1], mono, one turn of the loop.
        rate_hz: sample rate.
        beats: quarter-notes in the loop.
        name: file name without suffix.
        info: where it came from: model, seed, style, truncation, key.
        clip: the notes or hits that it plays, where they are known.
    """

    samples: Float32
    rate_hz: int
    beats: int
    name: str
    info: dict[str, Any] = field(default_factory=dict)
    clip: Clip | None = None

    @property
    def bpm(self) -> float:
        """Exact tempo of this whole number of samples."""
        return exact_bpm(len(self.samples), self.beats, self.rate_hz)

    @property
    def length_s(self) -> float:
        """Length of one turn in seconds."""
        return len(self.samples) / self.rate_hz

    def tile(self, times: int) -> Float32:
        """The loop played `times` times, (times * N,)."""
        return np.tile(self.samples, times)

    def seam(self) -> dict[str, float]:
        """How the end meets the start: `click_ratio` (above 1 is a click) and the step in dB of full scale."""
        step = abs(float(self.samples[0]) - float(self.samples[-1]))
        return {"click_ratio": click_ratio(self.samples), "step_db": 20 * float(np.log10(max(step, 1e-6)))}

    def save(self, path: Path, *, subtype: str = "PCM_24") -> Path:
        """Write a WAV with tempo, loop points and origin for DAWs. A folder gets the loop's own name."""
        path = Path(path)
        if path.is_dir() or not path.suffix:
            path = path / f"{self.name}.wav"
        info = {"title": self.name, "software": "loopwright", **self.info, "bpm": round(self.bpm, 6)}
        info |= {"beats": self.beats, "seam_click_ratio": round(self.seam()["click_ratio"], 4)}
        chunks = loop_chunks(len(self.samples), self.rate_hz, self.bpm, self.beats, info)
        write_wav(path, self.samples, self.rate_hz, subtype=subtype, chunks=chunks)
        return path

    def save_midi(self, path: Path) -> Path:
        """Write what the loop plays as a MIDI file of its tempo and bars. A folder gets the loop's own name.

        Raises InputError for a loop whose notes nobody knows.
        """
        path = Path(path)
        if path.is_dir() or not path.suffix:
            path = path / f"{self.name}.mid"
        if self.clip is None:
            raise InputError(f"{self.name} was drawn whole: its notes are not known, so there is no MIDI of it.")
        with atomic_path(path) as temporary:
            temporary.write_bytes(self.clip.midi(self.bpm))
        return path

    def spectrogram_png(self, *, width: float = 6.0, height: float = 2.2) -> bytes:
        """A PNG picture of the loop's log-mel, beats marked."""
        from loopwright.making.picture import notebook_png

        return notebook_png(self, width=width, height=height)

    def wav_bytes(self, *, subtype: str = "PCM_16") -> bytes:
        """The WAV file as bytes."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder) / "loop.wav", subtype=subtype).read_bytes()

    def _repr_html_(self) -> str:
        """In a notebook: a player that loops, and a picture."""
        audio = base64.b64encode(self.wav_bytes()).decode()
        picture = base64.b64encode(self.spectrogram_png()).decode()
        return (
            f"<figure><figcaption>{self.name}, {self.bpm:.2f} BPM</figcaption>"
            f'<img alt="spectrogram" src="data:image/png;base64,{picture}"><br>'
            f'<audio controls loop src="data:audio/wav;base64,{audio}"></audio></figure>'
        )


_CONSONANTS, _VOWELS = "bdfgjklmnprstvz", "aeiou"
_SYLLABLES = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
WORDS = len(_SYLLABLES) ** 3  # of three syllables
_STRIDE = 179_426_549  # a prime, so that multiplying by it permutes the words: neighbouring seeds get unlike ones


def word_for(seed: int) -> str:
    """A pronounceable word for file names, different for every seed: numbers in a name mean the tempo alone.

    Three syllables, more for seeds above 421,874. `word_for(0) == 'bababa'`.
    """
    turn, value = divmod(seed, WORDS)
    value = value * _STRIDE % WORDS
    letters = ""
    for _ in range(3):
        value, digit = divmod(value, len(_SYLLABLES))
        letters += _SYLLABLES[digit]
    while turn:
        turn, digit = divmod(turn, len(_SYLLABLES))
        letters += _SYLLABLES[digit]
    return letters


def step_word(i: int) -> str:
    """a, b, ... y, za, zb, ... zy, zza, ...: the order of a file among others, without digits. Sorts as the numbers do."""
    turns, rest = divmod(i, 25)
    return "z" * turns + chr(97 + rest)
