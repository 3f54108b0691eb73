import numpy as np
import pandas as pd
import pytest

from attn_platform.reports import tables
from attn_platform.reports.tables import report_tables, write_report_tables
from attn_platform_tests.reports.sample import planted_signals, strategy_report_data


def test_csv_files_hold_the_inputs_in_full_precision(tmp_path) -> None:
    data = strategy_report_data()
    paths = write_report_tables(data, tmp_path / "tables")
    read = {path.stem: pd.read_csv(path) for path in paths}
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [path.name for path in paths]

    daily = read["daily"]
    assert list(daily["date"]) == [f"{session:%Y-%m-%d}" for session in data.daily.index]
    np.testing.assert_array_equal(daily.drop(columns="date").to_numpy(), data.daily.to_numpy())
    for name in ("layers", "industry_exposures", "style_exposures"):
        np.testing.assert_array_equal(read[name].drop(columns="date").to_numpy(), getattr(data, name).to_numpy())
    assert list(read["industry_exposures"].columns[1:]) == list(data.industry_exposures.columns)
    np.testing.assert_array_equal(read["monthly_excess"].to_numpy(), data.month_table.to_numpy())
    np.testing.assert_array_equal(read["rank_ic"]["weighted_rank_ic"], data.weighted_rank_ic)
    pd.testing.assert_frame_equal(
        read["limits"].fillna({"name": ""}), data.limit_states.assign(date=data.limit_states["date"].astype(str))
    )
    np.testing.assert_array_equal(read["binding_limits"]["mean_price"], data.binding_limits["mean_price"])
    np.testing.assert_array_equal(read["stock_reasons"].drop(columns="date").to_numpy(), data.stock_reasons.to_numpy())
    assert read["rebalances"]["relaxed"].fillna("").tolist() == data.rebalances["relaxed"].tolist()
    assert set(read["holdings"]["symbol"]) == set(data.holdings["symbol"])
    assert read["holdings"]["weight"].is_monotonic_decreasing
    assert dict(zip(*read["untraded"].to_numpy().T, strict=True)) == data.untraded
    assert read["worst_weeks"]["last_session"].tolist() == ["2021-12-10", "2022-01-14"]


def test_comparisons_in_csv_carry_their_data_source() -> None:
    data = strategy_report_data()
    frames = report_tables(data)
    for name, figures in (("performance", data.performance), ("factor_figures", data.factor_figures)):
        frame = frames[name].set_index("figure")
        assert (frame["data_source"] == "Simulated market (seed 7)").all()
        assert frame["value"].to_dict() == pytest.approx(dict(figures))
    assert frames["performance"].set_index("figure")["published"]["information_ratio"] == 2.91
    assert (frames["performance"]["published_source"] == "Huatai AI-69, exhibit 11").all()
    alone = report_tables(strategy_report_data(published_performance=None))["performance"]
    assert list(alone.columns) == ["figure", "value", "data_source"]


def test_planted_signals_end_with_what_knowing_them_all_is_worth() -> None:
    frame = report_tables(strategy_report_data(planted=planted_signals()))["planted_signals"].set_index("signal")
    assert frame.index.tolist() == ["linear", "path", "all known"]
    assert frame["rank_ic_mean"].tolist() == [0.0712, -0.0034, 0.1266]
    assert frame.loc["linear", "strength"] == 9.0
    unknown = report_tables(strategy_report_data(planted=planted_signals(known=False)))["planted_signals"]
    assert unknown["signal"].tolist() == ["linear", "path"]
    assert "planted_signals" not in report_tables(strategy_report_data())


def test_absent_parts_write_no_file() -> None:
    empty = pd.DataFrame()
    frames = report_tables(
        strategy_report_data(rebalances=empty, holdings=empty, factor_figures={}, worst_weeks=empty, yearly=empty)
    )
    assert not {"rebalances", "holdings", "factor_figures", "worst_weeks", "yearly"} & set(frames)
    assert {"performance", "daily"} <= set(frames)


def test_chinese_text_opens_in_spreadsheets(tmp_path) -> None:
    write_report_tables(strategy_report_data(), tmp_path)
    raw = (tmp_path / "holdings.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw


def test_month_table_tints_by_sign_and_size() -> None:
    table = tables.month_table(strategy_report_data().month_table)
    assert table.columns == ("Year", *(f"{month:02d}" for month in range(1, 13)), "Total")
    first, second = table.rows
    assert [cell.text for cell in first] == ["2021", *[""] * 10, "1.2%", "−4.6%", "−3.4%"]
    assert first[1].heat is None
    assert first[11].heat == pytest.approx(0.0123 / 0.05)
    assert first[12].heat == pytest.approx(-0.0456 / 0.05)
    assert second[1].heat == 1.0


def test_newest_relaxations_come_first() -> None:
    rebalances = strategy_report_data().rebalances
    dates = [f"{date:%Y-%m-%d}" for date in rebalances.index[rebalances["relaxed"] != ""]]
    assert len(dates) == 3
    table = tables.relaxation_table(rebalances, shown=2)
    assert [row[0].text for row in table.rows] == dates[:0:-1]
    assert [cell.text for cell in table.rows[0][1:4]] == ["turnover, style", "3.12%", "0.014"]


def test_blank_and_missing_texts_are_no_relaxation() -> None:
    rebalances = strategy_report_data().rebalances.head(3).assign(relaxed=[" ", None, "industry"])
    assert len(tables.relaxation_table(rebalances, shown=9).rows) == 1


def test_limits_that_bind_come_most_frequent_first() -> None:
    table = tables.binding_limits_table(strategy_report_data().binding_limits, shown=2)
    assert table.columns == ("Limit", "Weeks", "At upper limit", "At lower limit", "Mean price")
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts == [["Turnover", "11", "100.0%", "0.0%", "0.200"], ["Style bp", "12", "0.0%", "50.0%", "0.012"]]
    everything = tables.binding_limits_table(strategy_report_data().binding_limits, shown=9)
    assert [row[0].text for row in everything.rows] == ["Turnover", "Style bp", "Industry 银行"]


def test_largest_holdings_come_first_whatever_the_order() -> None:
    holdings = strategy_report_data().holdings
    expected = sorted(zip(holdings["weight"], holdings["symbol"], strict=True), reverse=True)[:5]
    shuffled = holdings.sample(frac=1.0, random_state=3)
    table = tables.holdings_table(shuffled, shown=5)
    assert [row[0].text for row in table.rows] == [symbol for _, symbol in expected]
    assert [row[2].text for row in table.rows] == [f"{100 * weight:.2f}%" for weight, _ in expected]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report_tables(strategy_report_data(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("attn_platform.writing.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report_tables(strategy_report_data(sessions=20), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
