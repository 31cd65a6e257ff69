"""Evaluations: two sides of loops in, a table with error bars out."""
