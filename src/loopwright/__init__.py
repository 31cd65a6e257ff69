"""loopwright: learns from a folder of audio loops and makes new ones that really loop.

>>> import loopwright
>>> loops = loopwright.load("drums").generate(seeds=range(8), bpm=124)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwright.making.loop import Loop
    from loopwright.making.torch_model import Model, load

__all__ = ["Loop", "Model", "load"]


def __getattr__(name: str) -> Any:
    """Import the API when it is used: `import loopwright` alone costs nothing."""
    if name == "Loop":
        from loopwright.making.loop import Loop

        return Loop
    if name in ("load", "Model"):
        from loopwright.making import torch_model as model

        return getattr(model, name)
    raise AttributeError(f"module 'loopwright' has no attribute '{name}'")
