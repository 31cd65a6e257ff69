"""Write a finished model from a run: one file with the averaged generator in half precision, or a folder of ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.files import save_tensors, sha256_of, write_json
from loopwright.making.find import default_vocoder, find_model
from loopwright.making.graphs import OPSET, generator_graphs, ring_graph, write_graph
from loopwright.making.onnx_model import DESCRIPTION, EXPORT_FORMAT
from loopwright.models import modelfile
from loopwright.models.generator import Generator
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.ring import RingVocoder

LICENCE = "CC0-1.0 for what the model makes; MIT for the weights"


def export_model(model: str, out: Path, *, half: bool = True, facts: dict[str, Any] | None = None) -> Path:
    """Write the model of a run (or model file) as one file to share.

    Args:
        model: run folder, model file or bundled name.
        out: a .safetensors path.
        half: store weights as float16; the sound differs by less than the vocoder's own rounding.
        facts: more for the header, such as an evaluation.

    Raises InputError if there is no such model or a weight does not fit half precision.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise InputError(f"{out} must end in .safetensors.")
    file = modelfile.read(find_model(model))
    tensors = modelfile.build(file).state_dict()
    if half:
        tensors = {key: value.half() for key, value in tensors.items()}
        bad = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
        if bad:
            raise InputError(f"{bad[0]} does not fit half precision. Export with --full.")
    save_tensors(out, tensors, _header(file.header) | (facts or {}))
    return out


def _header(header: dict[str, Any]) -> dict[str, Any]:
    """A model's header without a checkpoint's own fields; `training` has them."""
    own = ("step", "kimg", "seconds", "best")
    return {**{k: v for k, v in header.items() if k not in own}, "kind": "generator", "licence": LICENCE}


def export_onnx(model: str, out: Path, *, vocoder: str | None = None, force: bool = False) -> Path:
    """Write `mapping.onnx`, `synthesis.onnx`, `vocoder.onnx` (none for Griffin-Lim) and `model.json` with their checksums.

    What surrounds the graphs (statistics, tempo, STFTs) is in docs/export.md; `generate FOLDER` does it.

    Args:
        model: run folder, model file or bundled name.
        out: a folder, made if need be.
        vocoder: name or file, instead of the model's own: the ring vocoder or Griffin-Lim.
        force: write into a folder that has files.

    Raises InputError if there is no such model, the vocoder has no ONNX form, or the folder cannot be used.
    """
    out = Path(out)
    file = modelfile.read(find_model(model))
    header, mel = file.header, file.representation
    generator = modelfile.build(file)
    if not isinstance(mel, MelConfig) or not isinstance(generator, Generator):
        raise InputError(f"{model} draws {mel.name}, which has no ONNX form yet. Export it as a .safetensors file.")
    spoken = load_vocoder(vocoder or default_vocoder(mel), mel)
    if not isinstance(spoken, RingVocoder) and spoken.name != "griffinlim":
        raise InputError(f"vocoder '{spoken.name}' has no ONNX form. Pass --vocoder ring or griffinlim.")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not force)):
        raise InputError(f"{out} exists already. Choose another folder, or pass --force.")
    graphs = generator_graphs(generator)
    voice: dict[str, Any] = {"architecture": spoken.name}
    if isinstance(spoken, RingVocoder):
        graphs["vocoder"] = ring_graph(spoken)
        voice["config"] = spoken.config.model_dump()
    facts = {"model": str(Path(model).name), "licence": LICENCE, "mel": header["mel"], "bars": header["bars"], "opset": OPSET}
    for name, graph in graphs.items():
        write_graph(out / f"{name}.onnx", graph, facts)
    digests = {f"{name}.onnx": sha256_of(out / f"{name}.onnx") for name in graphs}
    onnx = {"format": EXPORT_FORMAT, "opset": OPSET, "files": digests}
    write_json(out / DESCRIPTION, _header(header) | {"vocoder": voice, "onnx": onnx})
    return out
