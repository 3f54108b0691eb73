"""What every command prints in terminals of 80 and of 200 characters, on the pipeline's home."""

import json

import pandas as pd
import pytest
from rich.console import Console

from attn_platform.cli import main
from attn_platform_tests.homes import GRAPH, MODEL, STRATEGY
from attn_platform_tests.market.vendor_files import contract_tables, write_files

NARROW, WIDE = 80, 200
LEFT_OUT = "not shown in 80 characters: "


@pytest.fixture(scope="module")
def week(pipeline) -> str:
    return str(pipeline.home.lake.sessions(f"portfolio_{STRATEGY}")[5])


@pytest.fixture
def attn(pipeline, copy_of, monkeypatch, capsys, tmp_path):
    """Runs a command on a copy of the pipeline's home, in a terminal of a width; what it has printed."""
    monkeypatch.chdir(tmp_path)
    copy_of(pipeline.home, name="home").save()

    def run(width, *arguments, home=True):
        console = Console(width=width, force_terminal=True, color_system=None)
        monkeypatch.setattr("attn_platform.cli.printing.console", console)
        capsys.readouterr()
        code = None
        try:
            main([*arguments, *(("--home", "home") if home else ())])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert not code, err
        return out

    return run


def left_out_of(text: str) -> list[str]:
    """Names of all columns that a command says it has left out, in the order in which it does."""
    found = []
    for part in " ".join(text.split()).split(LEFT_OUT)[1:]:
        names, rest = part.split("; all with ", maxsplit=1)
        assert rest.startswith("--json")
        found += names.split(", ")
    return found


def headers_of(text: str) -> list[str]:
    return [cell.strip() for line in text.splitlines() if line.startswith("┃") for cell in line.strip("┃").split("┃")]


def compared(attn, *arguments: str, **options) -> str:
    """The text in 80 characters, after a comparison with that in 200, which shows all columns.

    A path alone on its line may be longer: it stays whole, so that it can be copied.
    """
    narrow, wide = (attn(width, *arguments, **options) for width in (NARROW, WIDE))
    for width, text in ((NARROW, narrow), (WIDE, wide)):
        assert [line for line in text.splitlines() if len(line) > width and (" " in line or "/" not in line)] == []
    assert "…" not in narrow + wide
    assert "not shown" not in wide
    assert sorted(headers_of(narrow) + left_out_of(narrow)) == sorted(headers_of(wide))
    return narrow


