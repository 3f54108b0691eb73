"""Hashes of source: what changes them, and what does not, on modules and packages written for it."""

import importlib
import inspect
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.factors import kernels
from attn_platform.factors.catalogue import catalogue, catalogue_with
from attn_platform.factors.inputs import FactorConfig, FactorInputs
from attn_platform.factors.statements import Statements
from attn_platform.models.networks.lstm import LSTM
from attn_platform.register import Register
from attn_platform.source_identity import Definition, modules_identity, source_identity

ARGUMENTS = (FactorInputs, FactorConfig, Statements)
counter = itertools.count()


class Packages:
    """Writes packages of a name of their own and imports them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, **modules: str) -> dict[str, ModuleType]:
        """Modules by name with their text; `PACKAGE` in a text stands for the name of their package."""
        package = f"written_{next(counter)}"
        (self.folder / package).mkdir()
        (self.folder / package / "__init__.py").touch()
        for name, text in modules.items():
            path = self.folder / package / f"{name}.py"
            path.write_text(text.replace("PACKAGE", package), encoding="utf-8")
        importlib.invalidate_caches()
        return {name: importlib.import_module(f"{package}.{name}") for name in modules}

    def function(self, text: str, **modules: str) -> str:
        """Identity of the function `f` in a module of that text, beside others."""
        return source_identity(self(entry=text, **modules)["entry"].f)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Texts of modules are edited here, which the process that runs them would not notice."""
    yield
    source_identity.cache_clear()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    monkeypatch.syspath_prepend(tmp_path)
    return Packages(tmp_path)


PLAIN = '''
from PACKAGE.tools import scaled

LEVEL = 3

def f(x):
    """Scaled."""
    return scaled(x, LEVEL) + 1
'''
TOOLS = "def scaled(x, by):\n    return x * by\n\ndef unused(x):\n    return x\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace('    """Scaled."""\n', '    """Another text."""\n    # and a comment\n'),
        PLAIN.replace(
            "scaled(x, LEVEL) + 1", "(\n        scaled(\n            x, LEVEL,\n        )\n        + 1\n    )"
        ),
        PLAIN.replace("def f(x):", "def f(x: float) -> float:"),
        PLAIN.replace("from PACKAGE.tools import scaled", "from .tools import scaled\nfrom PACKAGE import tools"),
        "def before():\n    return 0\n" + PLAIN,
    ],
    ids=["texts", "formatting", "annotations", "import", "neighbour"],
)
def test_what_does_not_count(packages: Packages, text: str) -> None:
    assert packages.function(text, tools=TOOLS) == packages.function(PLAIN, tools=TOOLS)


def test_a_definition_has_the_hash_of_what_it_names_and_is_not_loaded(packages: Packages) -> None:
    of_function = packages.function(PLAIN, tools=TOOLS)
    package = f"written_{next(counter)}"
    folder = packages.folder / package
    folder.mkdir()
    for name, text in {"__init__": "", "entry": PLAIN, "tools": TOOLS}.items():
        (folder / f"{name}.py").write_text(text.replace("PACKAGE", package), encoding="utf-8")
    importlib.invalidate_caches()
    named = Definition(f"{package}.entry", "f")
    assert source_identity(named) == of_function
    assert f"{package}.entry" not in sys.modules
    assert named.load()(2) == 7
    with pytest.raises(ConfigurationError, match=f"module {package}.entry defines no g"):
        source_identity(Definition(f"{package}.entry", "g"))


@pytest.mark.slow
def test_models_have_the_same_hash_before_and_after_they_are_loaded() -> None:
    code = """
import sys
from attn_platform.models.configuration import MODELS
from attn_platform.source_identity import source_identity
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import network_parts, training_parts

def hashes():
    parts = [{**network_parts(kind()), **training_parts(TrainingConfig(), kind(), [0])} for kind in MODELS]
    return [part.code for of_model in parts for part in of_model.values()]

before = hashes()
assert "torch" not in sys.modules
import attn_platform.training.window_training
for network in MODELS.values():
    network and network.load()
