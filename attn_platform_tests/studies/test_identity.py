"""What a model of a home is: which changes make another model of it, and which do not."""

from pathlib import Path
from typing import Any

import pytest

from attn_platform.studies.identity import factor_origins, model_identity, panel_origins
from attn_platform.studies.settings import Home, Settings, SourceConfig
from attn_platform.training.identity import ModelIdentity
from attn_platform_tests.homes import GRAPH, IMPORTED, MODEL, STEPS, STUDY, TREES, tiny_home

FACTOR = """
from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import lag, ratio


@factor(name="ret_2d", family="mine", inputs=("close", "adj_factor"), lookback=2, formula="a / b − 1", source="own")
def ret_2d(x):
    return ratio(x.last_close, lag(x.last_close, 2)) - 1
"""


def home_with(root: Path, text: str = FACTOR, file: str = "mine.py", **study: Any) -> Home:
    """A tiny home whose models read a factor of the user's and two of the platform's."""
    root.mkdir(exist_ok=True)
    (root / file).write_text(text, encoding="utf-8")
    return tiny_home(root, factor_files=[str(root / file)], features=["ret_2d", "corr_ret_open", "con_eps_g"], **study)


def identity(home: Home, model: str = MODEL) -> ModelIdentity:
    return model_identity(home, home.study.model(model))


def changed(model: str, **parts: Any) -> list[dict[str, Any]]:
    """The study's models with some parts of one of them exchanged."""
    return [{**each, **parts} if each["name"] == model else each for each in STUDY["models"]]


@pytest.fixture
def held(tmp_path: Path) -> ModelIdentity:
    """As a checkpoint keeps it."""
    return ModelIdentity.model_validate_json(identity(home_with(tmp_path / "held")).model_dump_json())


@pytest.mark.parametrize(
    ("text", "differences"),
    [
        (FACTOR.replace("return ratio", "return -ratio"), ["factor ret_2d: its source changed"]),
        (FACTOR.replace("lag(x.last_close, 2)", "lag(x.last_close, 1)"), ["factor ret_2d: its source changed"]),
        (FACTOR.replace("lookback=2", "lookback=3"), ["factor.ret_2d.lookback 2 / 3"]),
        (FACTOR.replace("a / b − 1", "another text"), []),
        ("# a comment\n" + FACTOR.replace("    return", "    # of two sessions\n    return"), []),
        (FACTOR + "\n\ndef of_nobody(x):\n    return x\n", []),
    ],
    ids=["sign", "lag", "look-back", "formula", "comments", "more"],
)
def test_a_users_factor_is_its_source(tmp_path: Path, held: ModelIdentity, text: str, differences: list[str]) -> None:
    assert held.differences(identity(home_with(tmp_path / "now", text))) == differences


def test_a_users_file_may_be_moved(tmp_path: Path, held: ModelIdentity) -> None:
    assert held.differences(identity(home_with(tmp_path / "elsewhere", file="renamed.py"))) == []


@pytest.mark.parametrize(
    ("study", "differences"),
    [
        ({"preprocessing": {"mad_multiple": 3.0}}, ["pre-processing.mad_multiple 5 / 3"]),
        ({"universe": {"top_share": 0.8}}, ["universe.top_share 0.9 / 0.8"]),
        ({"factors": {"min_observed_share": 0.6}}, ["factors.min_observed_share 0.5 / 0.6"]),
        ({"windows": {**STUDY["windows"], "train": 64}}, ["windows.train 48 / 64"]),
        ({"models": changed(MODEL, seeds=[0])}, ["training.seeds [0, 1] / [0]"]),
        (
            {"models": changed(MODEL, labels={"horizons": [3, 5], "suspended_end": "carried"})},
            ['labels.suspended_end "missing" / "carried"'],
        ),
        ({"models": changed(MODEL, training={"learning_rate": 0.1})}, ["training.learning_rate 0.001 / 0.1"]),
        ({"models": changed(MODEL, training={"loss": {"half_life": 1}})}, ["loss.half_life 0.5 / 1"]),
        ({"models": changed(MODEL, network={"name": "multi_task_baseline", "width": 8})}, ["width"]),
        ({"models": changed(STEPS, seeds=[0])}, []),
        ({"adjacency": {"scheme": "sw_l1"}}, []),
        ({"benchmark": "csi1000"}, []),
    ],
)
def test_settings_that_differ_are_named_with_both_values(
    tmp_path: Path, held: ModelIdentity, study: dict[str, Any], differences: list[str]
) -> None:
    found = held.differences(identity(home_with(tmp_path / "now", **study)))
    for name in differences:
        assert any(name in difference for difference in found), found
    assert bool(found) == bool(differences)


