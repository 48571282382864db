"""Signatures, and whether a call fits one."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, NamedTuple

from sftdoctor.link.values import Arguments, Class, Field, Function, FunctionNode
from sftdoctor.nodes import BELOW


class Parameter(NamedTuple):
    """One parameter."""

    name: str
    kind: str
    """positional, positional_or_keyword, var_positional, keyword or var_keyword."""
    has_default: bool = False


@dataclass(frozen=True)
class Signature:
    """The parameters of something that can be called, without the bound first one."""

    parameters: tuple[Parameter, ...]
    bound: int = 0
    """Parameters that were left out; Python counts them, where it says how many a call gives."""

    def accepts(self, keyword: str) -> bool:
        """Whether it may be called with that keyword (any, where it takes **kwargs)."""
        return any(
            p.kind == "var_keyword" or (p.name == keyword and p.kind in ("positional_or_keyword", "keyword"))
            for p in self.parameters
        )

    def has(self, name: str) -> bool:
        """Whether it has a parameter of its own of that name."""
        return any(p.name == name and not p.kind.startswith("var_") for p in self.parameters)

    @property
    def open(self) -> bool:
        """Whether it takes **kwargs."""
        return any(p.kind == "var_keyword" for p in self.parameters)


def of_node(node: FunctionNode, *, drop_first: bool = False) -> Signature:
    """The signature that a definition has.

    Args:
        node: A def, async def or lambda.
        drop_first: Leave out the first positional parameter (self, cls).

    Returns:
        Its parameters in order.
    """
    spec = node.args
    positional = [(arg.arg, "positional") for arg in spec.posonlyargs]
    positional += [(arg.arg, "positional_or_keyword") for arg in spec.args]
    without_default = len(positional) - len(spec.defaults)
    found = [Parameter(name, kind, index >= without_default) for index, (name, kind) in enumerate(positional)]
    bound = int(drop_first and bool(found))
    del found[:bound]
    if spec.vararg:
        found.append(Parameter(spec.vararg.arg, "var_positional"))
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        found.append(Parameter(arg.arg, "keyword", default is not None))
    if spec.kwarg:
        found.append(Parameter(spec.kwarg.arg, "var_keyword"))
    return Signature(tuple(found), bound)


def of_fields(fields: list[Field]) -> Signature:
    """The signature that a dataclass's generated constructor has."""
    plain = [Parameter(f.name, "positional_or_keyword", f.has_default) for f in fields if f.init and not f.kw_only]
    keyword = [Parameter(f.name, "keyword", f.has_default) for f in fields if f.init and f.kw_only]
    return Signature((*plain, *keyword), 1)


def dataclass_fields(cls: Class) -> list[Field] | None:
    """All the fields of a dataclass in the order of its constructor; None where they cannot be known."""
    merged: dict[str, Field] = {}
    for base in reversed(cls.mro):
        if base.fields is None:
            continue
        for item in base.fields:
            merged[item.name] = item
    return None if cls.open else list(merged.values())


def of_class(cls: Class) -> Signature | None:
    """The signature of a class's constructor; None where it cannot be known."""
    if cls.made_otherwise:
        return None
    for base in cls.mro:
        if base.open and base is cls and "__init__" not in base.ns:
            return None
        own_init = base.ns.get("__init__")
        if base.fields is not None and base.dataclass_init and own_init is None:
            fields = dataclass_fields(base)
            return of_fields(fields) if fields is not None else None
        if own_init is not None:
            if isinstance(own_init, Function) and not base.ns.get("__new__"):
                return of_node(own_init.node, drop_first=True)
            return None
        if base.open or "__new__" in base.ns:
            return None
    return Signature(()) if not cls.open else None


@dataclass(frozen=True)
class Misfit:
    """Why a call does not fit a signature."""

    kind: str
    """unexpected-keyword, missing-argument or too-many-positionals."""
    name: str
    message: str
    """As Python says it, behind the function's name and parentheses."""
    offered: tuple[str, ...] = ()
    """The parameters that there are, where one was asked for that is none of them."""


