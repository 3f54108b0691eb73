"""`attn`: the same things as the UI, for scripts. A user's mistake is one line on stderr and an exit code, never 0.

A command a file; `app` puts them together, `printing` prints, and `options` has what several of them take.
"""

from attn_platform.cli.app import app, main

__all__ = ["app", "main"]
