"""Trees without function bodies."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from sftdoctor.link.skeleton import Trees, prune, without_bodies

SOURCE = '''
import os
@decorated
def f(a, b=1, *,
      c: int = 2) -> str:
    """Text
    of several lines."""
    def inner():
        return 1
    return inner

class A:
    x = 1
    def m(self): return self.x
    async def n(self):

        await self.x
        return """
not indented
"""
    if x:
        @property
        def p(self):
            return 1
try:
    pass
except ValueError:
    def g(): pass
else:
    def g():
        return 2
def h(a): return a
'''


def shape(tree: ast.AST) -> str:
    return ast.dump(tree, include_attributes=False)


def places(tree: ast.AST) -> list[tuple[str, int]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return sorted((node.name, node.lineno) for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "lib" / "mod.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def test_bodies_are_left_out_and_lines_stay(module: Path) -> None:
    whole, tree = ast.parse(SOURCE), Trees().load(module)
    ends = {span.line: span.end for span in prune(whole)}
    assert shape(tree) == shape(whole)
    assert places(tree) == places(whole)
    assert "inner" not in dict(places(tree)) and dict(places(tree))["p"] == 23
    assert max(ends.values()) < len(SOURCE.split("\n"))


def test_functions_are_found_again_with_their_bodies(module: Path) -> None:
    whole = {(n.name, n.lineno): n for n in ast.walk(ast.parse(SOURCE)) if isinstance(n, FUNCTIONS)}
    trees = Trees()
    for node in ast.walk(trees.load(module)):
        if isinstance(node, FUNCTIONS):
            found = trees.function(str(module), node)
            assert isinstance(found, FUNCTIONS)
            wanted = whole[node.name, node.lineno]
            assert [shape(item) for item in found.body] == [shape(item) for item in wanted.body]
            assert [item.lineno for item in found.body] == [item.lineno for item in wanted.body]
    assert trees.parsed == 1


def test_the_text_of_a_class(module: Path) -> None:
    trees = Trees()
    node = next(item for item in trees.load(module).body if isinstance(item, ast.ClassDef))
    text = trees.class_lines(str(module), node)
    assert text.startswith("class A:") and text.endswith("return 1")


CLASSES = {
    "statements and functions": "class A(B, k='v'):\n x = 1\n\n @g('d')\n def f(self):\n  self.y = 2\n\n z = 3\n",
    "a field behind the last function": "class A:\n def f(self):\n  return 1\n\n last: int = 2\n",
    "on one line": "class A: x = 1; y = 2\n",
    "two on a line, the second longer": "class A:\n x = 1; y = (\n  2,\n )\n\n def f(self):\n  pass\n",
    "comments at the margin": "class A:\n x = 1\n# note\n def f(self):\n  return 1\n# end\n y = 2\n",
    "under a condition": "if 1:\n class A:\n  if 2:\n   def f(self):\n    self.x = 1\n  y = 3\n",
    "a class inside": "class A:\n class B:\n  def f(self):\n   self.x = 1\n\n def g(self):\n  self.y = 2\n",
}


@pytest.mark.parametrize("source", CLASSES.values(), ids=CLASSES)
def test_the_pieces_of_a_class_hold_all_its_statements(tmp_path: Path, source: str) -> None:
    path = tmp_path / "a.py"
    path.write_text(source)
    trees = Trees()
    node = next(item for item in ast.walk(trees.load(path)) if isinstance(item, ast.ClassDef))
    header, *others = [ast.parse(piece).body[0] for piece in trees.class_statements(str(path), node)]
    cls = next(item for item in ast.walk(header) if isinstance(item, ast.ClassDef))
    for block in others:
        assert isinstance(block, ast.If)
        cls.body += block.body
    whole = next(item for item in ast.walk(ast.parse(source)) if isinstance(item, ast.ClassDef))
    assert ast.unparse(cls) == ast.unparse(whole)


NAMES = ["argparse", "dataclasses", "typing", "inspect", "subprocess", "ast", "turtle", "tarfile", "unittest.mock"]


@pytest.mark.parametrize("name", NAMES)
def test_real_modules(name: str) -> None:
    path = Path(sysconfig.get_path("stdlib"), f"{name.replace('.', '/')}.py")
    if not path.exists():
        pytest.skip("not installed")
    pruned = ast.parse(path.read_text("utf-8"))
    list(prune(pruned))
    assert shape(Trees().load(path)) == shape(pruned)


PLAIN = "def f():\n    return 1\n"
MISLEADING = {
    "a template at the margin": 'def f():\n    return """\ndef g():\n    pass\n"""\nx = 1\n',
    "the same with the other quotes": "def f():\n    return '''\ndef g():\n    pass\n'''\nx = 1\n",
    "a def in a docstring": '"""\ndef f():\n    no code\n"""\nx = 1\n' + PLAIN,
    "two of them": 'class A:\n    """\n    def f():\n        no\n    """\n    """\n    def g():\n    """\n    x: int\n',
    "a triple quote in a comment": '# """\n' + PLAIN + '# """\n' + PLAIN,
    "a triple quote in a string": 'x = \'"""\'\n' + PLAIN + 'y = \'"""\'\n',
    "a line that goes on at the margin": "def f():\n    x = 1 + \\\n2\n    return x\ny = 1\n",
    "brackets that go on at the margin": "def f():\n    g(\nh(1),\n2)\n    return x\ny = 1\n",
    "a header over several lines": "def f(\n  a,  # (\n  b={1: 2},\n) -> dict[\n  str, int\n]:\n  return 1\nx = 1\n",
    "a stub before a function": "def f(a) -> list[str]: ...\ndef g(a) -> list[str]:\n    return a\n",
    "one line": "def f(): return [\n1]\nx = 2\n",
    "a lambda with a colon at the end": "def f(a=lambda:\n  1):\n    return a\n",
    "tabs": "class A:\n\tdef f(self):\n\t\tif self:\n\t\t\treturn 1\n\tx = 1\n",
    "comments at the margin": "def f():\n    x = 1\n# a note\n    return x\ny = 1\n",
    "no line feed at the end": "def f():\n    return 1",
    "nothing but a comment behind": "def f():\n    return 1\n    # end",
    "several on one line": "if 1: x = 1\ndef f(): pass; y = 2\n",
    "a decorated function inside": "def f():\n    @g\n    def h():\n        pass\n    return h\n",
}