source_identity.cache_clear()
assert "torch" in sys.modules
print(len(before), hashes() == before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["24", "True"]


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        (PLAIN.replace("+ 1", "- 1"), TOOLS),
        (PLAIN.replace("LEVEL = 3", "LEVEL = 4"), TOOLS),
        (PLAIN, TOOLS.replace("x * by", "by / x")),
        (PLAIN.replace("import scaled", "import unused as scaled"), TOOLS),
        (PLAIN.replace("def f(x):", "def f(x, sign=-1):"), TOOLS),
    ],
    ids=["sign", "constant", "called", "another", "default"],
)
def test_what_counts(packages: Packages, text: str, tools: str) -> None:
    assert packages.function(text, tools=tools) != packages.function(PLAIN, tools=TOOLS)


def test_code_that_nothing_leads_to_does_not_count(packages: Packages) -> None:
    other = TOOLS.replace("    return x\n", "    return -x\n") + "\ndef more():\n    return unused(1)\n"
    assert packages.function(PLAIN, tools=other) == packages.function(PLAIN, tools=TOOLS)


def test_a_module_may_be_moved_renamed_and_split(packages: Packages) -> None:
    constant = "LEVEL = 3\n"
    moved = PLAIN.replace(constant, "").replace(
        "from PACKAGE.tools", "from PACKAGE.levels import LEVEL\nfrom PACKAGE.kit"
    )
    assert packages.function(moved, kit=TOOLS, levels=constant) == packages.function(PLAIN, tools=TOOLS)


def test_functions_of_a_module_are_followed_through_the_modules_name(packages: Packages) -> None:
    text = "from PACKAGE import tools\n\ndef f(x):\n    return tools.scaled(x, 2)\n"
    changed = TOOLS.replace("x * by", "by / x")
    assert packages.function(text, tools=changed) != packages.function(text, tools=TOOLS)
    starred = text.replace("import tools", "tools import *").replace("from PACKAGE tools", "from PACKAGE.tools")
    assert packages.function(starred.replace("tools.scaled", "scaled"), tools=changed) != packages.function(
        starred.replace("tools.scaled", "scaled"), tools=TOOLS
    )


def test_what_comes_from_another_package_counts_by_its_name(packages: Packages) -> None:
    text = "from numpy import {} as middle\n\ndef f(x):\n    return middle(x)\n"
    assert packages.function(text.format("mean")) != packages.function(text.format("median"))
    assert packages.function(text.format("mean")) == packages.function(text.format("mean"))


def test_a_local_name_is_not_the_modules(packages: Packages) -> None:
    text = "from PACKAGE.tools import scaled\n\ndef f(x):\n    unused = x + 1\n    return scaled(unused, 1)\n"
    assert packages.function(text, tools=TOOLS) == packages.function(
        text, tools=TOOLS.replace("return x\n", "return 1\n")
    )


def test_errors_and_their_texts_do_not_count(packages: Packages) -> None:
    text = "def f(x):\n    if x < 0:\n        raise {}\n    return x\n"
    ids = {packages.function(text.format(error)) for error in ("ValueError('no')", "TypeError(f'{x} is none')")}
    assert len(ids) == 1
    assert packages.function("def f(x):\n    return x\n") not in ids


NETWORK = """
from PACKAGE.layers import Layer

class f:
    def __init__(self):
        self.layer = Layer()

    def forward(self, x):
        return self.layer(x)
"""
LAYERS = """
class Base:
    scale = 2

class Layer(Base):
    def __call__(self, x):
        return x * self.scale

class Unused:
    def __call__(self, x):
        return x
"""


def test_a_class_is_what_it_uses_and_inherits(packages: Packages) -> None:
    plain = packages.function(NETWORK, layers=LAYERS)
    assert packages.function(NETWORK, layers=LAYERS.replace("return x\n", "return -x\n")) == plain
    assert packages.function(NETWORK, layers=LAYERS.replace("x * self", "x + self")) != plain
    assert packages.function(NETWORK, layers=LAYERS.replace("scale = 2", "scale = 3")) != plain


def test_fields_of_a_configuration_are_values_and_its_methods_are_code(packages: Packages) -> None:
    text = """
from pydantic import BaseModel, Field

class f(BaseModel):
    width: int = Field(default=3, ge=1)  # as the study has it

    @property
    def doubled(self):
        return 2 * self.width
"""
    plain = packages.function(text)
    assert packages.function(text.replace("default=3", "default=4")) == plain
    assert packages.function(text.replace("2 * self", "3 * self")) != plain


