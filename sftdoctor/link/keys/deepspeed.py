"""DeepSpeed's JSON, judged against the config models of the installed DeepSpeed."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sftdoctor.link.keys.tell import tell
from sftdoctor.link.locate import parse, read_source
from sftdoctor.link.values import Module
from sftdoctor.model import NotJudged

if TYPE_CHECKING:
    from pathlib import Path

    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Config

MODELS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("zero_optimization",): ("deepspeed.runtime.zero.config", "DeepSpeedZeroConfig"),
    ("zero_optimization", "offload_param"): (
        "deepspeed.runtime.zero.offload_config",
        "DeepSpeedZeroOffloadParamConfig",
    ),
    ("zero_optimization", "offload_optimizer"): (
        "deepspeed.runtime.zero.offload_config",
        "DeepSpeedZeroOffloadOptimizerConfig",
    ),
    ("bf16",): ("deepspeed.runtime.precision_config", "DeepSpeedBF16Config"),
    ("fp16",): ("deepspeed.runtime.precision_config", "DeepSpeedFP16Config"),
}
"""Section → the model that it becomes; where the release has such a model, a key that it lacks is refused."""
TOP = "deepspeed.runtime.config"
BASE = "deepspeed.runtime.config_utils"
_TEXT = re.compile(r"""["']([a-z]\w{2,60})["']""")


@dataclass(frozen=True)
class _Model:
    names: frozenset[str]
    line: int


def judge(machine: Machine, path: str, config: Config) -> None:
    """Judge the keys of the sections, and those of the top, which DeepSpeed does not check itself."""
    if machine.locator.find(TOP) is None or not _text(machine, TOP):
        machine.not_judged[path] = NotJudged(path, "DeepSpeed is not installed, so that its keys cannot be judged")
        return
    forbids = (
        re.search(r"""extra\s*=\s*["']forbid|Extra\.forbid|\bextra = "forbid\"""", _text(machine, BASE)) is not None
    )
    for section, (module, name) in MODELS.items():
        model = _model(machine, module, name) if forbids else None
        for setting in config.below(*section) if model else ():
            if model is not None and setting.keys[-1] not in model.names:
                message = f"1 validation error for {name}: {setting.keys[-1]}: Extra inputs are not permitted"
                tell(
                    machine,
                    "unknown-key",
                    setting,
                    exception="ValidationError",
                    message=message,
                    callee=_module(machine, module),
                )
    known = frozenset(_words(machine))
    for setting in config.below():
        if setting.keys[-1] not in known and not setting.keys[-1].startswith(("_", "comment")):
            tell(machine, "ignored-key", setting, callee=_module(machine, TOP))


def _module(machine: Machine, name: str) -> Module | None:
    return machine.opaque(name)


def _path(machine: Machine, module: str) -> Path | None:
    found = machine.locator.find(module)
    return found.path if found is not None else None


def _text(machine: Machine, module: str) -> str:
    path = _path(machine, module)
    try:
        return read_source(path) if path is not None and path.suffix == ".py" else ""
    except (OSError, ValueError):
        return ""


def _model(machine: Machine, module: str, name: str) -> _Model | None:
    """The fields of a pydantic model, by their names and aliases; None where it cannot be read."""
    try:
        tree = parse(_text(machine, module), module)
    except ValueError:
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            fields = [
                item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
            names = {item.target.id for item in fields if isinstance(item.target, ast.Name)}
            return _Model(frozenset(names | {alias for item in fields if (alias := _alias(item))}), node.lineno)
    return None


def _alias(item: ast.AnnAssign) -> str:
    if not isinstance(item.value, ast.Call):
        return ""
    values = [keyword.value for keyword in item.value.keywords if keyword.arg == "alias"]
    return next((one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)), "")


def _words(machine: Machine) -> set[str]:
    """Every name that DeepSpeed's sources may look for in a config: they read it in many places."""
    top = _path(machine, "deepspeed")
    found: set[str] = set()
    for path in sorted(top.parent.rglob("*.py"))[:2000] if top is not None else ():
        if "config" in path.name or "constants" in path.name:
            try:
                found.update(_TEXT.findall(read_source(path)))
            except (OSError, ValueError):
                continue
    return found