AT_THE_MARGIN = {
    "text": 'def f():\n    x = """\ntext "quoted" and it\'s # none\n"""\n    return x\n\nlast = 1\n',
    "formatted": 'def f(a):\n    x = f"""{a}\n\nmore {a!r}"""\n    return x\nlast = 1\n',
    "escaped": 'def f():\n    x = "a\\"" + \'\\\'\' + """\n\\"""\nb"""\nlast = 1\n',
    "tabs": 'class A:\n  def f(self):\n    x = """\n\t\t\t"""\n    return x\n  last = 1\n',
    "commented": "def f():\n    return 1  # it's ''' here\n\ndef g():\n    return 2\n",
}


@pytest.mark.parametrize("source", AT_THE_MARGIN.values(), ids=AT_THE_MARGIN)
def test_strings_at_the_margin_are_stepped_over(source: str) -> None:
    tree, whole = ast.parse(without_bodies(source)[0]), ast.parse(source)
    list(prune(whole))
    list(prune(tree))
    assert shape(tree) == shape(whole)


@pytest.mark.parametrize("source", MISLEADING.values(), ids=MISLEADING)
def test_layouts_that_mislead(source: str, tmp_path: Path) -> None:
    path = tmp_path / "mod.py"
    path.write_text(source)
    whole, tree = ast.parse(source), Trees().load(path)
    list(prune(whole))
    assert shape(tree) == shape(whole)
    assert places(tree) == places(whole)


def test_plain_layouts_are_not_left_to_the_parser() -> None:
    text, spans = without_bodies(PLAIN)
    assert text == "def f():\n ...\n"
    assert [(span.line, span.start, span.end) for span in spans] == [(1, 2, 2)]
