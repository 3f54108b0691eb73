"""Fixtures of this package: tiny homes, one with raw tables, and the pipeline that was run on one."""

import pytest
from rich.console import Console

from attn_platform.cli import main
from attn_platform_tests.homes import copy_of, raw_home, shared_folder
from attn_platform_tests.pipelines import pipeline

__all__ = ["copy_of", "pipeline", "raw_home", "shared_folder"]


@pytest.fixture
def attn(pipeline, copy_of, monkeypatch, capsys, tmp_path):
    """Runs a command on the pipeline's home in this process; its exit code, output and errors."""
    monkeypatch.setattr("attn_platform.cli.printing.console", Console(width=240))
    monkeypatch.chdir(tmp_path)
    home = copy_of(pipeline.home)
    home.save()

    def run(*arguments):
        code = 0
        try:
            main([*(str(argument) for argument in arguments), "--home", str(home.root)])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run
