"""What an exception of Python says about a link: who asked whom for what. The message is Python's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sftdoctor.logs.stack import (
    BUILT_IN,
    OVERRIDDEN,
    STACK,
    is_known_callable,
    is_known_class,
    package_of,
)
from sftdoctor.model import Frame, Raised

_NAME = r"[A-Za-z_]\w{0,100}"
_DOTTED = r"[A-Za-z_][\w.]{0,150}"
_CALLEE = rf"({_DOTTED}(?:\.<locals>\.{_DOTTED})?)(?:\(\))?"
_PATTERNS = (
    (
        "missing-name",
        re.compile(rf"[Cc]annot import name '?({_NAME})'?(?: from (?:partially initialized module )?'({_DOTTED})')?"),
    ),
    ("missing-module", re.compile(rf"No module named '?({_DOTTED})'?")),
    (
        "missing-distribution",
        re.compile(r"^No package metadata was found for ([\w.-]{1,100})$"),
    ),
    ("unexpected-keyword", re.compile(rf"{_CALLEE} got an unexpected keyword argument '({_NAME})'")),
    (
        "missing-argument",
        re.compile(rf"{_CALLEE} missing \d{{1,3}} required (?:positional|keyword-only) arguments?: '({_NAME})'"),
    ),
    (
        "too-many-positionals",
        re.compile(rf"{_CALLEE} takes (?:from \d{{1,3}} to )?\d{{1,3}} positional arguments? but ()"),
    ),
    ("missing-attribute", re.compile(rf"(?:type object|module) '({_DOTTED})' has no attribute '({_NAME})'")),
    ("missing-attribute", re.compile(rf"'({_DOTTED})' object has no attribute '({_NAME})'")),
    ("missing-attribute", re.compile(rf"\bmodule ({_DOTTED}) has no attribute ({_NAME})")),
    ("missing-attribute", re.compile(rf"^({_NAME}) has no attribute ({_NAME})(?:\.|$)")),
    (
        "version-gate",
        re.compile(r"([\w.-]{1,60})[<>=!~][^:]{1,80} is required for a normal functioning of this module()"),
    ),
    ("unbound-name", re.compile(rf"name '({_NAME})' is not defined()")),
)
_IMPORT = re.compile(rf"\s*from ({_DOTTED}) import\b|\s*import ({_DOTTED})")
_CALL = re.compile(rf"({_DOTTED})\s?\(")
_FORWARDS = (
    "importlib/metadata/",
    "torch/nn/",
    "torch/utils/_contextlib.py",
    "torch/autograd/",
    "transformers/utils/deprecation.py",
)
"""Files whose functions hand calls on: who calls is the frame before."""
_LOOK_UPS = frozenset(("__getattr__", "__getattribute__", "__delattr__"))
"""Functions that look an attribute up for somebody else: who asks for it is the frame before."""


@dataclass(frozen=True)
class Asked:
    """A link that broke, as the exception tells it; "" where it does not say."""

    kind: str
    """What the linker calls it (predicates.links.KINDS)."""
    name: str
    """The name, keyword or module that was asked for."""
    callee: str = ""
    """Top-level module that was asked."""
    symbol: str = ""
    """What was asked: a module for an import, a callable or class otherwise."""
    caller: str = ""
    """Top-level module of the code that asked; "" for a file of the user's, or where there is no frame."""
    of_stack: bool = False
    """Whether one of the two sides belongs to the libraries that this tool knows."""
    frame: Frame | None = None
    """Where it was asked."""


def asked_by(raised: Raised) -> Asked | None:
    """Read an exception's message as a broken link.

    Args:
        raised: The exception.

    Returns:
        The link; None where the message speaks of none.
    """
    # rich and terminals break a message where it is too wide
    for line in (*raised.message.splitlines(), " ".join(raised.message.split())):
        for kind, pattern in _PATTERNS:
            if found := pattern.search(line):
                return _asked(kind, found, raised)
    return None


def _asked(kind: str, found: re.Match[str], raised: Raised) -> Asked:
    first, second = found[1], found[2] if found.re.groups > 1 else ""
    frame = _calling(raised.frames)
    caller = package_of(frame.path) if frame else ""
    if kind == "missing-name":
        module = second or _imported_from(raised)
        return _import(kind, first, module, caller, frame)
    if kind == "missing-module":
        return _import(kind, first, first, caller, frame)
    if kind == "missing-distribution":
        return Asked(kind, first, first, first, caller, caller in STACK, frame)
    if kind == "unbound-name":
        return Asked(kind, first, caller, first, caller, caller in STACK, frame)
    if kind == "version-gate":
        return Asked(kind, first, first, first, caller, True, frame)
    if kind == "missing-attribute":
        return _attribute(first, second, caller, frame)
    return _call(kind, first, second, caller, frame, raised)


def _import(kind: str, name: str, module: str, caller: str, frame: Frame | None) -> Asked:
    top = module.partition(".")[0]
    return Asked(kind, name, top, module, caller, top in STACK or (kind == "missing-module" and caller in STACK), frame)


def _imported_from(raised: Raised) -> str:
    """The module of an import whose exception does not say it (Python before 3.7): the source line does."""
    found = _IMPORT.match(raised.frames[-1].code) if raised.frames else None
    return (found[1] or found[2] or "") if found else ""


def _attribute(owner: str, name: str, caller: str, frame: Frame | None) -> Asked:
    top = owner.partition(".")[0]
    known = owner not in BUILT_IN and (top in STACK or is_known_class(owner) or caller in STACK)
    return Asked("missing-attribute", name, top if top in STACK else "", owner, caller, known, frame)


