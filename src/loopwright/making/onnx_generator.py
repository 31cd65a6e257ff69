"""A generator in onnxruntime. Shapes: Z latent, L style inputs, W style, S steps, M mel bands, T frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.spectra import Float32
from loopwright.making.onnx_session import Arrays, NoGraphError, Session, graph_path
from loopwright.models.config import GeneratorSizes

MAPPING = ("mapping_net.", "embedding.", "w_avg")  # weights of the mapping's graph; the others are the synthesis'


def graph_sizes(sizes: GeneratorSizes) -> dict[str, Any]:
    """What the name of a generator's graph is a hash of."""
    left_out = {"kind", "given"} if sizes.config.kind == "log-mel" else set()
    config = sizes.config.model_dump(mode="json", exclude=left_out)
    return {"n_mels": sizes.bands, "frames": sizes.frames, "classes": sizes.classes, **config}


class OnnxGenerator:
    """`models.generator.Generator` for one loop at a time.

    Args:
        sizes: all of it but the weights.
        weights: its state dict, for the graphs that come with the package.
        folder: instead of weights, a folder of `loopwright export --onnx`.

    Raises NoGraphError if the package brings no graph of these sizes.
    """

    def __init__(self, sizes: GeneratorSizes, weights: Arrays, folder: Path | None = None) -> None:
        self.sizes = sizes
        paths = [
            folder / f"{kind}.onnx" if folder else graph_path(kind, graph_sizes(sizes)) for kind in ("mapping", "synthesis")
        ]
        if not all(path.is_file() for path in paths):
            raise NoGraphError(
                "no ONNX graph for a generator of these sizes. Export it: loopwright export MODEL --onnx -o FOLDER"
            )
        parts: list[dict[str, Any] | None] = [None, None]
        if not folder:
            named = {f"net.{key}": value for key, value in weights.items()}
            mapping = {key for key in weights if key.startswith(MAPPING)}
            parts = [{k: v for k, v in named.items() if (k[4:] in mapping) == wanted} for wanted in (True, False)]
        self.mapping, self.synthesis = (Session(path, part) for path, part in zip(paths, parts, strict=True))

    def style(self, z: Float32, label: int | None, truncation: float) -> Float32:
        """Latent (Z,) to style (W,)."""
        inputs: dict[str, Any] = {"z": z[None], "truncation": np.array([truncation], dtype=np.float32)}
        if label is not None:
            inputs["labels"] = np.array([label], dtype=np.int64)
        return self.mapping.run(inputs)[0][0]

    def scores(self, steps: Float32, noise: Sequence[Float32]) -> Float32:
        """Styles (W, S), or (L, W, S), one a layer; S is 1 or steps in time. Noise maps (1, m, t). -> z-scores (M, T)."""
        ws = steps[None] if steps.ndim == 3 else np.repeat(steps[None, None], self.sizes.n_styles, axis=1)
        maps = {f"noise_{i}": x[None] for i, x in enumerate(noise)}
        return self.synthesis.run({"ws": np.ascontiguousarray(ws), **maps})[0][0]
