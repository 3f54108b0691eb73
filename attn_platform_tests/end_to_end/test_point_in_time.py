"""The point-in-time battery: what is known of T stays bit-identical when everything after T turns into noise.

The pipeline runs twice over the same range: on the tiny market, and on the same market with noise after `KNOWN_UNTIL`.
Each asset of the graph is compared on all keys that can be known on that day. A new asset with partitions joins by
itself: its table has its name, and its partitions say which keys are known. One without partitions needs a line in
`KNOWN_ROWS`, one that writes more than the table of its name a line in `BESIDE`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from attn_platform.backtest.store import backtest_table
from attn_platform.definitions import build_defs
from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.store import (
    attribution_table,
    exposures_table,
    figures_table,
    robustness_tables,
    sessions_table,
)
from attn_platform.factors import inputs, panel, statements
from attn_platform.factors.catalogue import catalogue
from attn_platform.factors.store import compute_session, family_table, write_families
from attn_platform.market.lake import Lake
from attn_platform.market.simulation import PLANTED_SIGNALS
from attn_platform.orchestration.assets.factor_evaluation import evaluation_asset
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.portfolio import rebalance
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import (
    FACTOR_PAGES,
    OVERVIEW,
    checkpoint_asset,
    explanation_asset,
    prediction_table,
    report_asset,
    robustness_asset,
)
from attn_platform.studies.settings import Home
from attn_platform.training import window_training
from attn_platform.training.checkpoints import load_checkpoint, weights_file
from attn_platform.training.ensembles import MemberPredictions, write_ensemble
from attn_platform.training.fingerprints import samples_fingerprint
from attn_platform.training.manifest import MANIFEST_FILE
from attn_platform.training.seed_predictions import seeds_table
from attn_platform.training.window_training import train_windows, window_samples, write_predictions
from attn_platform.training.windows import Window, window_of
from attn_platform.universe import store as universe_store
from attn_platform.universe.membership import selection_session
from attn_platform.universe.store import ADJACENCY, UNIVERSE, write_adjacency, write_universe
from attn_platform.workflows.factors import cross_sections
from attn_platform.workflows.portfolios import previous_rebalance, resolve
from attn_platform.workflows.training import checkpoint_folder, model_training
from attn_platform_tests.homes import (
    ENSEMBLE,
    FIRST_WINDOW,
    GRAPH,
    KNOWN_UNTIL,
    MODEL,
    SECOND_WINDOW,
    STEPS,
    STRATEGY,
    STUDY,
    THIRD_WINDOW,
    TREES,
    WEEKLY,
    tiny_home,
)

T = KNOWN_UNTIL
PANEL = panel.PANEL
# Sessions after a prediction on which its realised return depends.
REALISED = STUDY["evaluation_horizon"] + 1
ROUNDING = 1e-12

MODELS, STRATEGIES = (MODEL, GRAPH, STEPS, TREES), (STRATEGY, ENSEMBLE, WEEKLY)
CHECKPOINTS = {checkpoint_asset(model): model for model in MODELS}

BESIDE = {portfolio_table(strategy): (f"account_{strategy}", f"limits_{strategy}") for strategy in STRATEGIES}
"""Tables that an asset writes beside the one of its name, session by session."""

KNOWN_ROWS: dict[str, tuple[tuple[str, int], ...]] = {
    # One file of all that was ever announced: it differs by design. That nobody reads it early is what the rest shows.
    "security": (),
    "industry": (),
    "fundamental": (),
    # A page about the whole range.
    **{report_asset(strategy): () for strategy in STRATEGIES},
    **{figures_table(name): ((sessions_table(name), REALISED),) for name in (*MODELS, ENSEMBLE)},
    **{
        backtest_table(strategy): tuple((backtest_table(strategy, part), 0) for part in (None, "trades", "holdings"))
        for strategy in STRATEGIES
    },
    # Of the newest session alone.
    explanation_asset(MODEL): (),
    **{
        evaluation_asset(family): ((sessions_table(family_table(family)), FactorProfileConfig().horizons[-1] + 1),)
        for family in catalogue().families
    },
    report_asset(FACTOR_PAGES): (),
    report_asset(OVERVIEW): (),
    report_asset("data"): (),
    **{
        attribution_table(strategy): ((attribution_table(strategy), 0), (exposures_table(strategy), 0))
        for strategy in STRATEGIES
    },
    # Figures over the whole range beside the trades
    **{robustness_asset(strategy): ((robustness_tables(strategy)[1], 0),) for strategy in STRATEGIES},
    **{seeds_table(model): ((seeds_table(model), 0),) for model in (MODEL, TREES)},
    # What a simulated market hides is no data of a day; only evaluations read it, and an imported market has none.
    PLANTED_SIGNALS: (),
}
"""Assets without partitions: their tables, and how many sessions before T the rows end that are known on T."""


def all_assets() -> list[str]:
    """Names of all assets of the graph that the market can make, for which no data is needed.

    It has no intraday tables: what is made of them is held to the same in `test_intraday`.
    """
    with TemporaryDirectory() as folder:
        graph = build_defs(tiny_home(Path(folder))).resolve_asset_graph()
        return sorted(key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_executable)


def is_known(home: Home, definition: dg.PartitionsDefinition, key: str) -> bool:
    """Whether all that the partition is made of is dated T or before."""
    partitions = partitions_of(home)
    if definition in (partitions.quarters, partitions.years):
        return selection_session(home.calendar, key, "Q" if definition == partitions.quarters else "Y") <= T
    for model in home.study.models:
        windows = home.study.windows_of(model)
        if definition == partitions.windows_of(windows):
            return window_of(home.calendar, windows, key).valid_last <= T
    of_sessions = (partitions.sessions, partitions.cross_sections, *partitions.rebalances_by_frequency.values())
    assert definition in of_sessions, f"say which keys of {definition} are known on T"
    return np.datetime64(key) <= T


def contents(home: Home, asset: str, key: str) -> Iterator[tuple[str, bytes]]:
    """What the asset left for that key, by name of the file."""
    if asset in CHECKPOINTS:
        folder = checkpoint_folder(home, CHECKPOINTS[asset]) / key
        manifest = load_checkpoint(folder).manifest
        yield "weights", weights_file(folder, manifest).read_bytes()
        yield MANIFEST_FILE, manifest.fingerprint.encode()
        return
    for table in (asset, *BESIDE.get(asset, ())):
        path = home.lake.path(table, key)
        assert path.exists(), f"{asset}: no {path}; name its tables in BESIDE, or teach `contents` where it writes"
        yield str(path.relative_to(home.lake.root)), path.read_bytes()


def keys_in(home: Home, asset: str, definition: dg.PartitionsDefinition) -> list[str]:
    """The asset's keys that the pipeline has materialised."""
    if asset in CHECKPOINTS:
        return list(definition.get_partition_keys())
    held = {str(day) for day in home.lake.sessions(asset)}
    return [key for key in definition.get_partition_keys() if key in held]


