"""A finished loop: samples, exact tempo, where it came from. What `generate` returns and packs are made of."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwright.audio.io import write_wav
from loopwright.audio.resample import resample_circle
from loopwright.audio.seam import click_ratio
from loopwright.audio.wavmeta import exact_bpm, loop_chunks

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Loop:
    """One seamless loop.

    Attributes:
        samples: (N,) float32 in [-1, 1], mono, one turn of the loop.
        rate_hz: sample rate.
        beats: quarter-notes in the loop.
        name: file name without suffix.
        info: where it came from: model, seed, style, truncation.
    """

    samples: Float32
    rate_hz: int
    beats: int
    name: str
    info: dict[str, Any] = field(default_factory=dict)

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

    def spectrogram_png(self, *, width: float = 6.0, height: float = 2.2) -> bytes:
        """A PNG picture of the loop's log-mel, beats marked."""
        import torch
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        from loopwright.audio.mel import LogMel
        from loopwright.config import LOOP48

        bars = max(1, self.beats // 4)
        audio = resample_circle(self.samples, bars * LOOP48.bar_samples)  # on the grid of the mel, whatever the tempo
        picture = LogMel(LOOP48)(torch.from_numpy(audio)[None])[0].numpy()
        figure = Figure(figsize=(width, height), dpi=100)
        FigureCanvasAgg(figure)
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.imshow(picture, origin="lower", aspect="auto", cmap="magma", vmin=-4, vmax=0.5)
        for beat in range(1, self.beats):
            axis.axvline(beat * picture.shape[1] / self.beats - 0.5, color="white", alpha=0.25, lw=0.7)
        out = io.BytesIO()
        figure.savefig(out, format="png")
        return out.getvalue()

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
