"""The runs of the studies on real data: the ridge regressions beside the networks, and the page of their tables."""

from pathlib import Path

import numpy as np
import pytest

from attn_platform.models.configuration import LossConfig
from attn_platform_tests.test_project import script
from attn_platform_tests.training.synthetic import ragged

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("loss", [LossConfig(name="mse"), LossConfig(half_life=0.5)])
def test_ridge_is_least_squares_on_weighted_and_penalised_rows(loss: LossConfig) -> None:
    """One least-squares problem with a row a sample, and a row a coefficient that asks it to be 0."""
    study = script("make_study_results")
    sets = [ragged(5, seed=1, stocks=(20, 40)), ragged(3, first="2012-01-02", seed=2, stocks=(20, 40))]
    X, y, w = [], [], []
    for samples in sets:
        for first, last in zip(samples.offsets[:-1], samples.offsets[1:], strict=True):
            label = samples.labels[first:last, 0].astype(float)
            place = np.array([(label > each).sum() for each in label])  # no two labels of the set are equal
            X.append(np.column_stack([samples.features(slice(first, last)).astype(float), np.ones(last - first)]))
            y.append(label)
            w.append(
                np.ones(last - first) if loss.name == "mse" else 0.5 ** (place / (loss.half_life * (last - first)))
            )
    root = np.sqrt(np.concatenate(w))
    rows = root[:, None] * np.concatenate(X)
    width = rows.shape[1]
    penalty = np.sqrt(study.PENALTY * (root**2).sum()) * np.eye(width)[:-1]
    augmented, target = np.vstack([rows, penalty]), np.concatenate([root * np.concatenate(y), np.zeros(width - 1)])
    expected = np.linalg.lstsq(augmented, target, rcond=None)[0]
    np.testing.assert_allclose(study.ridge_coefficients(sets, loss), expected, rtol=1e-9, atol=1e-12)


def test_page_of_the_studies_is_current() -> None:
    assert (DOCS / "results" / "study.md").read_text(encoding="utf-8") == script("make_study_page").page(), (
        "run: make docs"
    )
