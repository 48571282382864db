"""What a function's body says about its names."""

from __future__ import annotations

import ast

import pytest

from sftdoctor.link.signatures import Scope, misfits, of_fields, of_node, scope_of
from sftdoctor.link.values import UNKNOWN, Arguments, Field

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


CALLS = {
    "def f(x): pass": ("f()", "f(1, 2)", "f(y=1)"),
    "def f(): pass": ("f(1)", "f(1, 2)"),
    "def f(x, y=1): pass": ("f()", "f(1, 2, 3)"),
    "def f(x=1): pass": ("f(1, 2)",),
    "def f(x, y, z): pass": ("f()", "f(1)", "f(1, 2)", "f(z=1)"),
    "def f(x, *, k): pass": ("f()", "f(1)", "f(1, 2, k=3)", "f(1, 2, 3)"),
    "def f(*, k, l): pass": ("f()", "f(1, k=1, l=2)", "f(k=1)"),
    "def f(x, /, *, k=1): pass": ("f()", "f(1, 2)", "f(k=2)"),
    "class f:\n def __init__(self, x): pass": ("f()", "f(1, 2)"),
    "class f:\n def __init__(self): pass": ("f(1)",),
    "class f:\n def __init__(self, x=1): pass": ("f(1, 2, 3)",),
    "from dataclasses import dataclass\n@dataclass\nclass f:\n x: int\n y: int = 1": ("f()", "f(1, 2, 3)"),
}


@pytest.mark.parametrize(("definition", "call"), [(one, call) for one, calls in CALLS.items() for call in calls])
def test_a_call_that_does_not_fit_is_told_in_the_words_of_python(definition: str, call: str) -> None:
    space: dict[str, object] = {}
    exec(definition, space)
    with pytest.raises(TypeError) as caught:
        exec(call, space)
    statement = ast.parse(definition).body[-1]
    if isinstance(statement, ast.FunctionDef):
        signature = of_node(statement)
    else:
        assert isinstance(statement, ast.ClassDef)
        own = [item for item in statement.body if isinstance(item, ast.FunctionDef)]
        fields = [Field("x", False, UNKNOWN), Field("y", True, UNKNOWN)]
        signature = of_node(own[0], drop_first=True) if own else of_fields(fields)
    made = ast.parse(call, mode="eval").body
    assert isinstance(made, ast.Call)
    given = Arguments([UNKNOWN for _ in made.args], {one.arg: UNKNOWN for one in made.keywords if one.arg})
    assert str(caught.value).partition("() ")[2] == misfits(signature, given)[0].message
