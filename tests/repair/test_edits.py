"""Edits: tables of before and after, and of what must stay as it is."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.operations import OPERATIONS
from sftdoctor.repair.edits import carry_out, edit_file, edit_source, render_diff

RENAME = {"old": "max_seq_length", "new": "max_length"}
SWITCH = {"old": "on", "new": "kind", "true": "'fast'"}
MOVE = {"argument": "args", "class": "Config", "module": "trl"}

COPY = """    _config = Config(
        **{
            one.name: getattr(c, one.name)
            for one in dataclasses.fields(Config)
            if one.init and hasattr(c, one.name)
        }
    )
"""


def edit(operation: str, line: int, column: int | None = 1, **arguments: str) -> Edit:
    return Edit(operation, Location("train.py", line, column), arguments)


CASES = {
    "rename": ("f(max_seq_length=2048)\n", edit("rename_keyword", 1, **RENAME), "f(max_length=2048)\n"),
    "rename keeps spaces and comments": (
        "c = f(  # why\n\tmax_seq_length = 2048 ,  # two k\n\n)\n",
        edit("rename_keyword", 1, 5, **RENAME),
        "c = f(  # why\n\tmax_length = 2048 ,  # two k\n\n)\n",
    ),
    "rename keeps CRLF": (
        "x = 1\r\nf(max_seq_length=1)\r\n",
        edit("rename_keyword", 2, **RENAME),
        "x = 1\r\nf(max_length=1)\r\n",
    ),
    "rename without a column": (
        "a = f(max_seq_length=1)\n",
        edit("rename_keyword", 1, None, **RENAME),
        "a = f(max_length=1)\n",
    ),
    "rename in the call that has it": (
        "g(f(max_seq_length=1), h())\n",
        edit("rename_keyword", 1, 40, **RENAME),
        "g(f(max_length=1), h())\n",
    ),
    "rename by a column of bytes": (
        "é = g(1); é = f(max_seq_length=1)\n",
        edit("rename_keyword", 1, 17, **RENAME),
        "é = g(1); é = f(max_length=1)\n",
    ),
    "rename by a line inside the call": (
        "f(\n    a=1,\n    max_seq_length=1,\n)\n",
        edit("rename_keyword", 3, 5, **RENAME),
        "f(\n    a=1,\n    max_length=1,\n)\n",
    ),
    "rename the outer of a chain": (
        "a(max_seq_length=1).b(max_seq_length=2)\n",
        Edit("rename_keyword", Location("train.py", 1, 1, 1, 40), RENAME),
        "a(max_seq_length=1).b(max_length=2)\n",
    ),
    "remove the only one": ("f(a=1)\n", edit("remove_keyword", 1, name="a"), "f()\n"),
    "remove the first": ("f(a=1, b=2)\n", edit("remove_keyword", 1, name="a"), "f(b=2)\n"),
    "remove the last": ("f(a=1, b=2)\n", edit("remove_keyword", 1, name="b"), "f(a=1)\n"),
    "remove the last before a comma": ("f(a=1, b=2,)\n", edit("remove_keyword", 1, name="b"), "f(a=1, )\n"),
    "remove one line": (
        "f(\n    a=1,\n    b=2,\n    c=3,\n)\n",
        edit("remove_keyword", 1, name="b"),
        "f(\n    a=1,\n    c=3,\n)\n",
    ),
    "remove keeps the comment": (
        "f(\n    a=1,  # one\n    b=2,  # two\n)\n",
        edit("remove_keyword", 1, name="b"),
        "f(\n    a=1,  # one\n    # two\n)\n",
    ),
    "remove the last line without a comma": (
        "f(\n    a=1,  # one, two\n    b=2\n)\n",
        edit("remove_keyword", 1, name="b"),
        "f(\n    a=1  # one, two\n)\n",
    ),
    "remove over several lines": (
        "f(\n    a=g(\n        1,\n    ),\n    b=2,\n)\n",
        edit("remove_keyword", 1, name="a"),
        "f(\n    b=2,\n)\n",
    ),
    "set in an empty call": ("f()\n", edit("set_keyword", 1, name="a", value="1"), "f(a=1)\n"),
    "set a new value": ("f(a=( 1 ), b=2)\n", edit("set_keyword", 1, name="a", value="None"), "f(a=None, b=2)\n"),
    "append": ("f(1, b=2)\n", edit("set_keyword", 1, name="a", value="{'x': 1}"), "f(1, b=2, a={'x': 1})\n"),
    "append after a comma": ("f(b=2,)\n", edit("set_keyword", 1, name="a", value="1"), "f(b=2, a=1,)\n"),
    "append a line": (
        "f(\n    b=2,  # two\n)\n",
        edit("set_keyword", 1, name="a", value="1"),
        "f(\n    b=2,  # two\n    a=1,\n)\n",
    ),
    "append a line without a comma": (
        "f(\r\n\tb=2  # two, three\r\n)\r\n",
        edit("set_keyword", 1, name="a", value="1"),
        "f(\r\n\tb=2,  # two, three\r\n\ta=1\r\n)\r\n",
    ),
    "append a line before the bracket": (
        "f(x,\n  b=2)\n",
        edit("set_keyword", 1, name="a", value="1"),
        "f(x,\n  b=2,\n  a=1)\n",
    ),
    "rename a key of a dictionary that is unpacked": (
        "k = {'max_seq_length': 1, \"b\": 2}\nf(**k)\n",
        edit("rename_keyword", 2, **RENAME),
        "k = {'max_length': 1, \"b\": 2}\nf(**k)\n",
    ),
    "rename a keyword of dict()": (
        "k = dict(max_seq_length=1)\nf(a=1, **k)\n",
        edit("rename_keyword", 2, **RENAME),
        "k = dict(max_length=1)\nf(a=1, **k)\n",
    ),
    "remove a key of a dictionary": (
        "k = {\n    'a': 1,  # one\n    'b': (2),\n}\nf(**k)\n",
        edit("remove_keyword", 5, name="b"),
        "k = {\n    'a': 1,  # one\n}\nf(**k)\n",
    ),
    "remove the last key of a dictionary": (
        "f(**{'a': 1, 'b': 2})\n",
        edit("remove_keyword", 1, name="b"),
        "f(**{'a': 1})\n",
    ),
    "remove only that value": ("f(a=None, b=2)\n", edit("remove_keyword", 1, name="a", value="None"), "f(b=2)\n"),
    "a switch that is on": ("f(on=True)\n", edit("translate_keyword", 1, **SWITCH), "f(kind='fast')\n"),
    "a switch that is off": ("f(x, on=False)\n", edit("translate_keyword", 1, **SWITCH), "f(x)\n"),
    "a switch that depends": (
        "f(on=args.on, y=1)\n",
        edit("translate_keyword", 1, **SWITCH),
        "f(kind='fast' if args.on else None, y=1)\n",
    ),
    "a switch with two words": (
        "f(\n    on=False,  # off\n)\n",
        edit("translate_keyword", 1, **SWITCH, false="'slow'"),
        "f(\n    kind='slow',  # off\n)\n",
    ),
    "move to a constructor that is there": (
        "from trl import Config\nc = Config(x=1)\nt = B(args=c, y=2, z=3)\n",
        edit("move_keyword", 3, 5, **MOVE, name="y"),
        "from trl import Config\nc = Config(x=1, y=2)\nt = B(args=c, z=3)\n",
    ),
    "move to a constructor in the call, by its place": (
        "from trl import Config\nt = B(\n    m,\n    Config(),\n    y=(\n        2\n    ),\n)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y", new="w", position="1"),
        "from trl import Config\nt = B(\n    m,\n    Config(w=(\n        2\n    )),\n)\n",
    ),
    "move to a new object": (
        "import os\nfrom trl import (\n    B,  # why\n)\nt = B(m, y=2)\n",
        edit("move_keyword", 5, 5, **MOVE, name="y", first='"out"'),
        'import os\nfrom trl import (\n    B,  # why\n    Config,\n)\nt = B(m, args=Config("out", y=2))\n',
    ),
    "move a switch to an object that depends on it": (
        "from trl import Config\nt = B(m, y=a.y)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y", switch="yes"),
        "from trl import Config\nt = B(m, args=Config(y=True) if a.y else None)\n",
    ),
    "move a switch that depends on a condition": (
        "from trl import Config\nt = B(m, y=True if a.y else None)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y", switch="yes"),
        "from trl import Config\nt = B(m, args=Config(y=True) if (True if a.y else None) else None)\n",
    ),
    "into a dictionary of an object": (
        "if x:\n    t = B(\n        m,\n        args=a,\n        q=f(c),\n    )\n",
        edit("nest_keyword", 2, 9, name="q", argument="args", into="kwargs"),
        'if x:\n    a.kwargs = {**(a.kwargs or {}), "q": f(c)}\n    t = B(\n        m,\n        args=a,\n    )\n',
    ),
    "move a switch that is on": (
        "from trl import Config\nt = B(m, y=True)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y", switch="yes"),
        "from trl import Config\nt = B(m, args=Config(y=True))\n",
    ),
    "move to a dictionary": (
        "t = B(y=2)\n",
        edit("move_keyword", 1, 5, **{"name": "y", "argument": "config", "class": "dict"}),
        "t = B(config=dict(y=2))\n",
    ),
    "move and change the class, keeping its defaults": (
        "import transformers\nimport trl\nc = transformers.Old(x=1, lr=3)\nt = B(args=c, y=2)\n",
        edit("move_keyword", 4, 5, **MOVE, name="y", base="Old", keep="lr=1, bf16=False"),
        "import transformers\nimport trl\nfrom trl import Config\n"
        "c = Config(x=1, lr=3, y=2, bf16=False)\nt = B(args=c)\n",
    ),
    "move what is there already": (
        "from trl import Config\nt = B(args=Config(y= 2), y=2)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y"),
        "from trl import Config\nt = B(args=Config(y= 2))\n",
    ),
    "move nothing": (
        "from trl import Config\nt = B(args=Config(), y=None)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y", drop="None"),
        "from trl import Config\nt = B(args=Config())\n",
    ),
    "move onto what a parser made": (
        "from trl import Config\np = HfArgumentParser((A, Config))\n"
        "if x:\n    a, c = p.parse_args_into_dataclasses()\n    t = B(args=c, y=a.y)\n",
        edit("move_keyword", 5, 9, **MOVE, name="y"),
        "from trl import Config\np = HfArgumentParser((A, Config))\n"
        "if x:\n    a, c = p.parse_args_into_dataclasses()\n    c.y = a.y\n    t = B(args=c)\n",
    ),
    "move onto what a parser made of the base class": (
        "from trl import B, HfArgumentParser, Old\n\n\ndef main():\n    p = HfArgumentParser((A, Old))\n"
        "    a, c = p.parse_args_into_dataclasses()\n    t = B(m, c, y=a.y)\n",
        edit("move_keyword", 7, 9, **MOVE, name="y", base="Old", position="1"),
        "from trl import B, HfArgumentParser, Old, Config\n\n\ndef main():\n    p = HfArgumentParser((A, Old))\n"
        "    a, c = p.parse_args_into_dataclasses()\n"
        "    c = Config(**{key: value for key, value in c.to_dict().items() if not key.endswith('_token')}, "
        "hub_token=c.hub_token)\n    c.y = a.y\n    t = B(m, c)\n",
    ),
    "let a parser make the class": (
        "from trl import B, HfArgumentParser, Old\n\np = HfArgumentParser((A, Old))\n"
        "a, c = p.parse_args_into_dataclasses()\nt = B(m, c, y=1)\n",
        edit("move_keyword", 5, 5, **MOVE, name="y", base="Old", position="1", options="y z", keep="k=2"),
        "from trl import B, HfArgumentParser, Old, Config\n\np = HfArgumentParser((A, Config))\n"
        "p.set_defaults(k=2)\na, c = p.parse_args_into_dataclasses()\nc.y = 1\nt = B(m, c)\n",
    ),
    "let a parser make the class, whose option it is": (
        "from trl import B, HfArgumentParser, Old\n\np = HfArgumentParser((A, Old))\n"
        "a, c = p.parse_args_into_dataclasses()\nt = B(m, c, y=a.y)\n",
        edit("move_keyword", 5, 5, **MOVE, name="y", base="Old", position="1", options="y z", new="z", unsaid="3"),
        "from trl import B, HfArgumentParser, Old, Config\n\np = HfArgumentParser((A, Config))\n"
        "p.set_defaults(z=3)\na, c = p.parse_args_into_dataclasses()\nt = B(m, c)\n",
    ),
    "an option of the class that a parser makes": (
        "p = HfArgumentParser((A, Config))\na, c = p.parse_args_into_dataclasses()\nt = B(m, c, y=a.y)\n",
        edit("move_keyword", 3, 5, **MOVE, name="y", position="1", options="y"),
        "p = HfArgumentParser((A, Config))\na, c = p.parse_args_into_dataclasses()\nt = B(m, c)\n",
    ),
    "no second option of a name": (
        "from trl import B, HfArgumentParser, Old\n\n\nclass A:\n    y: int = 1\n\n\np = HfArgumentParser((A, Old))\n"
        "a, c = p.parse_args_into_dataclasses()\nt = B(m, c, y=a.y)\n",
        edit("move_keyword", 10, 5, **MOVE, name="y", base="Old", position="1", options="y z"),
        "from trl import B, HfArgumentParser, Old, Config\n\n\nclass A:\n    y: int = 1\n\n\n"
        "p = HfArgumentParser((A, Old))\na, c = p.parse_args_into_dataclasses()\n"
        "c = Config(**{key: value for key, value in c.to_dict().items() if not key.endswith('_token')}, "
        "hub_token=c.hub_token)\nc.y = a.y\nt = B(m, c)\n",
    ),
    "move onto a copy of what comes from elsewhere": (
        "from trl import B\n\n\ndef f(c):\n    t = B(args=c, y=1)\n",
        edit("move_keyword", 5, 9, **MOVE, name="y", options="y"),
        "import dataclasses\nfrom trl import B, Config\n\n\ndef f(c):\n"
        f"{COPY}    _config.y = 1\n    t = B(args=_config)\n",
    ),
    "move a value of several lines onto what comes from elsewhere": (
        "def f():\n    c = parsed()\n    c = Config(**c)\n    t = B(\n        args=c,\n"
        "        y={\n            'a': 1,  # one\n        },\n        z=2,\n    )\n",
        edit("move_keyword", 4, 9, **MOVE, name="y"),
        "def f():\n    c = parsed()\n    c = Config(**c)\n    c.y = {\n        'a': 1,  # one\n    }\n"
        "    t = B(\n        args=c,\n        z=2,\n    )\n",
    ),
    "move a value that is not known where the object is made": (
        "from trl import Config\nc = Config()\ny = 1\nB(args=c, y=y)\n",
        edit("move_keyword", 4, **MOVE, name="y"),
        "from trl import Config\nc = Config()\ny = 1\nc.y = y\nB(args=c)\n",
    ),
    "a copy of an argument": (
        "from trl import B\n\n\ndef f(c):\n    t = B(1, c, z=2)  # go\n",
        edit("copy_argument", 5, 9, **MOVE, position="1"),
        f"import dataclasses\nfrom trl import B, Config\n\n\ndef f(c):\n{COPY}    t = B(1, _config, z=2)  # go\n",
    ),
    "a copy of what is made there already": (
        "c = Config(x=1)\nt = B(args=c)\n",
        edit("copy_argument", 2, 5, **MOVE, position="1"),
        "c = Config(x=1)\nt = B(args=c)\n",
    ),
    "move onto what is made of unpacked arguments": (
        "c = Config(**k)\nt = B(args=c, y=1)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y"),
        "c = Config(**k)\nc.y = 1\nt = B(args=c)\n",
    ),
    "move onto what was made of the base class before": (
        "from trl import Config\na, c = p.parse_args()\nc = Config(**c)\nc.x = 1\nt = B(args=c, y=a.y)\n",
        edit("move_keyword", 5, 5, **MOVE, name="y"),
        "from trl import Config\na, c = p.parse_args()\nc = Config(**c)\nc.x = 1\nc.y = a.y\nt = B(args=c)\n",
    ),
    "insert above": (
        "if x:\n    # about f\n    f()  # go\n",
        edit("insert_before", 3, 5, code="a = 1\nb = 2"),
        "if x:\n    # about f\n    a = 1\n    b = 2\n    f()  # go\n",
    ),
    "insert below": (
        "if x:\n\tf(\n\t\t1,\n\t)  # go\n\n\ty()\n",
        edit("insert_after", 3, 3, code="a = 1"),
        "if x:\n\tf(\n\t\t1,\n\t)  # go\n\ta = 1\n\n\ty()\n",
    ),
    "insert below the last line": ("f()", edit("insert_after", 1, code="g()"), "f()\ng()"),
    "insert above a decorated function": (
        "x = 1\n@d\ndef f():\n    return 1\n",
        edit("insert_before", 3, code="y = 2"),
        "x = 1\ny = 2\n@d\ndef f():\n    return 1\n",
    ),
    "import in the same module": (
        "from a.b import c, d  # why\n",
        edit("replace_import", 1, module="a.b", old="c", new="e"),
        "from a.b import e, d  # why\n",
    ),
    "import keeps its alias": (
        "from a import c as k\n",
        edit("replace_import", 1, module="a", old="c", new="e"),
        "from a import e as k\n",
    ),
    "import from another module": (
        "from transformers import AdamW\n",
        edit("replace_import", 1, module="transformers", old="AdamW", new="AdamW", new_module="torch.optim"),
        "from torch.optim import AdamW\n",
    ),
    "import one of several from another module": (
        "from transformers import (\n    AdamW,  # old\n    Trainer,\n)\n",
        edit("replace_import", 1, module="transformers", old="AdamW", new="AdamW", new_module="torch.optim"),
        "from torch.optim import AdamW\nfrom transformers import (\n    # old\n    Trainer,\n)\n",
    ),
    "import the last of several from another module": (
        "from transformers import Trainer, AdamW\n",
        edit("replace_import", 1, module="transformers", old="AdamW", new="AdamW", new_module="torch.optim"),
        "from torch.optim import AdamW\nfrom transformers import Trainer\n",
    ),
    "import under another name, with every use": (
        "from a import old, b\n\n\ndef f(old_one, x=old):\n    return old(x.old, old=1), b  # old\n",
        edit("replace_import", 1, module="a", old="old", new="new"),
        "from a import new, b\n\n\ndef f(old_one, x=new):\n    return new(x.old, old=1), b  # old\n",
    ),
    "import under another name that is bound twice": (
        "try:\n    from a import old\nexcept ImportError:\n    old = None\n",
        edit("replace_import", 2, 5, module="a", old="old", new="new"),
        "try:\n    from a import new as old\nexcept ImportError:\n    old = None\n",
    ),
    "import what is imported already": (
        "from a import old, new\nold(new)\n",
        edit("replace_import", 1, module="a", old="old", new="new"),
        "from a import new\nnew(new)\n",
    ),
    "import with the defaults of the old": (
        "from t import A\na = A(p, lr=1, quiet=True)\nb = A(\n    p,\n    wd=3,\n)\n",
        edit("replace_import", 1, module="t", old="A", new="A", new_module="o", keep="wd=0.0, eps=1", drop="quiet"),
        "from o import A\na = A(p, lr=1, wd=0.0, eps=1)\nb = A(\n    p,\n    wd=3,\n    eps=1,\n)\n",
    ),
    "redirect an import": (
        "if x:\n    from a.b import C, d as e, F\n    C(e, F)\n",
        edit("redirect_imports", 2, 5, module="a.b", to="C=a.K d=a.d F=n.F"),
        "if x:\n    from a import K, d as e\n    from n import F\n    K(e, F)\n",
    ),
    "remove an import": (
        "from a import (\n    b,\n    c,  # see\n)\nb()\n",
        edit("remove_import", 1, module="a", old="c"),
        "from a import (\n    b,\n    # see\n)\nb()\n",
    ),
    "remove an import that is alone": (
        "try:\n    from a import c\nexcept ImportError:\n    pass\nfrom a import c\nx = 1\n",
        edit("remove_import", 5, module="a", old="c"),
        "try:\n    from a import c\nexcept ImportError:\n    pass\nx = 1\n",
    ),
    "define what was imported": (
        "from a import (\n    b,\n    f,\n)\nf(b)\n",
        edit("define_import", 1, module="a", old="f", code="def f(x):\n    return x\n"),
        "from a import (\n    b,\n)\n\n\ndef f(x):\n    return x\n\n\nf(b)\n",
    ),
    "define below the other imports": (
        "import x\r\nfrom a import b, f\r\nimport y\r\n\r\nf(b)\r\n",
        edit("define_import", 2, module="a", old="f", code="def f(x):\n    return x\n"),
        "import x\r\nfrom a import b\r\nimport y\r\n\r\n\r\ndef f(x):\r\n    return x\r\n\r\n\r\nf(b)\r\n",
    ),
    "define what needs another import": (
        '"""Doc."""\nfrom a import C\n\nC()\n',
        edit("define_import", 2, module="a", old="C", code="class C(D):\n    x = 1\n", needs="d.D"),
        '"""Doc."""\nfrom d import D\n\n\nclass C(D):\n    x = 1\n\n\nC()\n',
    ),
    "define what needs an import that is there": (
        "from d import D\nfrom a import C, e\n\n\nC(e)\n",
        edit("define_import", 2, module="a", old="C", code="class C(D):\n    x = 1\n", needs="d.D"),
        "from d import D\nfrom a import e\n\n\nclass C(D):\n    x = 1\n\n\nC(e)\n",
    ),
    "define what alone was imported": (
        "if x:\n    from a import f  # why\n    f()",
        edit("define_import", 2, 5, module="a", old="f", code="def f():\n    return 1"),
        "if x:\n    def f():\n        return 1\n\n    f()",
    ),
    "define what was imported in a block": (
        "if x:\n    from a import e, C\n    from b import g\nelse:\n    raise ImportError\nC(e)\n",
        edit("define_import", 2, 5, module="a", old="C", code="class C(D):\n    x = 1\n", needs="d.D"),
        "if x:\n    from a import e\n    from b import g\n    from d import D\n\n    class C(D):\n        x = 1\n"
        "else:\n    raise ImportError\nC(e)\n",
    ),
    "add a parameter": (
        "class A:\n    def f(self, a, b=False):\n        return 1\n",
        edit("add_parameter", 2, None, name="c", default="None"),
        "class A:\n    def f(self, a, b=False, c=None):\n        return 1\n",
    ),
    "add a parameter on its own line": (
        "class A:\n    def f(\n        self,\n        a: int = 1,  # one\n    ):\n        return 1\n",
        edit("add_parameter", 2, None, name="c", default="None"),
        "class A:\n    def f(\n        self,\n        a: int = 1,\n        c=None,  # one\n    ):\n        return 1\n",
    ),
    "add no parameter where all are taken": (
        "def f(a, **k): ...\n",
        edit("add_parameter", 1, None, name="c", default="None"),
        "def f(a, **k): ...\n",
    ),
    "take every keyword": (
        "class A:\n    def f(self, a, b=False):\n        return 1\n",
        edit("take_keywords", 2, None),
        "class A:\n    def f(self, a, b=False, **kwargs):\n        return 1\n",
    ),
    "take every keyword, on its own line": (
        "def f(\n    a: int,\n    *rest,\n    b: int = 1,  # one\n):\n    return 1\n",
        edit("take_keywords", 1, None),
        "def f(\n    a: int,\n    *rest,\n    b: int = 1,\n    **kwargs,  # one\n):\n    return 1\n",
    ),
    "every keyword is taken already": (
        "def f(a, **k): ...\n",
        edit("take_keywords", 1, None),
        "def f(a, **k): ...\n",
    ),
    "rename an attribute wherever it is read": (
        "a = parse()\nx = a.old if a.old in (1, b.old) else f(a.old)\n\n\ndef g(a):\n    return a.old\n",
        edit("rename_attribute", 2, 14, old="old", new="new"),
        "a = parse()\nx = a.new if a.new in (1, b.old) else f(a.new)\n\n\ndef g(a):\n    return a.old\n",
    ),
    "rename an attribute that the script sets, there alone": (
        "a = parse()\nx = a.old\na.old = 1\nf(a.old)\n",
        edit("rename_attribute", 2, 5, old="old", new="new"),
        "a = parse()\nx = a.new\na.old = 1\nf(a.old)\n",
    ),
    "rename an attribute": (
        "x = dict(a=m.old, b=m.old.old, old=1)\n",
        edit("rename_attribute", 1, 12, old="old", new="new"),
        "x = dict(a=m.new, b=m.old.old, old=1)\n",
    ),
    "read an attribute from another object": (
        "def main(s, t, m):\n    x = m.trust\n    MyTrainer(args=t)\n",
        edit("move_attribute", 2, 9, name="trust", call="Trainer", keyword="args"),
        "def main(s, t, m):\n    x = t.trust\n    MyTrainer(args=t)\n",
    ),
    "call the object": (
        "ids = self.tok.encode_plus(\n    a, b=1)\n",
        edit("call_object", 1, 7, name="encode_plus"),
        "ids = self.tok(\n    a, b=1)\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_before_and_after(name: str) -> None:
    before, change, after = CASES[name]
    assert edit_source(before.encode(), change).decode() == after
    ast.parse(after)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("rename the outer")])
def test_edits_are_idempotent(name: str) -> None:
    before, change, after = CASES[name]
    place = carry_out(before.encode(), change).moved(change.location)
    again = Edit(change.operation, place, change.arguments)
    assert edit_source(after.encode(), again).decode() == after


REFUSED = {
    "both names": (
        "f(max_seq_length=1, max_length=2)\n",
        edit("rename_keyword", 1, **RENAME),
        "has max_seq_length and",
    ),
    "no such argument": ("f(a=1)\n", edit("rename_keyword", 1, **RENAME), "no argument"),
    "which call": ("f(a=1); g(a=2)\n", edit("set_keyword", 1, 40, name="a", value="3"), "cannot be told"),
    "no call": ("x = 1\n", edit("remove_keyword", 1, name="a"), "cannot be told"),
    "stars": ("f(**k)\n", edit("set_keyword", 1, name="a", value="3"), "among the \\*\\*"),
    "a bare generator": ("f(x for x in y)\n", edit("set_keyword", 1, name="a", value="3"), "no Python"),
    "code for a value": ("f()\n", edit("set_keyword", 1, name="a", value="1); import os; (2"), "an expression"),
    "code for a name": ("f(a=1)\n", edit("rename_keyword", 1, old="a", new="b=1, c"), "needs a name"),
    "broken script": ("f(\n", edit("remove_keyword", 1, name="a"), "cannot be parsed"),
    "broken insertion": ("f()\n", edit("insert_before", 1, code="if x:"), "no Python"),
    "guarded on one line": ("if x: f()\n", edit("insert_before", 1, code="g()"), "shares its line"),
    "no import": ("import a\n", edit("replace_import", 1, module="a", old="b", new="c"), "no `from a import b`"),
    "no notebook": ("{", Edit("remove_keyword", Location("a.ipynb", 1), {"name": "a"}), "JSON is broken"),
    "another value": ("f(a=1)\n", edit("remove_keyword", 1, name="a", value="None"), "is not None there"),
    "a value that means something else": (
        "f(max_seq_length=None)\n",
        edit("rename_keyword", 1, **RENAME, unless="None"),
        "means something else",
    ),
    "a value that is not known yet": (
        "from trl import Old\nc = Old()\ny = 1\nB(args=c, y=y)\n",
        edit("move_keyword", 4, **MOVE, name="y", base="Old"),
        "not known yet",
    ),
    "a text of several lines": (
        'c = Config(**k)\nt = B(args=c, y="""a\n  b""")\n',
        edit("move_keyword", 2, 5, **MOVE, name="y"),
        "several lines",
    ),
    "several lines without brackets": (
        "c = Config(**k)\nt = B(args=c, y=a +\n      b)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y"),
        "several lines",
    ),
    "made elsewhere": (
        "def f(c):\n    B(args=c, y=1)\n",
        edit("move_keyword", 2, 5, **MOVE, name="y"),
        "cannot be seen",
    ),
    "made of something else": (
        "c = Other()\nB(args=c, y=1)\n",
        edit("move_keyword", 2, **MOVE, name="y"),
        "is made by Other, not by Config",
    ),
    "another value there": (
        "from trl import Config\nB(args=Config(y=2), y=1)\n",
        edit("move_keyword", 2, **MOVE, name="y"),
        "has another value there",
    ),
    "a name that is taken": (
        "import trl\nConfig = 1\nB(y=1)\n",
        edit("move_keyword", 3, **MOVE, name="y"),
        "stands for something else",
    ),
    "an import that is used": (
        "from a import b\nb()\n",
        edit("remove_import", 1, module="a", old="b"),
        "b is used",
    ),
    "an import with an unknown name": (
        "from a import b, c\n",
        edit("redirect_imports", 1, module="a", to="b=x.b"),
        "nothing is known to replace a.c",
    ),
    "an import with a comment": (
        "from a import (\n    b,  # why\n)\n",
        edit("redirect_imports", 1, module="a", to="b=x.b"),
        "holds a comment",
    ),
    "an attribute of no one": (
        "x = m.trust\n",
        edit("move_attribute", 1, 5, name="trust", call="Trainer", keyword="args"),
        "no one object",
    ),
    "unknown operation": ("f()\n", edit("explode", 1), "unknown edit operation"),
    "missing argument": ("f()\n", edit("set_keyword", 1, name="a"), "takes name, value"),
    "bytes": ("f()\0\n", edit("remove_keyword", 1, name="a"), "NUL"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    source, change, message = REFUSED[name]
    with pytest.raises(RepairError, match=message):
        edit_source(source.encode(), change)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbff(max_seq_length=1)\n", b"\xef\xbb\xbff(max_length=1)\n"),
        (
            "# coding: latin-1\n# é\nf(max_seq_length=1)\n".encode("latin-1"),
            "# coding: latin-1\n# é\nf(max_length=1)\n".encode("latin-1"),
        ),
        (b"x = 1\r\n\ny = 2\rf(max_seq_length=1)", b"x = 1\r\n\ny = 2\rf(max_length=1)"),
        (b"x = '''\x0c'''\nf(max_seq_length=1)\n", b"x = '''\x0c'''\nf(max_length=1)\n"),
    ],
)
def test_bytes_outside_the_edit_stay(before: bytes, after: bytes) -> None:
    line = next(
        n
        for n, text in enumerate(before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), 1)
        if b"f(max" in text
    )
    assert edit_source(before, edit("rename_keyword", line, **RENAME)) == after


def test_every_operation_has_a_case() -> None:
    of_launch_scripts = {"rename_option"}  # tests/repair/test_shell_edits.py
    assert {change.operation for _, change, _ in CASES.values()} | of_launch_scripts == set(OPERATIONS)


def test_a_file_is_replaced_with_its_mode_and_through_its_link(tmp_path: Path) -> None:
    script = tmp_path / "real" / "train.py"
    script.parent.mkdir()
    script.write_bytes(b"f(max_seq_length=1)\n")
    script.chmod(0o751)
    link = tmp_path / "train.py"
    link.symlink_to(script)
    diff = edit_file(link, edit("rename_keyword", 1, **RENAME))
    assert "-f(max_seq_length=1)" in diff and "+f(max_length=1)" in diff
    assert link.is_symlink() and script.read_bytes() == b"f(max_length=1)\n"
    assert stat.S_IMODE(script.stat().st_mode) == 0o751
    assert [one.name for one in script.parent.iterdir()] == ["train.py"]
    assert edit_file(link, edit("rename_keyword", 1, **RENAME)) == ""


def test_a_read_only_file_stays(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_bytes(b"f(max_seq_length=1)\n")
    script.chmod(0o444)
    with pytest.raises(RepairError, match="read-only"):
        edit_file(script, edit("rename_keyword", 1, **RENAME))
    assert script.read_bytes() == b"f(max_seq_length=1)\n"


@pytest.mark.parametrize("answer", [False, ["a finding"]])
def test_what_does_not_link_is_not_written(tmp_path: Path, answer: object) -> None:
    script = tmp_path / "train.py"
    script.write_bytes(b"f(max_seq_length=1)\n")
    with pytest.raises(RepairError, match="would not link"):
        edit_file(script, edit("rename_keyword", 1, **RENAME), lambda path, source: answer)  # type: ignore[arg-type, return-value]
    assert script.read_bytes() == b"f(max_seq_length=1)\n"


def test_diff() -> None:
    assert render_diff("a\nb", "a\nc\n", "/x/t.py").splitlines() == [
        "--- a/x/t.py",
        "+++ b/x/t.py",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "\\ No newline at end of file",
        "+c",
    ]
    assert render_diff("a\n", "a\n", "t.py") == ""


@given(
    before=st.sampled_from(["", "x = 1\n", "# π\n", "'''a\nb'''\n"]),
    inner=st.lists(st.sampled_from(["a=1", "b = [1, 2]", "c=(3)", "d=g(e=4)"]), unique=True, max_size=4),
    join=st.sampled_from([", ", ",", ",\n    ", " ,  # note, here\n\t"]),
    tail=st.sampled_from(["", ",", ",\n", "\n", "  # end\n"]),
    name=st.sampled_from("abcd"),
)
def test_set_then_remove_leaves_the_other_arguments(
    before: str, inner: list[str], join: str, tail: str, name: str
) -> None:
    source = f"{before}f({join.join(inner)}{tail if inner else ''})\n"
    line = before.count("\n") + 1
    kept = [one for one in inner if not one.startswith(name)]
    removed = edit_source(source.encode(), edit("remove_keyword", line, name=name)).decode()
    assert _call(removed) == _call(f"f({', '.join(kept)})")
    appended = edit_source(removed.encode(), edit("set_keyword", line, name=name, value="9")).decode()
    assert _call(appended) == _call(f"f({', '.join([*kept, f'{name}=9'])})")
    assert appended.count("# note") == source.count("# note") and appended.count("# end") == source.count("# end")


def _call(source: str) -> str:
    return ast.dump(ast.parse(source).body[-1])
