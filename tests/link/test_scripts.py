"""The user's own code: scripts and the modules beside them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.link.locate import Locator
from sftdoctor.link.scripts import Beside
from sftdoctor.model import Scenario, Script, Workload
from tests.link.worlds import World, read_worlds, told

NOTHING = Scenario("a run", "a run", ())
LIB = World({"lib": "def f(x): pass", "datasets": "def load(x): pass"})


@pytest.mark.parametrize("row", read_worlds("scripts"))
def test_scripts(row: World, tmp_path: Path) -> None:
    assert told(row.link(tmp_path)) == row.expected


def link_files(tmp_path: Path, files: dict[str, str], script: str) -> list[str]:
    """Link a script that lies among other files; each finding with where it is."""
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    path = tmp_path / "project" / script
    environment = LIB.environment(tmp_path / "target")
    workload = Workload(NOTHING, (Script(str(path), path.read_text()),))
    findings = link(Library(environment), environment, workload).findings
    return [
        f"{item.id} {item.cause.name if item.cause else ''} "
        f"{Path(item.location.path).relative_to(tmp_path / 'project').as_posix()}:{item.location.line}"
        for item in findings
        if item.location
    ]


BESIDE = {
    "a module beside the script": (
        {"train.py": "import helper\nhelper.go()", "helper.py": "import lib\ndef go():\n    lib.f(1, y=2)"},
        ["API002 y helper.py:3"],
    ),
    "its own names are known": (
        {"train.py": "from helper import gone", "helper.py": "x = 1"},
        ["API001 gone train.py:1"],
    ),
    "it stands before an installed one": (
        {"train.py": "import lib\nlib.f(1, y=2)", "lib.py": "def f(x, y): pass"},
        [],
    ),
    "what a folder without __init__ lacks": (
        {
            "train.py": "import src.gone\nfrom src.gone import x\nfrom src import nothing, there\nimport src.there",
            "src/there.py": "",
        },
        ["API003 src.gone train.py:1", "API003 src.gone train.py:2", "API001 nothing train.py:3"],
    ),
    "a relative import, in no package, of what is not beside it": (
        {
            "train.py": "from .gone import x\nfrom .there import y\nfrom . import below, lost\n"
            "from .below.gone import z\n",
            "there.py": "y = 1",
            "below/there.py": "",
        },
        ["API003 .gone train.py:1", "API003 .lost train.py:3", "API003 .below.gone train.py:4"],
    ),
    "one that leads further up": (
        {"jobs/train.py": "from ..there import x\nfrom ..gone import y\nfrom .......... import z", "there.py": "x = 1"},
        ["API003 ..gone jobs/train.py:2"],
    ),
    "names of a package above, and a compiled module": (
        {
            "pkg/__init__.py": "go = 1",
            "pkg/jobs/train.py": "from .. import go\nfrom ._C import x\nfrom ..gone import y",
            "pkg/jobs/_C.cpython-311-x86_64-linux-gnu.so": "",
        },
        ["API003 ..gone pkg/jobs/train.py:3"],
    ),
    "one that is expected to fail": (
        {"train.py": "try:\n    from .gone import x\nexcept ImportError:\n    import there", "there.py": "x = 1"},
        [],
    ),
    "one of a script that says which package it is of": (
        {"train.py": "__package__ = 'project'\nfrom .gone import x"},
        [],
    ),
    "such a folder further up has the rest": (
        {"jobs/train.py": "import src.there, src.gone", "jobs/src/a.py": "", "src/there.py": "", ".git/config": ""},
        ["API003 src.gone jobs/train.py:1"],
    ),
    "a folder of data does not": (
        {"train.py": "import datasets\ndatasets.load(1, y=2)", "datasets/data.txt": ""},
        ["API002 y train.py:2"],
    ),
    "a package of the project": (
        {"pyproject.toml": "", "src/a.py": "import lib\ndef go():\n    lib.f()", "src/__init__.py": "",
         "scripts/train.py": "from src.a import go\ngo()"},
        ["API006 x src/a.py:3"],
    ),
    "a package of the project, in its src": (
        {"setup.py": "", "src/own/__init__.py": "import lib\ndef go():\n    lib.f()",
         "scripts/train.py": "from own import go\ngo()"},
        ["API006 x src/own/__init__.py:3"],
    ),
    "nothing above the project": (
        {"other.py": "x = 1", "inner/pyproject.toml": "", "inner/train.py": "import other"},
        ["API003 other inner/train.py:1"],
    ),
    "part of a package sees its modules by their full names": (
        {"pkg/__init__.py": "", "pkg/lib.py": "", "pkg/train.py": "from pkg import lib as own\nimport lib\nlib.f(y=1)"},
        ["API002 y pkg/train.py:3"],
    ),
    "part of a package imports relatively": (
        {"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/sub/train.py": "from ..helper import go\ngo()",
         "pkg/helper.py": "import lib\ndef go():\n    lib.f(1, y=2)"},
        ["API002 y pkg/helper.py:3"],
    ),
    "a script that imports from its own folder by name is part of a package without __init__": (
        {"pkg/lib.py": "", "pkg/train.py": "from pkg.lib import *\nimport lib\nlib.f(1, y=2)"},
        ["API002 y pkg/train.py:3"],
    ),
    "what is relative to no package is left open": (
        {"v1.0/train.py": "from ..helper import go\ngo()", "helper.py": ""},
        [],
    ),
    "a folder of the package that the script lies in": (
        {"pkg/__init__.py": "", "pkg/lib/__init__.py": "", "pkg/lib/train.py": "import lib\nlib.f(1, y=2)"},
        ["API002 y pkg/lib/train.py:2"],
    ),
    "a folder that the script puts into sys.path": (
        {"a/train.py": "import sys\nfrom os.path import abspath, dirname, join\n"
         "sys.path.append(join(dirname(abspath(__file__)), 'own'))\n"
         "import helper\nhelper.go()",
         "a/own/helper.py": "import lib\ndef go():\n    lib.f(1, y=2)"},
        ["API002 y a/own/helper.py:3"],
    ),
    "the same as pathlib has it, two folders up": (
        {"pyproject.toml": "", "a/b/train.py": "import sys\nfrom pathlib import Path\n"
         "ROOT = Path(__file__).resolve().parents[2] / 'own'\nsys.path += [str(ROOT)]\nimport helper\nhelper.go()",
         "own/helper.py": "import lib\ndef go():\n    lib.f(1, y=2)"},
        ["API002 y own/helper.py:3"],
    ),
    "a relative one counts from beside the script too": (
        {"train.py": "import sys\nif input():\n    sys.path.append('./own')\nimport helper", "own/helper.py": ""},
        [],
    ),
    "one at the front stands before what is installed": (
        {"train.py": "import sys\nsys.path.insert(0, 'own')\nimport lib\nlib.f(1, y=2)",
         "own/lib.py": "def f(x, y): pass"},
        [],
    ),
    "one at the end does not": (
        {"train.py": "import sys\nsys.path.append('own')\nimport lib\nlib.f(1, y=2)",
         "own/lib.py": "def f(x, y): pass"},
        ["API002 y train.py:4"],
    ),
    "a folder that has it not": (
        {"train.py": "import sys\nsys.path.insert(0, 'own')\nimport helper", "own/other.py": ""},
        ["API003 helper train.py:3"],
    ),
    "what a helper has and nobody uses": (
        {"train.py": "import helper\nhelper.go()",
         "helper.py": "import lib\ndef go(): pass\ndef old():\n    lib.f(1, y=2)"},
        [],
    ),
    "what a helper hands to a library": (
        {"train.py": "import lib\nfrom helper import step\nlib.f(step)",
         "helper.py": "import lib\ndef step(x):\n    lib.f(1, y=2)"},
        ["API002 y helper.py:3"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "wanted"), BESIDE.values(), ids=BESIDE)
def test_modules_beside(files: dict[str, str], wanted: list[str], tmp_path: Path) -> None:
    script = next(name for name in files if name.endswith("train.py"))
    assert link_files(tmp_path, files, script) == wanted


@pytest.mark.parametrize(
    ("change", "told_of"),
    [
        ("sys.path.append(sys.argv[1])", ("API003 helper possible",)),
        ("sys.path[:0] = [input()]", ("API003 helper possible",)),
        ("sys.path = ['/nowhere/at/all', *sys.path]", ("API003 helper possible",)),
        ("print(sys.path)", ("API003 helper certain",)),
    ],
)
def test_folders_of_sys_path_that_are_not_known(change: str, told_of: tuple[str, ...], tmp_path: Path) -> None:
    world = World({"lib": ""}, f"import sys\n{change}\nimport helper", script=True)
    assert told(world.link(tmp_path)) == told_of


def test_what_a_package_carries_along_is_not_missing(tmp_path: Path) -> None:
    setup = "p = os.path.join(os.path.dirname(__file__), 'vendor')\ndef put():\n    old = [d for d in sys.path]\n"
    setup += "    if p not in sys.path:\n        sys.path.insert(1, p)\n    return old\n"
    source = f"import os, sys\n{setup}old = put()\nimport carried\nsys.path = old\nimport carried\nput()\nimport other"
    assert told(World({"user": source}).link(tmp_path)) == ()
    assert told(World({"user": "import sys\nimport carried"}).link(tmp_path / "b")) == ("API003 carried certain",)


def test_an_editable_install_of_the_project_is_the_users_own(tmp_path: Path) -> None:
    package = tmp_path / "clone" / "pkg"
    package.mkdir(parents=True)
    for name in ("__init__.py", "data.py", "train.py"):
        (package / name).write_text("")
    target = LIB.environment(tmp_path / "target")
    installed = replace(target, paths=(*target.paths, str(package.parent)))
    found = Beside(Locator(installed), package).find("pkg.data")
    assert found and found.own and found.path == package / "data.py"
    (package.parent / "lib-1.0.dist-info").mkdir()  # the script itself lies in a site-packages
    found = Beside(Locator(installed), package).find("pkg.data")
    assert found and not found.own


def test_a_module_that_comes_beside_is_seen(tmp_path: Path) -> None:
    environment = LIB.environment(tmp_path / "target")
    script = tmp_path / "train.py"
    workload = Workload(NOTHING, (Script(str(script), "import lib\nlib.f(1, y=2)"),))
    before = told(link(Library(environment, tmp_path / "cache"), environment, workload))
    (tmp_path / "lib.py").write_text("def f(x, y): pass")
    after = told(link(Library(environment, tmp_path / "cache"), environment, workload))
    assert (before, after) == (("API002 y certain",), ())


def test_where_modules_are_found(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("x = 1")
    beside = Beside(Locator(LIB.environment(tmp_path / "target")), tmp_path)
    own, lib = beside.find("own"), beside.find("lib")
    assert own and own.own and own.distribution == ""
    assert lib and not lib.own and lib.distribution == "lib"
    assert beside.find("nowhere") is None and beside.find("os") is None


def test_fields_of_the_scripts_own_that_a_library_copies_are_told_once(tmp_path: Path) -> None:
    lib = """
        from dataclasses import asdict, dataclass
        @dataclass
        class Arguments:
            x: int = 1
        @dataclass
        class Config(Arguments):
            y: int = 2
        class Trainer:
            def __init__(self, args):
                if not isinstance(args, Config):
                    args = Config(**asdict(args))
    """
    script = "from dataclasses import dataclass\nfrom lib import Arguments, Trainer\n@dataclass\nclass Own({}):\n"
    script += "    cache: str = ''\n    more: int = 0\nTrainer(Own())"
    (item,) = World({"lib": lib}, script.format("Arguments"), script=True).link(tmp_path).findings
    assert (item.id, item.location and item.location.line) == ("API090", 7)
    assert item.cause and item.cause.name == "cache" and "Nor has it `more`." in item.message
    derived = script.format("Config").replace("import Arguments", "import Config")
    assert told(World({"lib": lib}, derived, script=True).link(tmp_path / "b")) == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_module_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    os.mkfifo(tmp_path / "project" / "pipe.py")
    assert link_files(tmp_path, {"train.py": "from pipe import a\nimport lib\nlib.f(1, y=2)"}, "train.py") == [
        "API002 y train.py:3"
    ]
