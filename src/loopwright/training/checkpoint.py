"""Checkpoints: tensors in one safetensors file with a JSON header. No pickled classes, and never half-written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from loopwright.errors import InputError
from loopwright.files import load_tensors, save_tensors


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimizer as `{index.key: tensor}`: parameters are counted in the order of the groups."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": torch.as_tensor(value) for index, entry in state.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimizer_tensors`; groups' settings stay those of `optimizer`, memory layouts those of its parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        if value.shape == parameters[int(index)].shape:
            value = torch.empty_like(parameters[int(index)], requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_checkpoint(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    header: Mapping[str, Any],
) -> None:
    """Write modules (state dicts), optimizers and a JSON header to `path`, whole or not at all."""
    tensors = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    tensors |= {
        f"{name}/{key}": value for name, optimizer in optimizers.items() for key, value in optimizer_tensors(optimizer).items()
    }
    save_tensors(path, {key: value.detach().cpu().clone() for key, value in tensors.items()}, header)


def load_checkpoint(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into modules and optimizers; returns the header.

    Raises InputError if a tensor is missing or has another shape.
    """
    tensors, header = load_tensors(path)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = value
    try:
        for name, module in modules.items():
            module.load_state_dict(parts.get(name, {}))
        for name, optimizer in optimizers.items():
            load_optimizer(optimizer, parts.get(name, {}))
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"checkpoint {path} does not fit this run ({error}). Was the recipe changed?") from error
    return header
