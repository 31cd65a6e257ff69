"""Write the ONNX graphs that come with the package: those of the models and vocoders in it, and of the `house` recipes.

    python scripts/bundle_graphs.py

A graph has no weights; it serves every model of its sizes. Run it when the generator, the vocoder or their sizes change.
"""

from __future__ import annotations

from pathlib import Path

import torch

from loopwright.config import LOOP16, LOOP48, TONE48
from loopwright.making.bundled import BUNDLED, bundled_models
from loopwright.making.graphs import generator_graphs, ring_graph, write_graph
from loopwright.making.onnx_generator import graph_sizes
from loopwright.making.onnx_session import graph_path
from loopwright.models import modelfile
from loopwright.models.build import build_generator
from loopwright.models.config import GeneratorSizes
from loopwright.training.recipe import load_recipe
from loopwright.vocoder import ring_config
from loopwright.vocoder.modelfile import read
from loopwright.vocoder.ring import RingVocoder
from loopwright.vocoder.ring_config import RING_SIZES


def generators() -> list[GeneratorSizes]:
    """The bundled models' and those of the house recipes, each at its representations."""
    chosen = (("house", LOOP16), ("house", LOOP48), ("house-tonal", TONE48), ("house-drums", LOOP48))
    fresh = [
        GeneratorSizes(config=load_recipe(recipe).generator, bands=each.bands, frames=each.model_frames)
        for recipe, each in chosen
    ]
    return [modelfile.read(path).sizes for path in bundled_models().values()] + fresh


def vocoders() -> list[RingVocoder]:
    """The bundled ones and untrained ones of the small size."""
    files = [read(path)[0] for path in sorted(BUNDLED.glob("vocoder_*.safetensors"))]
    fresh = [RingVocoder(mel, RING_SIZES["small"]) for mel in (LOOP16, LOOP48)]
    return [v for v in files if isinstance(v, RingVocoder)] + fresh


def main() -> None:
    graphs: dict[Path, bytes] = {}
    for sizes in generators():
        fresh = build_generator(sizes, torch.zeros(sizes.bands), torch.ones(sizes.bands))
        for kind, graph in generator_graphs(fresh, weights=False).items():
            graphs[graph_path(kind, graph_sizes(sizes))] = graph
    for vocoder in vocoders():
        sizes_of_ring = ring_config.graph_sizes(vocoder.mel, vocoder.config)
        graphs[graph_path("ring", sizes_of_ring)] = ring_graph(vocoder, weights=False)
    for path, graph in graphs.items():
        write_graph(path, graph, {"made by": "scripts/bundle_graphs.py"})
        print(path.name, len(graph))


if __name__ == "__main__":
    main()
