"""Conditions, handlers and gates that a break stands under."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.link.worlds import World, check, read_worlds

GONE = "from lib import gone"
AVAILABLE = """
import importlib.util
import importlib.metadata
from packaging import version

def is_lib_available(minimum=None):
    if importlib.util.find_spec("lib") is None:
        return False
    if minimum is None:
        return True
    return version.parse(importlib.metadata.version("lib")) >= version.parse(minimum)

def is_other_available():
    return importlib.util.find_spec("other") is not None
"""
PACKAGING = {"packaging": "24.0"}


def guarded(head: str, breaks: bool | None, lib: str = "here = 1", runs: bool = True, **data: Any) -> Any:
    """The last line of `head` as the condition of a break; None: it cannot be known, which must stay quiet."""
    before, _, condition = head.rpartition("\n")
    sources = {"lib": lib, "user": f"{before}\nif {condition}:\n    from lib import gone"}
    expected = ("API001 gone certain",) if breaks else ()
    row = World(sources, expected=expected, runs=runs and breaks is not None, data=data)
    return pytest.param(row, id=head.replace("\n", "; "))


SIMPLE = [
    guarded("True", True),
    guarded("False", False),
    guarded("not True", False),
    guarded("1 == 1 and not 2 > 3", True),
    guarded("0 or 1", True),
    guarded("None is not None", False),
    guarded("'a' in ('a', 'b')", True),
    guarded("'c' in ('a', 'b')", False),
    guarded("[]", False),
    guarded("{'a': 1}", True),
    guarded("1 < 2 < 3", True),
    guarded("3 < 2 < 1", False),
    guarded("from typing import TYPE_CHECKING\nTYPE_CHECKING", False),
    guarded("import typing\ntyping.TYPE_CHECKING", False),
    guarded("import typing as t\nnot t.TYPE_CHECKING", True),
    guarded(
        "from typing_extensions import TYPE_CHECKING\nTYPE_CHECKING",
        False,
        runs=False,
        distributions={"typing-extensions": "4.9"},
        files={"typing_extensions.py": "TYPE_CHECKING = False"},
    ),
    guarded("import sys\nsys.version_info >= (3, 8)", True),
    guarded("import sys\nsys.version_info < (3, 8)", False),
    guarded("import sys\nsys.version_info[:2] >= (3, 8)", True),
    guarded("import sys\nsys.version_info[0] == 2", False),
    guarded("import sys\nsys.version_info.major < 3", False),
    guarded("import sys\nsys.version_info.major >= 3", True),
    guarded("import sys\nsys.version_info.minor < 100", True),
    guarded("import sys\nsys.platform == 'win32'", False, platform={"system": "linux", "machine": "x86_64"}),
    guarded("import sys\nsys.platform.startswith('linux')", True, platform={"system": "linux", "machine": "x86_64"}),
    guarded("import sys\nsys.platform == 'win32'", True, platform={"system": "win32", "machine": "AMD64"}, runs=False),
    guarded("import lib\nhasattr(lib, 'here')", True),
    guarded("import lib\nhasattr(lib, 'gone')", False),
    guarded("import lib\nnot hasattr(lib, 'gone')", True),
    guarded("import lib\ngetattr(lib, 'gone', None) is not None", False),
    guarded("from lib import A\nhasattr(A, 'x')", False, lib="class A: pass"),
    guarded("from lib import A\nhasattr(A, 'x')", True, lib="class A:\n    x = 1"),
    guarded("from lib import A\nhasattr(A(), 'x')", True, lib="class A:\n    def __init__(self): self.x = 1"),
    guarded("from lib import f\nimport inspect\n'y' in inspect.signature(f).parameters", False, lib="def f(x): pass"),
    guarded("from lib import f\nimport inspect\n'x' in inspect.signature(f).parameters", True, lib="def f(x): pass"),
    guarded(
        "from lib import f\nimport inspect\n'y' in list(inspect.signature(f).parameters.keys())",
        False,
        lib="def f(x): pass",
    ),
    guarded(
        "from lib import A\nfrom inspect import signature\n'x' in signature(A).parameters",
        True,
        lib="class A:\n    def __init__(self, x): pass",
    ),
    guarded(
        "from lib import A\nfrom inspect import signature\n'self' in signature(A.f).parameters",
        True,
        lib="class A:\n    def f(self): pass",
    ),
    guarded(
        "from lib import A\nfrom inspect import signature\n'self' in signature(A().f).parameters",
        False,
        lib="class A:\n    def f(self): pass",
    ),
    guarded(
        "from lib import A\nfrom inspect import signature\n'x' in signature(A).parameters",
        True,
        lib="from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int",
    ),
    guarded("import importlib.util\nimportlib.util.find_spec('lib')", True),
    guarded("import importlib.util\nimportlib.util.find_spec('other') is not None", False),
    guarded("import lib\nlib.__version__ == '1.0'", True, lib="__version__ = '1.0'"),
    guarded("import lib\nint(lib.__version__.split('.')[0]) >= 2", False, lib="__version__ = '1.0'"),
    guarded("import lib\ntuple(map(int, lib.__version__.split('.')[:2])) < (1, 0)", None, lib="__version__ = '1.0'"),
    guarded("x = 1\nisinstance(x, int)", True),
    guarded("x = 1\nisinstance(x, (str, bytes))", False),
    guarded("import functools\nfrom lib import f\nisinstance(f, functools.partial)", False, lib="def f(): pass"),
    guarded("import functools\nfrom lib import A\nisinstance(A(), functools.partial)", False, lib="class A: pass"),
    guarded("from functools import partial\nisinstance(partial(print, 1), partial)", True),
    guarded(
        "from functools import partial\nfrom lib import unknown\nisinstance(unknown(), partial)",
        None,
        lib="import os\nunknown = os.getenv('X')",
    ),
    guarded("import os\nos.environ.get('SURELY_NOT_SET') == '1'", False),
    guarded("import os\nos.environ['HOME'] == '1'", None),
    guarded("import os\n'X' in os.environ", None),
    guarded("import random\nrandom.random() > 2", None),
    guarded("import os\nos.path.exists('/nowhere/at/all')", None),
    guarded("import platform\nplatform.system() == 'Nowhere'", None),
    guarded("import os\nos.path.exists('/nowhere') or False", None),
    guarded("import os\nos.path.exists('/nowhere') and False", False),
    guarded("any(x for x in (0, 0))", False),
    guarded("all([1, 2])", True),
    guarded("len('ab') == 2", True),
    guarded("f'{1}' == '1'", True),
    guarded("x = 2 if True else 3\nx == 2", True),
]

VERSIONS = [
    guarded(
        f"import importlib.metadata\nfrom packaging.version import Version, parse\n{test}",
        breaks,
        runs=False,
        distributions={**PACKAGING, "lib": lib},
    )
    for lib, test, breaks in [
        ("1.0", "parse(importlib.metadata.version('lib')) >= parse('2.0')", False),
        ("2.0", "parse(importlib.metadata.version('lib')) >= parse('2.0')", True),
        ("2.0.dev0", "parse(importlib.metadata.version('lib')) >= parse('2.0')", False),
        ("2.0.dev0", "parse(parse(importlib.metadata.version('lib')).base_version) >= parse('2.0')", True),
        ("2.0.1", "Version(importlib.metadata.version('lib')).major == 2", True),
        ("2.0.1", "Version(importlib.metadata.version('lib')).release < (2, 0, 1)", False),
        ("2.10.0", "Version('2.9.0') < Version(importlib.metadata.version('lib'))", True),
        ("2.10.0+cu121", "Version(importlib.metadata.version('lib')) > Version('2.9')", True),
        ("2.10.0", "parse('2.1') <= parse(importlib.metadata.version('lib')) < parse('2.5')", False),
        ("2.10.0", "not Version(importlib.metadata.version('lib')) > Version('3')", True),
    ]
]


OPAQUE = [
    guarded(
        f"import {name.partition('==')[0]}\n{test}",
        breaks,
        runs=False,
        files={f"{name.partition('==')[0]}/__init__.py": "from .version import __version__\n"},
        distributions={**PACKAGING, name.partition("==")[0]: name.partition("==")[2]},
    )
    for name, test, breaks in [
        ("numpy==1.26.4", "numpy.__version__ < '2'", True),
        ("numpy==1.26.4", "int(numpy.__version__.split('.')[0]) >= 2", False),
        ("torch==2.13.0", "torch.__version__ >= (2, 6)", True),
        ("torch==2.13.0", "torch.__version__ >= '2.6'", True),
        ("torch==2.13.0", "torch.__version__ < '2.6.0'", False),
        ("torch==2.13.0", "torch.__version__ > '2.13.0'", None),
        ("torch==2.13.0", "torch.__version__ == '2.13.0'", None),
        ("torch==2.13.0+cpu", "torch.__version__ == '2.13.0'", False),
        ("torch==2.13.0+cpu", "torch.__version__ > '2.13.0'", True),
        ("torch==2.13.0", "'+cu' in torch.__version__", None),
        ("torch==2.13.0", "isinstance(torch.__version__, str)", None),
        ("torch==2.13.0", "torch.__version__ >= 'no version'", None),
    ]
] + [
    guarded(
        f"import torch\nfrom packaging.version import Version, parse\n{test}",
        breaks,
        runs=False,
        files={"torch/__init__.py": "from .torch_version import __version__\n"},
        distributions={**PACKAGING, "torch": "2.13.0"},
    )
    for test, breaks in [
        ("Version(torch.__version__) >= Version('2.6')", True),
        ("Version('2.6') > Version(torch.__version__)", False),
        ("parse(torch.__version__).major == 2", True),
        ("parse(torch.__version__) == parse('2.13.0')", None),
        ("parse(parse(torch.__version__).base_version) == parse('2.13.0')", True),
    ]
]

AVAILABILITY = [
    guarded(
        f"from helper import *\n{call}",
        breaks,
        runs=False,
        files={"helper.py": AVAILABLE},
        distributions={**PACKAGING, "lib": lib},
    )
    for lib, call, breaks in [
        ("1.0", "is_lib_available()", True),
        ("1.0", "is_lib_available('2.0')", False),
        ("2.1", "is_lib_available('2.0')", True),
        ("2.1", "is_lib_available(minimum='3.0')", False),
        ("2.1", "is_other_available()", False),
        ("2.1", "not is_other_available()", True),
        ("2.1", "is_other_available() or is_lib_available()", True),
        ("2.1", "is_other_available() and is_lib_available()", False),
    ]
]


@pytest.mark.parametrize("row", [*SIMPLE, *VERSIONS, *OPAQUE, *AVAILABILITY])
def test_conditions(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("row", read_worlds("guards"))
def test_shapes(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("row", read_worlds("gates"))
def test_gates(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="`except*` is newer than this Python")
def test_a_group_of_exceptions_is_handled(tmp_path: Path) -> None:
    check(World({"user": "try:\n    import gone\nexcept* ImportError:\n    pass\n"}), tmp_path)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are newer than this Python")
def test_type_parameters_are_bound(tmp_path: Path) -> None:
    check(
        World({"user": "def f[T](x: T) -> T: return x\nclass A[T](list[T]):\n    def g(self, x: T): pass\n"}), tmp_path
    )
