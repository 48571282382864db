"""Arguments classes of transformers and trl: their fields and what they do to themselves when made."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor.flow import Arguments, Function, Machine, Method, Obj, RaisedError, Ref
from sftdoctor.predicates.gradient.sources import Sources

if TYPE_CHECKING:
    from sftdoctor.predicates.gradient.world import LibraryWorld


def make_arguments(world: LibraryWorld, machine: Machine, class_: str, given: Arguments, node: ast.AST) -> Obj:
    """An instance of an arguments class of transformers or trl.

    Args:
        world: What lies outside the evaluated source.
        machine: The machine.
        class_: Its dotted name.
        given: What it is made with.
        node: The call.

    Returns:
        The instance; what a trl class does in __post_init__ is done.

    Raises:
        RaisedError: It takes no argument of that name.
    """
    for keyword in ("gradient_checkpointing_kwargs",):
        if keyword in given.keywords and not has_field(world.sources, class_, keyword):
            own = class_.rpartition(".")[2]
            raise RaisedError("TypeError", f"{own}.__init__() got an unexpected keyword argument '{keyword}'")
    made = machine.heap.add(Obj("instance", node), {**given.keywords, "^class": Ref(class_)})
    for name in ("gradient_checkpointing", "gradient_checkpointing_kwargs"):
        value = machine.attribute(made, name, node)
        value = None if isinstance(value, Method) else value
        value = False if name == "gradient_checkpointing" and value is None else value
        machine.heap.set(made, name, value)
        alias = name.replace("gradient", "activation")
        if has_field(world.sources, class_, alias):
            machine.heap.set(made, alias, value)
    for module, own in world.sources.lineage(class_):
        world.sources.asked.add((module.name, f"{own}.__post_init__"))
        after = module.function(f"{own}.__post_init__") if module.name.startswith("trl.") else None
        if after is not None:
            machine.call(Function(after, module.name, None, made, True), Arguments(), node)
    return made


def has_field(sources: Sources, class_: str, name: str) -> bool:
    """Whether an arguments class has a field; True where no class of transformers can be read."""
    known = False
    for module, own in sources.lineage(class_):
        sources.asked.add((module.name, f"{own}:{name}"))
        known |= own == "TrainingArguments"
        if module.field(own, name) is not None:
            return True
    return not known
