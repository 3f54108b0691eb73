"""What a network reads in one step: for every stacked seed, stocks of one or several sessions, or a sample of stocks.

The sessions of a seed lie one after another along the stock axis; a seed with fewer stocks than another is padded with
rows of zeros at the end. Nothing about a padded row may reach a valid one: layers that mix rows (batch norm,
attention over stocks) read `session_sizes`, layers that work row by row need not.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SessionBatch:
    """Cross-sections of S seeds, M rows each.

    `features` is [S, M, F], or [S, M, L, F] for networks that read L sessions a stock, the oldest first;
    `session_sizes[s]` are the numbers of stocks of seed s's sessions, in order. `groups` [S, M] int64, for the networks
    that ask for neighbours: rows of one session with the same id are neighbours; ids of padded rows mean nothing.
    """

    features: Tensor
    session_sizes: tuple[tuple[int, ...], ...]
    groups: Tensor | None = None

    @property
    def valid_rows(self) -> tuple[int, ...]:
        """Rows before the padding, a number for every seed."""
        return tuple(sum(sizes) for sizes in self.session_sizes)
