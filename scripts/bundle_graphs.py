"""Write the ONNX graphs that come with the package: those of the models and vocoders in it, and of the `house` recipe's.

    python scripts/bundle_graphs.py

A graph has no weights; it serves every model of its sizes. Run it when the generator, the vocoder or their sizes change.
"""

from __future__ import annotations

from pathlib import Path

from loopwright.config import LOOP16, LOOP48
from loopwright.making.bundled import BUNDLED, bundled_models
from loopwright.making.graphs import generator_graphs, ring_graph, write_graph
from loopwright.making.onnx_generator import graph_sizes
from loopwright.making.onnx_session import graph_path
from loopwright.models import modelfile
from loopwright.models.config import GeneratorSizes
from loopwright.models.generator import Generator
from loopwright.training.recipe import load_recipe
from loopwright.vocoder import ring_config
from loopwright.vocoder.modelfile import read
from loopwright.vocoder.ring import RingVocoder
from loopwright.vocoder.ring_config import RING_SIZES


def generators() -> list[GeneratorSizes]:
    """The bundled models' and the house recipe's at both representations."""
    config = load_recipe("house").generator
    fresh = [GeneratorSizes(config=config, bands=mel.bands, frames=mel.model_frames) for mel in (LOOP16, LOOP48)]
    return [modelfile.read(path).sizes for path in bundled_models().values()] + fresh


def vocoders() -> list[RingVocoder]:
    """The bundled ones and untrained ones of the small size."""
    files = [read(path)[0] for path in sorted(BUNDLED.glob("vocoder_*.safetensors"))]
    fresh = [RingVocoder(mel, RING_SIZES["small"]) for mel in (LOOP16, LOOP48)]
    return [v for v in files if isinstance(v, RingVocoder)] + fresh


def main() -> None:
    graphs: dict[Path, bytes] = {}
    for sizes in generators():
        for kind, graph in generator_graphs(Generator.of(sizes), weights=False).items():
            graphs[graph_path(kind, graph_sizes(sizes))] = graph
    for vocoder in vocoders():
        sizes_of_ring = ring_config.graph_sizes(vocoder.mel, vocoder.config)
        graphs[graph_path("ring", sizes_of_ring)] = ring_graph(vocoder, weights=False)
    for path, graph in graphs.items():
        write_graph(path, graph, {"made by": "scripts/bundle_graphs.py"})
        print(path.name, len(graph))


if __name__ == "__main__":
    main()
