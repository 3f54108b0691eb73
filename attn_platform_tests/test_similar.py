"""The hint at the end of a message about an unknown name."""

from attn_platform.similar import similar_to


def test_names_spelt_alike_are_named_nearest_first() -> None:
    known = ["factor_panel", "factor_reversal", "turnover", "factor_reversion"]
    assert similar_to("factor_reversl", known).startswith("; similar: factor_reversal")
    assert similar_to("turnovr", known) == "; similar: turnover"


def test_nothing_is_said_where_nothing_is_alike() -> None:
    assert similar_to("momentum", ["turnover", "bp_lf"]) == ""
