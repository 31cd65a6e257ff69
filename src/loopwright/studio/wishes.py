"""What a client may ask for. Every field is checked here; loops, uploads and models are named by ids, never by paths."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from loopwright.making.directions import MAX_MOVE

LoopId = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]
UploadId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
ModelKey = Annotated[str, Field(min_length=1, max_length=120)]
Bpm = Annotated[float, Field(ge=40, le=240, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Salt = Annotated[int, Field(ge=0, le=2**31)]


class Wish(BaseModel):
    """Base: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Generate(Wish):
    """New loops from `count` seeds, the first being `seed`."""

    kind: Literal["generate"]
    model: ModelKey
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    count: Annotated[int, Field(ge=1, le=32)] = 8
    bpm: Bpm = 120.0
    bars: Literal[1, 2, 4] = 1
    truncation: Annotated[float, Field(ge=0, le=1.5, allow_inf_nan=False)] = 1.0
    style: Annotated[str, Field(max_length=80)] | None = None


class Near(Wish):
    """More like this: neighbours of a loop. `amount` 0 is the loop itself, 1 an unrelated one."""

    kind: Literal["near"]
    loop: LoopId
    count: Annotated[int, Field(ge=1, le=16)] = 4
    amount: Share = 0.35
    salt: Salt = 0
    bpm: Bpm | None = None


class Away(Wish):
    """Less like this: loops whose style points away from this one's."""

    kind: Literal["away"]
    loop: LoopId
    count: Annotated[int, Field(ge=1, le=16)] = 4
    salt: Salt = 0
    bpm: Bpm | None = None


class Blend(Wish):
    """A loop between two: `a` at t = 0, `b` at t = 1."""

    kind: Literal["blend"]
    a: LoopId
    b: LoopId
    t: Share
    bpm: Bpm | None = None


class Mix(Wish):
    """Loop `a` with one level of loop `b`: `coarse` is the pattern, `fine` the sound."""

    kind: Literal["mix"]
    a: LoopId
    b: LoopId
    level: Annotated[str, Field(max_length=20)] = "fine"
    bpm: Bpm | None = None


class Move(Wish):
    """A loop moved along its model's named directions, by so many standard deviations."""

    kind: Literal["move"]
    loop: LoopId
    amounts: Annotated[
        dict[Annotated[str, Field(max_length=80)], Annotated[float, Field(ge=-MAX_MOVE, le=MAX_MOVE, allow_inf_nan=False)]],
        Field(max_length=32),
    ]
    bpm: Bpm | None = None


class Retempo(Wish):
    """The same loops at another tempo, rendered anew: same pitch, exact length."""

    kind: Literal["retempo"]
    loops: Annotated[list[LoopId], Field(min_length=1, max_length=32)]
    bpm: Bpm


class Variations(Wish):
    """An uploaded loop, looked up in a model, and its neighbours."""

    kind: Literal["variations"]
    upload: UploadId
    model: ModelKey
    count: Annotated[int, Field(ge=1, le=16)] = 6
    amount: Share = 0.35
    bpm: Bpm | None = None


class Directions(Wish):
    """Find the named directions of a model that has none yet. Takes a minute or more."""

    kind: Literal["directions"]
    model: ModelKey


AnyWish = Generate | Near | Away | Blend | Mix | Move | Retempo | Variations | Directions
WISH: TypeAdapter[AnyWish] = TypeAdapter(Annotated[AnyWish, Field(discriminator="kind")])


class Star(Wish):
    """Star a loop, or take the star away."""

    starred: bool
