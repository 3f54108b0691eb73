"""Other ways to compute AI-69's factors, and what times them beside the platform's; see `benchmarks/factors.py`."""
