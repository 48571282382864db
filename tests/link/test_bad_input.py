"""Sources that are broken, hostile or strange: never a crash, never an endless run, and said where not judged."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.link.worlds import World, link_program, told

DEEP = 30_000
UNREADABLE = {
    "newer syntax": b"def f[T](x: T) -> T: return x\ntype A = int\nlambda x: (yield) := 1\n",
    "Python 2": b"print 'old'\nexec 'x' in {}\nraise E, 'x'\n",
    "indentation": b"def f():\n  x\n y\n",
    "latin-1 without saying so": b"name = '\xe9t\xe9'\n",
    "an encoding that does not exist": b"# -*- coding: klingon -*-\nname = '\xff'\n",
    "an encoding that is a lie": b"# -*- coding: ascii -*-\nname = '\xff'\n",
    "NUL bytes": b"x = 1\0\ny = 2\n",
    "binary": bytes(range(256)) * 10,
    "UTF-16": "x = 1\n".encode("utf-16"),
    "parentheses": b"x = " + b"(" * 10_000 + b")" * 10_000,
    "brackets": b"x = " + b"[" * 10_000,
    "unary": b"x = " + b"-" * DEEP + b"1",
    "attributes": b"import os\nx = os" + b".path" * 50_000,
    "calls": b"x = f" + b"()" * 50_000,
    "binary operators": b"x = 1" + b" + 1" * 50_000,
    "lambdas": b"x = " + b"lambda: " * DEEP + b"1",
    "nested blocks": b"".join(b" " * depth + b"if True:\n" for depth in range(2_000)),
    "elif chain": b"if a:\n pass\n" + b"elif a:\n pass\n" * 20_000,
    "conditional expressions": b"x = " + b"1 if 1 else " * DEEP + b"2",
    "decorators": b"def d(f): return f\n" + b"@d\n" * 5_000 + b"def g(): pass\n",
}
"""Each read or not as Python and its depth allow; the run goes on in either case."""


def with_module(tmp_path: Path, source: bytes, program: str = "import user") -> World:
    row = World({"lib": "", "user": "import bad\nfrom lib import gone"}, program)
    row.environment(tmp_path)
    (tmp_path / "site-packages" / "bad.py").write_bytes(source)
    return row


def linked(folder: Path, program: str = "import user") -> tuple[tuple[str, ...], dict[str, str]]:
    """What is told, and what is not judged, of packages that are there already."""
    empty = World({}).environment(Path(tempfile.mkdtemp(dir=folder)))
    environment = replace(empty, paths=(str(folder / "site-packages"),), distributions={})
    result = link_program(environment, program)
    return told(result), {item.what: item.reason for item in result.not_judged}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_module_that_may_not_be_read(name: str, tmp_path: Path) -> None:
    with_module(tmp_path, UNREADABLE[name])
    found, not_judged = linked(tmp_path)
    assert found in (("API001 gone certain",), ("API001 gone likely",)) or "the rest of the run" not in not_judged
    assert "API001 gone certain" in found, not_judged


@pytest.mark.parametrize(
    ("name", "reason"),
    [("newer syntax", "line "), ("Python 2", "line 1"), ("NUL bytes", "null bytes"), ("UTF-16", ""), ("brackets", "")],
)
def test_the_reason_is_said(name: str, reason: str, tmp_path: Path) -> None:
    with_module(tmp_path, UNREADABLE[name])
    assert reason in linked(tmp_path)[1]["module bad"]


@pytest.mark.parametrize(
    "source",
    [
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n",
        "# coding: euc-jp\nx = '日本'\n".encode("euc-jp"),
        b"\xef\xbb\xbfx = 1\n",
        b"x = 1\r\ndef f():\r\n    return 1\r\n",
        b"x = 1\rdef f():\r    return 1\r",
        b"\x0cx = 1\n\x0cdef f():\n    return 1\n",
        b"x = 1",
        b"\n" * 100_000 + b"x = 1\n",
        "𝐱 = 1\nx = 𝐱\n".encode(),
    ],
)
def test_strange_texts_are_read(source: bytes, tmp_path: Path) -> None:
    with_module(tmp_path, source)
    found, not_judged = linked(tmp_path, "from user2 import *")
    assert found == () and not_judged == {}  # user2 is the driver's own wish
    (tmp_path / "site-packages" / "user3.py").write_text("from bad import x, y")
    assert linked(tmp_path, "import user3") == (("API001 y certain",), {})


def test_a_huge_module(tmp_path: Path) -> None:
    with_module(tmp_path, b"x = 1\n" * (50_000_000 // 6))
    found, not_judged = linked(tmp_path)
    assert found == ("API001 gone certain",)
    assert "larger than" in not_judged["module bad"]


def test_a_module_that_is_a_folder(tmp_path: Path) -> None:
    with_module(tmp_path, b"")
    (tmp_path / "site-packages" / "bad.py").unlink()
    (tmp_path / "site-packages" / "bad.py").mkdir()
    assert linked(tmp_path)[0] == ("API003 bad certain",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_opened(tmp_path: Path) -> None:
    with_module(tmp_path, b"")
    (tmp_path / "site-packages" / "bad.py").chmod(0)
    found, not_judged = linked(tmp_path)
    assert found == ("API001 gone certain",) and "module bad" in not_judged


def test_a_module_that_is_a_pipe_a_loop_or_leads_nowhere(tmp_path: Path) -> None:
    with_module(tmp_path, b"")
    site = tmp_path / "site-packages"
    for name in ("pipe", "loop", "nowhere"):
        (site / f"use_{name}.py").write_text(f"import {name}_\nfrom lib import gone\n")
    os.mkfifo(site / "pipe_.py")
    (site / "loop_.py").symlink_to(site / "loop_.py")
    (site / "nowhere_.py").symlink_to(site / "not-there")
    (site / "folder").symlink_to(site)
    program = "\n".join(f"import use_{name}" for name in ("pipe", "loop", "nowhere"))
    _, not_judged = linked(tmp_path, program)
    assert "module pipe_" in not_judged
    assert linked(tmp_path, "import folder.folder.folder.use_lib")[0] == ()


def test_namespace_packages_eggs_stubs_and_leftovers(tmp_path: Path) -> None:
    row = World({"lib": "", "user": ""})
    row.environment(tmp_path)
    site = tmp_path / "site-packages"
    (site / "space" / "part").mkdir(parents=True)
    (site / "space" / "part" / "mod.py").write_text("x = 1")
    (site / "half").mkdir()
    (site / "half" / "__pycache__").mkdir()
    (site / "typed").mkdir()
    (site / "typed" / "__init__.pyi").write_text("x: int")
    with zipfile.ZipFile(site / "zipped-1.0-py3.11.egg", "w") as egg:
        egg.writestr("zipped/__init__.py", "x = 1")
    (site / "user" / "__init__.py").write_text(
        "import space.part.mod\nspace.part.mod.x\nimport half, typed\nhalf.anything\nfrom typed import x\n"
    )
    assert linked(tmp_path)[0] == ()


@pytest.mark.parametrize(
    "program",
    [
        "return 1",
        "break",
        "continue",
        "yield 1",
        "await x",
        "x = yield",
        "nonlocal x",
        "global x\nx = 1",
        "del x",
        "del (a, [b, c.d, e[0]])",
        "*a, b = 1, 2",
        "super().f()",
        "class A: super().__init__()",
        "def f(): return super().f()\nf()",
        "raise",
        "raise 1",
        "raise None from None",
        "assert x, y",
        "f(*a, **b, *c, d=1)",
        "f = lambda *a, b=1, **c: a\nf(1, b=2, d=3)",
        "x = {**a, 1: 2, [1]: 3, (1, [2]): 4}",
        "d = {}\nd.pop(([1],), None)\nd[([1],)] = 1\nd.get(([1],))\nd.setdefault(([1],), 1)\ndel d[([1],)]",
        "hasattr(1, ([],))\ngetattr(1)\nsetattr()\nisinstance()\nlen()\nany()\nsorted()\nzip()\nenumerate()",
        "frozenset([[1]])\ndict([[[1], 2]])\ndict([1])\nset([{}])\nmin()\nmax([])\nint('x')\nstr(b'', 'x', 1, 2)",
        "type()\ntype(1, 2, 3)\n__import__()\nvars(1)\nglobals(1)\nlocals(1)\ndir(1)\nsuper(1, 2, 3)",
        "import functools\nfunctools.partial()\nfunctools.partial(functools.partial)()\nfunctools.wraps()()",
        "import dataclasses\ndataclasses.replace()\ndataclasses.fields()\ndataclasses.asdict()",
        "import dataclasses\ndataclasses.dataclass()(1)\ndataclasses.field(1, default=2)",
        "import inspect\ninspect.signature()\ninspect.signature(inspect.signature).parameters['x']",
        "import importlib\nimportlib.import_module()\nimportlib.import_module('')\nimportlib.import_module('..', 'a')",
        "import importlib.util\nimportlib.util.find_spec('')\nimportlib.util.find_spec('a..b')",
        f"import re\nre.match('(a+)+$', '{'a' * 60}b')\nre.match('{'.*' * 30}b', '{'a' * 90}')\n"
        "re.match('(', 'x')\nre.match('(', 'x')\nre.findall('x', 'x')",
        "x = '%9999999999d' % 1",
        "x = '{:>9999999999}'.format(1)",
        "x = 'a'\nfor _ in (1, 2, 3, 4, 5, 6, 7, 8): x = x.replace('a', 'aaaaaaaaaaaaaaaa')",
        "x = ['a']\n" + "x += x\n" * 60,
        "x = ['a']\n" + "x.extend(x)\n" * 60,
        "x = ['a']\n" + "x = [*x, *x]\n" * 60,
        "x = ['a']\n" + "x = x + x\n" * 60,
        "import sys\nx = sys.version_info[:2]\n" + "x = x + x\n" * 60,
        "x = {'a'}\n" + "x = x.union(x)\n" * 60,
        "x = 'a'\n" + "x = x + x\n" * 60,
        "x = 'a'\n" + "x = f'{x}{x}'\n" * 60,
        "x = 'a'\n" + "x = x.join([x, x, x])\n" * 60,
        "while True: pass",
        "while 1:\n    while 1:\n        continue",
        "def f(): f()\nf()",
        "class A(A): pass",
        "class A: pass\nclass B(A, A): pass\nclass C(A, object, A): pass",
        "class A(object, int): pass\nA()",
        "class M(type): pass\nclass A(metaclass=M, x=1, **{}): pass\nA()",
        "class A:\n    @property\n    def x(self): return self.x\nA().x",
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\nA().x",
        "class A:\n    def __init__(self): A()\nA()",
        "class A:\n    def __call__(self, *a): return self(*a)\nA()()",
        "import sys\nsys.modules[__name__] = None\nsys.modules[1] = 2\nsys.modules[([],)] = 3",
        "import sys\nsys.modules['x'] = sys.modules\nsys.modules.get(([],))\nimport x",
        "match x:\n    case [1, *_, {'a': b, **c}] | None: pass\n    case A(x=1) if y: pass",
        "try:\n    x\nexcept (1, 2): pass\nexcept 3: pass",
        "try:\n    import nothing\nexcept* ImportError as e:\n    raise",
        "from .. import x\nfrom . import y\nfrom .z import *",
        "from __future__ import braces",
        "import a.b.c as d, a, a.b",
        "@a\n@b.c\n@d(e)[f]\nasync def g(): pass",
        "with a as (b, c), d as e.f, g: pass",
        "for x.y in z: pass\nelse: pass\nfor a[0] in b: break",
        "[x for x in range(10) if (y := x)]\n{a: b for a, b in c for d in e if f}",
        "x: int\ny: 'a' = 1\n(z): int = 2\na.b: int = 3",
        "def f(a, b=1, /, c=2, *d, e, g=3, **h): pass\nf()\nf(1, 2, 3, 4, e=5, i=6)\nf(**{1: 2})\nf(*1)",
        "print(__builtins__, __file__, __spec__, __debug__, __annotations__, __class__)",
        "x = 1 if y else 2\nx.y.z()[0](1)",
        "\n".join(f"def f{n}(x): return f{n + 1}(x) + f{n + 1}(x + 1)" for n in range(60)) + "\nf0(1)",
        "import os\n" + "".join("    " * n + "if os.name:\n" for n in range(18)) + "    " * 18 + "pass",
        "\n".join(f"import os\nif os.path.exists('{n}'):\n    x = {n}" for n in range(2_000)),
        "x = " + "[" * 90 + "]" * 90,
        "x = " + "not " * 500 + "1",
        "x = " + "(" * 150 + "1" + ")" * 150 + ".real" * 800,
    ],
)
def test_programs_that_make_no_sense(program: str, tmp_path: Path) -> None:
    environment = World({"lib": "x = 1"}).environment(tmp_path)
    for script in (True, False):
        link_program(environment, program, script=script)
    site = tmp_path / "site-packages"
    (site / "odd.py").write_text(program, encoding="utf-8")
    (site / "user.py").write_text("import odd\nfrom lib import gone\n", encoding="utf-8")
    link_program(environment, "import user")


def test_one_deep_expression_does_not_hide_the_rest(tmp_path: Path) -> None:
    with_module(tmp_path, b"import os\nx = " + b"not " * 800 + b"os.name\n")
    assert linked(tmp_path)[0] == ("API001 gone certain",)
