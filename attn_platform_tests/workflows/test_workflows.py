"""What the functions of a notebook say and refuse, on homes without a lake; what they make is compared elsewhere."""

import numpy as np
import pytest

from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.settings import Home
from attn_platform.workflows import (
    available_windows,
    choose_factors,
    explain_model,
    forecast,
    make_home,
    quarters_of,
    rebalances,
    resolve,
    train,
    years_of,
)
from attn_platform.workflows.portfolios import previous_rebalance
from attn_platform.workflows.raw_tables import write_planted_signals
from attn_platform_tests.homes import FIRST_WINDOW, IMPORTED, MODEL, STRATEGY, TREES, tiny_home


@pytest.fixture
def home(tmp_path) -> Home:
    return tiny_home(tmp_path / "tiny")


def test_windows_and_rebalances_are_the_partitions_of_the_home(home):
    partitions = partitions_of(home)
    assert available_windows(home) == partitions.windows.get_partition_keys()
    days = rebalances(home)
    assert days.astype(str).tolist() == partitions.rebalances.get_partition_keys()
    assert str(days[0]) == FIRST_WINDOW
    assert previous_rebalance(home, days[0]) is None
    assert previous_rebalance(home, days[3]) == days[2]


def test_periods_of_sessions():
    sessions = np.array(["2020-09-30", "2020-10-09", "2020-12-31", "2021-01-04"], dtype="datetime64[D]")
    assert quarters_of(sessions) == ["2020-07-01", "2020-10-01", "2021-01-01"]
    assert years_of(sessions) == ["2020-01-01", "2021-01-01"]


def test_a_strategy_has_what_the_study_lays_down_for_all(home):
    config = home.study.strategy(STRATEGY)
    strategy = resolve(home, config)
    assert (strategy.benchmark, strategy.backtest) == (home.study.benchmark, home.study.backtest)
    assert strategy.predictions == f"prediction_{MODEL}"
    own = resolve(home, config.model_copy(update={"benchmark": "csi1000"}))
    assert own.benchmark == "csi1000"


def test_factors_are_chosen_by_name_and_family(home):
    assert [factor.name for factor in choose_factors(home, ["ret_1m"], "reversal")] == ["ret_1m"]
    assert choose_factors(home) == tuple(home.study.catalogue)
    with pytest.raises(ConfigurationError, match="not all of ret_1m are of family turnover"):
        choose_factors(home, ["ret_1m"], "turnover")


def test_a_home_is_made_once_and_keeps_its_models(tmp_path):
    made = make_home(tmp_path / "made", "demo", "ai69", ["lstm"])
    assert [model.name for model in made.study.models] == ["lstm"]
    assert make_home(tmp_path / "made").settings == made.settings
    with pytest.raises(ConfigurationError, match="is a home of study ai69, not ai55; choose another"):
        make_home(tmp_path / "made", study="ai55")
    assert len(make_home(tmp_path / "made", models=()).study.models) > 1


def test_what_is_in_the_way_of_a_training_comes_back_by_window(home):
    [(key, outcome)] = train(home, home.study.model(MODEL), [FIRST_WINDOW]).items()
    assert key == FIRST_WINDOW
    assert isinstance(outcome, MissingDataError)


def test_imported_forecasts_are_looked_for_on_rebalances_only(tmp_path):
    forecasts = [{"name": "theirs", "horizons": ["5d"]}]
    strategies = [{"name": "weekly", "model": "theirs", "horizon": "5d"}]
    home = tiny_home(tmp_path, forecasts=forecasts, models=[], ensembles=[], strategies=strategies)
    days = rebalances(home)
    between = np.array([home.calendar.shift(days[0], 1)])
    assert forecast(home, home.study.forecasts[0], between) == {}
    with pytest.raises(MissingDataError, match=f"no forecasts 'theirs' of {days[0]}"):
        forecast(home, home.study.forecasts[0], days[:1])


def test_what_cannot_be_is_refused_by_name(home, tmp_path):
    with pytest.raises(ConfigurationError, match=f"model {TREES} has no explanation"):
        explain_model(home, home.study.model(TREES))
    with pytest.raises(ConfigurationError, match="has no simulated market"):
        write_planted_signals(tiny_home(tmp_path / "imported", IMPORTED))
