"""Pages that declare themselves (`studies.pages`): a module a page."""
