"""Studies as configuration: every YAML loads, holds what was published, and what does not fit is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import ConfigurationError
from attn_platform.factors.catalogue import AI55_XGBOOST_FACTORS
from attn_platform.portfolio.limits.configuration import RELAXED_LIMITS, PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.published import published_table
from attn_platform.studies.loading import available_studies, load_study
from attn_platform.studies.parsing import overlay, parse
from attn_platform.studies.study import StudyConfig

MODEL = {"name": "net", "network": {"name": "multi_task_baseline"}, "labels": {"horizons": [10, 20]}}
STRATEGY = {"name": "weekly", "model": "net", "horizon": "10d+20d"}
MEMBERS = [{"model": "net", "horizon": "10d"}, {"model": "net", "horizon": "20d"}]
ENSEMBLE: dict[str, Any] = {"name": "both", "members": MEMBERS}


FORECASTS = {"name": "theirs", "horizons": ["10d", "20d"]}
OTHER = {"name": "other", "model": "net", "horizon": "10d"}
MIX = {"name": "halves", "parts": ["weekly", "other"]}


def study(**changes: Any) -> dict[str, Any]:
    return {"name": "mine", "title": "Mine", "models": [MODEL], "strategies": [STRATEGY], **changes}


@pytest.mark.parametrize("name", available_studies())
def test_every_study_of_the_package_loads(name: str) -> None:
    config = load_study(name)
    assert config.name == name
    assert config.title
    assert {strategy.model for strategy in config.strategies} <= {each.name for each in config.forecasters}
    assert StudyConfig.model_validate(config.model_dump(mode="json")) == config


def test_ai69_is_the_published_study() -> None:
    config = load_study("ai69")
    assert len(config.features) == len(set(config.features)) == 42
    assert (config.windows.train, config.windows.valid, config.windows.test) == (1512, 504, 126)
    assert config.windows.first_test == "2011-01-04"
    assert config.rebalance_every == 5
    assert config.benchmark == "csi500"
    assert config.backtest.cost_per_side == 0.002
    for name in ("multi_task_baseline", "inter_task_attention", "inter_stock_attention"):
        model = config.model(name)
        assert model.horizons == ("10d", "20d", "10d+20d")
        assert (model.network.sample_steps, model.training.batch_unit) == (1, "session")
        assert model.training.batch_size == (32 if name == "inter_stock_attention" else 1)
    for name in ("lstm", "alstm", "temporal_transformer"):
        model = config.model(name)
        assert model.horizons == ("10d",)
        assert (model.network.sample_steps, model.training.batch_unit, model.training.batch_size) == (21, "stock", 1024)
    for model in config.models:
        assert (model.labels.price, model.training.loss.name, model.training.warm_start) == ("close", "wmse", False)
        assert (len(model.seeds), config.windows_of(model)) == (5, config.windows)
        assert config.panel_of(model).table == "factor_panel"


def test_half_lives_of_the_losses() -> None:
    """AI-55 prints N/2; AI-69's published figures fit N (see ai69.yaml). The figures are weighted by N/2 in both."""
    studies = {name: load_study(name) for name in ("ai55", "ai69")}
    half_lives = {name: {model.training.loss.half_life for model in study.models} for name, study in studies.items()}
    assert half_lives == {"ai55": {0.5}, "ai69": {1.0}}
    assert {study.evaluation.half_life_share for study in studies.values()} == {0.5}

    def weighted_to_plain(exhibit: str) -> float:
        row = published_table(exhibit).iloc[0]
        return row["weighted_rank_ic_mean"] / row["rank_ic_mean"]

    # What tells the losses apart, as printed: the faster the weights fall, the more weighted RankIC there is.
    assert weighted_to_plain("ai69_exhibit10_factor_metrics") == pytest.approx(0.87, abs=0.005)
    assert weighted_to_plain("ai55_exhibit20_factor_metrics") == pytest.approx(1.05, abs=0.005)


