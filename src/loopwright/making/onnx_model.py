"""A trained model in onnxruntime and numpy: makes the loops that `TorchModel` makes, without importing torch."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.config import MelConfig, check_same_mel
from loopwright.errors import InputError
from loopwright.files import load_arrays, sha256_of
from loopwright.making.draws import Blend, Float32, draw, white_noise
from loopwright.making.find import default_vocoder, find_model, shown_name
from loopwright.making.model import Model
from loopwright.making.onnx_generator import LightGenerator, sizes_of
from loopwright.making.onnx_render import render
from loopwright.making.onnx_session import NoGraphError, Session, graph_path
from loopwright.making.onnx_vocoders import LightGriffinLim, LightHouse, LightVocoder, house_sizes

MODEL_FORMAT = 1  # newest model file read here; training.loop writes it
VOCODER_FORMAT = 2  # of vocoder files; vocoder.modelfile writes it
EXPORT_FORMAT = 2  # of folders written by `loopwright export --onnx`
DESCRIPTION = "model.json"


class OnnxModel(Model):
    """A generator with its vocoder, in onnxruntime and numpy. One loop at a time, so a loop never depends on its batch.

    Raises NoGraphError if the model or the vocoder can only be computed with torch.
    """

    def __init__(self, path: Path, *, name: str, vocoder: str | None = None) -> None:
        folder = path if path.is_dir() else None
        weights: dict[str, Any] | None
        if folder:
            header, weights = read_export(folder), None
        else:
            weights, header = load_arrays(path)
            if header.get("kind") == "checkpoint":
                weights = {k.removeprefix("average/"): v for k, v in weights.items() if k.startswith("average/")}
            elif header.get("kind") != "generator":
                raise InputError(
                    f"{path} is not a loopwright model. Pass a run folder, a model file, or the name of a bundled model."
                )
        if header["format"] > MODEL_FORMAT:
            raise InputError(f"{path} was written by a newer loopwright (format {header['format']}). Upgrade loopwright.")
        super().__init__(path, name, header)
        self.generator = LightGenerator(sizes_of(header), weights, folder)
        self.n_styles, self.w_dim = 2 * len(self.generator.sizes["channels"]), int(self.generator.sizes["w_dim"])
        if folder and vocoder is None:
            self.vocoder = _exported_vocoder(folder, header["vocoder"], self.mel)
        else:
            self.vocoder = load_vocoder(vocoder or default_vocoder(self.mel), self.mel)
        self.mean, self.std = (np.array(header["statistics"][key], dtype=np.float32)[:, None] for key in ("mean", "std"))

    @classmethod
    def load(cls, name: str, *, vocoder: str | None = None) -> OnnxModel:
        """A bundled model by name, a run folder, a model file, or a folder of an ONNX export.

        Raises InputError if there is none or it is damaged, NoGraphError if only torch can compute it.
        """
        if is_export(Path(name)):
            return cls(Path(name), name=Path(name).name, vocoder=vocoder)
        path = find_model(name)
        return cls(path, name=shown_name(name, path), vocoder=vocoder)

    @property
    def vocoder_name(self) -> str:
        return self.vocoder.name

    @functools.cached_property
    def w_avg(self) -> Float32:
        # any latent's style, truncated to nothing: the number itself is inside the graph
        return self._style(0, None, 0.0)

    def _style(self, seed: int, style: str | None, truncation: float) -> Float32:
        labels = self.labels(style, [seed])
        z = draw(seed, "latent", (self.generator.sizes["z_dim"],))
        return self.generator.style(z, labels[0] if labels else None, truncation)

    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Float32:
        return np.stack([self._style(seed, style, truncation) for seed in seeds])

    def noise_shapes(self, turns: int = 1) -> list[tuple[int, int]]:
        return self.generator.noise_shapes(turns)

    def synthesis(self, ws: Float32, maps: Sequence[Float32]) -> Float32:
        floor = np.float32(np.log10(self.mel.log_floor))
        found = []
        for i, one in enumerate(ws):
            steps = one[..., None] if one.ndim < 3 else one
            log_mel = self.generator.scores(steps, [x[i] for x in maps]) * self.std + self.mean
            found.append(np.maximum(log_mel, floor))
        return np.stack(found)

    def speak(self, log_mel: Float32, noise: Sequence[int | Blend], *, bpm: float, rate_hz: int) -> Float32:
        def white(frames: int, of: int | Blend) -> Float32:
            return white_noise(of, self.mel.hop, frames)

        pairs = zip(log_mel, noise, strict=True)
        return np.stack([render(self.vocoder, x, bpm, rate_hz, functools.partial(white, of=one)) for x, one in pairs])


def load_vocoder(name: str, mel: MelConfig) -> LightVocoder:
    """A vocoder by name or file, as `vocoder.load`. Raises NoGraphError for those that need torch."""
    if name in ("auto", "house"):
        known = default_vocoder(mel)
        if name == "house" and known == "griffinlim":
            raise InputError(f"no vocoder 'house' for '{mel.name}'. Pass --vocoder griffinlim, or the path of a vocoder file.")
        name = known
    if name == "griffinlim":
        return LightGriffinLim(mel)
    path = Path(name) / "vocoder.safetensors" if Path(name).is_dir() else Path(name)
    weights, header = load_arrays(path)
    if header.get("kind") != "vocoder" or header.get("architecture") != "house" or header.get("format") != VOCODER_FORMAT:
        raise NoGraphError(f"vocoder {name} needs torch: --engine torch.")
    own = MelConfig(**header["mel"])
    check_same_mel(f"vocoder {name}", own, "the log-mel", mel)
    graph = graph_path("house", house_sizes(own, header["config"]))
    if not graph.is_file():
        raise NoGraphError(f"no ONNX graph for a vocoder of the sizes of {name}. Use --engine torch.")
    return LightHouse(own, header["config"], Session(graph, {f"net.{key}": value for key, value in weights.items()}))


def is_export(folder: Path) -> bool:
    """Whether a folder was written by `loopwright export --onnx`; a run folder is none."""
    return (folder / DESCRIPTION).is_file() and not (folder / "checkpoints").is_dir()


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


def _exported_vocoder(folder: Path, header: dict[str, Any], mel: MelConfig) -> LightVocoder:
    if header["architecture"] == "griffinlim":
        return LightGriffinLim(mel)
    return LightHouse(mel, header["config"], Session(folder / "vocoder.onnx"))
