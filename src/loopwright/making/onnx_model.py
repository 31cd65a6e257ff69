"""A trained model in onnxruntime and numpy: makes the loops that `TorchModel` makes, without importing torch."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.arrays import Float32
from loopwright.config import MelConfig, check_same_mel
from loopwright.errors import InputError
from loopwright.files import sha256_of
from loopwright.making.draws import draw
from loopwright.making.find import find_model, shown_name, vocoder_for
from loopwright.making.model import Model
from loopwright.making.onnx_generator import OnnxGenerator
from loopwright.making.onnx_ring import OnnxRing
from loopwright.making.onnx_session import NoGraphError, Session, graph_path
from loopwright.making.speaker import Arrays
from loopwright.models import modelfile
from loopwright.vocoder import modelfile as vocoderfile
from loopwright.vocoder.griffinlim import GriffinLim
from loopwright.vocoder.render import LoopVocoder
from loopwright.vocoder.ring_config import RingConfig, graph_sizes

EXPORT_FORMAT = 1  # of folders written by `loopwright export --onnx`
DESCRIPTION = "model.json"


class OnnxModel(Model):
    """A generator with its vocoder, in onnxruntime and numpy. One loop at a time, so a loop never depends on its batch.

    Raises NoGraphError if the model or the vocoder can only be computed with torch.
    """

    def __init__(self, path: Path, *, name: str, vocoder: str | None = None) -> None:
        folder = path if path.is_dir() else None
        file = modelfile.parse(path, read_export(path), {}) if folder else modelfile.read(path)
        self.generator = OnnxGenerator(file.sizes, file.weights, folder)
        spoken = vocoder_for(file, vocoder)
        spoke: LoopVocoder | None = None
        if spoken is not None:
            exported = folder is not None and vocoder is None
            spoke = _exported_vocoder(path, file.header["vocoder"], spoken[1]) if exported else load_vocoder(*spoken)
        super().__init__(file, name, spoke)
        self.mean, self.std = file.mean[:, None], file.std[:, None]

    @classmethod
    def load(cls, name: str, *, vocoder: str | None = None) -> OnnxModel:
        """A bundled model by name, a run folder, a model file, or a folder of an ONNX export.

        Raises InputError if there is none or it is damaged, NoGraphError if only torch can compute it.
        """
        if is_export(Path(name)):
            return cls(Path(name), name=Path(name).name, vocoder=vocoder)
        path = find_model(name)
        return cls(path, name=shown_name(name, path), vocoder=vocoder)

    @functools.cached_property
    def w_avg(self) -> Float32:
        # any latent's style, truncated to nothing: the number itself is inside the graph
        return self._style(0, None, 0.0)

    def _style(self, seed: int, style: str | None, truncation: float) -> Float32:
        labels = self.labels(style, [seed])
        z = draw(seed, "latent", (self.sizes.config.z_dim,))
        return self.generator.style(z, labels[0] if labels else None, truncation)

    def styles_of(self, seeds: Sequence[int], *, style: str | None = None, truncation: float = 1.0) -> Float32:
        return np.stack([self._style(seed, style, truncation) for seed in seeds])

    def synthesis(self, ws: Float32, maps: Sequence[Float32], given: Sequence[Float32] | None) -> list[Arrays]:
        floor = np.float32(np.log10(self.mel.log_floor))
        found: list[Arrays] = []
        for i, one in enumerate(ws):
            steps = one[..., None] if one.ndim < 3 else one
            drawn = self.generator.draw(steps, [x[i] for x in maps], None if given is None else given[i])
            if "log_mel" in drawn:
                drawn["log_mel"] = np.maximum(drawn["log_mel"] * self.std + self.mean, floor)
            found.append(drawn)
        return found


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


def _exported_vocoder(folder: Path, header: dict[str, Any], mel: MelConfig) -> LoopVocoder:
    if header["architecture"] == "griffinlim":
        return GriffinLim(mel)
    return OnnxRing(mel, RingConfig(**header["config"]), Session(folder / "vocoder.onnx"))
