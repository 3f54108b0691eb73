"""Whether a peer computes the same factors as the platform."""

from pathlib import Path

import numpy as np

SCORE = "score "  # how the names of pre-processed factors begin in a file of values


def largest_deviations(
    expected_file: Path, found_file: Path, factor_tolerance: float, score_tolerance: float
) -> tuple[float, float]:
    """Of factors and of z-scores: |difference| over the value's size plus the factor's standard deviation.

    Compared where the platform has a value; the peer must have one there. Where the platform has none, a library's own
    rules for missing values may give one. `ValueError` names the first factor beyond its tolerance.
    """
    largest = {False: 0.0, True: 0.0}
    with np.load(expected_file) as expected_values, np.load(found_file) as found_values:
        for name in found_values.files:
            expected, found = expected_values[name].astype(np.float64), found_values[name]
            known = np.isfinite(expected)
            scale = np.abs(expected[known]) + np.std(expected[known])
            difference = np.abs(found[known] - expected[known])
            deviation = float(np.max(difference / np.where(scale > 0, scale, 1.0), initial=0.0))
            is_score = name.startswith(SCORE)
            if not deviation <= (score_tolerance if is_score else factor_tolerance):  # NaN where the peer lacks a value
                raise ValueError(f"{name} is not the platform's: it deviates by {deviation:.1e}")
            largest[is_score] = max(largest[is_score], deviation)
    return largest[False], largest[True]
