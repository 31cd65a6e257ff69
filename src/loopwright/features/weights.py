"""Where weight files are looked for, and how they are read. Nothing here is ever unpickled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from torch import Tensor

from loopwright.errors import InputError, WeightsError
from loopwright.files import load_tensors

ENVIRONMENT_VARIABLE = "LOOPWRIGHT_WEIGHTS"
BUNDLED = Path(__file__).parents[1] / "bundled"


def cache_folder() -> Path:
    """The user's own folder, into which `loopwright features fetch` and `import` write."""
    return user_cache_path("loopwright") / "weights"


def search_folders(explicit: Path | None = None) -> list[Path]:
    """Folders in the order they are searched: the one given, LOOPWRIGHT_WEIGHTS, the user cache, the bundled files."""
    folders = [Path(explicit)] if explicit is not None else []
    folders += [Path(part) for part in os.environ.get(ENVIRONMENT_VARIABLE, "").split(os.pathsep) if part]
    return [*folders, cache_folder(), BUNDLED]


def find_weights(name: str, files: Sequence[str], explicit: Path | None = None) -> Path:
    """The first of `files` found in the folders searched. `explicit` may also be the file itself.

    Raises WeightsError that names the folders and the command that fetches the file.
    """
    if explicit is not None and Path(explicit).is_file():
        return Path(explicit)
    folders = search_folders(explicit)
    for folder in folders:
        for file in files:
            if (folder / file).is_file():
                return folder / file
    looked = ", ".join(str(folder) for folder in folders)
    raise WeightsError(
        f"no weights for {name}: no {' or '.join(files)} in {looked}. Run `loopwright features fetch {name}`, or set "
        f"{ENVIRONMENT_VARIABLE} to the folder that has it, or use 'random:{name}'."
    )


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All tensors of a safetensors file, and its header ({} for files not ours). Raises WeightsError if it is damaged."""
    try:
        return load_tensors(path)
    except InputError as error:
        raise WeightsError(str(error)) from error
