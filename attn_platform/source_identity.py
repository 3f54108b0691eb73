"""What source code does, as a hash: of its own syntax, and of all of our code that it runs.

From an object the names that it reads are followed to our functions, classes and constants, and on from these; what
lies in other packages is known by its name only. Formatting, comments, docstrings, annotations, the errors raised and
the module in which something lies are no part of a hash, and neither is the version of Python: it is taken of the
syntax tree (`ast`), with the names as the language's own symbol table has them (`symtable`). Code that nothing leads to
changes nothing.

Classes whose instances come as arguments (`receivers`) are followed member by member, by the names that are read of
anything: no type is known, so every member of that name counts, as in class hierarchy analysis (Dean, Grove and
Chambers, 1995). A name may also be a string, as in `attrgetter("close")`. The fields of a configuration (`BaseModel`)
are no code: whoever compares code compares the values configured as well.
"""

from __future__ import annotations

import ast
import inspect
import symtable
import sys
import textwrap
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import blake2b
from importlib import import_module
from importlib.util import find_spec, resolve_name
from operator import attrgetter
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from attn_platform.errors import ConfigurationError
from attn_platform.remembered import remembered
from attn_platform.same_results import SAME_RESULTS

OWN_PACKAGE = __name__.partition(".")[0]
# Decorators that enter a function or class in a register and give it back as it is: where it is known, not what it does
REGISTERING = frozenset({"factor", "indicator", "register_network"})
# Modules that hand on what is another package's: how it is loaded, not what it computes
STANDS_FOR = {"attn_platform.jit": "numba", "attn_platform.progress": "tqdm"}
_DIGEST_BYTES = 16
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_FIRST_LINE = "first_line"  # of a definition with its decorators, as a code object counts
# Fields of a syntax tree that decide nothing
_NOT_RUN = frozenset({"annotation", "returns", "simple", "ctx", "kind", "type_comment", "type_params"})


class Definition(NamedTuple):
    """A function or class by where it stands, so that its source can be followed without loading its module."""

    module: str
    name: str

    def load(self) -> Any:
        """The function or class."""
        return getattr(import_module(self.module), self.name)


@cache
def source_identity(
    *objects: Hashable, receivers: tuple[type, ...] = (), without: tuple[FunctionType, ...] = ()
) -> str:
    """Hash over the source of functions and classes, and of all of our code that they run.

    A `Definition` stands for what it names. `receivers` are classes of which only the members count whose names are
    read. A function that another one has made has the values in its hash that it was made with. Functions in `without`
    count by their names: they decide how the rest is run, not what comes out. Objects of equal source have equal
    hashes, wherever they lie; code that is known to compute what older code did has the hash of that (`same_results`).
    """

    def found() -> str:
        walk = _Walk(receivers, {function.__name__ for function in without})
        for each in objects:
            walk.begin_at(each)
        digest = _digest(*sorted(walk.digests()))
        return SAME_RESULTS.get(digest, digest)

    names = [_name_in_package(each) for each in (*objects, *receivers, *without)]
    if None in names:
        return found()
    lengths = f"{len(objects)} {len(receivers)} {len(without)}"
    return remembered(f"{lengths} {' '.join(map(str, names))}", found)


def _name_in_package(value: object) -> str | None:
    """The full name of what one of our own modules defines, whose text decides all about it; else None.

    It stands at the top of the module, or is a function that was made there, with its line and what it was made with.
    """
    value = getattr(value, "__wrapped__", value) if hasattr(value, "cache_clear") else value
    if isinstance(value, Definition):
        module, name = value
    elif isinstance(value, FunctionType | type):
        module, name = value.__module__, value.__qualname__
    else:
        return None
    if _root(module) != OWN_PACKAGE:
        return None
    if isinstance(value, FunctionType) and "<" in name:
        made_with = (tuple(cell.cell_contents for cell in value.__closure__ or ()), value.__defaults__)
        text = None if value.__kwdefaults__ or value.__globals__["__name__"] != module else _plain_text(made_with)
        return None if text is None else f"{module}.{name}:{value.__code__.co_firstlineno}:{_digest(text)}"
    return f"{module}.{name}" if "." not in name else None


