"""Frozen pre-trained networks: features for discriminators, embeddings for curves, judges for finished audio."""

from loopwright.features.base import Network, Tap
from loopwright.features.feature_network import Embedder, FeatureNetwork
from loopwright.features.judge import Judge
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
