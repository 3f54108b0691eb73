"""Sides of the benchmark of the evaluation, and the panel that they are given."""