def test_registering_does_not_count_and_other_decorators_do(packages: Packages) -> None:
    text = """
def factor(**about):
    return lambda function: function

def doubled(function):
    return lambda x: 2 * function(x)

DECORATORS
def g(x):
    return x

def f(x):
    return g(x)
"""
    of = {lines: packages.function(text.replace("DECORATORS", lines)) for lines in (
        "@factor(formula='one')", "@factor(formula='another')", "@factor(formula='one')\n@doubled",
    )}  # fmt: skip
    assert of["@factor(formula='one')"] == of["@factor(formula='another')"]
    assert of["@factor(formula='one')"] != of["@factor(formula='one')\n@doubled"]


def test_functions_made_by_another_one_are_told_apart_by_what_they_were_made_with(packages: Packages) -> None:
    text = """
from functools import partial
from operator import attrgetter

def made(n, get):
    def f(x):
        return get(x) * n
    return f

def times(x, n):
    return x * n

two, three, high = made(2, attrgetter("low")), made(3, attrgetter("low")), made(2, attrgetter("high"))
first, second = [lambda x, n=n: x * n for n in (1, 2)]
once, twice = partial(times, n=1), partial(times, n=2)
"""
    module, again = packages(entry=text)["entry"], packages(entry="# moved down\n" + text)["entry"]
    names = ("two", "three", "high", "first", "second", "once", "twice")
    assert len({source_identity(getattr(module, name)) for name in names}) == len(names)
    for name in names:
        assert source_identity(getattr(module, name)) == source_identity(getattr(again, name)), name


def test_members_of_arguments_count_where_their_names_are_read(packages: Packages) -> None:
    text = """
from PACKAGE.tools import smooth

class Inputs:
    @property
    def close(self):
        return self.raw("price")

    @property
    def high(self):
        return smooth(self.raw("high"))

    def raw(self, name):
        return getattr(self, name)

def f(x):
    return x.close
"""

    def identity(text: str, tools: str = "def smooth(x):\n    return x\n") -> str:
        module = packages(entry=text, tools=tools)["entry"]
        return source_identity(module.f, receivers=(module.Inputs,))

    assert identity(text) == identity(text.replace("smooth(self", "2 * smooth(self"))
    assert identity(text) == identity(text, "def smooth(x):\n    return -x\n")
    assert identity(text) != identity(text.replace("getattr(self, name)", "-getattr(self, name)"))
    high = text.replace("x.close", "x.high")
    assert identity(high) != identity(high, "def smooth(x):\n    return -x\n")


def test_functions_left_out_count_by_their_names(packages: Packages) -> None:
    def identity(text: str, tools: str) -> str:
        module = packages(entry=text, tools=tools)
        return source_identity(module["entry"].f, without=(module["tools"].scaled,))

    assert identity(PLAIN, TOOLS) == identity(PLAIN, TOOLS.replace("x * by", "by * x"))
    assert identity(PLAIN, TOOLS) != identity(PLAIN.replace("scaled", "unused"), TOOLS)


FACTOR = """
from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import lag, ratio


@factor(name="ret_2d", family="mine", inputs=("close", "adj_factor"), lookback=2, formula="a / b − 1", source="own")
def ret_2d(x):
    return ratio(x.last_close, lag(x.last_close, 2)) - 1
"""


def factor_identity(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return source_identity(catalogue_with([path]).definition("ret_2d").function, receivers=ARGUMENTS)


def test_a_users_factor_with_its_sign_turned_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    plain = factor_identity(path, FACTOR)
    assert factor_identity(path, FACTOR.replace("return ratio", "return -ratio")) != plain
    assert factor_identity(path, "# a comment\n" + FACTOR.replace("a / b − 1", "another text")) == plain
    assert factor_identity(tmp_path / "elsewhere" / "renamed.py", FACTOR) == plain


def test_a_catalogue_knows_the_text_that_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FACTOR, encoding="utf-8")
    before = catalogue_with([path]).definition("ret_2d").function
    other = factor_identity(path, FACTOR.replace("return ratio", "return -ratio"))
    path.write_text("no Python at all", encoding="utf-8")
    assert source_identity(before, receivers=ARGUMENTS) not in (other, "")


