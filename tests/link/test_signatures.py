"""What a function's body says about its names."""

from __future__ import annotations

import ast

import pytest

from sftdoctor.link.signatures import Scope, scope_of

CASES = {
    "what is assigned": ("a = b; c: int = 1; d += 1; (e, *f) = g; h.i = j", "a c d e f", "", False),
    "loops, with, walrus": ("for a in b:\n  with c as d:\n    e = (f := g)", "a d e f", "", False),
    "imports": ("import a.b; import c as d; from e import f, g as h", "a d f h", "", False),
    "what an except clause names": ("try: pass\nexcept A as b: pass", "b", "", False),
    "definitions, their insides left out": (
        "def a():\n  b = 1\n  yield\nclass C:\n  d = 1\nlambda: (e := 1)",
        "a C",
        "",
        False,
    ),
    "global and nonlocal": ("global a\nnonlocal b\na = b = c = 1", "c", "a b", False),
    "a generator": ("x = yield", "x", "", True),
    "another": ("yield from a", "", "", True),
    "patterns": (
        "match a:\n  case [b, *c]: pass\n  case {'d': e, **f}: pass\n  case g as h: pass",
        "b c e f g h",
        "",
        False,
    ),
}


@pytest.mark.parametrize(("body", "bound", "declared", "yields"), CASES.values(), ids=CASES)
def test_the_names_of_a_body(body: str, bound: str, declared: str, yields: bool) -> None:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    function = ast.parse(f"def function():\n{lines}").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert scope_of(function) == Scope(frozenset(bound.split()), frozenset(declared.split()), yields)
