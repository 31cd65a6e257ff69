"""Losses, one step, the loop, the average, checkpoints. Randomness depends on (seed, step) alone.

Public: `gan_loop.train_gan`, `vocoder_loop.train`, `classifier_loop.train`, `recipe.load_recipe`, `runs.open_run`.
"""
