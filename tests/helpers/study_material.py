"""A study of four small rows."""

from __future__ import annotations

STUDY = """
kimg = 0.016
seeds = [0, 1]
baseline = "B"
judge = "random:yamnet"

[set.generator]
dims = 1
channels = [12, 12, 8, 8]
z_dim = 6
w_dim = 8
mapping_layers = 2

[set.discriminator]
channels = [4, 6, 8]

[set.train]
batch = 4
tick_kimg = 0.008
eval_kimg = 0.008
eval_n = 8
judges = ["random:yamnet"]

[[row]]
label = "B"
title = "own discriminator"
recipe = "drums/b-stylegan2"

[[row]]
label = "R"
title = "random features"
recipe = "ablations/d-random"

[[row]]
label = "early"
title = "the same, stopped half-way"
recipe = "ablations/d-random"
against = "R"
until_kimg = 0.008

[[row]]
label = "C"
recipe = "ablations/d-conditional"

[row.set.train]
condition = "kit"
"""
