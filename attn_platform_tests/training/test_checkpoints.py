import hashlib
import json
import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import torch

from attn_platform import writing
from attn_platform.errors import CheckpointError
from attn_platform.models.configuration import LossConfig, MultiTaskBaselineConfig
from attn_platform.training import checkpoints
from attn_platform.training.checkpoints import load_checkpoint, manifest_of, save_checkpoint
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import ModelIdentity, Part, differences_text
from attn_platform.training.manifest import CheckpointWindow, Manifest, SessionRange
from attn_platform.training.prediction import predict
from attn_platform.training.trainer import TrainingResult, train
from attn_platform_tests.training.synthetic import ragged

WINDOW = CheckpointWindow(
    train=SessionRange(first=date(2011, 1, 4), last=date(2011, 1, 7)),
    valid=SessionRange(first=date(2011, 6, 1), last=date(2011, 6, 3)),
    test=SessionRange(first=date(2011, 7, 1), last=date(2011, 7, 5)),
    purge=21,
)


IDENTITY = ModelIdentity(
    parts={
        "factor ret_2d": Part(code="f", settings={"inputs": "close", "lookback": 2}),
        "labels": Part(code="l", settings={"horizons": [10], "price": "close"}),
        "training": Part(code="t", settings={"learning_rate": 1e-4}),
    }
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


def changed(part: str, code: str | None = None, **settings: object) -> ModelIdentity:
    """The identity with another code or other settings of one part."""
    held = IDENTITY.parts[part]
    other = Part(code=held.code if code is None else code, settings={**held.settings, **settings})
    return ModelIdentity(parts={**IDENTITY.parts, part: other})


def manifest(result: TrainingResult, **changes: object) -> Manifest:
    arguments = {
        "model": "multi_task_baseline", "window": WINDOW, "preprocessing_fingerprint": "p", "data_fingerprint": "d",
        "identity": IDENTITY,
    }  # fmt: skip
    return manifest_of(result, **(arguments | changes))


def weights_of(directory: Path) -> Path:
    (path,) = directory.glob("weights*.safetensors")
    return path


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
    content = weights_of(directory).read_bytes()
    named = f"weights-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    assert sorted(path.name for path in directory.iterdir()) == ["manifest.json", named]
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]
    assert isinstance(json.loads((directory / "manifest.json").read_text()), dict)