def test_ai55_is_the_published_study() -> None:
    config = load_study("ai55")
    networks = [model for model in config.models if model.name != "xgboost"]
    assert len(networks) == 9
    for model in networks:
        assert (model.horizons, model.labels.price) == (("10d",), "vwap")
        assert model.training.warm_start
        assert (model.training.loss.name == "mse") == (model.name == "gat_residual_mse")
        assert config.windows_of(model) == config.windows
        own = model.name == "nn_neutralize_industry"
        assert config.panel_of(model).preprocessing.neutralise == ("industry" if own else "none")
    neighbours = {model.name: model.network.neighbours for model in networks}
    assert neighbours == {
        **dict.fromkeys(["gat_residual", "gat_mask", "gat_residual_mse"], "sector"),
        **dict.fromkeys(["gat_residual_hidden32", "gat_residual_hidden16"], "sector"),
        "gat_residual_industry": "industry",
        **dict.fromkeys(["gat_global", "nn", "nn_neutralize_industry"]),
    }
    hidden = {model.name: vars(model.network)["hidden"] for model in networks}
    assert {name: width for name, width in hidden.items() if width != 64} == {
        "gat_residual_hidden32": 32,
        "gat_residual_hidden16": 16,
    }
    trees = config.model("xgboost")
    panel, windows = config.panel_of(trees), config.windows_of(trees)
    assert (trees.labels.price, trees.horizons, trees.training.warm_start) == ("close", ("10d",), False)
    assert (windows.train, windows.valid, windows.test, windows.windows_back) == (1260, 252, 126, 12)
    assert (panel.features, panel.preprocessing.neutralise) == (AI55_XGBOOST_FACTORS, "industry_and_size")
    assert (panel.universe.table, panel.universe.config.top_share) == ("universe_xgboost", 0.9)
    assert {config.panel_of(model).universe.config.top_share for model in networks} == {0.6}
    assert config.longest_windows == config.windows
    styles = {strategy.model: strategy.styles for strategy in config.strategies}
    assert styles.pop("xgboost") == ("log_float_mv",)
    assert set(styles.values()) == {("log_float_mv", "bp_lf")}


@pytest.mark.parametrize(
    ("exhibit", "limits"),
    [
        ("ai69_exhibit11_performance", PortfolioLimits()),
        ("ai69_exhibit23_performance", PortfolioLimits()),
        ("ai69_exhibit24_performance_relaxed", RELAXED_LIMITS),
        ("ai69_exhibit35_performance_ensemble", PortfolioLimits()),
        ("ai55_exhibit21_performance", PortfolioLimits()),
        ("ai55_exhibit35_neutralisation", PortfolioLimits()),
    ],
)
def test_every_published_portfolio_is_a_strategy(exhibit: str, limits: PortfolioLimits) -> None:
    study = load_study(exhibit.partition("_")[0])
    rows = published_table(exhibit).to_dict("records")
    wanted = {(row["model"], row.get("horizon", "10d")) for row in rows} - {("gat_xgboost_mix", "10d")}
    found = [(s.model, s.horizon) for s in study.strategies if s.limits == limits]
    assert len(found) == len(set(found))
    assert wanted <= set(found)


def test_the_mix_of_ai55_is_that_of_the_exhibits() -> None:
    study = load_study("ai55")
    [mix] = study.mixes
    assert mix == study.mix("gat_xgboost_mix")
    assert (mix.parts, mix.reset_sessions) == (("gat_residual", "xgboost"), 60)
    assert mix.name in set(published_table("ai55_exhibit21_performance")["model"])
    with pytest.raises(ConfigurationError, match="study ai55 has no mix 'halves'; it has: gat_xgboost_mix"):
        study.mix("halves")


def test_haitong_is_the_published_weekly() -> None:
    study = load_study("haitong")
    assert {strategy.name for strategy in study.strategies} == set(
        published_table("haitong20240830_table2_portfolios")["portfolio"]
    )
    assert (study.models, [each.name for each in study.forecasters]) == ((), ["multi_granularity"])
    size = {"csi500": 0.0, "csi1000": 0.2}
    for strategy in study.strategies:
        limits, index = strategy.limits, strategy.benchmark
        assert strategy.name == f"{index}_ai_enhanced"
        assert (limits.stock_deviation, limits.industry_deviation, limits.turnover) == (0.01, 0.0, 0.30)
        assert limits.of(StyleLimit).of_style("log_total_mv") == size[index or ""]
        assert limits.of(StyleLimit).of_style("bp_lf") == 0
        regular = set(strategy.styles) - {"log_total_mv", "bp_lf"}
        assert regular == {"mid_size", "turn_1m", "ret_1m", "ivr_ff3factor_1m", "roe_ttm", "profit_g_q"}
        assert {limits.of(StyleLimit).of_style(style) for style in regular} == {0.8}
        assert strategy.backtest is not None
        assert 2 * strategy.backtest.cost_per_side == 0.003


