"""Errors whose line is no library's: where the program's own code failed, and what it lacked there."""

from __future__ import annotations

import re

from sftdoctor.logs.choice import WRAPPERS
from sftdoctor.logs.stack import STACK, package_of
from sftdoctor.model import Frame, Raised

LONGEST_CODE = 100
"""Characters of a source line that are told."""
_LOOK_UPS = frozenset(("__getattr__", "__getattribute__", "__delattr__"))
_MACHINERY = re.compile(r"<frozen |/importlib/|torch/nn/modules/module\.py$|torch/utils/_contextlib\.py$")
_STANDARD = re.compile(r"/lib(?:64)?/(?:python|pypy)3|/lib/(?:runpy|threading|multiprocessing|json|ast)\b", re.I)
_NOT_OWN = re.compile(
    r"^<(?!ipython|stdin)|/transformers_modules/|compiled_cache|/bin/[\w.-]{1,60}$|/modeling_\w{1,60}\.py$"
)
_SAYS = (
    (
        ("ModuleNotFoundError", "ImportError"),
        re.compile(r"No module named '?([\w.]{1,150})'?"),
        "It imports {0}. A file of the project is found where the program is started from its folder, or with that "
        "folder in PYTHONPATH; a package, where it is installed in this very Python.",
    ),
    (
        ("ImportError",),
        re.compile(r"cannot import name '?(\w{1,100})'? from '?([\w.]{1,150})'?"),
        "{1} has no {0}: it is of another version than the program was written for, or another package of that name.",
    ),
    (
        ("KeyError",),
        re.compile(r"(.{1,80})"),
        "It asks for the key {0}: compare it with what is there, the columns of the data or the options that were set.",
    ),
    (
        ("NameError",),
        re.compile(r"name '(\w{1,100})' is not defined"),
        "Nothing before it defines {0}: an import or a cell was left out, or the name is misspelt.",
    ),
    (
        ("AttributeError",),
        re.compile(r"'NoneType' object has no attribute '(\w{1,100})'"),
        "What stands before .{0} there is None: something that was to return it did not.",
    ),
    (("AttributeError",), re.compile(r"'([\w.]{1,150})' object has no attribute '(\w{1,100})'"), "A {0} has no {1}."),
    (
        ("TypeError",),
        re.compile(r"'NoneType' object is not (\w{1,20})"),
        "A value that it takes for granted is None: something that was to return it did not.",
    ),
    (
        ("ValueError",),
        re.compile(r"(?:not enough|too many) values to unpack \(expected (\d{1,6})"),
        "It unpacks {0} values, and what it calls returns another number of them.",
    ),
    (
        ("FileNotFoundError",),
        re.compile(r"No such file or directory: '([^']{1,200})'"),
        "{0} is not there; a relative path is looked for from the folder in which the program was started.",
    ),
    (("IndexError",), re.compile(r"(list index out of range)"), "A list there is shorter than it takes for granted."),
    (("IndexError",), re.compile(r"index (-?\d{1,20}) is out of bounds"), "The index {0} lies beyond what it indexes."),
    (
        ("TypeError",),
        re.compile(r"([\w.]{1,150})\(\) got an unexpected keyword argument '(\w{1,100})'"),
        "{0} takes no argument {1} in the version that is here.",
    ),
    (
        ("TypeError",),
        re.compile(r"([\w.]{1,150})\(\) (?:missing \d{1,3} required|takes (?:from )?\d{1,3})"),
        "It calls {0} with other arguments than the version that is here takes.",
    ),
)
"""Kinds of exception, their message, and what it says of the line."""


def own_line(raised: Raised) -> str:
    """Of an error that a line of the program's own raised: which line it was, and what it lacked.

    Args:
        raised: The exception.

    Returns:
        One or two sentences; "" where its innermost frame is a library's, or where the line does not show it.
    """
    kind = raised.kind.rpartition(".")[2]
    frame = _innermost(raised.frames)
    if not kind or kind in WRAPPERS or not raised.whole or frame is None or not is_own(frame.path):
        return ""
    place = f"{_short(frame.path)}:{frame.line}" + (f" in {frame.function}" if frame.function else "")
    if frame.code.startswith(("raise ", "assert ")):
        return f"The program's own code says so itself: {place}, `{frame.code[:LONGEST_CODE]}`."
    lacks = _lacks(kind, raised, frame.code)
    code = f", `{frame.code[:LONGEST_CODE]}`" if frame.code else ""
    return f"The line that failed is the program's own: {place}{code}. {lacks}" if lacks else ""


def is_own(path: str) -> bool:
    """Whether a frame's file belongs to the program itself: not installed, of Python's own, or a library's checkout.

    Args:
        path: As the frame gives it.
    """
    plain = path.replace("\\", "/")
    if package_of(path) or _STANDARD.search(plain) or _NOT_OWN.search(plain):
        return False
    folders = plain.split("/")[:-1]
    return not STACK.intersection(folders) and (plain.endswith(".py") or "ipython" in plain or plain == "<stdin>")


def _innermost(frames: tuple[Frame, ...]) -> Frame | None:
    """The innermost frame that does more than look something up for the one before it."""
    for frame in reversed(frames):
        if frame.function.rpartition(".")[2] in _LOOK_UPS or _MACHINERY.search(frame.path.replace("\\", "/")):
            continue
        return frame if frame.line is not None else None
    return None


def _short(path: str) -> str:
    """The file with the folder that it lies in."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])


def _lacks(kind: str, raised: Raised, code: str) -> str:
    message = " ".join(raised.message.split())
    for kinds, pattern, sentence in _SAYS:
        if kind in kinds and (found := pattern.search(message)):
            # logs leave frames out: a line without the attribute is not the one that asked for it
            asked = {"AttributeError": f".{found.groups()[-1]}", "TypeError": _called(found[0])}.get(kind, "")
            return sentence.format(*found.groups()) if not code or asked in code else ""
    return ""


def _called(said: str) -> str:
    """What a line that calls what a message names has in it: "f(", "Face("; "" where the message names nothing."""
    name = said.partition("()")[0] if "()" in said else ""
    called = name.removesuffix("__init__").rstrip(".").rpartition(".")[2]
    return f"{called}(" if called else ""
