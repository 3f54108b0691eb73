"""From the pipeline's checkpoints to the explanation's tables, the strategy's page and `attn explain`."""

import re

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.evaluation.explanation_tables import FACTORS, STOCKS, read_explanation
from attn_platform.reports.exports import single_file
from attn_platform.studies.pages import page_file
from attn_platform.workflows.explanations import explained_by, explained_horizons
from attn_platform_tests.homes import MODEL, STRATEGY, tiny_home
from attn_platform_tests.reports.sample import read_page

HORIZON = "3d+5d"


def test_newest_forecasts_are_explained(pipeline):
    frames = read_explanation(pipeline.home.lake, MODEL, HORIZON)
    newest = pipeline.home.lake.sessions(f"prediction_{MODEL}")[-1]
    predicted = pipeline.home.lake.read(f"prediction_{MODEL}", newest, newest).to_pandas().set_index("symbol")[HORIZON]
    stocks = frames[STOCKS].set_index("symbol")
    assert (stocks["date"] == pd.Timestamp(newest)).all()
    assert set(stocks.index) == set(predicted.index)
    np.testing.assert_allclose(stocks["forecast"], predicted[stocks.index], atol=1e-5)
    absolute = frames[FACTORS]["absolute_share"].sum()
    assert frames[FACTORS]["share"].sum() == pytest.approx(1, abs=0.02 * absolute)


def test_page_shows_what_the_model_reads(pipeline):
    page = read_page(single_file(page_file(pipeline.home, STRATEGY)))
    assert "What the model reads" in page.texts
    factors = read_explanation(pipeline.home.lake, MODEL, HORIZON)[FACTORS].set_index("factor")["absolute_share"]
    assert page.traces("factor-shares")["Share"]["y"][0] == factors.idxmax()


def test_command_explains_a_stock(pipeline, attn):
    newest = pipeline.home.lake.sessions(f"prediction_{MODEL}")[-1]
    forecasts = pipeline.home.lake.read(f"prediction_{MODEL}", newest, newest).to_pandas().set_index("symbol")
    symbol = forecasts.index[5]
    for name, options, column in ((STRATEGY, (), HORIZON), (MODEL, ("--horizon", "3d"), "3d")):
        code, out, _ = attn("explain", name, "--date", newest, "--symbol", symbol, *options)
        assert code == 0
        values = dict(re.findall(r"│ (.*?) +│ +([+-]\d\.\d+) │", out))
        assert float(values["forecast"]) == pytest.approx(forecasts.loc[symbol, column], abs=1e-4)
        assert float(values["other stocks' factors"]) == 0
        *given, _ = map(float, values.values())
        assert sum(given) == pytest.approx(forecasts.loc[symbol, column], abs=0.02)


def test_command_explains_a_session(pipeline, attn):
    newest = pipeline.home.lake.sessions(f"prediction_{MODEL}")[-1]
    code, out, _ = attn("explain", STRATEGY, "--date", newest, "--top", 3)
    largest = read_explanation(pipeline.home.lake, MODEL, HORIZON)[FACTORS].nlargest(3, "absolute_share")
    assert code == 0
    assert re.findall(r"│ (\w+) +│ +[+-]?[\d.]+% │ +[\d.]+% │", out) == largest["factor"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody", "--date", "2021-01-28"), f"no model 'nobody'; it has: {MODEL}"),
        ((MODEL, "--date", "2021-01-28", "--horizon", "9d"), f"{MODEL} has horizons 3d, 5d, 3d\\+5d, not 9d"),
        ((MODEL, "--date", "2021-01-28", "--symbol", "605999.SH"), "table security of .* has no stock 605999.SH"),
        ((MODEL, "--date", "2021-01-28", "--symbol", "1.SH"), "1.SH: it is a code that has lost its leading zeros"),
        ((MODEL, "--date", "2020-11-02"), "2020-11-02 lies before the first test range"),
    ],
)
def test_mistakes_are_one_line(attn, arguments, message):
    code, _, errors = attn("explain", *arguments)
    assert code != 0
    assert re.search(message, errors)
    assert errors.count("\n") == 1


def test_what_is_explained_and_by_which_name(tmp_path):
    models = [
        {"name": "graph", "network": {"name": "gat_residual"}, "labels": {"horizons": [3, 5]}},
        {"name": "idle", "network": {"name": "multi_task_baseline"}, "labels": {"horizons": [3]}},
        {"name": "trees", "network": {"name": "xgboost"}, "labels": {"horizons": [3]}},
    ]
    members = [{"model": "graph", "horizon": "3d"}, {"model": "idle", "horizon": "3d"}]
    strategies = [
        {"name": "of_graph", "model": "graph", "horizon": "5d"},
        {"name": "of_graph_too", "model": "graph", "horizon": "3d"},
        {"name": "of_trees", "model": "trees", "horizon": "3d"},
        {"name": "of_both", "model": "both", "horizon": "ensemble"},
    ]
    home = tiny_home(tmp_path, models=models, ensembles=[{"name": "both", "members": members}], strategies=strategies)
    explained = {model.name: explained_horizons(home, model) for model in home.study.models}
    assert explained == {"graph": ("3d", "5d"), "idle": (), "trees": ()}
    chosen = {name: explained_by(home, name, None) for name in ("of_graph", "graph", "idle")}
    assert {name: (model.name, horizon) for name, (model, horizon) in chosen.items()} == {
        "of_graph": ("graph", "5d"),
        "graph": ("graph", "3d+5d"),
        "idle": ("idle", "3d"),
    }
    for name in ("of_both", "both"):
        with pytest.raises(ConfigurationError, match=f"{name} is an ensemble; explain one of its members: graph, idle"):
            explained_by(home, name, None)
