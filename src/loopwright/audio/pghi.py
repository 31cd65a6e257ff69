"""Phase from magnitude on a circle: phase-gradient integration along a maximum spanning tree.

For a Gaussian window the phase gradient of an STFT follows from its log-magnitude alone (Prusa, Balazs, Sondergaard,
"A Noniterative Method for Reconstruction of Phase from STFT Magnitude", 2017). They integrate it with a heap, loudest bin
first, which visits the bins in the order of Prim's algorithm. We integrate along the maximum spanning tree of the
time-frequency grid, found by Boruvka's algorithm, which works on whole arrays. Time is a circle: the edge from the last
frame to the first is one like any other, and where the phase does not close round the loop, the tree is cut at a quiet spot.

Shapes: B batch, F bins, T frames.
"""

from __future__ import annotations

import numpy as np

from loopwright.arrays import Bool, Float32, Float64, Int64

HANN_GAMMA = 0.25645  # the Gaussian nearest to a Hann window of length L: exp(-pi t^2 / (gamma L^2)); table 1 of the paper
QUIET = np.log(1e-5)  # bins this far below the loudest take no part: their phase cannot be heard


def phase_gradient(log_magnitude: Float64, n_fft: int, hop: int) -> tuple[Float64, Float64]:
    """Phase steps along time and along frequency of an STFT whose frames have time zero in their middle.

    Args:
        log_magnitude: natural logarithm (B, F, T), one turn of a loop, Hann window of `n_fft`.
        n_fft: window and transform length in samples.
        hop: samples from frame to frame.

    Returns:
        Steps from frame t to t+1 (B, F, T; the last one leads to frame 0) and from bin k to k+1 (B, F-1, T), in radians.
    """
    gamma = HANN_GAMMA * n_fft**2
    bins = np.arange(log_magnitude.shape[1])[:, None]
    padded = np.pad(log_magnitude, ((0, 0), (1, 1), (0, 0)), mode="reflect")  # spectra of real signals mirror at 0
    across = (padded[:, 2:] - padded[:, :-2]) / 2
    along = (np.roll(log_magnitude, -1, -1) - np.roll(log_magnitude, 1, -1)) / 2
    per_frame = hop * (2 * np.pi * bins / n_fft + n_fft / gamma * across)
    per_bin = -gamma / (hop * n_fft) * along
    return (per_frame + np.roll(per_frame, -1, -1)) / 2, (per_bin[:, 1:] + per_bin[:, :-1]) / 2


def integrate(weight: Float64, step_time: Float64, step_bin: Float64) -> Float64:
    """Phases (B, F, T) that follow the given steps along the maximum spanning tree; the loudest bin of a tree gets 0.

    Edges weigh the sum of their ends' `weight` (log-magnitude); bins below QUIET under the loudest of the loop keep 0.
    """
    loud = weight > weight.max(axis=(1, 2), keepdims=True) + QUIET
    ids = np.cumsum(loud).reshape(weight.shape) - 1  # loud bins are numbered, the others take no part
    flat = weight[loud]
    order = np.argsort(flat, kind="stable")
    component, offset = _first_round(loud, order, step_time, step_bin)
    # Edges between components only: each of the first round's has several nodes.
    of = np.full(weight.shape, -1)
    of[loud] = component
    ahead = loud & np.roll(loud, -1, -1) & (of != np.roll(of, -1, -1))
    above = loud[:, 1:] & loud[:, :-1] & (of[:, 1:] != of[:, :-1])
    u = np.concatenate([ids[ahead], ids[:, :-1][above]])
    v = np.concatenate([np.roll(ids, -1, -1)[ahead], ids[:, 1:][above]])
    step = np.concatenate([step_time[ahead], step_bin[above]])
    lightest_first = np.argsort(flat[u] + flat[v], kind="stable")
    phase = np.zeros(weight.shape)
    phase[loud] = _spanning_phase(u[lightest_first], v[lightest_first], step[lightest_first], component, offset, order)
    return phase


