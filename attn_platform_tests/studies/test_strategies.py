"""Strategies by name: the home's own first, then those of the package, on the home's industries."""

import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.studies.loading import available_studies, load_study
from attn_platform.studies.strategies import find_strategy
from attn_platform.studies.study import StudyConfig

OWN = load_study("ai55", {"adjacency": {"scheme": "own_l1"}, "rebalance_every": 10})


def test_without_a_name_it_is_the_first_of_ones_own() -> None:
    assert find_strategy(OWN) == (OWN, OWN.strategies[0])


def test_ones_own_come_before_those_of_the_package() -> None:
    study, strategy = find_strategy(OWN, "nn")
    assert (study, strategy) == (OWN, OWN.strategy("nn"))
    assert study.rebalance_every == 10


@pytest.mark.parametrize("name", [name for name in available_studies() if name != "ai55"])
def test_every_strategy_of_the_package_is_found_with_its_study(name: str) -> None:
    whole = load_study(name)
    for strategy in whole.strategies:
        study, found = find_strategy(OWN, strategy.name)
        assert found == strategy
        assert study == whole.replace(adjacency=OWN.adjacency)


def test_a_home_with_few_of_a_studys_models_finds_the_packages_strategies_on_the_others() -> None:
    study, strategy = find_strategy(OWN.only(["nn"]), "gat_mask")
    assert strategy == OWN.strategy("gat_mask")
    assert study.rebalance_every == 5


def test_an_unknown_strategy_is_named_with_those_there_are() -> None:
    own = StudyConfig.model_validate({**OWN.only(["nn"]).model_dump(mode="json"), "name": "mine"})
    with pytest.raises(ConfigurationError) as raised:
        find_strategy(own, "none")
    text = str(raised.value)
    assert text.startswith("there is no strategy 'none'; there are: nn, ")
    assert all(name in text for name in ("csi1000_ai_enhanced", "lstm_10d_relaxed", "gat_residual"))
    assert text.count(" nn,") == 1
