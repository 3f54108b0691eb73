"""Vendors: each brings its own files into the platform's contract."""

from attn_platform.market.vendors.base import Importer, ImportReport
from attn_platform.market.vendors.registry import importer_of, importers, vendor

__all__ = ["ImportReport", "Importer", "importer_of", "importers", "vendor"]
