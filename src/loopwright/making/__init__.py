"""What a user holds in the hand: models, places in them, finished loops and packs. None of these needs torch to be imported."""

from loopwright.making.engines import load
from loopwright.making.find import find_model
from loopwright.making.loop import Loop
from loopwright.making.model import Model
from loopwright.making.pack import gather, generate_pack, write_pack
from loopwright.making.places import Place, away, interpolate, mix, move, near, place_of, render_place, walk

__all__ = [
    "Loop",
    "Model",
    "Place",
    "away",
    "find_model",
    "gather",
    "generate_pack",
    "interpolate",
    "load",
    "mix",
    "move",
    "near",
    "place_of",
    "render_place",
    "walk",
    "write_pack",
]
