"""What benchmarks/portfolio.py runs: a generated market, the platform's walk over it, and cvxpy as users write it."""
