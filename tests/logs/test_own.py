"""Errors of the program's own lines: told as such, and never of a library's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.logs.own import is_own, own_line
from sftdoctor.model import Frame, Raised

USER = Frame("/srv/proj/train.py", 7, "main", 'text = row["answer"]')
LIBRARY = Frame("/e/lib/python3.11/site-packages/trl/trainer/utils.py", 40, "pad", 'row["answer"]')
LOOK_UP = Frame(
    "/e/lib/python3.11/site-packages/torch/nn/modules/module.py", 1614, "__getattr__", "raise AttributeError("
)
ASKS = Frame("C:\\proj\\train.py", 9, "main", "if model.peft_config is None:")
CALLS = Frame("/srv/proj/train.py", 4, "main", "face = Face(size=4)")
IMPORTS = Frame("/srv/proj/train.py", 1, "<module>", "from data.rows import pad")


@pytest.mark.parametrize(
    ("kind", "message", "frames", "says"),
    [
        ("KeyError", "'answer'", (LIBRARY, USER), "proj/train.py:7 in main, `text = row[\"answer\"]`. It asks for"),
        ("ModuleNotFoundError", "No module named 'data.rows'", (IMPORTS,), "It imports data.rows."),
        ("ImportError", "cannot import name 'pad' from 'data' (/x.py)", (IMPORTS,), "data has no pad:"),
        ("AttributeError", "'L' object has no attribute 'peft_config'", (ASKS, LOOK_UP), "A L has no peft_config"),
        ("ValueError", "not enough values to unpack (expected 3, got 2)", (USER,), "It unpacks 3 values"),
        ("NameError", "name 'bnb' is not defined", (USER,), "Nothing before it defines bnb"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'a.json'", (USER,), "a.json is not there;"),
        ("IndexError", "index 12 is out of bounds for dimension 0 with size 8", (USER,), "The index 12 lies beyond"),
        ("TypeError", "Face.__init__() got an unexpected keyword argument 'size'", (CALLS,), "Face.__init__ takes no"),
        ("TypeError", "__init__() missing 1 required positional argument: 'x'", (CALLS,), "It calls __init__ with"),
        ("TypeError", "'NoneType' object is not subscriptable", (USER,), "takes for granted is None"),
        ("ValueError", "bad", (Frame("/p/train.py", 3, "f", 'raise ValueError("bad")'),), "own code says so"),
    ],
)  # fmt: skip
def test_whose_line_it_was(kind: str, message: str, frames: tuple[Frame, ...], says: str) -> None:
    assert says in own_line(Raised(kind, message, frames))


@pytest.mark.parametrize(
    ("kind", "message", "frames"),
    [
        ("KeyError", "'answer'", (USER, LIBRARY)),  # the library asked
        ("AttributeError", "'NoneType' object has no attribute 'shape'", (USER,)),  # frames were left out: no .shape
        ("TypeError", "forward() got an unexpected keyword argument 'x'", (CALLS,)),  # the line calls something else
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (4x5 and 6x7)", (USER,)),  # the line may call on
        ("CalledProcessError", "Command 'x' returned non-zero exit status 1.", (USER,)),
        ("KeyError", "'answer'", ()),
        ("", "", (USER,)),
    ],
)  # fmt: skip
def test_what_is_not_told(kind: str, message: str, frames: tuple[Frame, ...]) -> None:
    assert own_line(Raised(kind, message, frames)) == ""


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("train.py", True),
        ("/srv/LLaMA-Factory/src/llamafactory/launcher.py", True),
        ("<ipython-input-3-ac15>", True),
        ("/e/lib/python3.11/site-packages/peft/mapping.py", False),
        ("/usr/lib/python3.10/json/decoder.py", False),
        ("C:\\Python310\\lib\\json\\decoder.py", False),
        ("/src/peft/src/peft/mapping.py", False),  # a checkout
        ("/root/.cache/huggingface/modules/transformers_modules/m/tokenization_m.py", False),
        ("/srv/unsloth_compiled_cache/UnslothSFTTrainer.py", False),
        ("<frozen importlib._bootstrap>", False),
        ("/usr/local/bin/torchrun", False),
    ],
)  # fmt: skip
def test_which_files_are_the_program_s(path: str, own: bool) -> None:
    assert is_own(path) is own


@given(st.text(max_size=200), st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_taken(message: str, path: str, code: str) -> None:
    for kind in ("KeyError", "ImportError", "AttributeError", "FileNotFoundError", "TypeError"):
        assert isinstance(own_line(Raised(kind, message, (Frame(path, 1, "f", code),))), str)