@pytest.mark.parametrize("which", ["manifest", "weights"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_damaged_files_are_named_with_a_remedy(directory: Path, which: str, damage: str) -> None:
    path = directory / "manifest.json" if which == "manifest" else weights_of(directory)
    name = path.name
    content = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(content[: len(content) // 2 if damage[0] == "t" else 0])
    with pytest.raises(CheckpointError, match=rf"(?s){name}.*train the window again"):
        load_checkpoint(directory)


def test_one_flipped_bit_of_the_weights_is_noticed(directory: Path) -> None:
    path = weights_of(directory)
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
        patch.setattr(checkpoints, "write_atomically", full_disk)
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
    changes = [
        {"data_fingerprint": "other"}, {"preprocessing_fingerprint": "other"}, {"warm_started_from": "w"},
        {"identity": changed("labels", code="other")},
    ]  # fmt: skip
    assert len({manifest(result, **change).fingerprint for change in changes} | {first.fingerprint}) == 5


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (changed("factor ret_2d", code="-f"), "factor ret_2d: its source changed"),
        (changed("labels", code="other"), "labels: its code changed"),
        (changed("labels", horizons=[20]), r"labels.horizons \[10\] / \[20\]"),
        (changed("training", learning_rate=1e-3), "training.learning_rate 0.0001 / 0.001"),
        (ModelIdentity(parts={**IDENTITY.parts, "factor beta": Part()}), "factor beta: not in it"),
        (ModelIdentity(parts={"labels": IDENTITY.parts["labels"]}), "factor ret_2d: no longer asked for; training: no"),
    ],
)
def test_a_checkpoint_of_another_model_says_what_differs(directory: Path, asked: ModelIdentity, message: str) -> None:
    held = load_checkpoint(directory).manifest
    held.require_identity(IDENTITY, "p")
    with pytest.raises(CheckpointError, match=message) as raised:
        held.require_identity(asked, "p")
    assert "multi_task_baseline for 2011-07-01" in str(raised.value)
    assert str(raised.value).endswith("set these back, or train the window again")


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


def test_weights_found_by_an_older_loop_are_weights_of_the_same_model(directory: Path) -> None:
    held = load_checkpoint(directory).manifest
    held.require_identity(changed("training", code="other loop"), "p")
    assert IDENTITY.differences(changed("training", code="other loop"), code_of_training=True)


def test_a_setting_that_is_new_is_no_difference(directory: Path) -> None:
    held = load_checkpoint(directory).manifest
    held.require_identity(changed("labels", purge=11), "p")


def test_many_differences_are_counted() -> None:
    other = ModelIdentity(parts={f"factor f{number}": Part() for number in range(9)})
    assert differences_text(other.differences(ModelIdentity(parts={}))).endswith("; and 4 more")


def test_a_checkpoint_made_before_identities_were_kept_forecasts_and_says_so_once(
    directory: Path, result: TrainingResult, caplog: pytest.LogCaptureFixture
) -> None:
    path = directory / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["identity"]
    path.write_text(json.dumps({**content, "model": "of_before"}), encoding="utf-8")
    held = load_checkpoint(directory)
    assert held.manifest.identity is None
    assert predict(held, ragged(2, first="2011-08-01"), device="cpu").shape[1] == len(held.manifest.labels)
    for _ in range(2):
        held.manifest.require_identity(IDENTITY, "p")
    assert [record.message for record in caplog.records if "of_before" in record.message] == [
        "checkpoints of of_before were made before checkpoints kept the source of what they were trained on: whether "
        "factors, labels or network have changed since is not known; train them again to have it checked"
    ]
    with pytest.raises(CheckpointError, match="another universe, other factor settings or another pre-processing"):
        held.manifest.require_identity(IDENTITY, "another")


def test_the_fingerprint_of_a_checkpoint_made_before_stays(result: TrainingResult) -> None:
    """As it was computed then: over all fields of the manifest but what a run measures anew."""
    before = manifest(result).model_copy(update={"identity": None})
    content = json.loads(before.model_dump_json(exclude={"identity", "created", "seconds", "peak_memory_bytes"}))
    assert before.fingerprint == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


MANIFEST_REPLACED = 3
"""Changes of a folder that is saved to again: weights take their name, their temporary name goes, the manifest, …"""


def other_result(result: TrainingResult) -> TrainingResult:
    return replace(result, weights={name: tensor + 1 for name, tensor in result.weights.items()})


@pytest.mark.parametrize("step", range(1, 7))
def test_killed_at_any_step_the_folder_is_the_old_checkpoint_or_the_new_one(
    directory: Path, result: TrainingResult, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Stopped dead before the n-th change of the folder: no clean-up runs, as under SIGKILL."""
    older, newer = load_checkpoint(directory), other_result(result)
    changes = 0

    def counted(change):
        def until_the_kill(*arguments, **named):
            nonlocal changes
            changes += 1
            if changes >= step:
                raise KeyboardInterrupt
            return change(*arguments, **named)

        return until_the_kill

    with monkeypatch.context() as patch:
        patch.setattr(writing.os, "replace", counted(os.replace))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        patch.setattr(Path, "rmdir", counted(Path.rmdir))
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(directory, newer.weights, manifest(newer))
    found = load_checkpoint(directory)
    expected = newer.weights if step > MANIFEST_REPLACED else older.weights
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in expected.items())
    save_checkpoint(directory, newer.weights, manifest(newer))
    assert torch.equal(load_checkpoint(directory).weights["heads.weight"], newer.weights["heads.weight"])


def test_a_reader_between_manifest_and_weights_of_a_replacement_gets_the_new_one(
    directory: Path, result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer, read = other_result(result), checkpoints.read_manifest

    def replaced_after_the_first(path: Path):
        found = read(path)
        monkeypatch.setattr(checkpoints, "read_manifest", read)
        save_checkpoint(directory, newer.weights, manifest(newer))
        return found

    monkeypatch.setattr(checkpoints, "read_manifest", replaced_after_the_first)
    assert torch.equal(load_checkpoint(directory).weights["heads.weight"], newer.weights["heads.weight"])


def test_two_who_save_at_once_leave_one_whole_checkpoint(
    directory: Path, result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one saves while the first is between its weights and its manifest."""
    second, write = other_result(result), checkpoints.write_atomically

    def after_the_second(path: Path, text: str) -> None:
        monkeypatch.setattr(checkpoints, "write_atomically", write)
        save_checkpoint(directory, second.weights, manifest(second))
        write(path, text)

    first = replace(result, weights={name: tensor - 1 for name, tensor in result.weights.items()})
    monkeypatch.setattr(checkpoints, "write_atomically", after_the_second)
    save_checkpoint(directory, first.weights, manifest(first))
    assert torch.equal(load_checkpoint(directory).weights["heads.weight"], first.weights["heads.weight"])


def test_a_checkpoint_from_before_weights_were_named_by_content_is_read_and_replaced(
    directory: Path, result: TrainingResult
) -> None:
    weights_of(directory).rename(directory / "weights.safetensors")
    assert load_checkpoint(directory).weights.keys() == result.weights.keys()
    newer = other_result(result)
    save_checkpoint(directory, newer.weights, manifest(newer))
    assert len(list(directory.iterdir())) == 2
    assert torch.equal(load_checkpoint(directory).weights["heads.weight"], newer.weights["heads.weight"])
