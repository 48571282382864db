"""Trees without function bodies, kept between runs."""

from __future__ import annotations

import ast
import os
import sysconfig
from pathlib import Path

import pytest

from sftdoctor.link.skeleton import MIN_SIZE, Trees, prune

PADDING = f"\n# {'x' * MIN_SIZE}\n"
SOURCE = (
    '''
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
    + PADDING
)


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


def test_a_kept_skeleton_is_what_was_pruned(module: Path, tmp_path: Path) -> None:
    cold, warm = Trees(tmp_path / "kept"), Trees(tmp_path / "kept")
    first, second = cold.load(module), warm.load(module)
    assert (cold.parsed, warm.parsed) == (1, 0)
    list(prune(second))  # bodies on the line of their def are kept
    assert shape(first) == shape(second)
    assert places(first) == places(second)
    assert "inner" not in dict(places(first)) and dict(places(first))["p"] == 23


def test_functions_are_found_again_with_their_bodies(module: Path, tmp_path: Path) -> None:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    whole = {(n.name, n.lineno): n for n in ast.walk(ast.parse(SOURCE)) if isinstance(n, functions)}
    for _ in ("cold", "warm"):
        trees = Trees(tmp_path / "kept")
        for node in ast.walk(trees.load(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found = trees.function(str(module), node)
                assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
                wanted = whole[node.name, node.lineno]
                assert [shape(item) for item in found.body] == [shape(item) for item in wanted.body]
                assert [item.lineno for item in found.body] == [item.lineno for item in wanted.body]


@pytest.mark.parametrize("name", ["argparse", "dataclasses", "typing", "inspect", "subprocess", "ast", "turtle"])
def test_real_modules(name: str, tmp_path: Path) -> None:
    path = Path(sysconfig.get_path("stdlib"), f"{name}.py")
    if not path.exists():
        pytest.skip("not installed")
    pruned = ast.parse(path.read_text("utf-8"))
    list(prune(pruned))
    for _ in ("cold", "warm"):
        tree = Trees(tmp_path / "kept").load(path)
        list(prune(tree))
        assert shape(tree) == shape(pruned)


def test_a_changed_file_is_read_anew(module: Path, tmp_path: Path) -> None:
    Trees(tmp_path / "kept").load(module)
    module.write_text(f"y = 1{PADDING}")
    os.utime(module, ns=(1, 1))
    trees = Trees(tmp_path / "kept")
    assert isinstance(trees.load(module).body[0], ast.Assign)
    assert trees.parsed == 1


@pytest.mark.parametrize("damage", [b"", b"\xff\xff", b"x = (", b"x = 1\n", b"x\n# ends: nonsense", b"x\n# ends: 1-"])
def test_a_damaged_skeleton_is_made_anew(damage: bytes, module: Path, tmp_path: Path) -> None:
    good = shape(Trees(tmp_path / "kept").load(module))
    for kept in (tmp_path / "kept").rglob("*.py"):
        kept.write_bytes(damage)
    assert shape(Trees(tmp_path / "kept").load(module)) == good


def test_small_modules_and_folders_that_take_nothing(module: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.py"
    small.write_text("def f():\n    return 1\n")
    Trees(tmp_path / "kept").load(small)
    assert not (tmp_path / "kept").exists()
    (tmp_path / "file").write_text("")
    assert Trees(tmp_path / "file").load(module).body
