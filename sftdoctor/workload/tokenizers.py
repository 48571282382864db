"""The tokenizers of a script: what is loaded, what is set on them, what is added to them."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable
from typing import TypeGuard

from sftdoctor.flow import UNKNOWN, Arguments, Machine, Method, Obj, Ref, Value
from sftdoctor.flow.heap import Possibly
from sftdoctor.workload.models import is_model, touch_embeddings

LOADERS = re.compile(r"(Auto)?(\w*Tokenizer(Fast)?|\w*Processor)")
_TEMPLATE_SETTERS = frozenset({"setup_chat_format", "clone_chat_template", "get_chat_template"})
"""Functions of trl (the first two) and unsloth that give a tokenizer a chat template."""
_ADDS_TOKENS = frozenset({"setup_chat_format", "clone_chat_template"})


def is_tokenizer(value: Value) -> TypeGuard[Obj]:
    """Whether a value is a tokenizer (or processor) of the script."""
    return isinstance(value, Obj) and value.kind == "tokenizer"


def call_loader(machine: Machine, function: Ref, given: Arguments, node: ast.AST) -> Value | None:
    """Calls that make a tokenizer or give it a chat template; None for every other call.

    Args:
        machine: The machine.
        function: What is called.
        given: What is passed.
        node: The call.

    Returns:
        The tokenizer, what such a function gives back, or None.
    """
    owner, _, last = function.name.rpartition(".")
    if last == "from_pretrained" and LOADERS.fullmatch(owner.rpartition(".")[2]):
        slots = {f"^{name}": value for name, value in given.keywords.items()}
        slots["^loader"] = owner.rpartition(".")[2]
        slots["^path"] = given.get(0, "pretrained_model_name_or_path")
        slots.update({name: given.keywords[name] for name in _SETTINGS if name in given.keywords})
        return machine.heap.add(Obj("tokenizer", node), slots)
    if last in _TEMPLATE_SETTERS and function.name.startswith(("trl.", "unsloth.")):
        return _set_template(machine, last, given, node)
    return None


_SETTINGS = ("pad_token", "eos_token", "bos_token", "padding_side", "model_max_length", "chat_template")
"""Arguments of from_pretrained that become attributes."""


def _set_template(machine: Machine, function: str, given: Arguments, node: ast.AST) -> Value:
    passed = given.all()
    tokenizer = next((value for value in passed if is_tokenizer(value)), None)
    model = next((value for value in passed if is_model(value)), None)
    if tokenizer is None:
        return UNKNOWN
    machine.heap.set(tokenizer, "chat_template", UNKNOWN)
    machine.heap.set(tokenizer, "^set_up", function)
    if function == "get_chat_template":
        return tokenizer
    machine.heap.set(tokenizer, "^added", "yes")
    if model is not None:
        touch_embeddings(machine, model)
    pair = (model if model is not None else UNKNOWN, tokenizer)
    return (*pair, UNKNOWN) if function == "clone_chat_template" else pair


_MORE = ("return_overflowing_tokens", "return_offsets_mapping", "return_special_tokens_mask", "return_length")
"""Arguments that add entries."""


def encode(machine: Machine, tokenizer: Obj, given: Arguments) -> Value:
    """tokenizer(texts): the entries that it gives (token_type_ids, which some add, is left aside).

    Args:
        machine: The machine.
        tokenizer: The tokenizer; of a processor nothing is known.
        given: What it is called with.

    Returns:
        A dictionary, open where there may be other entries; UNKNOWN of a processor.
    """
    loader = machine.heap.get(tokenizer, "^loader", "")
    if not isinstance(loader, str) or "Processor" in loader:
        return UNKNOWN
    entries: dict[Hashable, Value] = {"input_ids": UNKNOWN}
    if given.get(None, "return_attention_mask", True) is not False:
        entries["attention_mask"] = UNKNOWN
    if "text_target" in given.keywords:
        entries["labels"] = UNKNOWN
    return machine.make_dict(entries, open=given.open or any(name in given.keywords for name in _MORE))


def call_method(machine: Machine, tokenizer: Obj, name: str, given: Arguments) -> Value:
    """tokenizer.name(…): what it adds is remembered."""
    if name == "add_special_tokens":
        _add_special(machine, tokenizer, given.get(0, "special_tokens_dict"))
    elif name == "add_tokens":
        machine.heap.set(tokenizer, "^added", "yes")
    return UNKNOWN


def _add_special(machine: Machine, tokenizer: Obj, tokens: Value) -> None:
    if not isinstance(tokens, Obj) or tokens.kind != "dict" or machine.heap.record(tokens).open:
        machine.heap.set(tokenizer, "^added", UNKNOWN)
        return
    for name, value in machine.heap.items(tokens):
        if name in ("pad_token", "eos_token", "bos_token", "unk_token"):
            machine.heap.set(tokenizer, name, value)
    names = {name for name, _ in machine.heap.items(tokens)}
    if names - {"pad_token"}:
        machine.heap.set(tokenizer, "^added", "yes")
    elif machine.heap.has(tokenizer, "^added") is False:
        machine.heap.set(tokenizer, "^added", "pad only")


def pad_token(machine: Machine, tokenizer: Obj) -> Value:
    """What the script makes the padding token: "eos", "unk", a text, "maybe eos", "unset" or UNKNOWN."""
    slot = machine.heap.record(tokenizer).slots.get("pad_token", "unset")
    maybe = isinstance(slot, Possibly)
    value = slot.value if isinstance(slot, Possibly) else slot
    if isinstance(value, Method) and value.receiver is tokenizer:
        which = value.name.removesuffix("_token")
        return f"maybe {which}" if maybe else which
    return UNKNOWN if maybe else value


def give_away(machine: Machine, tokenizer: Obj) -> None:
    """Something unknown gets hold of the tokenizer: from here on nothing is certain about it."""
    machine.heap.record(tokenizer).open = True
    for name in ("pad_token", "chat_template", "^added", "eos_token"):
        machine.heap.set(tokenizer, name, UNKNOWN)
