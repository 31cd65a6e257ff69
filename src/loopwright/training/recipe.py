"""Recipes: what to train, as frozen settings read from TOML. Unknown keys are errors; `base` names a recipe to start from."""

from __future__ import annotations

import importlib.resources
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from loopwright.errors import ConfigError


class GeneratorConfig(BaseModel, frozen=True, extra="forbid"):
    """Size and form of the generator, see `models.generator.Generator`."""

    dims: Literal[1, 2] = 1  # 1: mel bands as channels (quick on a CPU); 2: the paper's maps
    channels: tuple[PositiveInt, ...] = (384, 384, 384, 320, 256)  # one a scale, coarsest first
    z_dim: PositiveInt = 64
    w_dim: PositiveInt = 128
    mapping_layers: PositiveInt = 4
    bound: PositiveFloat | None = 3.5  # largest |z-score|; leave out for none
    gain: PositiveFloat = 0.3
    circular: bool = True
    unbounded: bool = False  # as published: no soft bound (TOML has no null)


class DiscriminatorConfig(BaseModel, frozen=True, extra="forbid"):
    """What judges the generator while it learns."""

    networks: tuple[str, ...] = ("yamnet",)  # frozen feature networks, as in `loopwright features list`
    heads: PositiveInt = 4
    ccm: bool = True
    csm: bool = True
    norm: Literal["group", "batch", "none"] = "group"
    circular: bool = True
    clock: bool = True  # tell the heads where in the bar they are; a circular discriminator cannot know otherwise
    pool: Literal["first", "last"] = "first"  # where a head halves its map; "last" as published


class AugmentConfig(BaseModel, frozen=True, extra="forbid"):
    """Changes to what the discriminator sees, real and fake alike, that keep loops loops."""

    roll: bool = True  # turn the circle by a random number of frames, so the seam is judged like any other place
    gain_db: NonNegativeFloat = 6.0  # up to this much quieter
    noise: NonNegativeFloat = 0.5  # standard deviation of noise on z-scores at the start ...
    noise_kimg: NonNegativeFloat = 10.0  # ... fading to nothing over this many thousand images


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """The run itself."""

    kimg: PositiveFloat = 30.0  # thousand real images shown
    batch: PositiveInt = 16
    lr_g: PositiveFloat = 0.002
    lr_d: PositiveFloat = 0.001
    beta1: NonNegativeFloat = 0.0
    beta2: PositiveFloat = 0.99
    ema_kimg: PositiveFloat = 2.0  # half-life of the average, in thousand images
    ema_rampup: NonNegativeFloat = 0.1  # at most this share of the images seen so far
    style_mixing: float = Field(default=0.5, ge=0, le=1)
    seed: NonNegativeInt = 0
    tick_kimg: PositiveFloat = 1.0  # log and checkpoint
    eval_kimg: PositiveFloat = 4.0  # measure against held-out real bars
    eval_n: PositiveInt = 500
    judges: tuple[str, ...] = ("yamnet", "musicnn")  # the last one chooses `best`: not the network that trains D
    bf16: bool = False


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """All settings of a GAN run."""

    name: str
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package, such as `house` or `drums/h-vgg+scnn-loop`."""
    root = Path(str(importlib.resources.files("loopwright") / "recipes"))
    return sorted(str(p.relative_to(root).with_suffix("")) for p in root.rglob("*.toml"))


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        out[key] = _merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def _read(name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    root = Path(str(importlib.resources.files("loopwright") / "recipes"))
    path = Path(name) if name.endswith(".toml") else root / f"{name}.toml"
    if name in seen:
        raise ConfigError(f"recipe {name} is based on itself: {' -> '.join((*seen, name))}.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no recipe '{name}'. There are: {', '.join(recipe_names())}; or give a path to a .toml.") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read recipe {path}: {error}.") from error
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(f"recipe {path}: base must be the name of a recipe, got {base!r}.")
    if base.endswith(".toml") and not Path(base).is_absolute():
        base = str(path.parent / base)
    return _merge(_read(base, (*seen, name)), values)


def parse_recipe(values: dict[str, Any], where: str) -> Recipe:
    """Check values against the settings. Raises ConfigError naming each wrong or unknown key."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"recipe {where}: {problems}. See docs/recipes.md for the keys.") from error


def load_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe by name or path, with its base, and apply overrides (nested like the recipe)."""
    values = _merge({"name": Path(name).stem}, _read(name))
    return parse_recipe(_merge(values, overrides or {}), name)
