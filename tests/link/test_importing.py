"""Names, modules and attributes that imports ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.link.worlds import World, check, world

BREAKS = [
    world("name", {"lib": "here = 1", "user": "from lib import gone"}, "API001 gone certain"),
    world("name of a module", {"lib.sub": "here = 1", "user": "from lib.sub import gone"}, "API001 gone certain"),
    world("second name", {"lib": "here = 1", "user": "from lib import here, gone"}, "API001 gone certain"),
    world("module", {"user": "import gone"}, "API003 gone certain"),
    world("module of a package", {"lib": "", "user": "import lib.gone"}, "API003 lib.gone certain"),
    world("from a module that is gone", {"lib": "", "user": "from lib.gone import x"}, "API003 lib.gone certain"),
    world("below a module", {"lib.sub": "", "user": "import lib.sub.gone"}, "API003 lib.sub.gone certain"),
    world("attribute", {"lib": "x = 1", "user": "import lib\nvalue = lib.gone"}, "API005 gone certain"),
    world("attribute of a class", {"lib": "class A: pass", "user": "import lib\nlib.A.gone"}, "API005 gone certain"),
    world("base class", {"lib": "", "user": "import lib\nclass B(lib.Gone): pass"}, "API005 Gone certain"),
    world("decorator", {"lib": "", "user": "import lib\n@lib.gone\ndef f(): pass"}, "API005 gone certain"),
    world("default", {"lib": "", "user": "import lib\ndef f(x=lib.gone): pass"}, "API005 gone certain"),
    world(
        "relative",
        {"user": "from . import a", "user.a": "from .b import gone", "user.b": "x = 1"},
        "API001 gone certain",
    ),
    world(
        "relative two up",
        {"user": "from .a import b", "user.a.b": "from ..c import gone", "user.c": ""},
        "API001 gone certain",
    ),
    world("relative module", {"user.a": "from . import gone"}, "API001 gone certain", "import user.a"),
    world("a running package of its own", {"user": "from . import gone"}, (), runs=False),
    world("relative submodule", {"user": "from .gone import x"}, "API003 user.gone certain"),
    world(
        "an import inside of an import names the root",
        {"lib": "from deep import gone", "user": "from lib import thing", "deep": ""},
        "API001 gone certain",
    ),
    world(
        "one root, one finding",
        {"user": "from . import a", "user.a": "from lib import one", "user.b": "from lib import two", "lib": ""},
        "API001 one certain",
        "try:\n    import user\nexcept ImportError: pass\nimport user.b",
    ),
    world(
        "what a function imports when it is called",
        {"lib": "", "user": "def f():\n    from lib import gone"},
        "API001 gone certain",
        "import user\nuser.f()",
    ),
    world("deleted", {"lib": "x = 1\ndel x", "user": "from lib import x"}, "API001 x certain"),
    world("star", {"lib": "x = 1", "user": "from lib import *\ny = z"}, "API010 z certain"),
    world(
        "star leaves out what __all__ does",
        {"lib": "__all__ = ['x']\nx = y = 1", "user": "from lib import *\ny"},
        "API010 y certain",
    ),
    world("star leaves out underscores", {"lib": "_x = 1", "user": "from lib import *\n_x"}, "API010 _x certain"),
    world("name of a class body", {"lib": "", "user": "class A:\n    from lib import gone"}, "API001 gone certain"),
    world(
        "under with",
        {"lib": "", "user": "import warnings\nwith warnings.catch_warnings():\n    from lib import gone"},
        "API001 gone certain",
    ),
    world(
        "gone from a package that binds it in a function alone",
        {"lib": "def f():\n    here = 1\n    return here", "user": "from lib import here"},
        "API001 here certain",
    ),
    world("import_module", {"user": "import importlib\nimportlib.import_module('gone')"}, "API003 gone certain"),
    world("removed from Python", {"user": "import distutils"}, "API003 distutils certain", python="3.12.1", runs=False),
    world("not in Python yet", {"user": "import tomllib"}, "API003 tomllib certain", python="3.10.4", runs=False),
    world("__import__", {"user": "__import__('gone')"}, "API003 gone certain"),
    world("the name is the driver's own", {"lib": ""}, (), "from lib import gone", runs=False),
    world(
        "a circle that breaks for sure is left alone",
        {"user": "from . import a", "user.a": "from . import b\nx = 1", "user.b": "from .a import x"},
        (),
        runs=False,
    ),
]

QUIET = [
    world(
        "all there", {"lib": "x = 1", "lib.sub": "y = 1", "user": "import lib.sub\nfrom lib import x, sub\nlib.sub.y"}
    ),
    world("submodule by from", {"lib.sub": "", "user": "from lib import sub"}),
    world(
        "submodule once imported elsewhere",
        {"lib.sub": "", "other": "import lib.sub", "user": "import other, lib\nlib.sub"},
    ),
    world("import as", {"lib.sub": "x = 1", "user": "import lib.sub as s\ns.x"}),
    world("import as binds no parent", {"lib.sub": "x = 1", "user": "import lib.sub as s\nlib = 1\nlib.real"}),
    world(
        "circle of modules",
        {"user": "from . import a, b", "user.a": "from . import b\nx = 1", "user.b": "from . import a\ny = 2"},
    ),
    world("circle of packages", {"lib": "import user\nx = 1", "user": "import lib\ny = 1"}),
    world(
        "circle met in a function",
        {
            "user": "from . import a",
            "user.a": "from . import b\nx = 1",
            "user.b": "def f():\n    from .a import x\n    return x",
        },
        (),
        "import user\nuser.a.b.f()",
    ),
    world(
        "module-level __getattr__",
        {"lib": "def __getattr__(name):\n    return 1", "user": "from lib import anything\nimport lib\nlib.other"},
    ),
    world("globals().update", {"lib": "globals().update({'made': 1})", "user": "from lib import made"}),
    world("globals()[…] =", {"lib": "for n in ('a', 'b'):\n    globals()[n] = 1", "user": "from lib import a, b"}),
    world(
        "setattr on sys.modules",
        {"lib": "import sys\nsetattr(sys.modules[__name__], 'made', 1)", "user": "from lib import made"},
    ),
    world("vars() of itself", {"lib": "vars()['made'] = 1", "user": "from lib import made"}),
    world("locals() of a module", {"lib": "locals()['made'] = 1", "user": "from lib import made"}),
    world("exec", {"lib": "exec('made = 1')", "user": "from lib import made"}),
    world(
        "global of a function", {"lib": "def f():\n    global made\n    made = 1\nf()", "user": "from lib import made"}
    ),
    world("set from outside", {"lib": "", "user": "import lib\nlib.made = 1\nfrom lib import made"}),
    world(
        "set from a third",
        {"lib": "", "other": "import lib\nlib.made = 1", "user": "import other\nfrom lib import made"},
    ),
    world("star", {"lib": "x = 1", "user": "from lib import *\ny = x"}),
    world("star of a star", {"deep": "x = 1", "lib": "from deep import *", "user": "from lib import x"}),
    world(
        "star with __all__ of a submodule",
        {
            "lib": "from .a import *\nfrom . import a\n__all__ = a.__all__",
            "lib.a": "__all__ = ['x']\nx = 1",
            "user": "from lib import x",
        },
    ),
    world(
        "star by __all__ += ",
        {"lib": "__all__ = ['x']\n__all__ += ['_y']\nx = _y = 1", "user": "from lib import *\n_y"},
    ),
    world("__all__ names a submodule", {"lib": "__all__ = ['sub']", "lib.sub": "", "user": "from lib import *\nsub"}),
    world(
        "replaces itself",
        {"lib": "import sys\nclass M: x = 1\nsys.modules[__name__] = M()", "user": "from lib import x"},
    ),
    world(
        "replaces itself by a module",
        {
            "lib": "import sys\nfrom . import real\nsys.modules[__name__] = real",
            "lib.real": "x = 1",
            "user": "from lib import x",
        },
    ),
    world(
        "alias in sys.modules",
        {
            "lib": "import sys\nfrom . import real\nsys.modules['lib.old'] = real",
            "lib.real": "x = 1",
            "user": "import lib\nfrom lib.old import x",
        },
    ),
    world(
        "ModuleType subclass",
        {
            "lib": "import sys, types\nclass M(types.ModuleType):\n    def __getattr__(self, n): return 1\nsys.modules[__name__] = M(__name__)",
            "user": "from lib import x",
        },
    ),
    world(
        "__class__ of the module",
        {
            "lib": "import sys, types\nclass M(types.ModuleType):\n    @property\n    def x(self): return 1\nsys.modules[__name__].__class__ = M",
            "user": "import lib\nlib.x",
        },
    ),
    world(
        "dunder attributes",
        {
            "lib": "",
            "user": "import lib\nlib.__name__, lib.__file__, lib.__doc__, lib.__spec__, lib.__path__, lib.__dict__",
        },
    ),
    world("walrus", {"lib": "(made := 1)", "user": "from lib import made"}),
    world("for target", {"lib": "for made in (1, 2): pass", "user": "from lib import made"}),
    world("with target", {"lib": "import io\nwith io.StringIO() as made: pass", "user": "from lib import made"}),
    world("match capture", {"lib": "match 1:\n    case made: pass", "user": "from lib import made"}),
    world(
        "class of an unknown base",
        {"lib": "import queue\nclass A(queue.Queue): pass", "user": "from lib import A\nA.put"},
    ),
    world("standard library", {"user": "import os, sys, json, typing, collections.abc\nfrom os.path import join"}),
    world("standard names are not judged", {"user": "import json\nif False: json.gone"}),
    world("a function that is never called", {"lib": "", "user": "def f():\n    from lib import gone"}),
    world("a method that is never called", {"lib": "", "user": "class A:\n    def f(self):\n        import gone"}),
    world("a lambda that is never called", {"lib": "", "user": "import lib\nf = lambda: lib.gone"}),
    world("a generator that is never run", {"lib": "", "user": "import lib\ng = (lib.gone for _ in ())"}),
    world("import of __main__", {"user": "import __main__"}),
    world("incomplete target", {"user": "import gone"}, runs=False, complete=False),
    world("future", {"user": "from __future__ import annotations, division"}),
    world(
        "attribute of a class with slots", {"lib": "class A:\n    __slots__ = ('x',)", "user": "from lib import A\nA.x"}
    ),
    world("inherited attribute", {"lib": "class A:\n    x = 1\nclass B(A): pass", "user": "from lib import B\nB.x"}),
    world("set on the class", {"lib": "class A: pass\nA.x = 1", "user": "from lib import A\nA.x"}),
    world(
        "setattr on the class",
        {"lib": "class A: pass\nfor n in 'xy': setattr(A, n, 1)", "user": "from lib import A\nA.x"},
    ),
    world(
        "enum member",
        {
            "lib": "from enum import Enum\nclass A(str, Enum):\n    X = 'x'",
            "user": "from lib import A\nA.X.value, A('x'), A.__members__",
        },
    ),
    world(
        "namedtuple",
        {
            "lib": "from collections import namedtuple\nA = namedtuple('A', 'x y')",
            "user": "from lib import A\nA(1, 2)._replace(x=3)._fields",
        },
    ),
    world(
        "metaclass attribute",
        {
            "lib": "class M(type):\n    def __getattr__(c, n): return 1\nclass A(metaclass=M): pass",
            "user": "from lib import A\nA.anything",
        },
    ),
    world("relative import above the top is not judged", {"user": "def f():\n    from ... import x"}),
    world(
        "import_module of a submodule",
        {"lib.sub": "x = 1", "user": "import importlib\nimportlib.import_module('.sub', 'lib').x"},
    ),
    world(
        "backport taken by Python",
        {
            "user": "import sys\nif sys.version_info < (3, 8):\n    import importlib_gone\nelse:\n    import importlib.metadata"
        },
    ),
    world(
        "name of a conditional chain",
        {
            "lib": "import os\nif os.environ.get('X'):\n    a = 1\nelif os.name == 'nt':\n    a = 2\nelse:\n    a = 3",
            "user": "from lib import a",
        },
    ),
    world(
        "pkgutil walks",
        {
            "lib": "import pkgutil, importlib\nfor m in pkgutil.iter_modules(__path__):\n    importlib.import_module(f'lib.{m.name}')",
            "lib.sub": "x = 1",
            "user": "import lib\nlib.sub.x",
        },
    ),
]


@pytest.mark.parametrize("row", BREAKS)
def test_breaks(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("row", QUIET)
def test_quiet(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


def test_both_places_are_named(tmp_path: Path) -> None:
    sources = {"lib": "here = 1", "user": "", "user.deep": "\n\nfrom lib import gone\n"}
    found = World(sources, "import user.deep").link(tmp_path).findings[0]
    assert found.cause is not None and found.cause.caller is not None and found.cause.callee is not None
    caller, callee = found.cause.caller, found.cause.callee
    assert (caller.distribution, caller.version, caller.path, caller.line) == ("user", "1.0", "user/deep.py", 3)
    assert (callee.distribution, callee.version, callee.module) == ("lib", "1.0", "lib")
    assert found.cause.expression == "from lib import gone"
    assert found.symptom == "ImportError: cannot import name 'gone' from 'lib'"
