"""Tables of method of a study: what was really configured and trained in a home, beside the package's edition of it.

What a model was trained on is read from the manifests of its checkpoints; where it has none, from the settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel

from attn_platform.models.configuration import XGBoostConfig
from attn_platform.studies.availability import lacking
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StrategyConfig, StudyConfig
from attn_platform.training.manifest import MANIFEST_FILE, Manifest, read_manifest
from attn_platform.workflows.training import checkpoint_folder

NOT_HERE = "not in this home"
# Settings of the machine, which change no figure but by rounding
MACHINE = ("threads", "stacking", "device", "compile", "windows_together", "memory_gb", "precision")
ALL = "all"
_SHOWN_NAMES = 4

Settings = Mapping[str, Mapping[str, str]]
"""Texts by name of a model or strategy, and by setting."""


def manifests_of(home: Home, model: str) -> list[Manifest]:
    """The manifests of a model's windows, ascending; none where it has not been trained."""
    folder = checkpoint_folder(home, model)
    files = sorted(folder.glob(f"[0-9]*/{MANIFEST_FILE}")) if folder.is_dir() else []
    return [read_manifest(file) for file in files]


def trained_text(manifests: Sequence[Manifest], reference: ModelConfig, windows: int) -> str:
    """In words, what checkpoints say that differs from the study: windows, seeds; "" where nothing does.

    `windows` are those of the study's test range.
    """
    texts = []
    if len(manifests) < windows:
        texts.append(f"{len(manifests)} of {windows} windows trained")
    seeds = {len(manifest.seeds) for manifest in manifests}
    if seeds and seeds != {len(reference.seeds)}:
        texts.append(f"{' or '.join(map(str, sorted(seeds)))} seeds (study: {len(reference.seeds)})")
    return ", ".join(texts)


def method_tables(
    home: Home, reference: StudyConfig, manifests: Mapping[str, Sequence[Manifest]]
) -> dict[str, pd.DataFrame]:
    """All tables of method by name: columns setting, of, this run, the study.

    They are about the models and strategies that the home has; where it has none, about the study's.
    """
    study = home.study
    networks = [model.name for model in reference.models if not isinstance(model.network, XGBoostConfig)]
    trees = [model.name for model in reference.models if isinstance(model.network, XGBoostConfig)]
    own = {model.name: model for model in study.models}
    theirs = {model.name: model for model in reference.models}

    def of_models(names: Sequence[str], kind: str) -> pd.DataFrame:
        here = [name for name in names if name in own]
        ours = {name: _model_settings(study, own[name], manifests.get(name, ()), kind) for name in here}
        printed = {name: _model_settings(reference, theirs[name], None, kind) for name in here or names}
        return side_by_side(ours, printed)

    return {
        "factors": _factors(home, study.features, reference.features),
        "tree_factors": _of_trees(home, reference, trees),
        "networks": of_models(networks, "network"),
        "training": of_models(networks, "training"),
        "trees": pd.concat([of_models(trees, "network"), of_models(trees, "training")], ignore_index=True),
        "portfolios": _portfolios(study, reference),
        "sectors": _sectors(study, reference),
    }


def side_by_side(own: Settings, reference: Settings) -> pd.DataFrame:
    """Settings as a table: a row for each setting and each pair of values that some share, named in `of`."""
    settings = dict.fromkeys(name for texts in (*reference.values(), *own.values()) for name in texts)
    rows = []
    for setting in settings:
        by_pair: dict[tuple[str, str], list[str]] = {}
        names = [
            name for name in dict.fromkeys([*reference, *own]) if setting in reference.get(name, own.get(name, {}))
        ]
        for name in names:
            pair = (own.get(name, {}).get(setting, NOT_HERE), reference.get(name, {}).get(setting, ""))
            by_pair.setdefault(pair, []).append(name)
        for (ours, theirs), those in by_pair.items():
            rows.append(
                {"setting": setting, "of": _named(those, len(names)), "this run": ours, "the study": theirs or "–"}
            )
    return pd.DataFrame(rows)


def _named(names: Sequence[str], of: int) -> str:
    if len(names) == of and of > 1:
        return ALL
    shown = ", ".join(name.replace("_", " ") for name in names[:_SHOWN_NAMES])
    return shown + (f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else "")


