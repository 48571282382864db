"""Conditions, handlers and gates that a break stands under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.link.worlds import World, check, world

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


def guarded(head: str, breaks: bool | None, lib: str = "here = 1", **data: Any) -> Any:
    """`head` as the condition of a break; None: the answer cannot be known, which must stay quiet."""
    before, _, condition = head.rpartition("\n")
    expected = "API001 gone certain" if breaks else ()
    data.setdefault("runs", breaks is not None)
    return world(
        head.replace("\n", "; "), {"lib": lib, "user": f"{before}\nif {condition}:\n    {GONE}"}, expected, **data
    )


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

AVAILABILITY = [
    world(
        f"{call} with lib {lib}",
        {"lib": "here = 1", "helper": AVAILABLE, "user": f"from helper import *\nif {call}:\n    {GONE}"},
        "API001 gone certain" if breaks else (),
        runs=False,
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

SHAPES = [
    world("try ImportError pass", {"lib": "", "user": f"try:\n    {GONE}\nexcept ImportError:\n    pass"}),
    world(
        "try ImportError fallback",
        {"lib": "old = 1", "user": f"try:\n    {GONE}\nexcept ImportError:\n    from lib import old as gone\ngone"},
    ),
    world(
        "fallback gone too",
        {"lib": "", "user": f"try:\n    {GONE}\nexcept ImportError:\n    from lib import old as gone"},
        "API001 old certain",
    ),
    world("try ModuleNotFoundError", {"user": "try:\n    import gone\nexcept ModuleNotFoundError:\n    gone = None"}),
    world(
        "ModuleNotFoundError does not take a missing name",
        {"lib": "", "user": f"try:\n    {GONE}\nexcept ModuleNotFoundError:\n    pass"},
        "API001 gone certain",
    ),
    world("try Exception", {"user": "try:\n    import gone\nexcept Exception:\n    gone = None"}),
    world("try bare", {"user": "try:\n    import gone\nexcept:\n    gone = None"}),
    world("try of several", {"user": "try:\n    import gone\nexcept (ValueError, ImportError):\n    gone = None"}),
    world(
        "wrong exception", {"user": "try:\n    import gone\nexcept ValueError:\n    gone = None"}, "API003 gone certain"
    ),
    world(
        "AttributeError takes an attribute",
        {"lib": "", "user": "import lib\ntry:\n    lib.gone\nexcept AttributeError:\n    pass"},
    ),
    world(
        "ImportError does not take an attribute",
        {"lib": "", "user": "import lib\ntry:\n    lib.gone\nexcept ImportError:\n    pass"},
        "API005 gone certain",
    ),
    world("raised anew", {"user": "try:\n    import gone\nexcept ImportError:\n    raise"}, "API003 gone certain"),
    world(
        "raised from",
        {"user": "try:\n    import gone\nexcept ImportError as e:\n    raise ImportError('install gone') from e"},
        "API003 gone certain",
        runs=False,
    ),
    world("finally does not take it", {"user": "try:\n    import gone\nfinally:\n    x = 1"}, "API003 gone certain"),
    world(
        "else breaks",
        {"lib": "", "user": f"try:\n    import lib\nexcept ImportError:\n    pass\nelse:\n    {GONE}"},
        "API001 gone certain",
    ),
    world(
        "else after a break",
        {"lib": "", "user": f"try:\n    import nothing\nexcept ImportError:\n    pass\nelse:\n    {GONE}"},
    ),
    world("suppress", {"user": "from contextlib import suppress\nwith suppress(ImportError):\n    import gone"}),
    world(
        "contextlib.suppress",
        {"user": "import contextlib\nwith contextlib.suppress(ImportError, AttributeError):\n    import gone"},
    ),
    world(
        "suppress of another",
        {"user": "import contextlib\nwith contextlib.suppress(ValueError):\n    import gone"},
        "API003 gone certain",
    ),
    world("outer try", {"lib": "import gone", "user": "try:\n    import lib\nexcept ImportError:\n    lib = None"}),
    world(
        "try in a function",
        {
            "user": "def f():\n    try:\n        import gone\n    except ImportError:\n        return None\n    return gone"
        },
        (),
        "import user\nuser.f()",
    ),
    world(
        "flag set by a handler",
        {"user": "try:\n    import gone\n    HAS = True\nexcept ImportError:\n    HAS = False\nif HAS:\n    gone.x"},
    ),
    world(
        "flag set by a handler, used wrongly",
        {
            "user": "try:\n    import gone\n    HAS = True\nexcept ImportError:\n    HAS = False\nif not HAS:\n    gone.x"
        },
        "API010 gone certain",
    ),
    world(
        "unbound by the handler",
        {"user": "try:\n    import gone\nexcept ImportError:\n    pass\nclass A(gone.B): pass"},
        "API010 gone certain",
    ),
    world(
        "unbound annotation",
        {"user": "try:\n    import nn\nexcept ImportError:\n    pass\ndef f(x: nn.Module): pass"},
        "API010 nn certain",
    ),
    world(
        "unbound default",
        {"user": "try:\n    import nn\nexcept ImportError:\n    pass\ndef f(x=nn): pass"},
        "API010 nn certain",
    ),
    world(
        "unbound return annotation",
        {"user": "try:\n    import nn\nexcept ImportError:\n    pass\ndef f() -> nn.Module: pass"},
        "API010 nn certain",
    ),
    world(
        "unbound class annotation",
        {"user": "try:\n    import nn\nexcept ImportError:\n    pass\nclass A:\n    x: nn.Module"},
        "API010 nn certain",
    ),
    world("annotation of a local is not evaluated", {"user": "def f():\n    x: nn.Module = 1\nf()"}),
    world(
        "annotations as text",
        {"user": "from __future__ import annotations\ndef f(x: nn.Module) -> nn.Y: pass\nclass A:\n    x: nn.Z"},
    ),
    world("quoted annotation", {"user": "def f(x: 'nn.Module') -> 'nn.Y': pass"}),
    world(
        "annotations of Python 3.14",
        {"user": "def f(x: nn.Module): pass\nclass A:\n    x: nn.Z"},
        python="3.14.0",
        runs=False,
    ),
    world("defaults of Python 3.14", {"user": "def f(x=nn): pass"}, "API010 nn certain", python="3.14.0", runs=False),
    world(
        "bound by a guard that does not hold",
        {"user": "import importlib.util\nif importlib.util.find_spec('torchless'):\n    nn = 1\nclass A(nn): pass"},
        "API010 nn certain",
    ),
    world(
        "bound by a guard that holds",
        {
            "lib": "nn = object",
            "user": "import importlib.util\nif importlib.util.find_spec('lib'):\n    from lib import nn\nclass A(nn): pass",
        },
    ),
    world(
        "bound by an unknown guard", {"user": "import os\nif os.path.exists('/'):\n    nn = object\nclass A(nn): pass"}
    ),
    world(
        "TYPE_CHECKING import used in an annotation",
        {"user": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import gone\ndef f(x: 'gone.A'): pass"},
    ),
    world(
        "TYPE_CHECKING import used for real",
        {"user": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import gone\ndef f(x: gone.A): pass"},
        "API010 gone certain",
    ),
    world(
        "TYPE_CHECKING else",
        {"lib": "", "user": f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    {GONE}"},
        "API001 gone certain",
    ),
    world(
        "early return",
        {"lib": "", "user": f"def f(x=None):\n    if x is None:\n        return\n    {GONE}"},
        (),
        "import user\nuser.f()",
    ),
    world(
        "early return not taken",
        {"lib": "", "user": f"def f(x=None):\n    if x is None:\n        return\n    {GONE}"},
        "API001 gone certain",
        "import user\nuser.f(1)",
    ),
    world(
        "early return unknown",
        {"lib": "", "user": f"import os\ndef f():\n    if os.path.exists('/'):\n        return\n    {GONE}"},
        "API001 gone likely",
        "import user\nuser.f()",
    ),
    world(
        "early raise",
        {"lib": "", "user": f"def f(x=None):\n    if x is None:\n        raise ValueError\n    {GONE}"},
        (),
        "import user\ntry:\n    user.f()\nexcept ValueError: pass",
    ),
    world(
        "return in try",
        {"lib": "", "user": f"def f():\n    try:\n        return 1\n    finally:\n        pass\n    {GONE}"},
        (),
        "import user\nuser.f()",
    ),
    world(
        "return in for",
        {"lib": "", "user": f"def f():\n    for x in (1, 2):\n        return x\n    {GONE}"},
        (),
        "import user\nuser.f()",
    ),
    world(
        "return in while True",
        {"lib": "", "user": f"def f():\n    while True:\n        return 1\n    {GONE}"},
        (),
        "import user\nuser.f()",
    ),
    world(
        "return in with",
        {"lib": "", "user": f"import io\ndef f():\n    with io.StringIO():\n        return 1\n    {GONE}"},
        (),
        "import user\nuser.f()",
    ),
    world(
        "return in match",
        {"lib": "", "user": f"def f(x):\n    match x:\n        case _:\n            return 1\n    {GONE}"},
        (),
        "import user\nuser.f(1)",
    ),
    world("continue", {"lib": "", "user": f"for x in (1, 2):\n    continue\n    {GONE}"}),
    world("break", {"lib": "", "user": f"for x in (1, 2):\n    break\nelse:\n    {GONE}"}),
    world("loop else", {"lib": "", "user": f"for x in (1, 2):\n    pass\nelse:\n    {GONE}"}, "API001 gone certain"),
    world("while False", {"lib": "", "user": f"while False:\n    {GONE}"}),
    world("while True breaks at once", {"lib": "", "user": f"while True:\n    break\n    {GONE}"}),
    world("assert is passed by", {"lib": "", "user": "assert True"}),
    world(
        "nested guards", {"lib": "", "user": f"import sys\nif True:\n    if sys.version_info < (3,):\n        {GONE}"}
    ),
    world("guard of a loop variable", {"lib": "", "user": f"for n in ('a', 'b'):\n    if n == 'c':\n        {GONE}"}),
    world("guard by a function", {"lib": "", "user": f"def f(x):\n    return x > 2\nif f(1):\n    {GONE}"}),
    world(
        "guard by a lambda", {"lib": "", "user": f"f = lambda x: x > 2\nif f(3):\n    {GONE}"}, "API001 gone certain"
    ),
    world(
        "guard by a cached function",
        {"lib": "", "user": f"import functools\n@functools.lru_cache\ndef f():\n    return False\nif f():\n    {GONE}"},
    ),
    world(
        "guard by a cached function with brackets",
        {
            "lib": "",
            "user": f"import functools\n@functools.lru_cache(None)\ndef f():\n    return True\nif f():\n    {GONE}",
        },
        "API001 gone certain",
    ),
    world(
        "operator table",
        {"lib": "", "user": f"import operator\nOPS = {{'>': operator.gt}}\nif OPS['>'](1, 2):\n    {GONE}"},
    ),
    world("conditional expression", {"lib": "", "user": "import lib\nx = lib.gone if False else 1"}),
    world("and of an attribute", {"lib": "", "user": "import lib\nx = hasattr(lib, 'gone') and lib.gone"}),
    world("or of an attribute", {"lib": "here = 1", "user": "import lib\nx = lib.here or lib.gone"}),
    world(
        "match that may not fit", {"lib": "", "user": f"import os\nmatch os.name:\n    case 'amiga':\n        {GONE}"}
    ),
    world(
        "return from finally",
        {"lib": "", "user": f"def f():\n    try:\n        {GONE}\n    finally:\n        return 1"},
        (),
        "import user\nuser.f()",
    ),
    world("try of an exception group", {"user": "try:\n    import gone\nexcept* ImportError:\n    pass"}),
    world(
        "custom exception takes its base",
        {
            "lib": "class Missing(ImportError): pass\ndef need():\n    raise Missing('no')",
            "user": "import lib\ntry:\n    lib.need()\nexcept ImportError:\n    pass",
        },
    ),
]

GATES = [
    world(
        "require_version",
        {
            "lib": "",
            "user": "import importlib.metadata\nfrom packaging import version\ndef require(name, least):\n    if version.parse(importlib.metadata.version(name)) < version.parse(least):\n        raise ImportError(f'{name}>={least} is required')\nrequire('lib', '2.0')",
        },
        "API009 lib certain",
        runs=False,
        distributions=PACKAGING,
    ),
    world(
        "require_version that holds",
        {
            "lib": "",
            "user": "import importlib.metadata\nfrom packaging import version\ndef require(name, least):\n    if version.parse(importlib.metadata.version(name)) < version.parse(least):\n        raise ImportError(f'{name}>={least} is required')\nrequire('lib', '0.5')",
        },
        (),
        runs=False,
        distributions=PACKAGING,
    ),
    world(
        "gate at import",
        {
            "lib": "VERSION = (1, 0)",
            "user": "import lib\nif lib.VERSION < (2, 0):\n    raise ImportError('lib>=2.0 is needed')",
        },
        "API009 lib certain",
    ),
    world(
        "gate that is caught",
        {
            "lib": "VERSION = (1, 0)",
            "user": "import lib\nif lib.VERSION < (2, 0):\n    raise ImportError('lib>=2.0 is needed')",
        },
        (),
        "try:\n    import user\nexcept ImportError: pass",
    ),
    world(
        "gate in a run",
        {
            "user": "import importlib.util\ndef is_bnb_available():\n    return importlib.util.find_spec('bnb') is not None\ndef f():\n    if not is_bnb_available():\n        raise ImportError('needs bnb')"
        },
        "API009 bnb certain",
        "import user\nuser.f()",
    ),
    world(
        "gate in a run that is not entered",
        {
            "user": "import importlib.util\ndef is_bnb_available():\n    return importlib.util.find_spec('bnb') is not None\ndef f():\n    if not is_bnb_available():\n        raise ImportError('needs bnb')"
        },
        (),
        "import user",
    ),
    world(
        "gate behind an unknown answer",
        {"user": "import os\nif os.path.exists('/nowhere'):\n    raise ImportError('version 2 is needed')"},
    ),
    world(
        "a run's other errors are its own",
        {"user": "def f(x=None):\n    if x is None:\n        raise ValueError('give x')"},
        (),
        "import user\nuser.f()",
        runs=False,
    ),
]


@pytest.mark.parametrize("row", [*SIMPLE, *VERSIONS, *AVAILABILITY])
def test_conditions(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("row", SHAPES)
def test_shapes(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("row", GATES)
def test_gates(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)
