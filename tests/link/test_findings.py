"""What broke, in words that a user understands; one finding a root."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link.findings import KINDS
from sftdoctor.model import Severity
from tests.link.worlds import World

USER = {"distributions": {"user": "2.5", "lib": "1.0.1"}}


@pytest.mark.parametrize(
    ("lib", "user", "message", "symptom"),
    [
        (
            "",
            "from lib import gone",
            "user 2.5 does `from lib import gone` (user/__init__.py:1); lib 1.0.1 has no such name.",
            "ImportError: cannot import name 'gone' from 'lib'",
        ),
        (
            "def f(x): pass",
            "from lib import f\nf(1, y=2)",
            "user 2.5 calls `f(…, y=…)` (user/__init__.py:2); lib 1.0.1 has no argument `y` there.",
            "TypeError: f() got an unexpected keyword argument 'y'",
        ),
        (
            "",
            "import lib.deep",
            "user 2.5 does `import lib.deep` (user/__init__.py:1); lib 1.0.1 has no module `lib.deep`.",
            "ModuleNotFoundError: No module named 'lib.deep'",
        ),
        (
            "",
            "import nowhere",
            "user 2.5 does `import nowhere` (user/__init__.py:1); no installed package provides `nowhere`.",
            "ModuleNotFoundError: No module named 'nowhere'",
        ),
        (
            "",
            "import lib\nlib.gone",
            "user 2.5 uses `lib.gone` (user/__init__.py:2); lib 1.0.1 has no `gone` there.",
            "AttributeError: module 'lib' has no attribute 'gone'",
        ),
        (
            "def f(x): pass",
            "from lib import f\nf()",
            "user 2.5 calls `f(…)` (user/__init__.py:2); lib 1.0.1 requires the argument `x`.",
            "TypeError: f() missing 1 required positional argument: 'x'",
        ),
        (
            "def f(x): pass",
            "from lib import f\nf(1, 2)",
            "user 2.5 calls `f(…)` (user/__init__.py:2) with more positional arguments than lib 1.0.1 takes.",
            "TypeError: f() takes 1 positional argument but 2 were given",
        ),
        (
            "",
            "try:\n    import nn\nexcept ImportError:\n    pass\nclass A(nn.B): pass",
            "user 2.5 uses `nn` (user/__init__.py:5), which nothing has bound. "
            "`import nn` in line 2 stands under `try`, which does not hold here",
            "NameError: name 'nn' is not defined",
        ),
    ],
)
def test_words(lib: str, user: str, message: str, symptom: str, tmp_path: Path) -> None:
    found = World({"lib": lib, "user": user}, data=USER).link(tmp_path).findings[0]
    assert (found.message, found.symptom) == (message, symptom)
    assert found.severity is Severity.ERROR and found.rule in KINDS and KINDS[found.rule][0] == found.id


def test_what_follows_from_a_root_is_not_said(tmp_path: Path) -> None:
    """Half of a package that could not be imported breaks again wherever it is asked for."""
    sources = {
        "lib": "",
        "mid": "from lib import gone",
        "user": "",
        "user.a": "import mid",
        "user.b": "from mid import anything",
        "user.c": "from . import a",
    }
    program = "\n".join(f"import user.{name}" for name in "abc")
    found = World(sources, program).link(tmp_path).findings
    assert [(f.id, f.cause and f.cause.name) for f in found] == [("API001", "gone")]


def test_two_roots_are_two_findings(tmp_path: Path) -> None:
    sources = {
        "lib": "def f(x): pass\ndef g(x): pass",
        "user": "import lib\ndef run():\n    lib.f(y=1)\n    lib.g(z=1)",
    }
    found = World(sources, "import user\nuser.run()").link(tmp_path).findings
    assert [f.cause and f.cause.name for f in found] == ["y", "z"]


def test_one_keyword_passed_at_many_places_is_one_finding(tmp_path: Path) -> None:
    calls = "\n".join("    lib.f(1, y=1)" for _ in range(5))
    sources = {"lib": "def f(x): pass", "user": f"import lib\ndef run():\n{calls}"}
    assert len(World(sources, "import user\nuser.run()").link(tmp_path).findings) == 1