def _model_settings(
    study: StudyConfig, model: ModelConfig, manifests: Sequence[Manifest] | None, kind: str
) -> dict[str, str]:
    """Settings of one kind of a model; `manifests` None is the study's own, which has none."""
    newest = manifests[-1] if manifests else None
    if kind == "network":
        return _texts(newest.network if newest else model.network)
    windows, panel = study.windows_of(model), study.panel_of(model)
    training = newest.training if newest else model.training
    texts = {
        "labels": ", ".join(f"{price} of {days} sessions" for price, days in _labels(model)),
        "purge (sessions)": str(newest.window.purge if newest else model.labels.purge_length),
        "training, validation and test sessions": f"{windows.train} + {windows.valid} + {windows.test}",
        "first test session": str(windows.first_test),
        "universe": f"top {panel.universe.config.top_share:.0%} by amount and market value",
        "neutralised factors": panel.preprocessing.neutralise,
        "seeds": str(len(newest.seeds if newest else model.seeds)),
        **{f"training: {name}": text for name, text in _texts(training, MACHINE).items()},
    }
    if manifests is not None:
        texts["windows trained"] = f"{len(manifests)}" if manifests else "none: these are the settings"
        if newest:
            texts["epochs until the best"] = _best_epochs(manifests)
            texts["device"] = ", ".join(sorted({manifest.device for manifest in manifests}))
    return texts


def _labels(model: ModelConfig) -> Iterator[tuple[str, int]]:
    return ((model.labels.price, days) for days in model.labels.horizons)


def _best_epochs(manifests: Sequence[Manifest]) -> str:
    best = [history.best_epoch for manifest in manifests for history in manifest.histories]
    return f"{min(best)} to {max(best)}, median {np.median(best):g}"


def _texts(config: BaseModel, without: Sequence[str] = ()) -> dict[str, str]:
    """A configuration's fields as texts, those of nested ones with the name of theirs."""
    return dict(_flat(config.model_dump(mode="json", exclude=set(without))))


def _flat(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{name} ")
        elif value not in (None, [], {}):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{path}{name}".replace("_", " "), shown


def _portfolios(study: StudyConfig, reference: StudyConfig) -> pd.DataFrame:
    def settings(each: StudyConfig, strategy: StrategyConfig) -> dict[str, str]:
        backtest = strategy.backtest or each.backtest
        return {
            "benchmark": strategy.benchmark or each.benchmark,
            "rebalanced every (sessions)": str(each.rebalance_every),
            "styles": ", ".join(strategy.styles),
            **{f"limit: {name}": text for name, text in _texts(strategy.limits).items()},
            **{f"backtest: {name}": text for name, text in _texts(backtest).items()},
        }

    own = {strategy.name: settings(study, strategy) for strategy in study.strategies}
    theirs = {strategy.name: settings(reference, strategy) for strategy in reference.strategies}
    here = [name for name in theirs if name in own]
    return side_by_side({name: own[name] for name in here}, {name: theirs[name] for name in here or theirs})


def _sectors(study: StudyConfig, reference: StudyConfig) -> pd.DataFrame:
    def settings(each: StudyConfig) -> dict[str, str]:
        sectors: dict[str, list[str]] = {}
        for industry, sector in each.adjacency.sector_of_industry.items():
            sectors.setdefault(sector, []).append(industry)
        return {"scheme of industries": each.adjacency.scheme, **{name: ", ".join(of) for name, of in sectors.items()}}

    return side_by_side({"all stocks": settings(study)}, {"all stocks": settings(reference)})


def _of_trees(home: Home, reference: StudyConfig, trees: Sequence[str]) -> pd.DataFrame:
    own = [model for model in home.study.models if model.name in trees]
    theirs = [model for model in reference.models if model.name in trees]
    if not theirs:
        return pd.DataFrame()
    ours = own[0].features or home.study.features if own else ()
    return _factors(home, ours, theirs[0].features or reference.features)


def _factors(home: Home, own: Sequence[str], reference: Sequence[str]) -> pd.DataFrame:
    """Factors by class; those that the source lacks the inputs of are named, with the reason."""
    catalogue = home.study.catalogue
    classes = dict.fromkeys(catalogue.definition(name).family for name in (*reference, *own))
    rows = []
    for family in classes:
        of_home = [name for name in own if catalogue.definition(name).family == family]
        missing = {name: lacking(home, catalogue.definition(name)) for name in of_home}
        here = [name for name in of_home if missing[name] is None]
        absent = {name: reason for name, reason in missing.items() if reason is not None}
        text = ", ".join(here) or (NOT_HERE if not absent else "none")
        if absent:
            text += f"; missing: {', '.join(absent)} ({next(iter(absent.values()))})"
        of_study = [name for name in reference if catalogue.definition(name).family == family]
        rows.append(
            {"setting": family, "of": f"{len(here)} of {len(of_study)}", "this run": text,
             "the study": ", ".join(of_study) or "–"}
        )  # fmt: skip
    return pd.DataFrame(rows)
