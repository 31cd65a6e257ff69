"""Frozen pre-trained networks: features for discriminators, embeddings for curves, judges for finished audio."""

from loopwright.features.base import Embedder, FeatureNetwork, Judge, Network, Tap
from loopwright.features.registry import NETWORKS, build, build_embedder, load_judge, load_network

__all__ = [
    "NETWORKS",
    "Embedder",
    "FeatureNetwork",
    "Judge",
    "Network",
    "Tap",
    "build",
    "build_embedder",
    "load_judge",
    "load_network",
]
