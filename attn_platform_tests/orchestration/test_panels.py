"""A panel of a model's own: computed in Dagster, net of what the model asked for."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from attn_platform.definitions import build_defs
from attn_platform.factors.catalogue import AI55_XGBOOST_FACTORS
from attn_platform.factors.store import CHUNK, family_table
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.workflows import factors

FIRST, SESSION = "2020-12-29", "2020-12-31"
NETWORK = {"name": "multi_task_baseline"}
MODELS = [
    {"name": "plain", "network": NETWORK, "labels": {"horizons": [3]}},
    {
        "name": "net",
        "network": NETWORK,
        "labels": {"horizons": [3]},
        "features": "ai55_xgboost",
        "preprocessing": {"neutralise": "industry_and_size"},
    },
]
STRATEGIES = [{"name": "weekly", "model": "net", "horizon": "3d"}]


@pytest.fixture
def home(pipeline, copy_of):
    made = copy_of(pipeline.home)
    changes = {**made.settings.changes, "models": MODELS, "strategies": STRATEGIES}
    return made.with_settings(made.settings.model_copy(update={"changes": changes}))


def written(home) -> pd.DataFrame:
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("panel", ("factor_panel_net",), FIRST, SESSION))
    return home.lake.read("factor_panel_net", SESSION, SESSION).to_pandas().set_index("symbol")


def industries(home) -> pd.Series:
    table = home.lake.read("industry").to_pandas().astype({"in_date": "datetime64[s]", "out_date": "datetime64[s]"})
    day = pd.Timestamp(SESSION)
    holds = (table["in_date"] <= day) & ~(table["out_date"] <= day)
    own = table[holds & (table["scheme"] == home.study.adjacency.scheme)]
    return own.set_index("symbol")["name"]


def test_it_is_net_of_industry_and_size(home):
    """Sums within an industry and the product with size are 0, for factors that every stock of the session has."""
    panel = written(home)
    assert panel.columns.tolist() == ["date", *AI55_XGBOOST_FACTORS]
    assert panel.index.tolist() == home.lake.read("factor_panel", SESSION, SESSION)["symbol"].to_pylist()
    values = home.lake.read("valuation", SESSION, SESSION, ["symbol", "total_mv"]).to_pandas().set_index("symbol")
    size = np.log(values["total_mv"].reindex(panel.index))
    industry = industries(home).reindex(panel.index)
    assert industry.nunique() > 5
    raw = home.lake.read(family_table("reversal"), SESSION, SESSION).to_pandas().set_index("symbol")
    complete = [name for name in ("ret_5d", "ret_1m") if raw[name].reindex(panel.index).notna().all()]
    assert complete
    for name in complete:
        assert panel[name].std(ddof=0) == pytest.approx(1, abs=1e-5)
        assert panel.groupby(industry)[name].mean().abs().max() < 1e-5
        within = size - size.groupby(industry).transform("mean")
        assert abs(np.corrcoef(within, panel[name])[0, 1]) < 1e-5


def test_the_extent_of_a_run_has_no_influence(home, monkeypatch):
    whole = written(home)
    for path in (home.lake.root / "factor_panel_net").rglob("*.parquet"):
        path.unlink()
    assert CHUNK > 2
    monkeypatch.setattr(factors, "CHUNK", 2)
    pd.testing.assert_frame_equal(written(home), whole)
