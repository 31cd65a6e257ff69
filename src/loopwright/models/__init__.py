"""Generators, projections and discriminators: modules only, built from plain arguments."""
