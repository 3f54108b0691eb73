from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from attn_platform.errors import ContractError, TrainingError
from attn_platform.models.configuration import LossConfig
from attn_platform.models.losses import row_weights
from attn_platform.training.samples import Samples, SampleTensors
from attn_platform_tests.training.synthetic import ragged

NAMES = ("ret_5d", "turn_1m")
SESSIONS = np.array(["2011-01-04", "2011-01-05", "2011-01-06"], dtype="datetime64[D]")


def panel() -> pd.DataFrame:
    """Three sessions of 2, 1 and 3 stocks, rows out of order."""
    rows = [
        ("2011-01-06", "600002.SH", 6.0, -6.0),
        ("2011-01-04", "600001.SH", 2.0, -2.0),
        ("2011-01-05", "600000.SH", 3.0, -3.0),
        ("2011-01-06", "000001.SZ", 4.0, -4.0),
        ("2011-01-04", "600000.SH", 1.0, -1.0),
        ("2011-01-06", "600000.SH", 5.0, -5.0),
    ]
    frame = pd.DataFrame(rows, columns=["date", "symbol", *NAMES])
    return frame.assign(date=pd.to_datetime(frame["date"]), other="not asked for")


def test_frame_is_sorted_into_ragged_sessions() -> None:
    sections = Samples.from_frame(panel(), NAMES, SESSIONS)
    assert sections.sessions.astype(str).tolist() == ["2011-01-04", "2011-01-05", "2011-01-06"]
    assert sections.offsets.tolist() == [0, 2, 3, 6]
    assert sections.symbols.tolist() == ["600000.SH", "600001.SH", "600000.SH", "000001.SZ", "600000.SH", "600002.SH"]
    assert sections.features().dtype == np.float32
    assert sections.features().tolist() == [[i, -i] for i in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]
    assert sections.labels.shape == (6, 0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.drop(columns="turn_1m"), "no column turn_1m"),
        (lambda f: pd.concat([f, f.iloc[[0]]]), "600002.SH on 2011-01-06 twice"),
        (lambda f: f.assign(ret_5d=f["ret_5d"].where(f["symbol"] != "000001.SZ")), "ret_5d of 000001.SZ on 2011-01-06"),
        (lambda f: f.assign(turn_1m=f["turn_1m"].replace(-2.0, np.inf)), "turn_1m of 600001.SH on 2011-01-04"),
    ],
)
def test_frames_that_break_the_contract_are_refused(damage, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Samples.from_frame(damage(panel()), NAMES, SESSIONS)


def test_labels_are_looked_up_by_session_and_symbol() -> None:
    sessions = np.array(["2011-01-04", "2011-01-06"], dtype="datetime64[D]")
    symbols = np.array(["000001.SZ", "600000.SH", "600001.SH"])
    labels = np.arange(12.0).reshape(2, 3, 2)
    labels[1, 0, 1] = np.nan
    sections = Samples.from_frame(panel(), NAMES, SESSIONS).with_labels(("10d", "20d"), sessions, symbols, labels)
    nan = np.nan
    expected = [[2, 3], [4, 5], [nan, nan], [6, nan], [8, 9], [nan, nan]]  # 2011-01-05 and 600002.SH are not there
    np.testing.assert_array_equal(sections.labels, expected)
    assert sections.label_names == ("10d", "20d")


@pytest.mark.parametrize(
    ("first", "last", "kept"),
    [
        ("2011-01-04", "2011-01-06", [0, 1, 2]),
        ("2011-01-05", "2011-01-05", [1]),
        ("2011-01-05", "2030-01-01", [1, 2]),
        ("1990-01-01", "2011-01-04", [0]),
        ("2012-01-01", "2012-02-01", []),
        ("2011-01-06", "2011-01-04", []),
    ],
)
def test_between_takes_both_ends(first: str, last: str, kept: list[int]) -> None:
    whole = Samples.from_frame(panel(), NAMES, SESSIONS)
    part = whole.between(np.datetime64(first), np.datetime64(last))
    assert part.sessions.tolist() == whole.sessions[kept].tolist()
    assert len(part.offsets) == len(kept) + 1
    assert part.offsets[0] == 0
    rows = [row for t in kept for row in range(whole.offsets[t], whole.offsets[t + 1])]
    assert part.features().tolist() == whole.features()[rows].tolist()
    assert part.symbols.tolist() == whole.symbols[rows].tolist()
    assert part.offsets[-1] == len(rows)


def test_rows_without_all_labels_leave_and_small_sessions_with_them() -> None:
    sections = ragged(3, stocks=(4, 5))
    labels = sections.labels.copy()
    labels[1, 0] = np.nan  # session 0 keeps 3 stocks
    labels[[4, 5, 6], 1] = np.nan  # session 1 keeps one stock, too few
    trainable = replace(sections, labels=labels).trainable()
    assert trainable.sessions.tolist() == sections.sessions[[0, 2]].tolist()
    assert trainable.offsets.tolist() == [0, 3, 7]
    kept = [0, 2, 3, 8, 9, 10, 11]
    np.testing.assert_array_equal(trainable.features(), sections.features()[kept])
    np.testing.assert_array_equal(trainable.labels, sections.labels[kept])
    assert trainable.symbols.tolist() == sections.symbols[kept].tolist()


def test_nothing_to_train_on_is_an_error() -> None:
    sections = ragged(2)
    with pytest.raises(TrainingError, match="10d, 20d"):
        replace(sections, labels=np.full_like(sections.labels, np.nan)).trainable()
    with pytest.raises(TrainingError, match="no labels given"):
        replace(sections, labels=sections.labels[:, :0], label_names=()).trainable()


@pytest.mark.parametrize("sessions", [[[2], [0], [4]], [[0, 3], [4, 1], [2, 0]], [[0, 3], [4, -1], [2, 0]]])
def test_batch_holds_each_members_sessions_then_zeros(sessions: list[list[int]]) -> None:
    sections = ragged(5)
    tensors = SampleTensors([sections], LossConfig(), torch.device("cpu"), torch.float64)
    samples, sizes = tensors.of_sessions(np.array(sessions))
    batch, labels, weights = tensors.batch(samples, sizes)
    all_weights = row_weights(sections.labels, sections.offsets, LossConfig())
    assert batch.features.shape == (3, -(-max(batch.valid_rows) // 32) * 32, 5)
    for position, of_member in enumerate(sessions):
        held = [t for t in of_member if t >= 0]
        rows = np.concatenate([np.arange(sections.offsets[t], sections.offsets[t + 1]) for t in held])
        assert batch.session_sizes[position] == tuple(sections.offsets[t + 1] - sections.offsets[t] for t in held)
        assert batch.valid_rows[position] == len(rows)
        for gathered, table in (
            (batch.features, sections.features()), (labels, sections.labels), (weights, all_weights)
        ):  # fmt: skip
            np.testing.assert_array_equal(gathered[position, : len(rows)], table[rows].astype(np.float64))
            assert not gathered[position, len(rows) :].any()
        np.testing.assert_array_equal(batch.groups[position, : len(rows)], sections.groups[rows])


def history_of(frame: pd.DataFrame, sessions: np.ndarray, symbol: str, session: np.datetime64, steps: int) -> list:
    """Factors of a stock's last sessions by look-up, zeros where the frame has no row."""
    at = int(np.searchsorted(sessions, session))
    found = []
    for day in sessions[max(at - steps + 1, 0) : at + 1]:
        row = frame[(frame["date"] == day) & (frame["symbol"] == symbol)]
        found.append(row[list(NAMES)].to_numpy()[0].tolist() if len(row) else [0.0, 0.0])
    return [[0.0, 0.0]] * (steps - len(found)) + found


def patchy_panel(sessions: np.ndarray, share: float, seed: int) -> pd.DataFrame:
    """Stocks that come and go: each of six is in a session's cross-section with this probability."""
    rng = np.random.default_rng(seed)
    keys = [(day, f"60000{n}.SH") for day in sessions for n in range(6) if rng.random() < share]
    values = rng.standard_normal((len(keys), 2)).astype(np.float32)
    return pd.DataFrame({"date": [k[0] for k in keys], "symbol": [k[1] for k in keys]}).assign(
        date=lambda f: pd.to_datetime(f["date"]), **{name: values[:, i] for i, name in enumerate(NAMES)}
    )


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("share", [0.15, 0.6, 1.0])
def test_a_sample_of_several_steps_holds_the_stocks_last_sessions(steps: int, share: float) -> None:
    sessions = np.datetime64("2011-01-04", "D") + np.arange(25)
    frame = patchy_panel(sessions, share, seed=steps)
    samples = Samples.from_frame(frame, NAMES, sessions, steps)
    expected = [
        history_of(frame, sessions, symbol, day, steps)
        for day, symbol in zip(samples.sample_sessions(), samples.symbols, strict=True)
    ]
    features = samples.features()
    np.testing.assert_array_equal(features if steps > 1 else features[:, np.newaxis], np.array(expected, np.float32))
    part = samples.between(sessions[7], sessions[20])
    kept = (samples.sample_sessions() >= sessions[7]) & (samples.sample_sessions() <= sessions[20])
    np.testing.assert_array_equal(part.features(), features[kept])


def test_batches_of_several_steps_are_the_samples_and_zeros() -> None:
    sessions = np.datetime64("2011-01-04", "D") + np.arange(25)
    samples = Samples.from_frame(patchy_panel(sessions, 0.6, seed=3), NAMES, sessions, steps=4)
    labelled = replace(samples, labels=np.ones((len(samples), 1), np.float32), label_names=("10d",))
    tensors = SampleTensors([labelled], LossConfig(), torch.device("cpu"), torch.float32, "stock")
    chosen = np.array([[5, 0, 30], [40, 2, tensors.zero_sample]])
    batch, labels, weights = tensors.batch(chosen, ((3,), (2,)))
    assert batch.features.shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(batch.features[0], samples.features()[[5, 0, 30]])
    np.testing.assert_array_equal(batch.features[1, :2], samples.features()[[40, 2]])
    assert not batch.features[1, 2].any()
    assert not labels[1, 2].any()
    assert not weights[1, 2].any()


def test_in_batches_of_stocks_the_weights_are_those_of_the_session_alone() -> None:
    """w_k and not w_k / N: the best of a session weighs 1, whatever the session's size."""
    sections = ragged(4)
    tensors = SampleTensors([sections], LossConfig(), torch.device("cpu"), torch.float64, "stock")
    for start, stop in pairwise(sections.offsets):
        place = stats.rankdata(-sections.labels[start:stop, 0]) - 1
        np.testing.assert_allclose(tensors.weights[start:stop, 0], 0.5 ** (place / ((stop - start) / 2)), rtol=1e-12)


def test_windows_side_by_side_keep_their_own_sessions() -> None:
    first, second = ragged(3, seed=1), ragged(4, seed=2)
    tensors = SampleTensors([first, second], LossConfig(), torch.device("cpu"), torch.float64)
    assert [len(r) for r in tensors.sessions_of_set] == [3, 4]
    samples, sizes = tensors.of_sessions(np.array([[1], [3 + 2]]))
    batch, labels, _ = tensors.batch(samples, sizes)
    for position, (part, t) in enumerate(((first, 1), (second, 2))):
        rows = slice(part.offsets[t], part.offsets[t + 1])
        size = rows.stop - rows.start
        np.testing.assert_array_equal(batch.features[position, :size], part.features(rows).astype(np.float64))
        np.testing.assert_array_equal(labels[position, :size], part.labels[rows].astype(np.float64))
    for number, part in enumerate((first, second)):
        of_set = SampleTensors([part], LossConfig(), torch.device("cpu"), torch.float64)
        assert torch.equal(tensors.best_constant(number), of_set.best_constant(0))
