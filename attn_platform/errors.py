"""Every error that the platform raises on purpose.

A user's mistake raises a subclass of `PlatformError`; the message names what is wrong (file, table, row, column), and
what to do about it. The command line prints it on one line and exits with `exit_code`; anything else is a defect of
ours and keeps its traceback.
"""


class PlatformError(Exception):
    """Base of all expected errors."""

    exit_code = 1


class BadInputError(PlatformError):
    """What the user handed over cannot be used as it is; nothing was written."""

    exit_code = 2


class ContractError(BadInputError):
    """A table breaks the data contract: unknown column, wrong type, duplicate key, impossible value."""


class SourceError(BadInputError):
    """A file or folder of a vendor is missing, empty, truncated or not what it should be."""


class ConfigurationError(BadInputError):
    """A configuration value is unknown, out of range or contradicts another."""


class CalendarError(BadInputError):
    """A date is no session, or lies outside the calendar."""


class MissingDataError(PlatformError):
    """The lake lacks a table, sessions or columns that the computation cannot do without."""


class StaleDataError(PlatformError):
    """The lake holds rows that were computed by another definition than today's."""


class BusyError(PlatformError):
    """Another process does what only one may do at a time."""


class TrainingError(PlatformError):
    """Training cannot start or has diverged."""


class CheckpointError(PlatformError):
    """A checkpoint is absent, damaged, or does not fit what is asked of it."""


class PortfolioError(PlatformError):
    """The weekly problem cannot be stated, or no solver status that can be trusted came back."""


class ConsentError(PlatformError):
    """Somebody has to look at orders first, or to consent to making a week again whose orders were sent."""


class SimulationError(PlatformError):
    """The backtest met a state that no rule covers."""


class DeliveryError(PlatformError):
    """A channel of alerts did not take a letter."""


class BrowserError(PlatformError):
    """No browser is there to draw a page, or it has not drawn it."""