def cells_of(text: str) -> list[list[str]]:
    """Rows of all tables, cell by cell."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line.startswith("│")]


def test_portfolio(attn, week):
    text = compared(attn, "portfolio", STRATEGY, "--date", week)
    rows = json.loads(attn(NARROW, "portfolio", STRATEGY, "--date", week, "--json"))["portfolio"]
    assert [row[:3] for row in cells_of(text)] == [
        [row["symbol"], f"{row['weight']:.4f}", f"{row['held_weight']:.4f}"] for row in rows
    ]
    assert left_out_of(text) == ["score", "industry"]
    assert rows[0].keys() >= {"score", "industry"}


@pytest.fixture
def desk(week, attn) -> tuple[str, ...]:
    """Orders from a large position and much cash, so that amounts have eight digits."""
    pd.DataFrame({"symbol": ["600000.SH"], "shares": [12_345]}).to_csv("positions.csv", index=False)
    return ("portfolio", STRATEGY, "--date", week, "--orders", "--positions", "positions.csv", "--cash", "5e8")


@pytest.mark.parametrize("days", [(), ("--days", "3")])
def test_orders(attn, desk, days):
    text = compared(attn, *desk, *days)
    record = json.loads(attn(NARROW, *desk, *days, "--json"))
    shown = {tuple(row) for row in cells_of(text)}
    assert max(order["amount"] for order in record["orders"]) > 1e7
    for order in record["orders"]:
        day = [str(order["day"])] if days else []
        cells = (*day, order["symbol"], order["side"], f"{order['shares']:,}", f"{order['amount']:,.2f}")
        assert any(set(cells) <= set(row) for row in shown), cells
    assert {"name", "lots", "cost"} <= set(left_out_of(text))
    assert record["orders"][0].keys() >= set(left_out_of(text)) - {"buy_orders", "sell_orders", "cash_after"}
    assert f"of {record['turnover_limit']:.2%}" in " ".join(text.split())


def test_orders_of_the_strategys_own_account(attn, week):
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--money", "2e7", "--breach-tolerance", "1e-6")
    text = compared(attn, *arguments)
    record = json.loads(attn(NARROW, *arguments, "--json"))
    words = text.split()
    assert len(record["exceeded"]) > 15
    assert sum(row["name"] in words for row in record["exceeded"] if row["limit"] == "stock") >= 3
    assert {order["symbol"] for order in record["orders"]} <= set(words)


def test_why(attn, week):
    symbol = json.loads(attn(NARROW, "portfolio", STRATEGY, "--date", week, "--json"))["portfolio"][0]["symbol"]
    arguments = ("portfolio", STRATEGY, "--date", week, "--why", symbol)
    text = compared(attn, *arguments)
    record = json.loads(attn(NARROW, *arguments, "--json"))
    assert symbol in text.split()
    assert f"{record['weight']['weight']:.4%}" in text
    for factor in record["origins"][0]["factors"][:15]:
        assert factor["factor"] in text.split()


def test_optimise(attn, pipeline, week):
    scores = pipeline.home.lake.read(f"prediction_{MODEL}", week, week).to_pandas()
    scores.astype({"3d+5d": float}).rename(columns={"3d+5d": "score"})[["symbol", "score"]].to_csv("s.csv", index=False)
    arguments = ("optimise", "s.csv", "--strategy", STRATEGY, "--date", week)
    text = compared(attn, *arguments)
    record = json.loads(attn(NARROW, *arguments, "--json"))
    weights = [(symbol, f"{weight:.4f}") for symbol, weight in record["weights"].items()]
    assert [tuple(row[:2]) for row in cells_of(text)][: min(len(weights), 30)] == weights[:30]
    assert record["portfolio"][0].keys() >= {"symbol", "weight", *left_out_of(text)}
    assert {row["name"] for row in record["binding"] if " " not in row["name"]} <= set(text.split()) | {""}


def test_factor_values(attn, week):
    text = compared(attn, "factors", "--date", week)
    record = json.loads(attn(NARROW, "factors", "--date", week, "--json"))
    known = [row for row in record["factors"] if row["count"]]
    assert [row[0] for row in cells_of(text)] == [row["factor"] for row in known]
    assert [row[2] for row in cells_of(text)] == [f"{row['mean']:,.6g}" for row in known]
    assert f"no stock has a value of {len(record['factors']) - len(known)} more; attn factors --list" in text
    assert record["factors"][0].keys() >= set(left_out_of(text)) == {"min", "25%", "75%", "max"}
    assert record["values"][0].keys() == {"symbol", *(row["factor"] for row in record["factors"])}
    values = pd.DataFrame(record["values"]).set_index("symbol")
    for row in record["factors"]:
        assert row["count"] == values[row["factor"]].notna().sum()


def test_factor_catalogue(attn):
    text = compared(attn, "factors", "--list")
    names = [entry["name"] for entry in json.loads(attn(NARROW, "factors", "--list", "--json"))]
    assert set(names) <= {row[0] for row in cells_of(text)}
    assert left_out_of(text) == ["back", "least"]  # names of 37 characters leave room for the definition alone


def test_factor_check(attn):
    assert compared(attn, "factors", "--check", "bp_lf") == "1 factor keeps its promises\n"


def test_universe(attn, week):
    symbols = compared(attn, "universe", "--date", week).split()
    assert json.loads(attn(NARROW, "universe", "--date", week, "--json"))["symbols"] == symbols
    assert len(symbols) > 50


@pytest.mark.parametrize("model", [MODEL, GRAPH])
def test_explanation_of_a_session(attn, week, model):
    text = compared(attn, "explain", model, "--date", week)
    record = json.loads(attn(NARROW, "explain", model, "--date", week, "--json"))
    shares = [(row["factor"], f"{row['share']:.1%}") for row in record["factors"]]
    assert [tuple(row[:2]) for row in cells_of(text)][-15:] == shares[:15]
    assert len(shares) > 15
    assert sum(row["share"] for row in record["factors"]) == pytest.approx(1, abs=0.01)
    assert bool(record["parts"]) == (model == GRAPH)


def test_explanation_of_a_stock(attn, week):
    symbol = attn(NARROW, "universe", "--date", week).split()[0]
    text = compared(attn, "explain", GRAPH, "--date", week, "--symbol", symbol)
    record = json.loads(attn(NARROW, "explain", GRAPH, "--date", week, "--symbol", symbol, "--json"))
    assert text.startswith(f"{symbol} ")
    assert sum(record["parts"].values()) == pytest.approx(record["forecast"], abs=1e-4)
    whole = record["start"] + sum(record["factors"].values()) + record["others"]
    assert whole == pytest.approx(record["forecast"], abs=1e-3)
    sizes = [abs(value) for value in record["factors"].values()]
    assert sizes == sorted(sizes, reverse=True)
    assert set(list(record["factors"])[:15]) <= {row[0] for row in cells_of(text)}


def test_evaluation_and_backtest(attn, pipeline):
    forecasts = pipeline.home.lake.read(f"prediction_{MODEL}").to_pandas().astype({"3d+5d": float, "3d": float})
    keys = ["date", "symbol"]
    forecasts.rename(columns={"3d+5d": "prediction"})[[*keys, "prediction"]].to_parquet("p.parquet", index=False)
    forecasts.rename(columns={"3d": "return"})[[*keys, "return"]].to_parquet("r.parquet", index=False)
    text = compared(attn, "evaluate", "p.parquet", "r.parquet", home=False)
    figures = json.loads(attn(NARROW, "evaluate", "p.parquet", "r.parquet", "--json", home=False))
    assert [tuple(row) for row in cells_of(text)] == [(name, f"{value:.4f}") for name, value in figures.items()]
    text = compared(attn, "backtest", "p.parquet", "--strategy", STRATEGY)
    figures = json.loads(attn(NARROW, "backtest", "p.parquet", "--strategy", STRATEGY, "--json"))
    assert all(figures[name] == pytest.approx(float(value), abs=1e-4) for name, value in cells_of(text))


def test_pages_and_findings(attn):
    assert "index.html" in compared(attn, "report", "data")
    assert {"home", "table daily_bar"} <= {row[1] for row in cells_of(compared(attn, "doctor"))}


def test_import(attn, tmp_path):
    tables = contract_tables()
    write_files(tmp_path / "files", tables)
    text = compared(attn, "import", "contract", "files", "--home", "new", home=False)
    assert [row[1] for row in cells_of(text) if row[0] == "daily_bar"] == [f"{tables['daily_bar'].num_rows:,}"]
