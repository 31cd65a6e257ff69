"""Losses, one step, the loop, the average, checkpoints. Randomness depends on (seed, step) alone."""
