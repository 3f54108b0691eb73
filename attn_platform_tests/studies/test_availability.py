"""What a source lacks for a factor or a style: a table, a column, or nothing where one of two inputs will do."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from attn_platform.studies.availability import indicator_families_off, lacking, missing_styles, switched_off
from attn_platform.studies.settings import Home
from attn_platform.workflows.portfolios import resolve
from attn_platform_tests.homes import IMPORTED, MODEL, tiny_home

INTRADAY = "high_frequency"
NO_CASH_FLOW = "no cash flows"


def home(folder: Path, **source: Any) -> Home:
    return tiny_home(folder, {**IMPORTED, **source})


def lacks(made: Home, name: str) -> str | None:
    return lacking(made, made.study.catalogue.definition(name))


def test_nothing_is_lacking_where_all_tables_are(tmp_path: Path) -> None:
    made = home(tmp_path)
    for table in ("minute_bar", "transaction", "book_snapshot"):
        made.lake.write(table, pa.table({"date": [None]}), "2021-01-04")
    assert {lacks(made, definition.name) for definition in made.study.catalogue} == {None}
    assert {switched_off(made, family) for family in made.study.catalogue.families} == {None}


def test_an_absent_table_is_named_with_its_reason(tmp_path: Path) -> None:
    made = home(tmp_path, absent_tables={"fundamental": "no statements", "consensus": "no analysts"})
    off = {family for family in made.study.catalogue.families if switched_off(made, family)}
    assert off == {"expectation", "growth", "profitability", "stability", "quality", "high_frequency"}
    assert switched_off(made, "growth") == lacks(made, "sales_g_q") == "table fundamental is absent (no statements)"
    assert switched_off(made, "expectation") == "table consensus is absent (no analysts)"


def test_a_family_with_one_factor_left_stays_on(tmp_path: Path) -> None:
    """Without valuation the volatility family lacks one of its three factors, the valuation family all of them.

    The market's return alone would not help: size and value portfolios need the market values.
    """
    made = home(tmp_path, absent_tables={"valuation": "none"})
    assert lacks(made, "ivr_ff3factor_1m") == switched_off(made, "valuation") == "table valuation is absent (none)"
    assert switched_off(made, "volatility") is None
    assert lacks(made, "std_1m") is None


def test_an_absent_column_takes_its_factors_only(tmp_path: Path) -> None:
    columns = {f"{name}": NO_CASH_FLOW for name in ("valuation.pcf_ocf_ttm", "fundamental.operating_cash_flow")}
    made = home(tmp_path, absent_columns=columns)
    missing = {d.name for d in made.study.catalogue if d.family != INTRADAY and lacking(made, d)}
    assert missing == {"ocfp_ttm", "ocf_g_q", "ocf_var", "ocfr_ttm"}
    assert lacks(made, "ocfp_ttm") == f"column valuation.pcf_ocf_ttm is absent ({NO_CASH_FLOW})"
    off = [family for family in made.study.catalogue.families if switched_off(made, family)]
    assert off == [INTRADAY], "no import has brought intraday tables"


def test_a_family_that_lacks_a_column_in_every_factor_is_off(tmp_path: Path) -> None:
    columns = {f"consensus.{name}": "empty" for name in ("eps_fy1", "roe_fy1", "net_profit_fy1")}
    made = home(tmp_path, absent_columns=columns)
    assert switched_off(made, "expectation") == "column consensus.eps_fy1 is absent (empty)"


def test_what_an_importer_works_out_is_not_lacking(tmp_path: Path) -> None:
    made = home(tmp_path, absent_columns={"daily_bar.vwap": "no such column; amount / volume stands in"})
    assert lacks(made, "vwap2close") is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"absent_tables": {"index_bar": "none"}}, None),
        ({"absent_columns": {"valuation.float_mv": "none"}}, None),
        (
            {"absent_tables": {"index_bar": "none"}, "absent_columns": {"valuation.float_mv": "none"}},
            "table index_bar is absent (none)",
        ),
    ],
)
def test_of_two_inputs_one_will_do(tmp_path: Path, source: dict[str, Any], expected: str | None) -> None:
    assert lacks(home(tmp_path, **source), "ivr_ff3factor_1m") == expected


def test_styles_whose_inputs_are_absent_are_missing_and_have_no_table(tmp_path: Path) -> None:
    styles = ["log_float_mv", "bp_lf", "ret_1m", "turn_1m", "roe_ttm", "profit_g_q"]
    strategies = [{"name": "weekly", "model": MODEL, "horizon": "3d", "styles": styles}]
    source = {**IMPORTED, "absent_tables": {"fundamental": "no statements"}}
    made = tiny_home(tmp_path, source, strategies=strategies, ensembles=[], mixes=[])
    weekly = made.study.strategy("weekly")
    reason = "table fundamental is absent (no statements)"
    assert missing_styles(made, weekly) == {"roe_ttm": reason, "profit_g_q": reason}
    strategy = resolve(made, weekly)
    assert strategy.styles == ("log_float_mv", "bp_lf", "ret_1m", "turn_1m")
    assert strategy.style_tables == {"ret_1m": "factor_reversal", "turn_1m": "factor_turnover"}


def test_what_intraday_factors_lack_is_a_table_or_the_number_of_trades(tmp_path: Path) -> None:
    trades = {"minute_bar.trades": "bars without trades"}
    made = home(tmp_path, absent_tables={"book_snapshot": "no books"}, absent_columns=trades)
    made.lake.write("minute_bar", pa.table({"date": [None]}), "2021-01-04")
    assert lacks(made, "intraday_skewness") is None
    assert lacks(made, "large_order_driven_return") == "column minute_bar.trades is absent (bars without trades)"
    assert lacks(made, "open_large_order_net_buy_ratio") == (
        "table transaction is absent (no import has brought rows of it)"
    )
    assert indicator_families_off(made) == {
        "opening_flow": "table transaction is absent (no import has brought rows of it)",
        "order_size": "table transaction is absent (no import has brought rows of it)",
    }
