"""What benchmarks/reports.py runs: a home of made-up forecasts on a real or simulated market, its steps, a browser."""
