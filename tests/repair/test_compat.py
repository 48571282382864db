"""Edits for scripts that serve two stacks: really run against the old code and the new."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.repair.compat import COMPATIBLE
from sftdoctor.repair.edits import carry_out, edit_source

SCRIPT = "from lib import f\n\nresult = f(1, {given})\nprint(result)\n"
SIDES = {
    "rename_keyword": (
        SCRIPT.format(given="old=2,  # why\n"),
        Edit("rename_keyword", Location("t.py", 3, 10), {"old": "old", "new": "new"}, True),
        "def f(x, *, old=0): return x + old\n",
        "def f(x, *, new=0): return x + new\n",
        "3",
    ),
    "remove_keyword": (
        SCRIPT.format(given="old=2"),
        Edit("remove_keyword", Location("t.py", 3, 10), {"name": "old"}, True),
        "class f:\n    def __init__(self, x, old=0): assert old == 2\n    def __repr__(self): return 'made'\n",
        "class f:\n    def __init__(self, x): ...\n    def __repr__(self): return 'made'\n",
        "made",
    ),
    "translate_keyword": (
        SCRIPT.format(given="on=True"),
        Edit("translate_keyword", Location("t.py", 3, 10), {"old": "on", "new": "kind", "true": "'fast'"}, True),
        "def f(x, on=False): return 'fast' if on else 'slow'\n",
        "def f(x, kind='slow'): return kind\n",
        "fast",
    ),
    "replace_import": (
        "import sys\nfrom lib import f, g\n\nprint(f(2), g)\n",
        Edit("replace_import", Location("t.py", 2, 1), {"module": "lib", "old": "f", "new": "h"}, True),
        "def f(x): return x\ng = 1\n",
        "def h(x): return x\ng = 1\n",
        "2 1",
    ),
    "define_import": (
        "from lib import f\n\nprint(f(2))\n",
        Edit(
            "define_import", Location("t.py", 1), {"module": "lib", "old": "f", "code": "def f(x):\n    return x"}, True
        ),
        "def f(x): return x\n",
        "",
        "2",
    ),
    "add_parameter": (
        "import lib\n\n\nclass Mine(lib.Base):\n    def loss(self, x):\n        return x\n\n\nprint(Mine().run())\n",
        Edit("add_parameter", Location("t.py", 5), {"name": "n", "default": "None"}, True),
        "class Base:\n    def run(self): return self.loss(2)\n",
        "class Base:\n    def run(self): return self.loss(2, n=1)\n",
        "2",
    ),
}


@pytest.mark.parametrize("name", SIDES)
def test_both_sides_run(name: str, tmp_path: Path) -> None:
    source, edit, old, new, expected = SIDES[name]
    edited = carry_out(source.encode(), edit)
    (tmp_path / "t.py").write_bytes(edited.source)
    for library in (old, new):
        (tmp_path / "lib.py").write_text(library)
        done = subprocess.run([sys.executable, "-B", "t.py"], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr + edited.source.decode()


def test_every_form_has_a_case() -> None:
    assert SIDES.keys() == COMPATIBLE.keys()


def test_comments_stay() -> None:
    source, edit, *_ = SIDES["rename_keyword"]
    assert "# why" in edit_source(source.encode(), edit).decode()


def test_what_cannot_be_asked_is_left() -> None:
    edit = Edit("rename_keyword", Location("t.py", 1), {"old": "use_auth_token", "new": "token"}, True)
    with pytest.raises(RepairError, match="cannot be asked"):
        edit_source(b"M.from_pretrained('m', use_auth_token=True)\n", edit)


def test_what_has_no_such_form_is_refused() -> None:
    edit = Edit("move_keyword", Location("t.py", 1), {"name": "a", "argument": "args", "class": "dict"}, True)
    with pytest.raises(RepairError, match="works on both"):
        edit_source(b"f(a=1)\n", edit)