def differences(first: Home, second: Home, asset: str, keys: list[str]) -> list[str]:
    """Files of the asset that are not the same, byte for byte."""
    return [
        name
        for key in keys
        for (name, own), (_, other) in zip(contents(first, asset, key), contents(second, asset, key), strict=True)
        if own != other
    ]


@pytest.mark.parametrize("asset", all_assets())
def test_what_is_known_of_t_does_not_change(pipeline, noisy_home, asset):
    definition = pipeline.defs.resolve_asset_graph().get(dg.AssetKey(asset)).partitions_def
    if definition is None:
        for table, reach in KNOWN_ROWS[asset]:
            # Sums over all columns of the market round differently where other stocks list later.
            own, other = (known_rows(home, table, reach) for home in (pipeline.home, noisy_home))
            pd.testing.assert_frame_equal(own, other, rtol=ROUNDING, atol=ROUNDING)
        return
    keys = keys_in(pipeline.home, asset, definition)
    known = [key for key in keys if is_known(pipeline.home, definition, key)]
    later = [key for key in keys if key not in known]
    assert known
    assert differences(pipeline.home, noisy_home, asset, known) == []
    if later:  # the noise is there, and it gets through
        assert differences(pipeline.home, noisy_home, asset, later)


def known_rows(home: Home, table: str, reach: int) -> pd.DataFrame:
    """Rows of a table without partitions that are known on T; there must be some."""
    data = home.lake.read(table).to_pandas()
    rows = data[pd.to_datetime(data["date"]) <= pd.Timestamp(home.calendar.shift(T, -reach))]
    assert 0 < len(rows) < len(data)
    return rows