def _call(kind: str, callee: str, name: str, caller: str, frame: Frame | None, raised: Raised) -> Asked:
    symbol = _qualified(callee, frame, raised)
    method = symbol.rpartition(".")[2]
    known = is_known_callable(symbol) and not (symbol == "Trainer.__init__" and _LIGHTNING.fullmatch(name))
    if not known and method in OVERRIDDEN:
        return Asked("override-mismatch", name, "", symbol, caller, method != "forward" or caller in STACK, frame)
    return Asked(kind, name, "", symbol, caller, known or caller in STACK - {"torch"}, frame)


_LIGHTNING = re.compile(
    r"gpus|tpu_cores|num_nodes|devices|accelerator|strategy|precision|max_epochs|logger|auto_select_gpus|plugins"
    r"|checkpoint_callback|progress_bar_refresh_rate|weights_summary|gradient_clip_val|accumulate_grad_batches"
    r"|amp_backend|amp_level|distributed_backend"
)
"""Arguments of a Trainer that is Lightning's, whose class has the name of transformers'."""


def _qualified(callee: str, frame: Frame | None, raised: Raised) -> str:
    """The callee with its class, which Python says since 3.10 and before that only the source line."""
    if callee != "__init__":
        return callee
    spoken = [word for word in re.findall(_NAME, raised.before) if is_known_class(word)]
    called = _CALL.search(frame.code.partition("=")[2] or frame.code) if frame else None
    if called and called[1] not in ("super", "cls"):
        return f"{called[1].rpartition('.')[2]}.__init__"
    return f"{spoken[-1]}.__init__" if spoken else callee


def _calling(frames: tuple[Frame, ...]) -> Frame | None:
    """The innermost frame that is more than a hand that passes calls, or the look-up of an attribute, on."""
    for frame in reversed(frames):
        if frame.function.rpartition(".")[2] in _LOOK_UPS:
            continue
        if not any(part in frame.path.replace("\\", "/") for part in _FORWARDS):
            return frame
    return None


def values_of(asked: Asked) -> dict[str, str]:
    """What an exception says of a link, under the names that rules' texts have for it.

    Args:
        asked: The link that broke.

    Returns:
        Placeholder → what it stands for; only what is known.
    """
    symbol = "" if asked.symbol == "__init__" else asked.symbol.removesuffix(".__init__")
    path, installed = (asked.frame.path.replace("\\", "/"), bool(asked.caller)) if asked.frame else ("", False)
    where = f"{path.rpartition('-packages/')[2]}:{asked.frame.line}" if asked.frame and asked.frame.line else ""
    known = {
        "name": asked.name,
        "symbol": symbol,
        "module": asked.symbol if asked.kind == "missing-name" else "",
        "callee": asked.callee or home_of(symbol),
        "caller": asked.caller or ("the script" if asked.frame and not installed else ""),
        "where": where,
        "asks": "The script passes",
    }
    return {placeholder: value for placeholder, value in known.items() if value}


def in_words(asked: Asked) -> str:
    """A broken link in one line: "SFTConfig takes no argument max_seq_length"."""
    symbol = asked.symbol.removesuffix(".__init__")
    who = f"{asked.caller} asks, and " if asked.caller else ""
    said = {
        "missing-name": f"{who}{symbol or 'the module'} has no {asked.name}",
        "missing-module": f"{who}there is no module {asked.name}",
        "missing-distribution": f"{who}no installed distribution is named {asked.name}",
        "unexpected-keyword": f"{symbol} takes no argument {asked.name}",
        "override-mismatch": f"{symbol} overrides a method, and takes no argument {asked.name} as it does",
        "missing-argument": f"{symbol} needs an argument {asked.name} that is not given",
        "too-many-positionals": f"{symbol} takes fewer positional arguments than are given",
        "missing-attribute": f"{who}{symbol} has no {asked.name}",
        "version-gate": f"{symbol} is there in a version that is refused",
        "unbound-name": f"{asked.caller} uses {asked.name}, which was not imported",
    }
    return said.get(asked.kind, asked.kind)


_HOMES = (
    ("trl", re.compile(r"(?:SFT|DPO|ORPO|KTO|GRPO|PPO|CPO|RLOO|Reward|BCO|XPO|GKD)(?:v2)?(?:Config|Trainer)")),
    ("peft", re.compile(r"(?:Lora|AdaLora|IA3|LoHa|LoKr|VeRA)Config|prepare_model_for_\w{1,20}|get_peft_model")),
    ("accelerate", re.compile(r"Accelerator")),
    ("transformers", re.compile(r"(?:Seq2Seq)?(?:TrainingArguments|Trainer)|BitsAndBytesConfig|DataCollator\w{1,60}")),
)


def home_of(symbol: str) -> str:
    """The package of a class or function that everybody knows by its name; "" for any other."""
    return next((home for home, pattern in _HOMES if pattern.fullmatch(symbol.rpartition(".")[2])), "")


def probe_script(asked: Asked) -> str:
    """The line that failed as a script of its own, to be linked where the user's is not at hand.

    Args:
        asked: The link that broke.

    Returns:
        Python source; "" where the exception does not say enough. It is only ever read.
    """
    if asked.kind == "missing-name" and asked.callee in STACK:
        return f"from {asked.symbol} import {asked.name}\n"
    name = asked.symbol.removesuffix(".__init__")
    home = home_of(name)
    if asked.kind == "unexpected-keyword" and home:
        return f"from {home} import {name}\n{name}({asked.name}=None)\n"
    return ""
