"""loopwright: learns from a folder of audio loops and makes new ones that really loop.

>>> import loopwright
>>> loops = loopwright.load("drums").generate(seeds=range(8), bpm=124)  # doctest: +SKIP

What is named here is meant for others; everything else may change.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwright.making import Loop, Model, load
    from loopwright.measuring.evaluate import evaluate
    from loopwright.tasks.prepare import prepare
    from loopwright.tasks.train_gan import train

    __version__: str

__all__ = ["Loop", "Model", "__version__", "evaluate", "load", "prepare", "train"]

_HOMES = {
    "Loop": "loopwright.making",
    "Model": "loopwright.making",
    "load": "loopwright.making",
    "evaluate": "loopwright.measuring.evaluate",
    "prepare": "loopwright.tasks.prepare",
    "train": "loopwright.tasks.train_gan",
}


def __getattr__(name: str) -> Any:
    """Import the API when it is used: `import loopwright` alone costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("loopwright")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'loopwright' has no attribute '{name}'")