def _plain_text(value: object) -> str | None:
    """A value as text that says all about it: numbers, strings, what we have named, and tuples of these; else None."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | attrgetter):
        return repr(value)
    if isinstance(value, tuple):
        parts = [_plain_text(part) for part in value]
        return None if None in parts else f"{type(value).__name__}({','.join(map(str, parts))})"
    return _name_in_package(value)


def modules_identity(texts: Iterable[str]) -> str:
    """Hash over all that modules define, given their source; names and order of the modules do not count.

    What is said of a function where it is registered counts here: a factor's look-back, say.
    """
    return _digest(*sorted(digest for text in texts for digest in _digests_of(text)))


@cache  # assets of one definition ask for the same packages
def _digests_of(text: str) -> tuple[str, ...]:
    """A hash of each statement at the top of a module."""
    tree = _Normaliser(frozenset()).visit(ast.parse(text))
    return tuple(_digest(_text(node)) for node in tree.body)


@dataclass(eq=False)
class _Module:
    """A module's syntax, and what each name at its top is bound by or imported from."""

    name: str
    tree: ast.Module
    is_package: bool
    definitions: dict[str, tuple[ast.stmt, ...]]
    imports: dict[str, tuple[str, str | None]]
    """By local name the module, and the name in it; None for the module itself."""
    starred: list[str]
    settings: Set[str]
    """Names of its configurations."""
    reads: dict[ast.AST, _Reads] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The package that the module belongs to."""
        return _root(self.name)

    def read_by(self, node: ast.AST) -> _Reads:
        """What a node of this module reads."""
        if node not in self.reads:
            self.reads[node] = _reads(node)
        return self.reads[node]


@dataclass(frozen=True)
class _Reads:
    """Chains of names (`a`, `a.b.c`) that begin outside of a node; names read of what it computes, and its strings."""

    chains: frozenset[tuple[str, ...]]
    members: frozenset[str]


@dataclass(frozen=True)
class _Piece:
    """What is followed: a definition at the top of a module, a member of a receiver, or a function made by another.

    `made_with` are the values that such a function was made with, and `bound` their names.
    """

    module: _Module
    name: str
    nodes: tuple[ast.AST, ...]
    made_with: str = ""
    bound: frozenset[str] = frozenset()


class _Walk:
    """The pieces of source that some objects lead to."""

    def __init__(self, receivers: Sequence[type], without: Set[str] = frozenset()) -> None:
        self.without = without
        self.roots = {OWN_PACKAGE}
        self.modules: dict[str, _Module | None] = {}
        self.found: dict[_Piece, str] = {}
        self.pending: list[_Piece] = []
        self.beginnings: list[str] = []
        self.members: dict[str, list[_Piece]] = {}
        for receiver in receivers:
            module = self._module_named(receiver.__module__)
            if module is not None:
                [definition] = module.definitions[receiver.__name__]
                for member in ast.iter_child_nodes(definition):
                    if isinstance(member, _FUNCTIONS):
                        piece = _Piece(module, member.name, (member,))
                        self.members.setdefault(member.name, []).append(piece)

    def begin_at(self, value: object) -> None:
        """Follow a function or class, or a value that holds some; its package counts as ours."""
        if isinstance(value, Definition):
            self._begin_at_definition(value)
            return
        inner = value
        while isinstance(inner, partial):
            inner = inner.func
        self.roots.add(_root(getattr(inner, "__module__", None) or OWN_PACKAGE))
        text, strings = self._value(value)
        self.beginnings.append(_digest(text))
        self._follow_members(strings)

    def _begin_at_definition(self, definition: Definition) -> None:
        module = self._module_named(definition.module)
        if module is None or definition.name not in module.definitions:
            raise ConfigurationError(f"module {definition.module} defines no {definition.name}")
        self.roots.add(module.root)
        self.beginnings.append(_digest(definition.name))
        self.pending.append(_Piece(module, definition.name, module.definitions[definition.name]))

    def digests(self) -> set[str]:
        """A hash of each piece that the objects lead to."""
        while self.pending:
            piece = self.pending.pop()
            if piece not in self.found:
                self.found[piece] = self._digest_of(piece)
        return {*self.found.values(), *self.beginnings}

    def _digest_of(self, piece: _Piece) -> str:
        """Hash of a piece with the names that it reads and what they stand for, which is followed."""
        meanings = []
        for node in piece.nodes:
            reads = piece.module.read_by(node)
            self._follow_members(reads.members)
            for chain in reads.chains:
                found = None if chain[0] in piece.bound else self._resolve(piece.module, chain[0])
                if not isinstance(found, _Module | str):
                    self._follow_members(chain[1:])
                for name in chain[1:]:
                    found = self._resolve(found, name) if isinstance(found, _Module) else found
                if isinstance(found, _Piece):
                    self.pending += [] if found.name in self.without else [found]
                    meanings.append(f"{'.'.join(chain)}={found.name}")
                elif isinstance(found, str):
                    meanings.append(f"{'.'.join(chain)}={found}")
        return _digest(piece.made_with, *(_text(node) for node in piece.nodes), *sorted(meanings))

    def _follow_members(self, names: Iterable[str]) -> None:
        for name in names:
            self.pending += self.members.get(name, ())

    def _resolve(self, module: _Module, name: str) -> _Piece | _Module | str | None:
        """A name at the top of a module: a piece or module of ours, another package's by its name, or nothing known."""
        if name in module.definitions:
            return _Piece(module, name, module.definitions[name])
        if name in module.imports:
            source, imported = module.imports[name]
            if _root(source) not in self.roots:
                return f"{_root(source)}:{imported or ''}"
            if imported is None:
                return self._module_named(source)
            origin = self._module_named(source)
            found = None if origin is None else self._resolve(origin, imported)
            return found or self._module_named(f"{source}.{imported}")
        for source in module.starred:
            origin = self._module_named(source) if _root(source) in self.roots else None
            if origin is not None and (found := self._resolve(origin, name)) is not None:
                return found
        return self._module_named(f"{module.name}.{name}") if module.is_package else None

    def _module_named(self, name: str) -> _Module | None:
        if name not in self.modules:
            self.modules[name] = _module_of(vars(sys.modules[name])) if name in sys.modules else _unloaded(name)
        return self.modules[name]

    def _value(self, value: Any) -> tuple[str, frozenset[str]]:
        """A value as text that is the same in every process, and the strings in it; functions of ours are followed."""
        value = getattr(value, "py_func", value)  # where numba keeps the function
        if isinstance(value, FunctionType | type):
            return self._code(value), frozenset()
        if isinstance(value, str):
            return repr(value), frozenset({value})
        if value is None or isinstance(value, bool | int | float | complex | bytes):
            return repr(value), frozenset()
        if isinstance(value, BaseModel):
            return value.model_dump_json(), frozenset()
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{value.tolist()}", frozenset()
        if isinstance(value, Mapping):
            return self._values(part for item in value.items() for part in item)
        if isinstance(value, tuple | list):
            return self._values(value)
        if isinstance(value, set | frozenset):
            return self._values(sorted(value, key=repr))
        if isinstance(value, ModuleType):
            return _root(value.__name__), frozenset()
        reduced = value.__reduce_ex__(2)  # taken apart as pickle does: attrgetter, partial, objects of classes
        return (reduced, frozenset()) if isinstance(reduced, str) else self._values(reduced[:3])

    def _values(self, values: Iterable[object]) -> tuple[str, frozenset[str]]:
        parts = [self._value(value) for value in values]
        return f"({','.join(text for text, _ in parts)})", frozenset().union(*(strings for _, strings in parts))

    def _code(self, value: FunctionType | type) -> str:
        """The name of a function or class, which is followed where it is ours."""
        if _root(value.__module__) not in self.roots:
            return f"{_root(value.__module__)}:{value.__qualname__}"
        if isinstance(value, FunctionType):
            # Of its own namespace: a user's file that has run again is another module of the same name
            module = _module_of(value.__globals__, value)
            self.pending.append(self._function(module, value))
        elif (module := self._module_named(value.__module__)) is not None:
            top = value.__qualname__.partition(".")[0]
            self.pending += [_Piece(module, top, module.definitions[top])] if top in module.definitions else []
        return value.__name__

    def _function(self, module: _Module | None, function: FunctionType) -> _Piece:
        """The piece of a function: one at the top of its module, or one that was made there with some values."""
        code, name = function.__code__, function.__name__
        if module is None:
            raise ConfigurationError(f"the source of function {name} cannot be read; define it in a file")
        if "<" not in function.__qualname__ and name in module.definitions:
            return _Piece(module, name, module.definitions[name])
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        values = {name: cell.cell_contents for name, cell in cells.items()}
        text, strings = self._value((values, function.__defaults__, function.__kwdefaults__))
        self._follow_members(strings)
        nodes = tuple(_functions_at(module.tree, code.co_firstlineno, code.co_name))
        # Of what a decorator of another package has made, say, there are only the instructions
        return _Piece(module, name, nodes, text if nodes else text + code.co_code.hex(), frozenset(cells))