def test_what_a_machine_decides_makes_no_other_model(tmp_path: Path, held: ModelIdentity) -> None:
    training = {**STUDY["models"][0]["training"], "threads": 2, "device": "cpu", "compile": "off", "memory_gb": 2}
    training |= {"windows_together": 3, "precision": "float32"}
    models = changed(MODEL, training=training)
    assert held.differences(identity(home_with(tmp_path / "now", models=models))) == []


def test_industries_count_where_they_are_read(tmp_path: Path) -> None:
    of = [
        {name: identity(home, name) for name in (MODEL, GRAPH, TREES)}
        for home in (home_with(tmp_path / "a"), home_with(tmp_path / "b", adjacency={"scheme": "sw_l1"}))
    ]
    found = {name: of[0][name].differences(of[1][name]) for name in of[0]}
    assert found == {
        MODEL: [],
        GRAPH: ['neighbours.scheme "citic_l1" / "sw_l1"'],
        TREES: ['pre-processing.industry_scheme "citic_l1" / "sw_l1"'],
    }


def test_a_factor_that_the_source_lacked_was_not_learned_from(tmp_path: Path, held: ModelIdentity) -> None:
    home = home_with(tmp_path / "now")
    source = SourceConfig.model_validate({**IMPORTED, "absent_tables": {"consensus": "no analysts"}})
    lacking = Home(home.root, Settings.model_validate({**home.settings.model_dump(), "source": source}))
    assert held.differences(identity(lacking)) == ['factors.missing [] / ["con_eps_g"]']


def test_trees_do_not_have_the_networks_learning_rate(tmp_path: Path) -> None:
    models = changed(TREES, training={"threads": 1, "learning_rate": 0.1})
    homes = home_with(tmp_path / "a"), home_with(tmp_path / "b", models=models)
    assert identity(homes[0], TREES).differences(identity(homes[1], TREES)) == []


def test_rows_come_from_factors_and_rules_and_from_nothing_else(tmp_path: Path) -> None:
    """What families and panel keep is what training and forecasts ask for, whatever else a model is."""
    home = home_with(tmp_path / "one")
    [panel] = {model.name: home.study.panel_of(model) for model in home.study.models if model.name == MODEL}.values()
    kept = panel_origins(home, panel)
    assert kept == identity(home).origins()
    assert set(kept) == {"ret_2d", "corr_ret_open", "con_eps_g", "universe", "pre-processing"}
    assert factor_origins(home, ["ret_2d"]).items() <= kept.items()
    assert all(kept.values())
    training = changed(MODEL, seeds=[0, 1, 2])
    assert identity(home_with(tmp_path / "seeds", models=training)).origins() == kept


def test_each_change_of_a_factor_is_one_of_its_rows(tmp_path: Path) -> None:
    kept = identity(home_with(tmp_path / "one")).origins()

    def differing(home: Home) -> set[str]:
        now = identity(home).origins()
        return {name for name in kept if now[name] != kept[name]}

    assert differing(home_with(tmp_path / "sign", FACTOR.replace("return ratio", "return -ratio"))) == {"ret_2d"}
    assert differing(home_with(tmp_path / "look", FACTOR.replace("lookback=2", "lookback=3"))) == {"ret_2d"}
    assert differing(home_with(tmp_path / "mad", preprocessing={"mad_multiple": 3.0})) == {"pre-processing"}
    half = home_with(tmp_path / "half", factors={"min_observed_share": 0.9})
    assert differing(half) == {"ret_2d", "corr_ret_open", "con_eps_g"}


def test_a_factor_whose_table_is_absent_comes_from_nothing(tmp_path: Path) -> None:
    home = home_with(tmp_path / "one")
    source = home.settings.source.model_copy(update={"absent_tables": {"consensus": "not delivered"}})
    lacking = Home(home.root, home.settings.model_copy(update={"source": source}))
    now, before = identity(lacking).origins(), identity(home).origins()
    assert now["con_eps_g"] == ""
    assert {name for name in now if now[name] != before[name]} == {"con_eps_g"}


@pytest.mark.parametrize("model", [MODEL, TREES])
def test_a_checkpoint_trained_on_all_sessions_is_not_one_of_a_thinned_training(tmp_path: Path, model: str) -> None:
    """Also one whose manifest is older than thinning, and knows no such setting."""

    def thinned(every: int) -> ModelIdentity:
        training = {**next(each for each in STUDY["models"] if each["name"] == model).get("training", {})}
        models = changed(model, training={**training, "sessions_every": every})
        return identity(home_with(tmp_path / f"{every}", models=models), model)

    whole = thinned(1)
    assert "sessions_every" not in whole.model_dump_json()
    assert whole.differences(thinned(2)) == ["thinning: not in it"]
    assert thinned(2).differences(whole) == ["thinning: no longer asked for"]
    assert thinned(2).differences(thinned(5)) == ["thinning.sessions_every 2 / 5"]