def test_noise_is_in_every_raw_table(pipeline, noisy_home):
    """Static tables too: listings, delistings, moves into other industries and statements are announced after T."""
    for table in ("security", "industry", "fundamental"):
        assert not pipeline.home.lake.read(table).equals(noisy_home.lake.read(table))
    last = pipeline.home.last_session
    own, other = (
        set(home.lake.read("daily_bar", last, last)["symbol"].to_pylist()) for home in (pipeline.home, noisy_home)
    )
    assert own - other, "no stock was delisted"
    assert other - own, "no stock was listed"


def tiny_window(home: Home, key: str) -> Window:
    return window_of(home.calendar, home.study.windows, key)


def samples(home: Home, window: Window, model: str) -> str:
    return samples_fingerprint(*window_samples(model_training(home, home.study.model(model)), window))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", [FIRST_WINDOW, SECOND_WINDOW])
def test_labels_and_features_trained_on_do_not_change(pipeline, noisy_home, key, model):
    window = tiny_window(pipeline.home, key)
    assert window.valid_last <= T
    assert samples(pipeline.home, window, model) == samples(noisy_home, window, model)


@pytest.mark.parametrize("model", MODELS)
def test_labels_of_the_window_that_reaches_beyond_t_do_change(pipeline, noisy_home, model):
    window = tiny_window(pipeline.home, THIRD_WINDOW)
    assert window.train_last <= T < window.valid_last
    assert samples(pipeline.home, window, model) != samples(noisy_home, window, model)


def test_raw_factors_of_t_straight_from_the_raw_tables_do_not_change(pipeline, noisy_home):
    """The pipeline of `attn factors`, which reads no family table."""
    families = panel.families_of(pipeline.home.study.features)
    own, other = (
        compute_session(home.lake, home.calendar, families, T, home.study.factors)
        for home in (pipeline.home, noisy_home)
    )
    assert own.keys() == other.keys()
    for name, values in own.items():
        assert values.tobytes() == other[name].tobytes(), name


# The battery itself: each leak reads one session too far, at one place of the pipeline, and must be found.


@dataclass(frozen=True)
class Leak:
    """A fault in one asset: how the code is made to look ahead, and how the asset's known keys are made with it."""

    asset: str
    inject: Callable[[pytest.MonkeyPatch], None]
    remake: Callable[[Home], None]
    key: str = str(T)


def around_t(home: Home) -> np.ndarray:
    return home.calendar.between(T, home.calendar.shift(T, 1))


def factor_reads_the_next_close(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        inputs.FactorInputs,
        "last_close",
        property(lambda x: np.roll(x.field("close") * x.field("adj_factor"), -1, axis=0)),
    )


def statements_are_known_a_session_early(patch: pytest.MonkeyPatch) -> None:
    original = statements.Statements.carried
    patch.setattr(
        statements.Statements,
        "carried",
        lambda known, values, sessions: original(known, values, sessions + np.timedelta64(4, "D")),
    )


def panel_standardises_over_the_whole_run(patch: pytest.MonkeyPatch) -> None:
    original = panel.preprocess_in_place
    patch.setattr(panel, "preprocess_in_place", lambda raw, offsets, *rest: original(raw, offsets[[0, -1]], *rest))


def lists_are_chosen_a_session_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        universe_store,
        "selection_session",
        lambda calendar, day, unit: calendar.shift(selection_session(calendar, day, unit), 1),
    )


def industries_are_those_of_the_next_session(patch: pytest.MonkeyPatch) -> None:
    original = universe_store.industry_at
    patch.setattr(
        universe_store,
        "industry_at",
        lambda table, symbols, session, scheme: original(table, symbols, session + np.timedelta64(4, "D"), scheme),
    )


def train_a_session_too_far(home: Home) -> None:
    window = tiny_window(home, SECOND_WINDOW)
    task = model_training(home, home.study.model(MODEL))
    train_windows(task, [replace(window, valid_last=window.test_first)], progress=False)


def predictions_read_the_next_panel(patch: pytest.MonkeyPatch) -> None:
    original = window_training.panel_samples

    def late(task, first, last):
        held = task.lake.sessions(task.panel)
        after = [held[np.searchsorted(held, day) + 1] for day in (first, last)]
        return replace(original(task, *after), sessions=held[(held >= first) & (held <= last)])

    patch.setattr(window_training, "panel_samples", late)


