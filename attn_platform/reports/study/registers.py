"""The registers of exhibits by the name of their study."""

from collections.abc import Mapping

from attn_platform.reports.study import ai55, ai69
from attn_platform.reports.study.exhibit import Exhibit

REGISTERS: Mapping[str, tuple[Exhibit, ...]] = {"ai69": ai69.EXHIBITS, "ai55": ai55.EXHIBITS}
"""Studies whose exhibits are drawn; other studies have no page of their own."""
