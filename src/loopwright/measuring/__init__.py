"""Evaluations: two sides of loops in, a table with error bars out.

Public: `evaluate.evaluate`, `settings.Settings`, `results.Evaluation`, `table.table`, `vocoders.compare_vocoders`.
"""
