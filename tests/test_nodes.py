"""The quick walk finds what `ast.walk` finds."""

import ast
import sys
from pathlib import Path

import pytest

from sftdoctor.nodes import walk

LIBRARY = Path(ast.__file__).parent
GRAMMAR = """
async def f(a: int, /, b=1, *args: str, c, d=2, **kwargs: dict[str, int]) -> None:
    global g
    async with a as b, c: pass
    async for x in y: await z
    return lambda q=1, *, w: (yield)
match point:
    case {"a": 1, "b": [x, *rest], **others} | A(x, y=None) as name if name > 1: del x[1:2, ::3]
    case None | True: assert {1: 2, **d} and not -x, f"{x!r:>{width}}"
try: pass
except (A, B) as e: raise E from e
except C: nonlocal_ = [*a, {b}, (c for d in e if f for g in h)]
else: x += 1 if (y := 2) else {**a}
finally: from . import a as b, c
@d
class A(B, metaclass=C): x: int = 3
"""
LATER = "type Alias[T: int, *Ts, **P] = list[T]\nclass A[T]: ...\ndef f[T](x: T) -> T: ...\n"
OPERATORS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.type_ignore)


def differences(text: str) -> tuple[list[ast.AST], list[ast.AST]]:
    tree = ast.parse(text)
    ours = walk(tree)
    return ours, [node for node in ast.walk(tree) if not isinstance(node, (*OPERATORS, ast.alias))]


@pytest.mark.parametrize(
    "text",
    [
        GRAMMAR,
        pytest.param(LATER, marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")),
    ],
)
def test_a_whole_grammar(text: str) -> None:
    ours, theirs = differences(text)
    assert [node for node in ours if not isinstance(node, ast.alias)] == theirs


@pytest.mark.parametrize("name", ["ast.py", "dataclasses.py", "typing.py", "argparse.py", "enum.py"])
def test_real_modules_in_the_same_order(name: str) -> None:
    ours, theirs = differences((LIBRARY / name).read_text(encoding="utf-8"))
    assert [node for node in ours if not isinstance(node, ast.alias)] == theirs
