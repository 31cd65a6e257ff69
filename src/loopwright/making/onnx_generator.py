"""A generator in onnxruntime. Shapes: Z latent, L style inputs, W style, S steps, M mel bands, T frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.arrays import Float32
from loopwright.making.onnx_session import Arrays, NoGraphError, Session, graph_path
from loopwright.models import config
from loopwright.models.config import QUIETEST, ROLES, GeneratorSizes

MAPPING = ("mapping_net.", "embedding.", "w_avg")  # weights of the mapping's graph; the others are the synthesis'
OUTSIDE = ("mean", "std")  # of a kit's pictures, which are made outside its graph


def graph_sizes(sizes: GeneratorSizes) -> dict[str, Any]:
    """What the name of a generator's graph is a hash of."""
    left_out = {"kind", "given"} if sizes.config.kind == "log-mel" else set()
    known = sizes.config.model_dump(mode="json", exclude=left_out)
    if sizes.config.kind == "pattern-kit":  # whose channels are no matter of settings yet
        fixed = {"pattern": config.PATTERN_CHANNELS, "kit": config.KIT_CHANNELS, "room": config.ROOM_CHANNELS}
        known |= {**fixed, "roles": config.ROLES, "layers": config.LAYERS, "kit_frames": config.KIT_FRAMES}
    return {"n_mels": sizes.bands, "frames": sizes.frames, "classes": sizes.classes, **known}


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
            named = {f"net.{key}": value for key, value in weights.items() if key not in OUTSIDE}
            mapping = {key for key in weights if key.startswith(MAPPING)}
            parts = [{k: v for k, v in named.items() if (k[4:] in mapping) == wanted} for wanted in (True, False)]
        self.mapping, self.synthesis = (Session(path, part) for path, part in zip(paths, parts, strict=True))

    def style(self, z: Float32, label: int | None, truncation: float) -> Float32:
        """Latent (Z,) to style (W,)."""
        inputs: dict[str, Any] = {"z": z[None], "truncation": np.array([truncation], dtype=np.float32)}
        if label is not None:
            inputs["labels"] = np.array([label], dtype=np.int64)
        return self.mapping.run(inputs)[0][0]

    def draw(self, steps: Float32, noise: Sequence[Float32], given: Float32 | None) -> dict[str, Float32]:
        """What the generator draws, by name, as its speaker takes it; but log-mels are z-scores yet.

        Args:
            steps: styles (W, S), or (L, W, S), one a layer; S is 1 or steps in time.
            noise: maps (1, m, t).
            given: score (P, T) or pattern (R, L, T), of a generator that is given it.
        """
        ws = steps[None] if steps.ndim == 3 else np.repeat(steps[None, None], self.sizes.n_styles, axis=1)
        inputs = {"ws": np.ascontiguousarray(ws), **{f"noise_{i}": x[None] for i, x in enumerate(noise)}}
        if given is not None:
            inputs["given"] = given[None]
        if self.sizes.config.kind == "pattern-kit":
            heard = range(ROLES) if given is None else np.flatnonzero(given.max(axis=(1, 2)) > QUIETEST)
            inputs["roles"] = np.array(heard, dtype=np.int64)
        found = dict(zip(self.synthesis.outputs, self.synthesis.run(inputs), strict=True))
        if self.sizes.config.kind == "pattern-kit":
            kept = {"kit", "tails", "gains"}  # by voices, not by items
            return {k: x if k in kept else x[0] for k, x in found.items()} | {"roles": inputs["roles"].astype(np.float32)}
        return {name: x[0] for name, x in found.items()}
