"""Finding a strategy by its name among the home's own and those that the package brings along."""

from __future__ import annotations

from attn_platform.errors import ConfigurationError
from attn_platform.studies.loading import available_studies, load_study
from attn_platform.studies.study import StrategyConfig, StudyConfig


def find_strategy(own: StudyConfig, name: str | None = None) -> tuple[StudyConfig, StrategyConfig]:
    """A strategy and the study that it belongs to: of study `own`, or else of a study of the package.

    Without a name it is the first of `own`. A study of the package comes with the industries of `own`, which are those
    of its data. `ConfigurationError` names all there are.
    """
    if name is None:
        return own, own.strategies[0]
    studies = [own, *map(load_study, available_studies())]
    for study in studies:
        for strategy in study.strategies:
            if strategy.name == name:
                return (study if study is own else study.replace(adjacency=own.adjacency)), strategy
    known = dict.fromkeys(strategy.name for study in studies for strategy in study.strategies)
    raise ConfigurationError(f"there is no strategy '{name}'; there are: {', '.join(known)}")
