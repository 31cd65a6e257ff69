"""A trained model in onnxruntime: makes the loops that `Model` makes, without importing torch."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.spectra import Float32
from loopwright.config import STEPS_PER_BAR, MelConfig, check_same_mel
from loopwright.errors import InputError
from loopwright.files import sha256_of
from loopwright.making.loop import Loop
from loopwright.making.model import BAR_VARIATION, MAX_SEED, Maker, default_vocoder, draw, find_model, shown_name, white_noise
from loopwright.making.onnx_generator import OnnxGenerator
from loopwright.making.onnx_ring import OnnxRing
from loopwright.making.onnx_session import NoGraphError, Session, graph_path
from loopwright.models import modelfile
from loopwright.vocoder import modelfile as vocoderfile
from loopwright.vocoder.griffinlim import GriffinLim
from loopwright.vocoder.render import BEATS_PER_BAR, LoopVocoder, bars_of, render
from loopwright.vocoder.ring_config import RingConfig, graph_sizes

EXPORT_FORMAT = 1  # of folders written by `loopwright export --onnx`
DESCRIPTION = "model.json"


class OnnxModel(Maker):
    """A generator with its vocoder, in onnxruntime and numpy. One loop at a time, so a loop never depends on its batch.

    Raises NoGraphError if the model or the vocoder can only be computed with torch.
    """

    def __init__(self, path: Path, *, name: str, vocoder: str | None = None) -> None:
        folder = path if path.is_dir() else None
        file = modelfile.parse(path, read_export(path), {}) if folder else modelfile.read(path)
        super().__init__(file, name)
        self.generator = OnnxGenerator(file.sizes, file.weights, folder)
        if folder and vocoder is None:
            self.vocoder = _exported_vocoder(folder, self.header["vocoder"], self.mel)
        else:
            self.vocoder = load_vocoder(vocoder or default_vocoder(self.mel), self.mel)
        self.mean, self.std = file.mean[:, None], file.std[:, None]

    @property
    def vocoder_name(self) -> str:
        return self.vocoder.name

    def log_mel(self, seed: int, *, bars: int = 1, truncation: float = 1.0, style: str | None = None) -> Float32:
        """Log-mel (M, T) of a seed's loop."""
        turns = -(-bars // self.bars)
        w = self._style(seed, style, truncation)
        steps = w[:, None]
        if turns > 1:
            parts = [w]
            for bar in range(1, turns):  # every other bar answers the first one, as Model.bar_styles
                other = self._style((seed + 0x9E3779B1 * bar) % (MAX_SEED + 1), None, truncation)
                parts.append(w if bar % 2 == 0 else w + np.float32(BAR_VARIATION) * (other - w))
            steps = np.repeat(np.stack(parts, axis=1), STEPS_PER_BAR * self.bars, axis=1)
        noise = [draw(seed, f"noise {i}", (1, *shape)) for i, shape in enumerate(self.sizes.noise_shapes(turns))]
        log_mel = self.generator.scores(steps, noise) * self.std + self.mean
        return np.maximum(log_mel, np.float32(np.log10(self.mel.log_floor)))

    def _style(self, seed: int, style: str | None, truncation: float) -> Float32:
        labels = self.labels(style, [seed])
        z = draw(seed, "latent", (self.sizes.config.z_dim,))
        return self.generator.style(z, labels[0] if labels else None, truncation)

    def make(
        self, seeds: Sequence[int], *, bpm: float, bars: int, truncation: float, style: str | None, rate_hz: int, pack: str
    ) -> list[Loop]:
        loops = []
        for seed in seeds:
            log_mel = self.log_mel(seed, bars=bars, truncation=truncation, style=style)

            noise = functools.partial(white_noise, seed, self.mel.hop)
            audio = render(self.vocoder, log_mel, bpm, rate_hz=rate_hz, noise=noise)
            details = {"seed": seed, "truncation": truncation, **({"style": style} if style else {})}
            beats = BEATS_PER_BAR * bars_of(log_mel.shape[1], self.mel)
            loops.append(self.finish(audio, seed, bpm=bpm, beats=beats, rate_hz=rate_hz, pack=pack, details=details))
        return loops


def load_vocoder(name: str, mel: MelConfig) -> LoopVocoder:
    """A vocoder by name or file, as `vocoder.load`. Raises NoGraphError for those that need torch."""
    path = vocoderfile.find(name, mel)
    if path is None:
        return GriffinLim(mel)
    file = vocoderfile.read_file(path)
    check_same_mel(f"vocoder {name}", file.mel, "the log-mel", mel)
    if file.architecture != "ring":
        raise NoGraphError(f"vocoder {name} needs torch: --engine torch.")
    config = RingConfig(**file.config)
    graph = graph_path("ring", graph_sizes(file.mel, config))
    if not graph.is_file():
        raise NoGraphError(f"no ONNX graph for a vocoder of the sizes of {name}. Use --engine torch.")
    return OnnxRing(file.mel, config, Session(graph, {f"net.{key}": value for key, value in file.weights.items()}))


def read_export(folder: Path) -> dict[str, Any]:
    """The description in a folder of `loopwright export --onnx`, after checking its files.

    Raises InputError if something is missing, altered or newer.
    """
    try:
        header: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        files = dict(header["onnx"]["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} is not a folder of an exported model ({error}). Export it again.") from error
    if header["onnx"]["format"] < EXPORT_FORMAT:
        raise InputError(f"{folder} was written by an older loopwright, whose vocoder was another. Export it again.")
    if header["onnx"]["format"] > EXPORT_FORMAT:
        raise InputError(f"{folder} was written by a newer loopwright (format {header['onnx']['format']}). Upgrade loopwright.")
    for name, digest in files.items():
        path = folder / Path(name).name
        if not path.is_file() or sha256_of(path) != digest:
            raise InputError(
                f"{path} is missing or was altered since it was exported: its checksum does not match. Export again."
            )
    return header


def _exported_vocoder(folder: Path, header: dict[str, Any], mel: MelConfig) -> LoopVocoder:
    if header["architecture"] == "griffinlim":
        return GriffinLim(mel)
    return OnnxRing(mel, RingConfig(**header["config"]), Session(folder / "vocoder.onnx"))


def load_maker(name: str, *, vocoder: str | None = None, device: str = "cpu", engine: str = "auto") -> Maker:
    """A model to make loops with.

    Args:
        name: bundled name, model file, run folder, or folder of an ONNX export.
        vocoder: name or file, instead of the model's own.
        device: for torch.
        engine: `onnx`; `torch`; or `auto`, which is onnx on the CPU where it can, and torch otherwise.

    Raises InputError if there is no such model, it is damaged, or the engine cannot compute it.
    """
    path = Path(name)
    exported = (path / DESCRIPTION).is_file() and not (path / "checkpoints").is_dir()
    if exported:
        if engine == "torch":
            raise InputError(f"{path} is an ONNX export, which torch does not read. Use --engine onnx.")
        return OnnxModel(path, name=path.name, vocoder=vocoder)
    if engine == "onnx" and device != "cpu":
        raise InputError(f"the onnx engine computes on the CPU, not on '{device}'. Use --engine torch.")
    found = importlib.util.find_spec("onnxruntime") is not None
    if engine == "onnx" or (engine == "auto" and device == "cpu" and found):
        path = find_model(name)
        try:
            return OnnxModel(path, name=shown_name(name, path), vocoder=vocoder)
        except NoGraphError:
            if engine == "onnx":
                raise
    from loopwright.making.torch_model import load

    return load(name, vocoder=vocoder, device=device)
