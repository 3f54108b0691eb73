"""Makes what the measurements need, and runs each of them once, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factor_peers.generated_panel import write_panel

BENCHMARKS = Path(__file__).parents[1]
QLIB_MODULE = "qlib_expressions"
QLIB_ENVIRONMENT = BENCHMARKS.parent / ".venv-qlib"
QLIB_REQUIREMENTS = Path(__file__).with_name("qlib-requirements.txt")

Size = tuple[int, int]  # stocks, sessions
Figures = dict[str, Any]


class Workshop:
    """Generated markets and measurements, under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._done: dict[tuple[str, Size, Size, int], Figures] = {}

    def market(self, size: Size) -> Path:
        """Folder of the generated market."""
        path = self.folder / f"{size[0]}x{size[1]}"
        if not path.exists():
            write_panel(path, *size)
        return path

    def figures(self, module: str, market: Size, part: Size, cores: int) -> Figures:
        """What `measure` finds on a part of a market."""
        key = (module, market, part, cores)
        if key not in self._done:
            self._done[key] = self._measure(*key)
        return self._done[key]

    def values(self, module: str, market: Size) -> Path:
        """File of a module's values on a whole market; the same process gives its `figures` on one core."""
        path = self.folder / f"{module}.npz"
        if not path.exists():
            self._done[module, market, market, 1] = self._measure(module, market, market, 1, ["--values", str(path)])
        return path

    def run(
        self, script: str, arguments: Sequence[str], options: Sequence[str] = (), python: Path | str = sys.executable
    ) -> Figures:
        """JSON that a script of `factor_peers` writes to its last argument."""
        out = self.folder / "figures.json"
        command = [str(python), "-m", f"factor_peers.{script}", *arguments, str(out), *options]
        # An empty cache, so that the first run of a module tells what compiling takes.
        environment = os.environ | {"NUMBA_CACHE_DIR": str(self.folder / "numba")}
        subprocess.run(command, cwd=BENCHMARKS, env=environment, check=True)
        figures: Figures = json.loads(out.read_text(encoding="utf-8"))
        return figures

    def _measure(self, module: str, market: Size, part: Size, cores: int, options: Sequence[str] = ()) -> Figures:
        where = [str(self.market(market)), *map(str, part), str(cores)]
        python = _qlib_python() if module == QLIB_MODULE else sys.executable
        return self.run("measure", [module, *where], options, python)


def make_qlib_environment() -> bool:
    """Install Qlib into its own environment where it is not there yet; whether it is there now."""
    complete = QLIB_ENVIRONMENT / "complete"
    if not complete.exists():
        print(f"installing Qlib into {QLIB_ENVIRONMENT}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(QLIB_ENVIRONMENT)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(_qlib_python())]
        install = ["install", "--quiet", "--disable-pip-version-check", "--requirement", str(QLIB_REQUIREMENTS)]
        if subprocess.run([*pip, *install], stderr=subprocess.DEVNULL).returncode:
            return False
        complete.touch()
    return True


def _qlib_python() -> Path:
    return QLIB_ENVIRONMENT / "bin" / "python"