def test_every_strategy_of_ai69_was_published() -> None:
    tables = ("11_performance", "23_performance", "24_performance_relaxed", "35_performance_ensemble")
    rows = [row for table in tables for row in published_table(f"ai69_exhibit{table}").to_dict("records")]
    published = {(row["model"], row["horizon"]) for row in rows}
    assert {(s.model, s.horizon) for s in load_study("ai69").strategies} == published


def test_a_users_copy_loads_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(study(rebalance_every=10)), encoding="utf-8")
    config = load_study(str(file))
    assert (config.name, config.rebalance_every) == ("mine", 10)
    assert load_study(str(file), {"rebalance_every": 20}).rebalance_every == 20


def test_models_that_choose_alike_share_a_panel() -> None:
    net = {"neutralise": "industry"}
    choices: dict[str, dict[str, Any]] = {
        "a": {}, "b": {"preprocessing": net}, "c": {"features": "ai69"}, "d": {"features": ["bp_lf"]},
        "e": {"preprocessing": net},
    }  # fmt: skip
    models = [{**MODEL, "name": name, **choice} for name, choice in choices.items()]
    config = parse(StudyConfig, study(models=models, strategies=[{**STRATEGY, "model": "a"}]), "here")
    tables = {model.name: config.panel_of(model).table for model in config.models}
    shared, own = "factor_panel", "factor_panel_b"
    assert tables == {"a": shared, "b": own, "c": shared, "d": "factor_panel_d", "e": own}
    assert [panel.table for panel in config.panels] == [shared, own, "factor_panel_d"]
    assert config.panel_of(config.model("d")).features == ("bp_lf",)
    assert config.panel_of(config.model("e")).preprocessing.neutralise == "industry"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "ai70"}, "no factor set ai70; there are ai69, ai55_xgboost"),
        ({"features": []}, "at least 1 item"),
        ({"models": [{**MODEL, "features": ["bp_lq"]}]}, "no factor 'bp_lq'"),
    ],
)
def test_features_that_are_not_there_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(StudyConfig, study(**changes), "here")


FACTOR = """\
from attn_platform.factors.catalogue import factor


@factor(name="own_one", family="mine", inputs=("close", "adj_factor"), lookback=0, formula="close", source="our own")
def own_one(x):
    return x.close
"""


def test_a_study_names_its_own_factors_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "own.py").write_text(FACTOR, encoding="utf-8")
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "mine.yaml"
    content = study(factor_files=["../shared/own.py"], features=["bp_lf", "own_one"])
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("studies/mine.yaml", str(file)):
        config = load_study(name)
        assert config.factor_files == (str(tmp_path / "shared" / "own.py"),)
        assert config.catalogue.definition("own_one").family == "mine"
        assert StudyConfig.model_validate(config.model_dump(mode="json")) == config
    assert load_study(str(file), {"factor_files": [], "features": ["bp_lf"]}).factor_files == ()
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: no factor 'own_one' in the catalogue"):
        load_study(str(file), {"factor_files": []})


