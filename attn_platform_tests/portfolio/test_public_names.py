"""What a notebook imports: public names, each with no more than it needs."""

import subprocess
import sys

import pytest

import attn_platform.portfolio
from attn_platform.portfolio import limit, solve
from attn_platform.portfolio.solver.solve import solve as solve_of_its_module


def test_a_name_is_that_of_its_module() -> None:
    assert solve is solve_of_its_module
    assert limit.__module__ == "attn_platform.portfolio.extension"
    with pytest.raises(AttributeError, match="no attribute 'posed'"):
        _ = attn_platform.portfolio.posed


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("import attn_platform.portfolio", {"torch", "cvxpy", "highspy", "pandas"}),
        ("from attn_platform.portfolio import solve, walk, PortfolioLimits, limit", {"torch", "cvxpy", "dagster"}),
    ],
)
def test_an_import_costs_what_it_needs(imported: str, absent: set[str]) -> None:
    code = f"import sys; {imported}; print(*({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
