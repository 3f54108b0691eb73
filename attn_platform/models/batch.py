"""What a network reads in one step: for every stacked seed, the stocks of one or several sessions.

The sessions of a seed lie one after another along the stock axis; a seed with fewer stocks than another is padded with
rows of zeros at the end. Nothing about a padded row may reach a valid one: layers that mix rows (batch norm,
attention over stocks) read `session_sizes`, layers that work row by row need not.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SessionBatch:
    """Cross-sections of S seeds, M rows each.

    `features` is [S, M, F]; `session_sizes[s]` are the numbers of stocks of seed s's sessions, in order.
    """

    features: Tensor
    session_sizes: tuple[tuple[int, ...], ...]

    @property
    def valid_rows(self) -> tuple[int, ...]:
        """Rows before the padding, a number for every seed."""
        return tuple(sum(sizes) for sizes in self.session_sizes)
