"""Studies as configuration: every YAML loads, changes are laid over it, and what does not fit is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import ConfigurationError
from attn_platform.studies.study import StudyConfig, available_studies, load_study, overlay, parse

MODEL = {"name": "net", "network": {"name": "multi_task_baseline"}, "labels": {"horizons": [10, 20]}}
STRATEGY = {"name": "weekly", "model": "net", "horizon": "10d+20d"}


def study(**changes: Any) -> dict[str, Any]:
    return {"name": "mine", "title": "Mine", "models": [MODEL], "strategies": [STRATEGY], **changes}


@pytest.mark.parametrize("name", available_studies())
def test_every_study_of_the_package_loads(name: str) -> None:
    config = load_study(name)
    assert config.name == name
    assert config.title
    assert {strategy.model for strategy in config.strategies} <= {model.name for model in config.models}
    assert StudyConfig.model_validate(config.model_dump(mode="json")) == config


def test_ai69_is_the_published_study() -> None:
    config = load_study("ai69")
    assert len(config.features) == len(set(config.features)) == 42
    assert (config.windows.train, config.windows.valid, config.windows.test) == (1512, 504, 126)
    assert config.windows.first_test == "2011-01-04"
    assert config.rebalance_every == 5
    assert config.benchmark == "csi500"
    assert config.backtest.cost_per_side == 0.002
    model = config.model("multi_task_baseline")
    assert model.horizons == ("10d", "20d", "10d+20d")
    assert len(model.seeds) == 5
    assert {s.horizon for s in config.strategies if s.model == model.name} == {"10d", "20d", "10d+20d"}


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
        ("ai70", "there is no study 'ai70'; there are ai69"),
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
        (b"name: mine\ntitle: Mine\n", r"models: Field required \(and 1 more\)"),
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
        ({"rebalance_evry": 5}, "mine: rebalance_evry: Extra inputs are not permitted"),
        ({"rebalance_every": 0}, "mine: rebalance_every: Input should be greater than or equal to 1"),
        ({"windows": {"train": 100}}, r"mine: windows: train \+ valid .* must be a multiple of test"),
        ({"windows": {"first_test": "2011-13-04"}}, "mine: windows.first_test: '2011-13-04' is no date"),
        ({"features": ["bp_lf", "no_such"]}, "mine: .*no_such"),
        ({"features": []}, "mine: features: Tuple should have at least 1 item"),
        ({"models": [MODEL, MODEL]}, "mine: model net stands twice"),
        ({"strategies": [STRATEGY, STRATEGY]}, "mine: strategy weekly stands twice"),
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
    ],
)
def test_what_does_not_fit_is_named_by_its_entry(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(StudyConfig, study(**changes), "mine")


def test_a_model_with_one_horizon_has_no_combination() -> None:
    single = MODEL | {"labels": {"horizons": [5]}}
    config = parse(StudyConfig, study(models=[single], strategies=[STRATEGY | {"horizon": "5d"}]), "mine")
    assert config.model("net").horizons == ("5d",)


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
