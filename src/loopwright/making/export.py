"""Write a finished model from a run: one file with the averaged generator in half precision, or a folder of ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from loopwright.errors import InputError
from loopwright.files import save_tensors, sha256_of, write_json
from loopwright.making.bank import FIELD, bank_of
from loopwright.making.find import find_model, vocoder_for
from loopwright.making.graphs import OPSET, generator_graphs, ring_graph, write_graph
from loopwright.making.onnx_model import DESCRIPTION, EXPORT_FORMAT
from loopwright.models import modelfile
from loopwright.models.modelfile import ModelFile
from loopwright.vocoder import load as load_vocoder
from loopwright.vocoder.ring import RingVocoder

LICENCE = "CC0-1.0 for what the model makes; MIT for the weights"


def export_model(model: str, out: Path, *, half: bool = True, facts: dict[str, Any] | None = None) -> Path:
    """Write the model of a run (or model file) as one file to share.

    A model that is given what it plays takes a bank of clips along, bars of the data it was trained on, with their licences.

    Args:
        model: run folder, model file or bundled name.
        out: a .safetensors path.
        half: store weights as float16; the sound differs by less than the vocoder's own rounding.
        facts: more for the header, such as an evaluation.

    Raises InputError if there is no such model, a weight does not fit half precision, or what it plays is not to be found.
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
    save_tensors(out, tensors, _header(file) | (facts or {}))
    return out


def _header(file: ModelFile) -> dict[str, Any]:
    """A model's header without a checkpoint's own fields (`training` has them), with what it is given to play.

    Raises InputError if that is not to be found.
    """
    own = ("step", "kimg", "seconds", "best")
    header = {**{k: v for k, v in file.header.items() if k not in own}, "kind": "generator", "licence": LICENCE}
    bank = bank_of(file)
    if bank is None and file.sizes.config.given:
        raise InputError(
            f"{file.path} is given what it plays, and its training data is not to be found. Export it where that data is."
        )
    return header if bank is None else header | {FIELD: bank.to_json()}


def export_onnx(model: str, out: Path, *, vocoder: str | None = None, force: bool = False) -> Path:
    """Write `mapping.onnx`, `synthesis.onnx`, `vocoder.onnx` and `model.json` with their checksums.

    There is no vocoder's graph for Griffin-Lim, nor for a model of notes.

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
    header = _header(file)
    wanted = vocoder_for(file, vocoder)
    spoken = None if wanted is None else load_vocoder(*wanted)
    if not isinstance(spoken, RingVocoder | None) and spoken.name != "griffinlim":
        raise InputError(f"vocoder '{spoken.name}' has no ONNX form. Pass --vocoder ring or griffinlim.")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not force)):
        raise InputError(f"{out} exists already. Choose another folder, or pass --force.")
    graphs = generator_graphs(modelfile.build(file))
    voice: dict[str, Any] = {"architecture": spoken.name if spoken is not None else "none"}
    if isinstance(spoken, RingVocoder):
        graphs["vocoder"] = ring_graph(spoken)
        voice["config"] = spoken.config.model_dump()
    facts = {"model": str(Path(model).name), "licence": LICENCE, "mel": header["mel"], "bars": header["bars"], "opset": OPSET}
    for name, graph in graphs.items():
        write_graph(out / f"{name}.onnx", graph, facts)
    digests = {f"{name}.onnx": sha256_of(out / f"{name}.onnx") for name in graphs}
    onnx = {"format": EXPORT_FORMAT, "opset": OPSET, "files": digests}
    write_json(out / DESCRIPTION, header | {"vocoder": voice, "onnx": onnx})
    return out
