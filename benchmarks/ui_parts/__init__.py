"""What the benchmarks of the UI share."""
