"""Whatever Python there is, linking it ends within its budget and raises nothing."""

from __future__ import annotations

import ast
import random
import sysconfig
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sftdoctor.link import machine as machines
from sftdoctor.link.program import LinkResult
from tests.link.worlds import World, link_program


def block(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


NAMES = [
    "lib",
    "A",
    "f",
    "x",
    "y",
    "kwargs",
    "self",
    "os",
    "sys",
    "hasattr",
    "getattr",
    "dict",
    "list",
    "type",
    "object",
]
LEAVES = ["1", "0", "None", "'a'", "''", "[]", "{}", "()", "lib.x", "lib.gone", "sys.modules", "..."]
ATTRIBUTES = ["x", "f", "pop", "update", "get", "__init__", "__class__"]
OPERATORS = ["+", "%", "|", "and", "or", "in", "is", "<", "=="]
EXPRESSIONS = st.recursive(
    st.sampled_from([*NAMES, *LEAVES]),
    lambda inner: st.one_of(
        st.builds("{}({})".format, inner, inner),
        st.builds("{}(*{}, **{})".format, inner, inner, inner),
        st.builds("{}(x={})".format, inner, inner),
        st.builds("({}).{}".format, inner, st.sampled_from(ATTRIBUTES)),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(lambda x, *a, **k: {})".format, inner),
        st.builds("[{} for x in {} if {}]".format, inner, inner, inner),
        st.builds("{{{}: {}, **{}}}".format, inner, inner, inner),
        st.builds("[*{}, {}]".format, inner, inner),
        st.builds("f'{{{}}}'".format, st.sampled_from(NAMES)),
    ),
    max_leaves=6,
)
SIMPLE = st.one_of(
    EXPRESSIONS,
    st.builds("{} = {}".format, st.sampled_from([*NAMES, "x.y", "x[0]", "a, *b", "kwargs['x']"]), EXPRESSIONS),
    st.builds("{} += {}".format, st.sampled_from(["x", "kwargs", "lib.x"]), EXPRESSIONS),
    st.sampled_from(
        ["import os", "import sys", "import lib", "from lib import *", "from lib import x, gone", "import gone"]
    ),
    st.sampled_from(
        ["del x", "pass", "return x", "raise x", "raise ImportError('x')", "break", "continue", "global y"]
    ),
    st.sampled_from(["def f(x, *a, y=1, **kwargs): return f(x, y=y)", "class A(object):\n    x = 1"]),
)
STATEMENTS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("if {}:\n{}\nelse:\n{}".format, EXPRESSIONS, inner.map(block), inner.map(block)),
        st.builds("for x in {}:\n{}".format, EXPRESSIONS, inner.map(block)),
        st.builds("while {}:\n{}".format, EXPRESSIONS, inner.map(block)),
        st.builds("try:\n{}\nexcept {}:\n{}".format, inner.map(block), EXPRESSIONS, inner.map(block)),
        st.builds("with {} as y:\n{}".format, EXPRESSIONS, inner.map(block)),
        st.builds("def f(x, y={}, **kwargs):\n{}".format, EXPRESSIONS, inner.map(block)),
        st.builds("@{}\nclass A({}):\n{}".format, EXPRESSIONS, EXPRESSIONS, inner.map(block)),
        st.builds("{}\n{}".format, inner, inner),
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module", autouse=True)
def _small_budget() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "STEPS", 100_000)
        yield


def link_both(text: str) -> tuple[LinkResult, LinkResult]:
    """As the user's script, and as a module of a library that a run imports."""
    with tempfile.TemporaryDirectory() as folder:
        lib = "x = 1\nclass A:\n    def f(self, x): return self\ndef f(x): return A()\n"
        environment = World({"lib": lib, "odd": text}).environment(Path(folder))
        return link_program(environment, text, script=True), link_program(environment, "import odd\nodd.f(1)")


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STATEMENTS, min_size=1, max_size=6).map("\n".join))
def test_any_program_is_linked(text: str) -> None:
    link_both(text)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(SIMPLE, min_size=1, max_size=5).map("\n".join))
def test_linking_is_deterministic(text: str) -> None:
    assert link_both(text) == link_both(text)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200))
def test_any_text_is_linked(text: str) -> None:
    link_program(World({}).environment(Path(tempfile.mkdtemp())), text, script=True)


MUTATED = ["dataclasses", "argparse", "enum", "typing", "functools", "inspect", "collections/__init__", "contextlib"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", MUTATED)
def test_mutated_modules_of_python(name: str, seed: int) -> None:
    """Real code whose statements were dropped, doubled and swapped."""
    path = Path(sysconfig.get_path("stdlib"), f"{name}.py")
    tree = ast.parse(path.read_text("utf-8"))
    chance = random.Random(f"{name}{seed}")
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and chance.random() < 0.3:
            del body[chance.randrange(len(body))]
            body.append(chance.choice(body))
            chance.shuffle(body)
        if isinstance(node, ast.Name) and chance.random() < 0.03:
            node.id = chance.choice(NAMES)
    link_both(ast.unparse(ast.fix_missing_locations(tree)))


@pytest.mark.parametrize("name", MUTATED)
def test_modules_of_python_break_nothing(name: str) -> None:
    """Real code is consistent: as a library's module it has no break."""
    text = Path(sysconfig.get_path("stdlib"), f"{name}.py").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        environment = World({"odd": text}).environment(Path(folder))
        assert link_program(environment, "import odd").findings == ()
