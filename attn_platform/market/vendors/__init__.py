"""Vendors: each brings its own files into the platform's contract."""

from attn_platform.market.vendors.ashare import import_ashare
from attn_platform.market.vendors.base import Importer, ImportReport
from attn_platform.market.vendors.contract_files import import_contract_files

IMPORTERS: dict[str, Importer] = {"ashare": import_ashare, "contract": import_contract_files}
"""Importers by the name that `attn import` takes."""

__all__ = ["IMPORTERS", "ImportReport", "Importer"]