def misfits(signature: Signature, args: Arguments) -> list[Misfit]:
    """Every reason why a call cannot fit; empty where it fits or that cannot be known.

    Args:
        signature: Of what is called, without a bound first parameter.
        args: What it is called with, likewise.
    """
    wrong = [keyword for keyword in args.keywords if not signature.accepts(keyword)]
    if wrong:
        offered = tuple(p.name for p in signature.parameters if not p.kind.startswith("var_"))
        said = "got an unexpected keyword argument"
        return [Misfit("unexpected-keyword", keyword, f"{said} '{keyword}'", offered) for keyword in wrong]
    positional = [p for p in signature.parameters if p.kind in ("positional", "positional_or_keyword")]
    takes_any = any(p.kind == "var_positional" for p in signature.parameters)
    if len(args.positional) > len(positional) and not takes_any:
        message = _too_many(signature, positional, args)
        return [Misfit("too-many-positionals", positional[-1].name if positional else "", message)]
    if args.star or args.double_star:
        return []
    filled = {p.name for p in positional[: len(args.positional)]} | set(args.keywords)
    missing = [
        p for p in signature.parameters if not p.has_default and not p.kind.startswith("var_") and p.name not in filled
    ]
    return [Misfit("missing-argument", missing[0].name, _lacks(missing))] if missing else []


def _too_many(signature: Signature, positional: list[Parameter], args: Arguments) -> str:
    """Too many positional arguments, in Python's words."""
    most, given = signature.bound + len(positional), signature.bound + len(args.positional)
    least = most - sum(p.has_default for p in positional)
    takes = f"{most} positional {_plural('argument', most)}"
    takes = takes if least == most else f"from {least} to {most} positional arguments"
    only = sum(p.kind == "keyword" and p.name in args.keywords for p in signature.parameters)
    among = f" positional {_plural('argument', given)} (and {only} keyword-only {_plural('argument', only)})"
    verb = "was" if given == 1 and not only else "were"
    return f"takes {takes} but {given}{among if only else ''} {verb} given"


def _lacks(missing: list[Parameter]) -> str:
    """Arguments that are left out, in Python's words: of positional and keyword-only ones the first kind."""
    only = missing[0].kind == "keyword"
    names = [repr(p.name) for p in missing if (p.kind == "keyword") is only]
    listed = " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])}, and {names[-1]}"
    kind = "keyword-only" if only else "positional"
    return f"missing {len(names)} required {kind} {_plural('argument', len(names))}: {listed}"


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the body of a function says about its names, nested scopes left out.

    Attributes:
        bound: Names that it binds.
        declared: Names that it declares global or nonlocal.
        yields: Whether calling it gives a generator.
    """

    bound: frozenset[str]
    declared: frozenset[str]
    yields: bool


def scope_of(node: FunctionNode) -> Scope:
    """Read a function's body for its names."""
    bound: set[str] = set()
    declared: set[str] = set()
    yields = False
    todo: list[Any] = [] if isinstance(node, ast.Lambda) else list(node.body)
    for item in todo:  # it grows; quicker than iter_child_nodes, and this is asked of every function
        kind = item.__class__
        if kind is ast.Name:
            if item.ctx.__class__ is not ast.Load:
                bound.add(item.id)
            continue
        if kind in _BINDERS:
            name = _bound_by(item)
            if name is not None:
                bound.add(name)
            if kind in _SCOPES:
                continue
        elif kind in _YIELDS:
            yields = True
        elif kind is ast.Global or kind is ast.Nonlocal:
            declared.update(item.names)
        for field in BELOW.get(kind, ()):
            below = getattr(item, field, None)
            if below.__class__ is list:
                todo += below
            elif below is not None:
                todo.append(below)
    return Scope(frozenset(bound - declared), frozenset(declared), yields)


def _bound_by(node: Any) -> str | None:
    """The name that a node binds which is none of the names below it."""
    if isinstance(node, ast.alias):
        return (node.asname or node.name).partition(".")[0]
    name: str | None = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
    return name


_SCOPES = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda})
_BINDERS = _SCOPES | {ast.alias, ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping}
_YIELDS = frozenset({ast.Yield, ast.YieldFrom})