def test_all_factors_of_the_platform_differ() -> None:
    functions = [definition.function for definition in catalogue()]
    assert len({source_identity(function, receivers=ARGUMENTS) for function in functions}) == len(functions)


class Edited:
    """In place of a module's loader: its text with one piece of it replaced."""

    def __init__(self, module: ModuleType, old: str, new: str) -> None:
        self.text = inspect.getsource(module).replace(old, new, 1)
        assert self.text != inspect.getsource(module)

    def get_source(self, _: str) -> str:
        return self.text


CORRELATION = "    products = np.empty(LANES)\n"


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (CORRELATION, CORRELATION.replace("empty", "zeros"), True),
        (CORRELATION, "    # Products of both\n" + CORRELATION, False),
        ("def rolling_corr(", "def more(x):\n    return x\n\n\ndef rolling_corr(", False),
    ],
    ids=["kernel", "comment", "neighbour"],
)
def test_the_kernel_under_a_factor_counts(monkeypatch: pytest.MonkeyPatch, old: str, new: str, changes: bool) -> None:
    def identities() -> dict[str, str]:
        source_identity.cache_clear()
        return {each.name: source_identity(each.function, receivers=ARGUMENTS) for each in catalogue()}

    before = identities()
    monkeypatch.setattr(kernels, "__loader__", Edited(kernels, old, new))
    after = identities()
    differing = {name for name in before if before[name] != after[name]}
    assert differing == ({name for name in before if name.startswith("corr_")} if changes else set())


def test_a_new_network_changes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: Callable[[Register], None]
) -> None:
    from attn_platform.models import registry

    before = source_identity(LSTM)
    scratch(registry.REGISTER)
    source_identity.cache_clear()
    text = """
from typing import Literal
from attn_platform.models.configuration import NetworkConfig
from attn_platform.models.networks.base import StackedNetwork
from attn_platform.models.registry import register_network

class OtherConfig(NetworkConfig):
    name: Literal["other"] = "other"

@register_network(OtherConfig)
class Other(StackedNetwork):
    pass
"""
    other = Packages(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    registered = other(other=text)["other"].Other
    assert registry.network_type(registry.parse_network_config({"name": "other"})) is registered
    assert source_identity(LSTM) == before != source_identity(registered)


def test_code_with_the_results_of_older_code_has_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    written = source_identity.__wrapped__(LSTM)
    monkeypatch.setattr("attn_platform.source_identity.SAME_RESULTS", {written: "older", "another": "than that"})
    assert source_identity.__wrapped__(LSTM) == "older"
    assert source_identity.__wrapped__(Statements) not in ("older", "than that")


def test_modules_are_what_they_define() -> None:
    first, second = "import a\n\nX = 1\n\ndef f():\n    'text'\n    return X\n", "def g():\n    return 2\n"
    plain = modules_identity([first, second])
    assert modules_identity([second, first.replace("import a", "# none")]) == plain
    assert modules_identity([f"{first}\n\n{second}"]) == plain
    assert modules_identity([first, second.replace("2", "3")]) != plain
    assert modules_identity([first]) != plain
    assert modules_identity([FACTOR]) == modules_identity(["# a comment\n" + FACTOR])
    assert modules_identity([FACTOR]) != modules_identity([FACTOR.replace("lookback=2", "lookback=3")])


def test_public_names_of_a_package_are_followed_to_where_they_are_defined(packages: Packages) -> None:
    """What a package imports when it is asked for counts as what it is in its own module."""
    package = """
from typing import TYPE_CHECKING
from attn_platform.lazy import lazy_attributes
if TYPE_CHECKING:
    from PACKAGE.tools import scaled
__all__ = ["scaled"]
__getattr__ = lazy_attributes(__name__)
"""
    public = "from PACKAGE.public import scaled\ndef f(x):\n    return scaled(x)\n"
    direct = public.replace("PACKAGE.public", "PACKAGE.tools")
    tools = "def scaled(x):\n    return 2 * x\n"
    found = packages.function(public, public=package, tools=tools)
    assert found == packages.function(direct, tools=tools)
    assert found != packages.function(public, public=package, tools=tools.replace("2", "3"))
