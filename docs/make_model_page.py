"""Writes docs/models.md from the studies of the package, `attn_platform.studies`.

python docs/make_model_page.py
"""

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path

from attn_platform.factors.catalogue import FACTOR_SETS
from attn_platform.models.configuration import LossConfig, NetworkConfig, XGBoostConfig
from attn_platform.models.registry import network_type
from attn_platform.models.trees import fit_trees
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.loading import available_studies, load_study
from attn_platform.studies.study import StudyConfig

PAGE = Path(__file__).with_name("models.md")
TITLE = "name"
HALF_LIVES = {0.5: "N/2", 1.0: "N"}

INTRODUCTION = """\
# Models

Written by `make docs` from the studies in `attn_platform/studies/`; edit those, not this page. `attn run --models a,b`
runs a home with some of a study's models, `--models all` with all of them; ensembles and [strategies](strategies.md)
come along where all of their models do.

- **Label**: the return from the next session on over so many sessions, ranked and standardised among the session's
  stocks. A model with two labels has one head for each, and also gives their mean (`10d+20d`).
- **Batch**: what one step of training reads of each seed.
- **Loss**: wmse weighs the best of a session's N stocks 1, and halves the weight after N/2 places (median 0.5, worst
  0.25) or after N (median 0.71, worst 0.5); mse weighs all alike. The figures are weighted by N/2 in every study.
- **Sessions**: of training, for early stop, and of one test window.
- **Panel**: factors, what is regressed out of them, and the universe's share by amount and by market value.
- **Start**: weights before the first epoch: a network that forecasts the best constant, or that of the window before.
"""


def page() -> str:
    """The whole page."""
    studies = [study for study in map(load_study, available_studies()) if study.models]
    networks = {type(model.network): None for study in studies for model in study.models}
    return "\n".join([INTRODUCTION, *map(_study, studies), _networks(networks)])


def _study(study: StudyConfig) -> str:
    models = _table(
        ("model", "network", "label", "batch", "loss", "sessions", "panel", "start", "seeds", "strategies"),
        (_model(study, model) for model in study.models),
    )
    ensembles = _table(
        ("ensemble", "equal mean of", "strategies"),
        (
            (
                f"`{each.name}`",
                ", ".join(f"`{m.model}` {m.horizon}" for m in each.members),
                _strategies(study, each.name),
            )
            for each in study.ensembles
        ),
    )
    tables = [models, *([ensembles] if study.ensembles else [])]
    return "\n".join([f"## {study.title}", "", f"Study `{study.name}`.", "", "\n\n".join(tables), ""])


def _model(study: StudyConfig, model: ModelConfig) -> Sequence[object]:
    windows, panel, training = study.windows_of(model), study.panel_of(model), model.training
    is_network = not isinstance(model.network, XGBoostConfig)
    factors = next((name for name, names in FACTOR_SETS.items() if names == panel.features), str(len(panel.features)))
    neutralised = "" if panel.preprocessing.neutralise == "none" else f" net of {panel.preprocessing.neutralise}"
    unit = training.batch_unit if training.batch_size == 1 else f"{training.batch_unit}s"
    return (
        f"`{model.name}`",
        _network(model.network),
        f"{model.labels.price} {', '.join(model.tasks)}",
        f"{training.batch_size:,} {unit}" if is_network else "all",
        _loss(training.loss),
        f"{windows.train:,} + {windows.valid} + {windows.test}",
        f"{factors}{neutralised}, {panel.universe.config.top_share:.0%}".replace("_", " "),
        ("window before" if training.warm_start else training.start) if is_network else "",
        len(model.seeds),
        _strategies(study, model.name),
    )


def _loss(loss: LossConfig) -> str:
    """The loss, and its half-life where it has one."""
    if loss.name == "mse":
        return loss.name
    return f"{loss.name}, {HALF_LIVES.get(loss.half_life, f'{loss.half_life:g} N')}"


def _network(config: NetworkConfig) -> str:
    """The network and what of it differs from its defaults."""
    defaults = type(config)().model_dump()
    own = {name: value for name, value in config.model_dump().items() if value != defaults[name]}
    return ", ".join([f"`{config.name}`", *(f"{name} {value}".replace("_", " ") for name, value in own.items())])


def _strategies(study: StudyConfig, forecaster: str) -> int:
    return sum(strategy.model == forecaster for strategy in study.strategies)


def _networks(kinds: Iterable[type[NetworkConfig]]) -> str:
    rows = (
        (
            f"`{kind().name}`",
            _summary(kind),
            ", ".join(f"{name} {value}" for name, value in kind().model_dump().items() if name != TITLE).replace(
                "_", " "
            ),
        )
        for kind in kinds
    )
    return "\n".join(
        ["## Networks", "", "Parameters are the defaults.", "", _table(("network", "what", "parameters"), rows), ""]
    )


def _summary(kind: type[NetworkConfig]) -> str:
    """First sentence of the network's module, less its name."""
    module = inspect.getdoc(inspect.getmodule(network_type(kind()) or fit_trees)) or ""
    return module.splitlines()[0].split(": ", 1)[-1].removesuffix(".")


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
