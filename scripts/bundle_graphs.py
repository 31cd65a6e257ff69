"""Write the ONNX graphs that come with the package: those of the models and vocoders in it, and of the `house` recipe's.

    python scripts/bundle_graphs.py

A graph has no weights; it serves every model of its sizes. Run it when the generator, the vocoder or their sizes change.
"""

from __future__ import annotations

from pathlib import Path

from loopwright.config import LOOP16, LOOP48
from loopwright.making.bundled import BUNDLED, bundled_models
from loopwright.making.graphs import generator_graphs, generator_sizes, house_graph, write_graph
from loopwright.making.onnx_session import graph_path
from loopwright.making.onnx_vocoders import house_sizes
from loopwright.models.generator import Generator
from loopwright.training.gan_loop import build_generator, load_model
from loopwright.training.recipe import load_recipe
from loopwright.vocoder.house import HOUSE_SIZES, HouseVocoder
from loopwright.vocoder.modelfile import read


def generators() -> list[Generator]:
    """The bundled models' and the house recipe's at both representations."""
    recipe = load_recipe("house")
    fresh = [build_generator(recipe, n_mels=mel.n_mels, frames=mel.model_frames) for mel in (LOOP16, LOOP48)]
    return [load_model(path)[0] for path in bundled_models().values()] + fresh


def vocoders() -> list[HouseVocoder]:
    """The bundled ones and untrained ones of the small size."""
    files = [read(path)[0] for path in sorted(BUNDLED.glob("vocoder_*.safetensors"))]
    fresh = [HouseVocoder(mel, HOUSE_SIZES["small"]) for mel in (LOOP16, LOOP48)]
    return [v for v in files if isinstance(v, HouseVocoder)] + fresh


def main() -> None:
    graphs: dict[Path, bytes] = {}
    for generator in generators():
        sizes = generator_sizes(generator)
        for kind, graph in generator_graphs(generator, weights=False).items():
            graphs[graph_path(kind, sizes)] = graph
    for vocoder in vocoders():
        graphs[graph_path("house", house_sizes(vocoder.mel, vocoder.config.model_dump()))] = house_graph(vocoder, weights=False)
    for path, graph in graphs.items():
        write_graph(path, graph, {"made by": "scripts/bundle_graphs.py"})
        print(path.name, len(graph))


if __name__ == "__main__":
    main()
