"""Recipes: what to train, as frozen settings read from TOML. Unknown keys are errors; `base` names a recipe to start from."""

from __future__ import annotations

import importlib.resources
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from loopwright.errors import ConfigError
from loopwright.models.config import GeneratorConfig


class DiscriminatorConfig(BaseModel, frozen=True, extra="forbid"):
    """What the generator learns from."""

    kind: Literal["projected", "stylegan2"] = "projected"  # heads on frozen features, or StyleGAN2's own (row B)
    networks: tuple[str, ...] = ("yamnet",)  # frozen feature networks, as in `loopwright features list`
    general: str = "yamnet"  # the network that "general" among `networks` stands for: vggish (the paper's) or yamnet
    heads: PositiveInt = 4  # scales that get a head, from the finest
    ccm: bool = True  # random mixing across channels
    csm: bool = True  # random mixing across scales
    norm: Literal["group", "batch", "none"] = "group"  # in heads; "batch" as published
    circular: bool = True  # time wraps in networks and heads
    clock: bool = True  # tell the heads where in the bar they are; a circular discriminator cannot know otherwise
    pool: Literal["first", "last"] = "first"  # where a head halves its map; "last" as published
    fusion: Literal["separate", "summed"] = "separate"  # a loss for each network; "summed" logits as published
    halves: Literal["none", "mel", "time"] = "none"  # "mel": two halves of the bar, maps joined on the mel axis, as published
    bridge: bool = True  # False feeds the z-scored mel to networks that expect their own log-mel, as published
    batch_stats: bool = False  # the networks' BatchNorms use the batch's statistics, as published
    channels: tuple[PositiveInt, ...] = (32, 64, 128, 256, 256)  # of kind "stylegan2": one a scale, finest first
    r1_gamma: NonNegativeFloat = 0.0  # R1 of kind "stylegan2" ...
    r1_every: PositiveInt = 16  # ... every so many steps

    @property
    def network_names(self) -> tuple[str, ...]:
        """`networks` with "general" resolved; none for kind "stylegan2"."""
        if self.kind == "stylegan2":
            return ()
        known = {"general": self.general, "random:general": f"random:{self.general}"}
        return tuple(known.get(name, name) for name in self.networks)


class AugmentConfig(BaseModel, frozen=True, extra="forbid"):
    """Changes to what the discriminator sees, real and fake alike, that keep loops loops."""

    roll: bool = True  # turn the circle by a random number of frames, so the seam is heard like any other place
    gain_db: NonNegativeFloat = 6.0  # up to this much quieter
    noise: NonNegativeFloat = 0.5  # standard deviation of noise on z-scores at the start ...
    noise_kimg: NonNegativeFloat = 10.0  # ... fading to nothing over this many thousand images


class TrainConfig(BaseModel, frozen=True, extra="forbid"):
    """The run itself."""

    kimg: PositiveFloat = 30.0  # thousand real images shown
    batch: PositiveInt = 16  # of all processes together
    lr_g: PositiveFloat = 0.002  # Adam's, of the generator ...
    lr_d: PositiveFloat = 0.001  # ... and of the discriminator
    anneal_kimg: NonNegativeFloat = 0.0  # both fall linearly to nothing over the last so many thousand images
    beta1: NonNegativeFloat = 0.0  # Adam's
    beta2: PositiveFloat = 0.99  # Adam's
    ema_kimg: PositiveFloat = 2.0  # half-life of the average, in thousand images
    ema_rampup: NonNegativeFloat = 0.05  # at most this share of the images seen so far
    style_mixing: float = Field(default=0.5, ge=0, le=1)  # share of samples made from two styles
    loss: Literal["hinge", "logistic"] = "hinge"  # "logistic" is StyleGAN2's
    path_weight: NonNegativeFloat = 0.0  # path-length regularisation (StyleGAN2's is 2) ...
    path_every: PositiveInt = 4  # ... every so many steps
    condition: str = ""  # manifest column of class labels, such as "style"; empty: unconditional
    seed: NonNegativeInt = 0  # of everything random
    tick_kimg: PositiveFloat = 1.0  # log and checkpoint
    eval_kimg: PositiveFloat = 4.0  # measure against held-out real bars
    eval_n: PositiveInt = 500  # bars on each side of a measurement
    judges: tuple[str, ...] = ("yamnet", "musicnn")  # the last one chooses `best`: not the network that trains D
    bf16: bool = False  # bfloat16 arithmetic: quicker on hardware that has it


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """All settings of a GAN run."""

    name: str
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        settings = self.discriminator
        if settings.kind == "projected" and not settings.networks:
            raise ValueError("discriminator.networks is empty. Name a network, such as 'yamnet', or set kind = 'stylegan2'")
        if settings.r1_gamma and settings.kind == "projected":
            raise ValueError("discriminator.r1_gamma is for kind = 'stylegan2'")
        return self


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package, such as `house` or `drums/h-vgg+scnn-loop`."""
    root = Path(str(importlib.resources.files("loopwright") / "recipes"))
    return sorted(str(p.relative_to(root).with_suffix("")) for p in root.rglob("*.toml"))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `over` in front."""
    out = dict(base)
    for key, value in over.items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
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
    inherited = _read(base, (*seen, name))
    inherited.pop("name", None)  # a recipe has its own name
    return merge(inherited, values)


def parse_recipe(values: dict[str, Any], where: str) -> Recipe:
    """Check values against the settings. Raises ConfigError naming each wrong or unknown key."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        parts = [(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        problems = "; ".join(f"{key}: {text}" if key else text for key, text in parts)
        raise ConfigError(f"recipe {where}: {problems}. See docs/recipes.md for the keys.") from error


def load_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe by name or path, with its base, and apply overrides (nested like the recipe)."""
    values = merge({"name": Path(name).stem}, _read(name))
    return parse_recipe(merge(values, overrides or {}), name)
