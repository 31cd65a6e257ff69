"""Generators, projections and discriminators: modules only, built from plain arguments.

Public: `config.GeneratorConfig`, `modelfile.read`, `build.build_generator`, `generator.Generator`,
`pitch_grid.PitchGridGenerator`, `pattern_kit.PatternKit`, `discriminator.ProjectedDiscriminator`.
"""
