import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import torch

from attn_platform.errors import CheckpointError
from attn_platform.models.losses import LossConfig
from attn_platform.models.networks.multi_task_baseline import MultiTaskBaselineConfig
from attn_platform.training.checkpoints import (
    CheckpointWindow,
    Manifest,
    SessionRange,
    load_checkpoint,
    manifest_of,
    save_checkpoint,
)
from attn_platform.training.config import TrainingConfig
from attn_platform.training.fingerprints import code_fingerprint
from attn_platform.training.trainer import TrainingResult, train
from attn_platform_tests.training.synthetic import ragged

WINDOW = CheckpointWindow(
    train=SessionRange(first=date(2011, 1, 4), last=date(2011, 1, 7)),
    valid=SessionRange(first=date(2011, 6, 1), last=date(2011, 6, 3)),
    test=SessionRange(first=date(2011, 7, 1), last=date(2011, 7, 5)),
    purge=21,
)


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    return train(
        MultiTaskBaselineConfig(width=4),
        ragged(4),
        ragged(3, first="2011-06-01", seed=1),
        TrainingConfig(max_epochs=2, threads=1, device="cpu"),
        seeds=(3, 7),
        progress=False,
    )


def manifest(result: TrainingResult, **changes: object) -> Manifest:
    arguments = {
        "model": "multi_task_baseline", "window": WINDOW, "preprocessing_fingerprint": "p", "data_fingerprint": "d"
    }  # fmt: skip
    return manifest_of(result, **(arguments | changes))


@pytest.fixture
def directory(tmp_path: Path, result: TrainingResult) -> Path:
    path = tmp_path / "checkpoints" / "2011-07-01"
    save_checkpoint(path, result.weights, manifest(result))
    return path


def test_round_trip(tmp_path: Path, result: TrainingResult) -> None:
    written = manifest(result, warm_started_from="2011-01-04")
    save_checkpoint(tmp_path / "a" / "b", result.weights, written)
    read = load_checkpoint(tmp_path / "a" / "b")
    assert read.manifest == written
    assert read.manifest.network == MultiTaskBaselineConfig(width=4)
    assert read.manifest.histories == result.histories
    assert read.manifest.seeds == (3, 7)
    assert read.weights.keys() == result.weights.keys()
    for name, tensor in result.weights.items():
        assert read.weights[name].dtype == tensor.dtype
        assert torch.equal(read.weights[name], tensor)


def test_folder_holds_two_files_and_no_pickle(directory: Path) -> None:
    assert sorted(path.name for path in directory.iterdir()) == ["manifest.json", "weights.safetensors"]
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
    assert isinstance(json.loads((directory / "manifest.json").read_text()), dict)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_damaged_files_are_named_with_a_remedy(directory: Path, name: str, damage: str) -> None:
    path = directory / name
    content = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(content[: len(content) // 2 if damage[0] == "t" else 0])
    with pytest.raises(CheckpointError, match=rf"(?s){name}.*train the window again"):
        load_checkpoint(directory)


def test_one_flipped_bit_of_the_weights_is_noticed(directory: Path) -> None:
    path = directory / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(directory)


def test_manifest_of_an_unknown_network_is_a_checkpoint_error(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text().replace('"name": "multi_task_baseline"', '"name": "forgotten"'))
    with pytest.raises(CheckpointError, match="forgotten"):
        load_checkpoint(directory)


def test_absent_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"2011-07-01.*No such file.*train the window"):
        load_checkpoint(tmp_path / "2011-07-01")


def test_saving_again_replaces(directory: Path, result: TrainingResult) -> None:
    newer = manifest(result, model="another")
    save_checkpoint(directory, result.weights, newer)
    assert load_checkpoint(directory).manifest == newer
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]


def test_a_failed_save_leaves_the_old_checkpoint_and_no_debris(
    directory: Path, result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_checkpoint(directory).manifest

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full_disk)
        with pytest.raises(OSError, match="no space"):
            save_checkpoint(directory, result.weights, manifest(result, model="another"))
    assert load_checkpoint(directory).manifest == before
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]


def test_weights_that_are_not_the_manifests_are_refused(tmp_path: Path, result: TrainingResult) -> None:
    other = {name: tensor + 1 for name, tensor in result.weights.items()}
    with pytest.raises(CheckpointError, match="other weights"):
        save_checkpoint(tmp_path / "x", other, manifest(result))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["factor_0", "factor_1", "factor_2", "factor_3"], "missing: factor_4"),
        (["factor_0", "factor_1", "factor_2", "factor_3", "beta"], r"missing: factor_4, unknown: beta"),
        (["factor_1", "factor_0", "factor_2", "factor_3", "factor_4"], "another order"),
    ],
)
def test_features_that_do_not_match_are_spelled_out(result: TrainingResult, names: list[str], message: str) -> None:
    description = manifest(result)
    description.require_features(result.feature_names)
    with pytest.raises(CheckpointError, match=message):
        description.require_features(names)


def test_fingerprint_is_of_content_not_of_time(result: TrainingResult) -> None:
    first = manifest(result)
    later = first.model_copy(
        update={"created": first.created + timedelta(days=1), "seconds": 9e9, "peak_memory_bytes": 1}
    )
    assert later.fingerprint == first.fingerprint
    changes = [{"data_fingerprint": "other"}, {"preprocessing_fingerprint": "other"}, {"warm_started_from": "w"}]
    assert len({manifest(result, **change).fingerprint for change in changes} | {first.fingerprint}) == 4


def test_a_manifest_that_names_no_half_life_was_trained_with_the_half(tmp_path: Path, result: TrainingResult) -> None:
    """That was the only one before a study could choose."""
    training = result.training_config.model_copy(update={"loss": LossConfig(half_life=1.0)})
    save_checkpoint(tmp_path / "new", result.weights, manifest(replace(result, training_config=training)))
    assert load_checkpoint(tmp_path / "new").manifest.training.loss.half_life == 1.0
    file = tmp_path / "new" / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    del content["training"]["loss"]["half_life"]
    file.write_text(json.dumps(content), encoding="utf-8")
    assert load_checkpoint(tmp_path / "new").manifest.training.loss.half_life == 0.5


def test_code_fingerprint_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import attn_platform.models as package

    assert code_fingerprint() == code_fingerprint()
    source = tmp_path / "network.py"
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    seen = set()
    for text in ("a = 1", "a = 2"):
        source.write_text(text)
        seen.add(code_fingerprint())
    source.rename(tmp_path / "renamed.py")
    seen.add(code_fingerprint())
    assert len(seen) == 3


def test_a_failed_replacement_leaves_the_older_checkpoint(
    directory: Path, result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == directory and self.suffix != ".replaced":
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(directory, result.weights, manifest(result))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
