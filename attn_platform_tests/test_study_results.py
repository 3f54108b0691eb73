"""The runs of the studies on real data: the ridge regressions beside the networks, and the page of their tables."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.backtest.store import backtest_table
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.store import IS_EARNING, UNIVERSE, layer_column, layers_table
from attn_platform.market.lake import Lake
from attn_platform.models.configuration import LossConfig
from attn_platform.studies.forecasts import PREDICTION
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


def test_curves_are_those_of_the_last_session_of_each_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two weeks, the first one ending on a Thursday; layers earn nothing yet on the first two sessions."""
    monkeypatch.syspath_prepend(str(DOCS))
    portfolios = script("make_study_portfolios")
    lake, config = Lake(tmp_path), EvaluationConfig()
    dates = pd.to_datetime(["2021-09-14", "2021-09-15", "2021-09-16", "2021-09-22", "2021-09-23", "2021-09-24"])
    count = np.arange(len(dates))
    daily = {"date": dates.date, "net_value": 1.0 + 0.1 * count, "excess_net_value": 1.0 + 0.01 * count}
    lake.write(backtest_table("own"), pa.table(daily))
    relative = {layer_column(place): 1.0 + 0.001 * count * (5 - place) for place in range(config.layers)}
    rows = {"date": dates.date, "horizon": [PREDICTION] * len(dates), **relative, UNIVERSE: 1.0 + count}
    lake.write(layers_table("own"), pa.table({**rows, IS_EARNING: count >= 2}))
    found = portfolios.curves(SimpleNamespace(study=SimpleNamespace(evaluation=config)), lake, "own")
    assert found.index.strftime("%m-%d").tolist() == ["09-16", "09-24"]
    assert found["net_value"].tolist() == [1.2, 1.5]
    assert found["excess_net_value"].tolist() == [1.02, 1.05]
    assert found["top_layer"].tolist() == [1.01, 1.025]
    assert found["bottom_layer"].tolist() == [0.992, 0.98]


def test_page_of_the_studies_is_current() -> None:
    assert (DOCS / "results" / "study.md").read_text(encoding="utf-8") == script("make_study_page").page(), (
        "run: make docs"
    )
