"""The limits of the weekly problem: a file each, and `LIMITS` in `configuration`, which lists them."""