class _Normaliser(ast.NodeTransformer):
    """Takes out of a tree, in place, what has no influence on what the code computes, and some decorators."""

    def __init__(self, decorators: Set[str]) -> None:
        self.decorators = decorators

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings, and strings that serve as comments."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Which module something is imported from."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """The same."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Which error is raised, and its text."""
        return ast.copy_location(ast.Raise(None, None), node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Annotations and decorators; a body of which nothing is left says `pass`."""
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            setattr(node, _FIRST_LINE, min([node.lineno, *(each.lineno for each in node.decorator_list)]))
            node.decorator_list = [each for each in node.decorator_list if _called(each) not in self.decorators]
        if isinstance(node, _FUNCTIONS):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        super().generic_visit(node)
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


@cache
def _parsed(name: str, text: str, is_package: bool) -> _Module:
    tree, imported = _normalised(text)
    package = name if is_package else name.rpartition(".")[0]
    imports: dict[str, tuple[str, str | None]] = {}
    starred: list[str] = []
    for statement in imported:
        for alias in statement.names:
            if isinstance(statement, ast.ImportFrom):
                source = "." * statement.level + (statement.module or "")
                source = resolve_name(source, package) if statement.level else source
                imports[alias.asname or alias.name] = (STANDS_FOR.get(source, source), alias.name)
                starred += [source] if alias.name == "*" else []
            else:
                imports[alias.asname or _root(alias.name)] = (alias.name if alias.asname else _root(alias.name), None)
    definitions: dict[str, tuple[ast.stmt, ...]] = {}
    settings = _settings_of(tree, imports)
    for node in tree.body:
        for bound in _bound_by(node):
            if isinstance(node, ast.ClassDef) and bound in settings:
                node.body = [each for each in node.body if not isinstance(each, ast.AnnAssign)] or [ast.Pass()]
            definitions[bound] = (*definitions.get(bound, ()), node)
    return _Module(name, tree, is_package, definitions, imports, starred, settings)


def _normalised(text: str) -> tuple[ast.Module, list[ast.Import | ast.ImportFrom]]:
    """The syntax tree of a module less what does not count, and its imports, wherever they stand in it."""
    tree = ast.parse(text)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return _Normaliser(REGISTERING).visit(tree), imports


def _settings_of(tree: ast.Module, imports: Mapping[str, tuple[str, str | None]]) -> set[str]:
    """The names of a module's configurations: classes under pydantic's `BaseModel`, be it by way of other modules."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_is_setting(base, found, imports) for base in node.bases):
            found.add(node.name)
    return found


def _is_setting(base: ast.expr, settings: Set[str], imports: Mapping[str, tuple[str, str | None]]) -> bool:
    chain = _chain(base.value if isinstance(base, ast.Subscript) else base)
    if not chain or chain[0] in settings:
        return bool(chain)
    module, imported = imports.get(chain[0], ("", None))
    name = imported or chain[-1]
    if module in sys.modules:
        value = getattr(sys.modules[module], name, None)
        return isinstance(value, type) and issubclass(value, BaseModel)
    origin = _unloaded(module) if _root(module) == OWN_PACKAGE else None
    return origin is not None and name in origin.settings


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a module binds."""
    if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
        yield statement.name
        return
    if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
        for child in ast.iter_child_nodes(statement):
            yield from _bound_by(child) if isinstance(child, ast.stmt) else ()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _reads(node: ast.AST) -> _Reads:
    outer = set(_outer_names(symtable.symtable(ast.unparse(node), "<source>", "exec")))
    chains: set[tuple[str, ...]] = {(name,) for name in outer}
    members: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute):
            chain = _chain(each)
            if chain and chain[0] in outer:
                chains.add(chain)
            else:
                members.add(each.attr)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            members.add(each.value)
    return _Reads(frozenset(chains), frozenset(members))


def _outer_names(table: symtable.SymbolTable) -> Iterator[str]:
    """Names that are read and not bound by what the table describes."""
    is_top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _outer_names(child)


def _chain(node: ast.expr) -> tuple[str, ...]:
    """The names of `a.b.c`; empty where it begins with anything but a name."""
    if isinstance(node, ast.Name):
        return (node.id,)
    before = _chain(node.value) if isinstance(node, ast.Attribute) else ()
    return (*before, node.attr) if before else ()  # type: ignore[attr-defined]


def _text(node: object) -> str:
    """A tree as text that does not depend on the version of Python: what is not there is left out."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        node = ast.Assign([node.target], node.value)
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in node._fields if name not in _NOT_RUN)
        parts = (f"{name}={_text(value)}" for name, value in fields if value is not None and value != [])
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _functions_at(tree: ast.Module, line: int, name: str) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        is_named = isinstance(node, _FUNCTIONS) and (node.name, getattr(node, _FIRST_LINE)) == (name, line)
        if is_named or (isinstance(node, ast.Lambda) and name == "<lambda>" and node.lineno == line):
            yield node


def _called(decorator: ast.expr) -> str:
    """The last name of a decorator: `factor` of `@catalogue.factor(…)`."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (_chain(called) or ("",))[-1]


def _module_of(namespace: Mapping[str, Any], function: FunctionType | None = None) -> _Module | None:
    """The module of a namespace; of a notebook's `function` its own text stands in; None without any source."""
    text = _source(namespace)
    if text is None and function is not None:
        try:
            text = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            return None
    return None if text is None else _parsed(namespace["__name__"], text, "__path__" in namespace)


def _source(namespace: Mapping[str, Any]) -> str | None:
    loader, file = namespace.get("__loader__"), namespace.get("__file__")
    if hasattr(loader, "get_source"):
        return loader.get_source(namespace["__name__"])  # type: ignore[union-attr]
    return Path(file).read_text(encoding="utf-8") if file else None


def _unloaded(name: str) -> _Module | None:
    """A module that nobody has imported yet; None where there is none."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or not hasattr(spec.loader, "get_source"):
        return None
    text = spec.loader.get_source(name)  # type: ignore[union-attr]
    return None if text is None else _parsed(name, text, spec.submodule_search_locations is not None)


def _root(module: str) -> str:
    return module.partition(".")[0]


def _digest(*parts: str) -> str:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()