def _first_round(loud: Bool, order: Int64, step_time: Float64, step_bin: Float64) -> tuple[Int64, Float64]:
    """Every loud bin joined to its loudest neighbour, on the grid itself, without a list of edges.

    Returns the root each node hangs under, and its potential minus the root's. Neighbours of equal loudness differ by their
    rank, so that no bins point round a ring.
    """
    rank = np.full(loud.shape, -1)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    rank[loud] = ranks
    below = np.pad(rank[:, :-1], ((0, 0), (1, 0), (0, 0)), constant_values=-1)
    above = np.pad(rank[:, 1:], ((0, 0), (0, 1), (0, 0)), constant_values=-1)
    ahead, behind = np.roll(rank, -1, -1), np.roll(rank, 1, -1)
    best = np.maximum(np.maximum(ahead, behind), np.maximum(above, below))
    padded = np.pad(step_bin, ((0, 0), (1, 1), (0, 0)))
    # Potential of a node minus that of the neighbour it joins.
    delta = np.where(
        best == ahead,
        -step_time,
        np.where(best == behind, np.roll(step_time, 1, -1), np.where(best == above, -padded[:, 1:], padded[:, :-1])),
    )[loud]
    nodes = np.arange(len(order))
    chosen = best[loud]
    parent = np.where(chosen >= 0, order[np.maximum(chosen, 0)], nodes)
    delta[chosen < 0] = 0.0
    _root(parent, delta, nodes)
    return parent, delta


def _root(parent: Int64, delta: Float64, nodes: Int64) -> None:
    """Lead `parent` of the nodes to their roots, adding up `delta`; of two that point at each other, one is a root."""
    mutual = nodes[(parent[parent[nodes]] == nodes) & (nodes < parent[nodes])]
    parent[mutual], delta[mutual] = mutual, 0.0
    while (parent[parent[nodes]] != parent[nodes]).any():
        delta[nodes] += delta[parent[nodes]]
        parent[nodes] = parent[parent[nodes]]


def _spanning_phase(u: Int64, v: Int64, step: Float64, component: Int64, offset: Float64, order: Int64) -> Float64:
    """Potentials with potential[v] - potential[u] = step on the tree. Edges come lightest first, so rank is weight.

    Begun with: the root each node hangs under, its potential minus that of the root; `order` of the nodes by loudness.
    """
    n = len(component)
    while True:
        a, b = component[u], component[v]
        outside = a != b
        if not outside.any():
            break
        u, v, step, a, b = u[outside], v[outside], step[outside], a[outside], b[outside]
        # Heaviest edge of each component: with repeated indices the last assignment stays, and edges are sorted.
        heaviest = np.full(n, -1)
        from_b = np.full(n, -1)
        heaviest[a] = np.arange(len(a))
        from_b[b] = np.arange(len(b))
        heaviest = np.maximum(heaviest, from_b)
        roots = np.flatnonzero(heaviest >= 0)
        edge = heaviest[roots]
        gap = step[edge] + offset[u[edge]] - offset[v[edge]]  # potential of b's root minus that of a's
        first = a[edge] == roots
        parent, delta = np.arange(n), np.zeros(n)
        parent[roots] = np.where(first, b[edge], a[edge])
        delta[roots] = np.where(first, -gap, gap)
        _root(parent, delta, roots)
        offset = offset + delta[component]
        component = parent[component]
    # Which node became root depends on numbering; the loudest one does not, so rolling the frames rolls the phases.
    loudest = np.empty(n, dtype=np.int64)
    loudest[component[order]] = order
    return np.asarray(np.remainder(offset - offset[loudest[component]] + np.pi, 2 * np.pi) - np.pi)


def phase_from_magnitude(magnitude: Float32, n_fft: int, hop: int) -> Float32:
    """Phases (B, F, T) in radians for the magnitudes of `circular_stft` (Hann, frames beginning at their first sample)."""
    log_magnitude = np.log(np.maximum(magnitude.astype(np.float64), 1e-12))
    phase = integrate(log_magnitude, *phase_gradient(log_magnitude, n_fft, hop))
    phase = phase - np.pi * np.arange(magnitude.shape[1])[:, None]  # time zero: from the middle to the first sample
    return phase.astype(np.float32)
