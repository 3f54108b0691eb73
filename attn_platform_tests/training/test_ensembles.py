"""Ensembles: means that a plain loop over the members' tables gives, and members that are not there."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake, from_columns
from attn_platform.training.ensembles import MemberPredictions, write_ensemble

SESSIONS = np.array(["2021-01-04", "2021-01-05", "2021-01-06"], dtype="datetime64[D]")
MEMBERS = [MemberPredictions("prediction_a", "10d+20d"), MemberPredictions("prediction_b", "10d"),
           MemberPredictions("prediction_a", "10d")]  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two members with two horizons each, every session another set of stocks, rows in no order."""
    rng = np.random.default_rng(1)
    made = Lake(tmp_path)
    for table in ("prediction_a", "prediction_b"):
        for session in SESSIONS:
            symbols = rng.permutation([f"{number:06d}.SZ" for number in range(40)])[:30].astype(str)
            values = {name: rng.standard_normal(30).astype(np.float32) for name in ("10d", "20d", "10d+20d")}
            made.write(table, from_columns({"date": np.full(30, session), "symbol": symbols, **values}), session)
    return made


def test_it_is_the_mean_of_the_members_on_their_common_stocks(lake: Lake) -> None:
    write_ensemble(lake, SESSIONS, MEMBERS, "ensemble", "prediction_all")
    assert lake.sessions("prediction_all").tolist() == SESSIONS.tolist()
    for session in SESSIONS:
        rows: list[dict[str, float]] = []
        for member in MEMBERS:
            data = lake.read(member.table, session, session).to_pylist()
            rows.append({row["symbol"]: row[member.horizon] for row in data})
        common = sorted(set(rows[0]) & set(rows[1]) & set(rows[2]))
        assert 0 < len(common) < 30
        found = lake.read("prediction_all", session, session)
        assert found.schema.field("ensemble").type == pa.float32()
        assert found["symbol"].to_pylist() == common
        assert set(found["date"].to_pylist()) == {session.item()}
        expected = [sum(of_member[symbol] for of_member in rows) / 3 for symbol in common]
        np.testing.assert_allclose(found["ensemble"].to_numpy(), expected, rtol=1e-6)


def test_a_session_does_not_depend_on_the_others(lake: Lake) -> None:
    write_ensemble(lake, SESSIONS, MEMBERS, "ensemble", "together")
    for session in SESSIONS:
        write_ensemble(lake, np.array([session]), MEMBERS, "ensemble", "alone")
        assert lake.path("alone", session).read_bytes() == lake.path("together", session).read_bytes()


def test_a_member_that_has_not_predicted_is_named(lake: Lake) -> None:
    lake.path("prediction_b", SESSIONS[1]).unlink()
    with pytest.raises(
        MissingDataError, match="'prediction_b' lacks 2021-01-05 and 0 more sessions; predict them first"
    ):
        write_ensemble(lake, SESSIONS, MEMBERS, "ensemble", "prediction_all")
    assert "prediction_all" not in lake.tables()
