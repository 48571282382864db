"""Values that a class takes without a look and cannot use: numbers and truth values that are texts."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sftdoctor.link import describe
from sftdoctor.link.keys.reader import plain_type
from sftdoctor.link.keys.tell import tell
from sftdoctor.link.signatures import dataclass_fields
from sftdoctor.link.state import CERTAIN, LIKELY, POSSIBLE, Raised
from sftdoctor.link.values import Arguments, Const, Likely, constant

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.link.state import Event, Frame
    from sftdoctor.link.values import Class, Value
    from sftdoctor.model import Setting

ALWAYS = frozenset(
    [
        "learning_rate",
        "max_grad_norm",
        "label_smoothing_factor",
        "warmup_steps",
        "warmup_ratio",
        "max_steps",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "dataloader_num_workers",
        "seed",
        "r",
        "lora_alpha",
        "lora_dropout",
    ]
)
"""Numbers that every run computes with. Every one was tried as a text, by itself: the run stops while its arguments,
trainer or adapter are made, or in its first step (trl 1.16.0 with transformers 5.23.0, trl 0.12.2 with 4.46.3)."""
SOMETIMES = frozenset(
    [
        "weight_decay",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "num_train_epochs",
        "neftune_noise_alpha",
        "eval_steps",
        "eval_delay",
        "eval_accumulation_steps",
        "per_device_eval_batch_size",
        "save_total_limit",
        "data_seed",
        "dataloader_prefetch_factor",
        "dataset_num_proc",
        "max_length",
    ]
)
"""Numbers that a run computes with where something else asks for them: its optimiser, an evaluation, a checkpoint."""
ADAM = ("weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")
"""Those that every optimiser of torch's Adam family, which is the default, computes with."""
STRATEGIES: Mapping[str, str] = {"logging_steps": "logging_strategy", "save_steps": "save_strategy"}
"""Numbers that are looked at where the strategy is that of steps, which is the default."""
FALSE_WORDS = frozenset({"false", "no", "off", "f", "n", "0", "none", "null"})
STEPS = Const("steps")
COMPUTED = ALWAYS | SOMETIMES | STRATEGIES.keys()
MEANT = ("transformers", "trl", "peft")
"""Distributions whose classes take values as they come."""


def judge_values(machine: Machine, frame: Frame, cls: Class, args: Arguments, node: ast.AST | None) -> None:
    """Say which arguments of a library's dataclass are texts where it computes with a number or asks for a truth value.

    Args:
        machine: Keeps what is found.
        frame: Who makes the object.
        cls: Its class.
        args: What it is made with.
        node: The call.
    """
    if cls.module is None or cls.module.distribution not in MEANT or not machine.is_script(frame.module):
        return
    texts = {name: value for name, value in args.keywords.items() if isinstance(constant(value), str)}
    fields = {one.name: one for one in dataclass_fields(cls) or []} if texts else {}
    for name, value in texts.items():
        wanted = plain_type(fields[name].annotation) if name in fields else None
        said = constant(value)
        doubt = max(machine.doubt, _doubt(name, args.keywords), LIKELY if isinstance(value, Likely) else CERTAIN)
        if wanted in ("int", "float") and name in COMPUTED and (number := number_of(said)):
            message = f"{name} the text {said!r}"
            _tell(machine, frame, node, "number-as-text", name, args, cls, doubt, message, number)
        elif wanted == "bool" and said.strip().lower() in FALSE_WORDS:
            message = f"{name} the text {said!r}, which is true"
            _tell(machine, frame, node, "truth-as-text", name, args, cls, machine.doubt, message, "False")


def _doubt(name: str, given: Mapping[str, Value]) -> int:
    """How sure it is that the run computes with a number."""
    if name in ALWAYS:
        return CERTAIN
    if name in STRATEGIES:
        return CERTAIN if constant(given.get(STRATEGIES[name], STEPS)) == "steps" else POSSIBLE
    if name in ADAM:
        said = constant(given.get("optim"))
        return CERTAIN if "optim" not in given or (isinstance(said, str) and said.startswith("adamw_torch")) else LIKELY
    if name == "num_train_epochs":
        steps = given.get("max_steps")
        return CERTAIN if steps is None or constant(steps) == -1 else POSSIBLE
    return LIKELY


def number_of(text: str) -> str:
    """A number that a text spells, as Python and every YAML read it (of "1e-8" "1.0e-08"); empty where it is none."""
    try:
        return str(int(text))
    except ValueError:
        pass
    try:
        found = repr(float(text))
    except ValueError:
        return ""
    mantissa, e, exponent = found.partition("e")
    return "" if "n" in found else found if not e or "." in mantissa else f"{mantissa}.0e{exponent}"


def _tell(
    machine: Machine,
    frame: Frame,
    node: ast.AST | None,
    kind: str,
    name: str,
    args: Arguments,
    cls: Class,
    doubt: int,
    message: str,
    value: str,
) -> None:
    owner = next((base for base in cls.mro if any(one.name == name for one in base.fields or ())), cls)
    setting: Setting | None = args.settings.get(name)
    exception = "TypeError" if kind == "number-as-text" else ""
    if setting is not None:
        event: Event = tell(machine, kind, setting, exception=exception, message=message, callee=owner, doubt=doubt)
    else:
        event = describe.event(kind, exception, message, name, frame, node, doubt, owner)
        machine.note(Raised(None, message, event))
    event.value = value