def an_ensemble_reads_the_next_session(patch: pytest.MonkeyPatch) -> None:
    original = Lake.read

    def late(lake, table, first=None, last=None, columns=None):
        held = lake.sessions(table)
        after = held[np.searchsorted(held, first) + 1]
        return original(lake, table, after, after, columns)

    patch.setattr(Lake, "read", late)


def portfolio_knows_the_next_index_weights(patch: pytest.MonkeyPatch) -> None:
    original = rebalance.benchmark_weights

    def late(lake, index, session):
        held = lake.sessions("index_weight")
        return original(lake, index, held[np.searchsorted(held, session) + 1])

    patch.setattr(rebalance, "benchmark_weights", late)


def remake_reversal(home: Home) -> None:
    write_families(home.lake, home.calendar, ["reversal"], around_t(home), home.study.factors)


def remake_profitability(home: Home) -> None:
    write_families(home.lake, home.calendar, ["profitability"], around_t(home), home.study.factors)


def remake_panel(home: Home) -> None:
    own = home.study.panels[0]
    members, _ = cross_sections(home, own, around_t(home))
    panel.write_panel(home.lake, PANEL, around_t(home), members, own.features, own.preprocessing)


def remake_predictions_of(model: str) -> Callable[[Home], None]:
    def remake(home: Home) -> None:
        write_predictions(model_training(home, home.study.model(model)), np.array([T]), prediction_table(model))

    return remake


def remake_ensemble(home: Home) -> None:
    [ensemble] = home.study.ensembles
    members = [MemberPredictions(prediction_table(member.model), member.horizon) for member in ensemble.members]
    write_ensemble(home.lake, np.array([T]), members, "ensemble", prediction_table(ENSEMBLE))


def remake_portfolio(home: Home) -> None:
    strategy = resolve(home, home.study.strategy(STRATEGY))
    before = previous_rebalance(home, T)
    list(rebalance.walk(home.lake, home.calendar, strategy, np.array([T]), before))


def honest(patch: pytest.MonkeyPatch) -> None:
    """No leak: what is made again must come out the same."""


NEW_YEAR = "2021-01-01"
LEAKS = {
    "factor": Leak(family_table("reversal"), factor_reads_the_next_close, remake_reversal),
    "statements": Leak(family_table("profitability"), statements_are_known_a_session_early, remake_profitability),
    "panel": Leak(PANEL, panel_standardises_over_the_whole_run, remake_panel),
    "universe": Leak(
        UNIVERSE,
        lists_are_chosen_a_session_late,
        lambda home: write_universe(home.lake, home.calendar, [NEW_YEAR], home.study.universe),  # type: ignore[arg-type, return-value]
        NEW_YEAR,
    ),
    "adjacency": Leak(
        ADJACENCY,
        industries_are_those_of_the_next_session,
        lambda home: write_adjacency(home.lake, home.calendar, [NEW_YEAR], home.study.adjacency),  # type: ignore[arg-type, return-value]
        NEW_YEAR,
    ),
    "training": Leak(checkpoint_asset(MODEL), honest, train_a_session_too_far, SECOND_WINDOW),
    "prediction": Leak(prediction_table(MODEL), predictions_read_the_next_panel, remake_predictions_of(MODEL)),
    "steps": Leak(prediction_table(STEPS), predictions_read_the_next_panel, remake_predictions_of(STEPS)),
    "trees": Leak(prediction_table(TREES), predictions_read_the_next_panel, remake_predictions_of(TREES)),
    "ensemble": Leak(prediction_table(ENSEMBLE), an_ensemble_reads_the_next_session, remake_ensemble),
    "portfolio": Leak(portfolio_table(STRATEGY), portfolio_knows_the_next_index_weights, remake_portfolio),
}


@pytest.mark.parametrize("place", LEAKS)
def test_battery_finds_a_leak_of_one_session(pipeline, noisy_home, copy_of, monkeypatch, place):
    leak = LEAKS[place]
    own = (leak.asset, *BESIDE.get(leak.asset, ()), MODEL)
    homes = copy_of(pipeline.home, own, "known"), copy_of(noisy_home, own, "noisy")
    if place != "training":
        for home in homes:
            leak.remake(home)
        assert differences(*homes, leak.asset, [leak.key]) == []
    leak.inject(monkeypatch)
    for home in homes:
        leak.remake(home)
    assert differences(*homes, leak.asset, [leak.key])
