"""A plain implementation of every network and its training, and what times it; see `benchmarks/training.py`."""
