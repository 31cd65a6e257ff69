"""A generator in onnxruntime. Shapes: Z latent, L style inputs, W style, S steps, M mel bands, T frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.spectra import Float32
from loopwright.making.onnx_session import Arrays, NoGraphError, Session, graph_path

MAPPING = ("mapping_net.", "embedding.", "w_avg")  # weights of the mapping's graph; the others are the synthesis'


def sizes_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of the generator in a model file, as `making.graphs.generator_sizes` has them of the generator itself."""
    recipe = header["recipe"]["generator"]
    return {
        "n_mels": header["mel"]["n_mels"],
        "frames": header["bars"] * header["mel"]["model_frames"],
        "dims": recipe["dims"],
        "channels": list(recipe["channels"]),
        "z_dim": recipe["z_dim"],
        "w_dim": recipe["w_dim"],
        "mapping_layers": recipe["mapping_layers"],
        "bound": None if recipe.get("unbounded") else recipe["bound"],
        "gain": 1.0 if recipe.get("unbounded") else recipe["gain"],
        "circular": recipe["circular"],
        "classes": len(header.get("styles", ())),
    }


class LightGenerator:
    """`models.generator.Generator` for one loop at a time.

    Args:
        sizes: see `sizes_of`.
        weights: its state dict, for the graphs that come with the package.
        folder: instead of weights, a folder of `loopwright export --onnx`.

    Raises NoGraphError if the package brings no graph of these sizes.
    """

    def __init__(self, sizes: Mapping[str, Any], weights: Arrays | None = None, folder: Path | None = None) -> None:
        self.sizes = sizes
        paths = [folder / f"{kind}.onnx" if folder else graph_path(kind, sizes) for kind in ("mapping", "synthesis")]
        if not all(path.is_file() for path in paths):
            raise NoGraphError(
                "no ONNX graph for a generator of these sizes. Export it: loopwright export MODEL --onnx -o FOLDER"
            )
        parts: list[dict[str, Any] | None] = [None, None]
        if weights is not None:
            named = {f"net.{key}": value for key, value in weights.items()}
            mapping = {key for key in weights if key.startswith(MAPPING)}
            parts = [{k: v for k, v in named.items() if (k[4:] in mapping) == wanted} for wanted in (True, False)]
        self.mapping, self.synthesis = (Session(path, part) for path, part in zip(paths, parts, strict=True))

    def noise_shapes(self, turns: int = 1) -> list[tuple[int, int]]:
        """As `Generator.noise_shapes`."""
        sizes, scales = self.sizes, len(self.sizes["channels"])
        growth = 2 ** (scales - 1)
        m, t = sizes["n_mels"] // growth if sizes["dims"] == 2 else 1, sizes["frames"] // growth * turns
        shapes = [(m, t)]
        for _ in range(scales - 1):
            m, t = (m * 2 if sizes["dims"] == 2 else m), t * 2
            shapes += [(m, t), (m, t)]
        return shapes

    def style(self, z: Float32, label: int | None, truncation: float) -> Float32:
        """Latent (Z,) to style (W,)."""
        inputs: dict[str, Any] = {"z": z[None], "truncation": np.array([truncation], dtype=np.float32)}
        if label is not None:
            inputs["labels"] = np.array([label], dtype=np.int64)
        return self.mapping.run(inputs)[0][0]

    def scores(self, steps: Float32, noise: Sequence[Float32]) -> Float32:
        """Styles (W, S), or (L, W, S), one a layer; S is 1 or steps in time. Noise maps (1, m, t). -> z-scores (M, T)."""
        ws = steps[None] if steps.ndim == 3 else np.repeat(steps[None, None], 2 * len(self.sizes["channels"]), axis=1)
        maps = {f"noise_{i}": x[None] for i, x in enumerate(noise)}
        return self.synthesis.run({"ws": np.ascontiguousarray(ws), **maps})[0][0]
