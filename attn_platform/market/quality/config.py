"""What data quality calls a fault: thresholds with their reasons. None of them comes from a study; they are our choice.

They were set on twenty-one years of real bars of the whole market, whose honest exceptions stay below them, and on
what a wrong unit, a missing event or a shifted day does, which lies far above.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Tolerance(BaseModel):
    """How many faulty cells are an honest exception."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Up to so many cells, or this share of the cells examined, is a note: known exceptions, named and left alone.
    few: int = Field(default=0, ge=0)
    note_share: float = Field(default=0.0, ge=0, le=1)
    # Where there is a crowd of them: beyond this share of all cells, of those of one session or of one stock, an error.
    error_share: float = Field(default=1e-3, ge=0, le=1)
    crowd_share: float = Field(default=0.2, ge=0, le=1)
    stock_crowd_share: float = Field(default=0.2, ge=0, le=1)
    crowd: int = Field(default=10, ge=1)


class QualityConfig(BaseModel):
    """Thresholds of all checks; the fields stand in the order of the modules that read them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # A cause is named where it explains this share of the faulty cells.
    cause_share: float = Field(default=0.1, gt=0, le=1)
    # What "most", "few" and "many" mean: of the stocks of a session, stocks of a cross-section that says something,
    # stocks of a market of which some must be gone or under special treatment, rows in which there must be a halt.
    most: float = Field(default=0.9, gt=0.5, lt=1)
    few: int = Field(default=20, ge=2)
    many: int = Field(default=500, ge=1)
    many_rows: int = Field(default=50_000, ge=1)
    a_year: int = Field(default=240, ge=2)

    # Presence
    # Stocks that are suspended when the data begins have no row until they trade: 14 on the first real session.
    missing_rows: Tolerance = Tolerance(note_share=1e-4, error_share=5e-3)
    # A company that took over another one's code brings years of rows before its own list date.
    outside_life: Tolerance = Tolerance(error_share=1e-2, stock_crowd_share=1.0)
    thin_session: float = Field(default=0.1, gt=0, lt=1)
    delist_gap_days: int = Field(default=60, ge=1)  # between the last session of a stock and its delist date
    survivor_years: int = Field(default=3, ge=1)

    # Consistency
    # A ratio counts as a power of ten up to the range of a session's bar (10 %), as 10^0.05.
    power_of_bar: float = Field(default=0.05, gt=0, lt=0.5)
    price_of_amount: Tolerance = Tolerance(note_share=2e-6, error_share=1e-3)  # 3 of 11.28 million real rows
    rounding: float = Field(default=2e-3, gt=0)
    turnover_within: float = Field(default=0.05, gt=0)
    turnover_rounding: float = Field(default=1e-5, gt=0)  # percent with three digits
    turnover: Tolerance = Tolerance(note_share=1e-4, error_share=0.05)
    ordered_values: Tolerance = Tolerance()

    # Continuity
    factor_within: float = Field(default=0.01, gt=0)  # no row of 11.27 million real ones is off by 1 %
    factor_moves: float = Field(default=1e-4, gt=0)
    factor_continuity: Tolerance = Tolerance(error_share=0.0, crowd=1)
    fen_within: float = Field(default=0.01, gt=0)  # of a fen
    whole_fen: Tolerance = Tolerance(error_share=1e-2)
    power_of_shares: float = Field(default=0.01, gt=0, lt=0.5)
    # Locked shares become tradable ten for one, or a reverse takeover issues nine times the shares: 6 in 11.8 million.
    share_count: Tolerance = Tolerance(note_share=1e-6, error_share=1e-3)

    # Levels
    jump: float = Field(default=5.0, gt=1)
    # The median volume became six times as large on 2001-11-16 (stamp duty halved) and on 2020-02-04 (after a session
    # at the lower limit); lots make 100, thousands 1,000.
    trading_jump: float = Field(default=10.0, gt=1)
    jump_share: float = Field(default=0.2, gt=0, lt=1)
    few_of_group: int = Field(default=10, ge=2)

    # Repetition
    repeated_share: float = Field(default=0.5, gt=0, lt=1)
    price_moved: float = Field(default=0.001, gt=0)

    # Timing
    timing_window: int = Field(default=60, ge=10)
    timing_lead: float = Field(default=0.3, gt=0)  # more than two standard errors of a correlation over 60 sessions
    timing_least: float = Field(default=0.5, gt=0, lt=1)
    timing_least_stock: float = Field(default=0.35, gt=0, lt=1)
    shifted_share: float = Field(default=0.5, gt=0, lt=1)

    # Suspensions
    suspension: Tolerance = Tolerance()
    suspended_share: float = Field(default=0.7, gt=0, lt=1)  # the most on record: 52 % in July 2015
    # More than on the sessions before and after: 12 % where shareholders' meetings crowd.
    suspended_alone: float = Field(default=0.2, gt=0, lt=1)

    # Statuses
    # First sessions after a reform or a long halt have no limit: 0.16 % of the rows of 2006, less in all other years.
    special_moves: Tolerance = Tolerance(few=3, note_share=2e-3, error_share=1e-2)
    beyond_limit: float = Field(default=0.003, gt=0)
    # Of stocks under special treatment at the end of 3 real years, 4 % to 17 % were so on all their rows; of 2: 72 %.
    long_life: int = Field(default=700, ge=1)
    long_stretch: int = Field(default=60, ge=1)
    few_stocks: int = Field(default=3, ge=1)
    hindsight_share: float = Field(default=0.5, gt=0, lt=1)
    consolidation_slack: int = Field(default=15, ge=0)
    boards_at_limit: int = Field(default=4, ge=1)
    bounded_share: float = Field(default=1e-3, gt=0)

    # Limits
    limits_ordered: Tolerance = Tolerance()
    # 13 of 1,100 stocks on the worst real session
    within_limits: Tolerance = Tolerance(few=3, note_share=1e-3, error_share=0.05)
    limit_slack: float = Field(default=0.011, gt=0)  # a fen either way, as vendors round
    limits_of_rules: Tolerance = Tolerance(note_share=2e-3, error_share=1e-2)

    # Identity
    twin_sessions: int = Field(default=20, ge=2)

    # Indices
    index_slack: float = Field(default=1e-4, gt=0)
    index_move: float = Field(default=0.11, gt=0)  # limits of 10 % and a tick; no index holds only stocks of 20 %
    same_return: float = Field(default=1e-6, gt=0)  # two real indices are that close on one session in a thousand
    most_index_rows: float = Field(default=0.05, gt=0, lt=1)
    weight_without_bars: float = Field(default=0.01, gt=0, lt=1)
    weight_rank: float = Field(default=0.5, gt=0, lt=1)
    # Correlation over the members of the changes of weights with those of closes, a session apart against the same one.
    drift_lead: float = Field(default=0.3, gt=0)
    drift_least: float = Field(default=0.5, gt=0, lt=1)
    drift_sessions: float = Field(default=0.2, gt=0, lt=1)
    review_share: float = Field(default=0.05, gt=0, lt=1)  # a review changes a tenth; mergers less than a hundredth
    weight_churn: float = Field(default=0.4, gt=0, lt=1)
    large_index: int = Field(default=100, ge=1)
    stale_snapshot: int = Field(default=45, ge=1)  # two months: weights come by the month
    frozen_members: int = Field(default=300, ge=1)  # sessions, of which a review lies among every 125
    whole_market: float = Field(default=2.0, gt=1)  # stocks a member; real markets had 2.4 and more
    member_slack: float = Field(default=0.15, gt=0, lt=1)
    index_correlation: float = Field(default=0.8, gt=0, lt=1)  # of real indices with their members: 0.99

    # Statements and industries
    soonest_report_days: int = Field(default=5, ge=1)
    late_report_days: int = Field(default=5, ge=0)
    late_reports: float = Field(default=0.2, gt=0, lt=1)
    odd_reports: float = Field(default=0.01, gt=0, lt=1)
    items: int = Field(default=3, ge=1)
    odd_items: float = Field(default=0.02, gt=0, lt=1)
    swapped_items: float = Field(default=0.2, gt=0, lt=1)
    least_assets: float = Field(default=2e7, gt=0)  # the smallest medians of a year are a thousand times that
    least_revenue: float = Field(default=5e6, gt=0)  # the smallest median of a real quarter (2014) is 58 times that
    industry_gap_days: int = Field(default=10, ge=0)
    industry_late_days: int = Field(default=60, ge=0)
    late_industries: float = Field(default=0.1, gt=0, lt=1)
    without_industry: float = Field(default=0.02, gt=0, lt=1)

    # Minute bars
    # Vendors round volumes and amounts, and some leave trades after hours out of the bars: both are far below.
    minute_sum_within: float = Field(default=2e-3, gt=0, lt=1)
    minute_sum_slack: float = Field(default=100.0, ge=0)  # shares or CNY: a lot
    minute_price_slack: float = Field(default=0.011, gt=0)  # CNY: a fen either way
    minute_sums: Tolerance = Tolerance(note_share=1e-4, error_share=0.02)
    lacking_minutes: float = Field(default=0.9, gt=0, lt=1)  # of a session's stocks that lack a bar: not their trading
