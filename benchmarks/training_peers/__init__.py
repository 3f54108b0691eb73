"""A plain implementation of every network and of its training: what `benchmarks/training.py` measures the platform by."""