def test_a_mistake_in_a_factor_file_is_named_with_study_and_line(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FACTOR.replace("close", "clsoe", 1), encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(study(factor_files=["own.py"])), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_study(str(file))
    assert str(raised.value).startswith(
        f"{file}: {tmp_path / 'own.py'}, line 4: factor own_one: no raw table has a col"
    )


@pytest.mark.parametrize("files", ["own.py", [1], {"own": "py"}])
def test_factor_files_are_a_list_of_paths(tmp_path: Path, files: Any) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(study(factor_files=files)), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: factor_files"):
        load_study(str(file))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ai70", "there is no study 'ai70'; there are ai55, ai69"),
        ("none.yaml", "none.yaml: no such file; check the path"),
        ("../ai69", "there is no study '../ai69'"),
    ],
)
def test_an_unknown_study_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_study(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no mapping of settings"),
        (b"- a\n- b\n", "holds no mapping of settings"),
        (b"name: [unclosed\ntitle: x\n", r"no valid YAML \(.*line 2.*\); correct it"),
        (b"name: \xff\xfe\n", "cannot be read"),
        (b"name: mine\n", r"title: Field required \(and 1 more\)"),
    ],
)
def test_a_bad_study_file_is_named_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as raised:
        load_study(str(file))
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value)


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"folder\.yaml: cannot be read"):
        load_study(str(tmp_path / "folder.yaml"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rebalance_evry": 5}, "mine: rebalance_evry: there is no such setting; similar: rebalance_every"),
        (
            {"rebalance_every": 0},
            "mine: rebalance_every: Input should be a number of sessions, greater than or equal to 1",
        ),
        ({"rebalance_every": "quarter"}, "mine: rebalance_every: Input should be .*, or week or month"),
        ({"windows": {"train": 100}}, r"mine: windows: train \+ valid .* must be a multiple of test"),
        ({"windows": {"first_test": "2011-13-04"}}, "mine: windows.first_test: '2011-13-04' is no date"),
        ({"features": ["bp_lf", "no_such"]}, "mine: .*no_such"),
        ({"features": []}, "mine: features: Tuple should have at least 1 item"),
        ({"models": []}, "mine: a study needs models, or forecasts that are imported; add either"),
        ({"forecasts": [FORECASTS | {"name": "net"}]}, "mine: model, ensemble or forecast net stands twice"),
        ({"forecasts": [FORECASTS | {"horizons": []}]}, "mine: forecasts.0.horizons: Tuple should have at least 1"),
        ({"forecasts": [FORECASTS | {"horizons": ["10 d"]}]}, "mine: forecasts.0.horizons.0: String should match"),
        (
            {"forecasts": [FORECASTS], "strategies": [STRATEGY | {"model": "theirs"}]},
            r"strategy weekly: model theirs has horizons 10d, 20d, not 10d\+20d",
        ),
        ({"strategies": [STRATEGY | {"styles": ["bp_lq"]}]}, "mine: no factor 'bp_lq' in the catalogue"),
        ({"strategies": [STRATEGY | {"styles": ["bp_lf", "bp_lf"]}]}, "strategy weekly: style bp_lf stands twice"),
        (
            {"strategies": [STRATEGY | {"limits": {"style_deviations": {"bp_lf": 0}}}]},
            "strategy weekly: style_deviations names bp_lf, which is none of its styles log_float_mv",
        ),
        ({"mixes": [MIX]}, "mine: mix halves names strategy other, which the study lacks"),
        ({"mixes": [MIX | {"parts": ["weekly"]}]}, "mine: mixes.0.parts: Tuple should have at least 2"),
        ({"mixes": [MIX | {"parts": ["weekly", "weekly"]}]}, "mine: mix halves: part weekly stands twice"),
        (
            {"strategies": [STRATEGY, OTHER], "mixes": [MIX | {"name": "other"}]},
            "mine: strategy or mix other stands twice",
        ),
        (
            {"strategies": [STRATEGY, OTHER | {"benchmark": "csi1000"}], "mixes": [MIX]},
            "mine: mix halves: its parts have another benchmark each; give them the same",
        ),
        (
            {"strategies": [STRATEGY, OTHER | {"backtest": {"cost_per_side": 0.001}}], "mixes": [MIX]},
            "mine: mix halves: its parts have another backtest each",
        ),
        ({"models": [MODEL, MODEL]}, "mine: model, ensemble or forecast net stands twice"),
        ({"features": ["bp_lf", "bp_lf"]}, "mine: feature bp_lf stands twice"),
        ({"models": [MODEL | {"features": ["bp_lf", "bp_lf"]}]}, "model net: feature bp_lf stands twice"),
        ({"models": [MODEL | {"labels": {"horizons": [10, 10]}}]}, "model net: horizon 10d stands twice"),
        ({"forecasts": [FORECASTS | {"horizons": ["10d", "10d"]}]}, "horizon 10d stands twice"),
        ({"forecasts": [FORECASTS | {"horizons": ["symbol"]}]}, "a horizon cannot be called symbol"),
        ({"strategies": [STRATEGY, STRATEGY]}, "mine: strategy or mix weekly stands twice"),
        ({"strategies": [STRATEGY | {"model": "other"}]}, "mine: strategy weekly names model other, which the study"),
        (
            {"strategies": [STRATEGY | {"horizon": "5d"}]},
            r"strategy weekly: model net has horizons 10d, 20d, 10d\+20d, n",
        ),
        ({"strategies": []}, "mine: strategies: Tuple should have at least 1 item"),
        ({"models": [MODEL | {"name": "Net 1"}]}, "mine: models.0.name: String should match pattern"),
        ({"models": [MODEL | {"network": {"name": "nonet"}}]}, "mine: there is no network 'nonet'"),
        ({"models": [MODEL | {"seeds": []}]}, "mine: models.0.seeds"),
        ({"models": {"net": MODEL}}, "mine: models: Input should be a valid tuple"),
        (
            {"models": [MODEL | {"windows": {"train": 100, "valid": 10}}]},
            r"mine: model net: train \+ valid \(100 \+ 10\) m",
        ),
        ({"models": [MODEL | {"windows": {"train": 252}}]}, "mine: models.0.windows.valid: Field required"),
        (
            {"models": [MODEL | {"windows": {"train": 252, "valid": 126, "first_test": "2012-01-04"}}]},
            "windows.first_test: there is no such setting; there are: train, valid, test$",
        ),
        (
            {"models": [MODEL | {"windows": {"train": 252, "valid": 126, "test": 50}}]},
            r"mine: model net: train \+ valid \(252 \+ 126\) must be a multiple of test \(50\)",
        ),
        (
            {"strategies": [STRATEGY | {"limits": {"turnovr": 0.2}}]},
            "mine: strategies.0.limits.turnovr: there is no such setting; similar: turnover",
        ),
        ({"imports": {"zzz": 1}}, "mine: imports.zzz: there is no such setting; there are: "),
        ({"models": [MODEL | {"network": {"name": "xgboost"}}]}, "model net: xgboost learns one horizon, not 10d, 20d"),
        ({"ensembles": [ENSEMBLE | {"name": "net"}]}, "mine: model, ensemble or forecast net stands twice"),
        ({"ensembles": [ENSEMBLE, ENSEMBLE]}, "mine: model, ensemble or forecast both stands twice"),
        (
            {"ensembles": [ENSEMBLE | {"members": MEMBERS[:1]}]},
            "mine: ensembles.0.members: Tuple should have at least 2",
        ),
        ({"ensembles": [ENSEMBLE | {"members": [*MEMBERS, MEMBERS[0]]}]}, "ensemble both: member net 10d stands twice"),
        (
            {"ensembles": [ENSEMBLE | {"members": [MEMBERS[0], {"model": "other", "horizon": "10d"}]}]},
            "mine: ensemble both names model other, which the study lacks",
        ),
        (
            {
                "ensembles": [
                    ENSEMBLE,
                    ENSEMBLE | {"name": "of", "members": [MEMBERS[0], {"model": "both", "horizon": "x"}]},
                ]
            },
            "mine: ensemble of names model both, which the study lacks",
        ),
        (
            {"ensembles": [ENSEMBLE | {"members": [MEMBERS[0], {"model": "net", "horizon": "5d"}]}]},
            r"mine: ensemble both: model net has horizons 10d, 20d, 10d\+20d, not 5d",
        ),
        (
            {"ensembles": [ENSEMBLE], "strategies": [{"name": "on", "model": "both", "horizon": "10d"}]},
            "mine: strategy on: model both has horizons ensemble, not 10d",
        ),
        (
            {
                "models": [MODEL, {**MODEL, "name": "other", "labels": {"price": "vwap"}}],
                "ensembles": [ENSEMBLE | {"members": [MEMBERS[0], {"model": "other", "horizon": "10d"}]}],
            },
            "mine: ensemble both: members predict returns of close and of vwap",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_entry(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(StudyConfig, study(**changes), "mine")


def test_a_model_is_trained_anew_as_often_as_it_says() -> None:
    often = MODEL | {"name": "often", "windows": {"train": 504, "valid": 126, "test": 63}}
    config = parse(StudyConfig, study(models=[often, MODEL]), "mine")
    windows = config.windows_of(config.model("often"))
    assert (windows.train, windows.valid, windows.test, windows.windows_back) == (504, 126, 63, 10)
    assert windows.first_test == config.windows.first_test
    by_test = {test: [model.name for model in models] for test, models in config.models_by_test.items()}
    assert list(by_test.items()) == [(126, ["net"]), (63, ["often"])], "the study's own first"


def test_a_strategy_is_rebalanced_as_it_says_else_as_the_study() -> None:
    monthly, weekly = (STRATEGY | {"name": f"each_{every}", "rebalance_every": every} for every in ("month", "week"))
    mix = {"name": "mix", "parts": [STRATEGY["name"], "each_week"]}
    config = parse(StudyConfig, study(rebalance_every="week", strategies=[monthly, STRATEGY, weekly]), "mine")
    together = {every: [each.name for each in found] for every, found in config.strategies_by_frequency.items()}
    assert list(together.items()) == [("week", [STRATEGY["name"], "each_week"]), ("month", ["each_month"])]
    assert [config.rebalance_every_of(each) for each in config.strategies] == ["month", "week", "week"]
    parse(StudyConfig, study(rebalance_every="week", strategies=[STRATEGY, weekly], mixes=[mix]), "mine")
    with pytest.raises(ConfigurationError, match="mine: mix mix: its parts have another rebalance_every each"):
        parse(StudyConfig, study(strategies=[STRATEGY, weekly], mixes=[mix]), "mine")


def test_a_model_with_one_horizon_has_no_combination() -> None:
    single = MODEL | {"labels": {"horizons": [5]}}
    config = parse(StudyConfig, study(models=[single], strategies=[STRATEGY | {"horizon": "5d"}]), "mine")
    assert config.model("net").horizons == ("5d",)


def test_an_ensemble_is_a_forecaster_beside_the_models() -> None:
    strategy = {"name": "on_both", "model": "both", "horizon": "ensemble"}
    config = parse(StudyConfig, study(ensembles=[ENSEMBLE], strategies=[STRATEGY, strategy]), "mine")
    assert [forecaster.name for forecaster in config.forecasters] == ["net", "both"]
    ensemble = config.forecaster("both")
    assert ensemble.horizons == ("ensemble",)
    assert config.members_of(ensemble) == (config.model("net"), config.model("net"))
    assert config.members_of(config.forecaster("net")) == (config.model("net"),)
    with pytest.raises(ConfigurationError, match="mine has no model, ensemble or forecast 'gat'; it has: net, both"):
        config.forecaster("gat")


def test_a_model_may_be_trained_on_other_lengths() -> None:
    own = {**MODEL, "name": "own", "windows": {"train": 1260, "valid": 252}}
    config = parse(StudyConfig, study(models=[MODEL, own], windows={"first_test": "2012-01-04"}), "mine")
    lengths = {model.name: config.windows_of(model) for model in config.models}
    assert lengths["net"] == config.windows == config.longest_windows
    assert (lengths["own"].train, lengths["own"].valid, lengths["own"].test) == (1260, 252, 126)
    assert lengths["own"].first_test == "2012-01-04"


def test_models_that_choose_other_stocks_share_a_universe_and_not_a_panel() -> None:
    wide: dict[str, Any] = {"universe": {"top_share": 0.9}}
    models = [
        {**MODEL, "name": "a"},
        {**MODEL, "name": "b", **wide},
        {**MODEL, "name": "c", **wide, "features": ["bp_lf"]},
    ]
    config = parse(StudyConfig, study(models=models, strategies=[{**STRATEGY, "model": "a"}]), "mine")
    assert [(each.table, each.config.top_share) for each in config.universes] == [
        ("universe", 0.6),
        ("universe_b", 0.9),
    ]
    panels = {model.name: config.panel_of(model) for model in config.models}
    assert {name: panel.table for name, panel in panels.items()} == {
        "a": "factor_panel", "b": "factor_panel_b", "c": "factor_panel_c"
    }  # fmt: skip
    assert {name: panel.universe.table for name, panel in panels.items()} == {
        "a": "universe", "b": "universe_b", "c": "universe_b"
    }  # fmt: skip


def test_chosen_models_keep_what_they_suffice_for() -> None:
    whole = load_study("ai69")
    one = whole.only(["lstm"])
    assert [model.name for model in one.models] == ["lstm"]
    assert [strategy.name for strategy in one.strategies] == ["lstm_10d", "lstm_10d_relaxed"]
    assert one.ensembles == ()
    members = ["temporal_transformer", "inter_stock_attention", "inter_task_attention", "multi_task_baseline"]
    four = whole.only([*members, "temporal_transformer"])
    assert [model.name for model in four.models] == members[::-1], "in the order of the study"
    assert four.ensembles == whole.ensembles
    assert "ensemble" in {strategy.name for strategy in four.strategies}
    assert whole.only([model.name for model in whole.models]) == whole
    assert whole.panels == one.panels
    assert [panel.table for panel in load_study("ai55").only(["xgboost"]).panels] == ["factor_panel_xgboost"]


def test_imported_forecasts_stand_beside_models() -> None:
    strategies = [STRATEGY, {"name": "on_theirs", "model": "theirs", "horizon": "20d"}]
    config = parse(StudyConfig, study(forecasts=[FORECASTS | {"price": "vwap"}], strategies=strategies), "mine")
    theirs = config.forecaster("theirs")
    assert [each.name for each in config.forecasters] == ["net", "theirs"]
    assert config.members_of(theirs) == ()
    assert config.labels_of(theirs).price == "vwap"
    assert config.labels_of(config.forecaster("net")) == config.model("net").labels
    assert config.only(["theirs"]).models == ()
    assert [strategy.name for strategy in config.only(["theirs"]).strategies] == ["on_theirs"]
    assert config.only(["net"]).forecasts == ()
    assert config.only(["net", "theirs"]) == config


def test_a_study_of_imported_forecasts_alone_has_the_windows_of_the_study() -> None:
    strategies = [{"name": "on_theirs", "model": "theirs", "horizon": "20d"}]
    config = parse(StudyConfig, study(models=[], forecasts=[FORECASTS], strategies=strategies), "mine")
    assert config.longest_windows == config.windows
    assert config.panels == ()


def test_a_mix_stays_where_all_of_its_parts_do() -> None:
    models = [MODEL, MODEL | {"name": "gat"}]
    strategies = [STRATEGY, OTHER, {"name": "third", "model": "gat", "horizon": "10d"}]
    mixes = [MIX, {"name": "thirds", "parts": ["weekly", "other", "third"], "reset_sessions": 20}]
    config = parse(StudyConfig, study(models=models, strategies=strategies, mixes=mixes), "mine")
    assert [mix.name for mix in config.only(["net"]).mixes] == ["halves"]
    assert config.only(["net", "gat"]) == config


def test_any_factor_of_the_catalogue_can_be_a_style() -> None:
    styles = ["log_float_mv", "ret_1m"]
    limits = {"style_deviations": {"ret_1m": 0.5}}
    config = parse(StudyConfig, study(strategies=[STRATEGY | {"styles": styles, "limits": limits}]), "mine")
    assert config.strategy("weekly").limits.of(StyleLimit).of_style("ret_1m") == 0.5


def test_a_choice_that_leaves_nothing_is_refused() -> None:
    config = parse(StudyConfig, study(models=[MODEL, {**MODEL, "name": "idle"}]), "mine")
    with pytest.raises(ConfigurationError, match="study mine has no model 'gat'; it has: net, idle"):
        config.only(["net", "gat"])
    with pytest.raises(ConfigurationError, match=r"no strategy of study mine is left with the models idle; .* on net"):
        config.only(["idle"])


def test_models_and_strategies_are_found_by_name() -> None:
    config = parse(StudyConfig, study(), "mine")
    assert config.strategy("weekly").model == "net"
    with pytest.raises(ConfigurationError, match="study mine has no strategy 'daily'; it has: weekly"):
        config.strategy("daily")
    with pytest.raises(ConfigurationError, match="study mine has no model 'gat'; it has: net"):
        config.model("gat")


def test_overlay_changes_mappings_key_by_key() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert overlay(base, {"a": {"b": 9}, "e": 5}) == {"a": {"b": 9, "c": [1, 2]}, "d": 4, "e": 5}
    assert overlay(base, {"a": {"c": [3]}}) == {"a": {"b": 1, "c": [3]}, "d": 4}
    assert overlay(base, {"a": None, "d": {"x": 1}}) == {"a": None, "d": {"x": 1}}
    assert overlay(base, {}) == base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_overlay_changes_named_entries_by_name() -> None:
    base = [{"name": "a", "x": {"y": 1, "z": 2}}, {"name": "b", "x": {"y": 3}}]
    assert overlay(base, [{"name": "b", "x": {"y": 9}}]) == [base[0], {"name": "b", "x": {"y": 9}}]
    assert overlay(base, [{"name": "c"}]) == [*base, {"name": "c"}]
    assert overlay(base, [{"name": "*", "x": {"y": 0}}, {"name": "a", "x": {"z": 5}}]) == [
        {"name": "a", "x": {"y": 0, "z": 5}},
        {"name": "b", "x": {"y": 0}},
    ]
    assert overlay(base, [1, 2]) == [1, 2]


values = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


@given(base=st.dictionaries(st.sampled_from("abc"), values), changes=st.dictionaries(st.sampled_from("abc"), values))
def test_what_was_laid_over_is_there_afterwards(base: dict[str, Any], changes: dict[str, Any]) -> None:
    def paths(tree: Any, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
        if not isinstance(tree, dict) or not tree:
            return {prefix: tree}
        return {path: leaf for key, inner in tree.items() for path, leaf in paths(inner, (*prefix, key)).items()}

    result, changed = paths(overlay(base, changes)), paths(changes)
    for path, leaf in changed.items():
        if leaf != {}:
            assert result[path] == leaf
    for path, leaf in paths(base).items():
        if not any(path[: len(other)] == other or other[: len(path)] == path for other in changed):
            assert result[path] == leaf


def traded_as(*names: str) -> dict[str, Any]:
    return {"strategies": [OTHER | {"name": name} for name in names]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            traded_as("alpha", "alpha_trades"),
            "strategy alpha and strategy alpha_trades would both own the table backtest_alpha_trades; rename one",
        ),
        (
            traded_as("a_holdings", "a"),
            "strategy a_holdings and strategy a would both own the table backtest_a_holdings",
        ),
        (
            {**traded_as("a", "b"), "mixes": [{"name": "a_dividends", "parts": ["a", "b"]}]},
            "strategy a and strategy a_dividends would both own the table backtest_a_dividends",
        ),
        (
            {"forecasts": [FORECASTS, FORECASTS | {"name": "theirs_sessions"}]},
            "forecasts theirs and forecasts theirs_sessions would both own the table evaluation_theirs_sessions",
        ),
        (
            {"forecasts": [FORECASTS | {"name": "factor_reversal"}]},
            "factor family reversal and forecasts factor_reversal would both own the table evaluation_factor_reversal",
        ),
        (
            traded_as("factors"),
            "the pages of the factors and strategy factors would both own the report folder factors",
        ),
        (
            traded_as("overview"),
            "the overview and strategy overview would both own the report folder overview",
        ),
    ],
)
def test_names_that_would_own_one_table_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(StudyConfig, study(**changes), "mine")
    assert str(raised.value).startswith(f"mine: {message}")
    assert "; rename one of them" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_parts_that_do_not_fit_into_a_study_are_named() -> None:
    config = parse(StudyConfig, study(), "mine")
    named_so = config.strategies[0].model_copy(update={"name": "factors"})
    with pytest.raises(ConfigurationError, match=r"^study mine: the pages of the factors and strategy factors would"):
        config.replace(strategies=(named_so,))


def test_a_factor_family_of_the_users_own_is_among_the_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from attn_platform.factors.catalogue import factor\n"
        "@factor(name='own', family='house', inputs=('close',), lookback=0, formula='?', source='?')\n"
        "def own(x):\n    return x.field('close')\n"
    )
    named = study(factor_files=[str(path)], forecasts=[FORECASTS | {"name": "factor_house"}])
    with pytest.raises(ConfigurationError, match="factor family house and forecasts factor_house would both own"):
        parse(StudyConfig, named, "mine")


def test_names_that_only_look_alike_are_taken() -> None:
    config = parse(StudyConfig, study(**traded_as("alpha", "alpha_trade", "trades", "alpha_limits", "net")), "mine")
    assert len(config.traded) == 5
