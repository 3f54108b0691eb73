"""Faults planted by seed into a vendor's delivery, and what the platform makes of each.

The modules of the kinds were written before the platform's checks of data quality and use none of their code.
"""

from attn_platform_tests.faults import adjustment, bars, dates, files, harmless, indices, listings, units
from attn_platform_tests.faults.planting import KINDS, Fault, Harm, Kind, NothingToPlantError, write_fault

__all__ = [
    "KINDS", "Fault", "Harm", "Kind", "NothingToPlantError", "adjustment", "bars", "dates", "files", "harmless",
    "indices", "listings", "units", "write_fault",
]  # fmt: skip
