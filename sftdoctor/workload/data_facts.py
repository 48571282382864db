"""What a script gives its trainer to train on: data sets, tokenizer, collator, formatting function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sftdoctor.flow import UNKNOWN, Function, Machine, Obj, Ref, Value
from sftdoctor.model import Fact
from sftdoctor.workload import functions, tokenizers
from sftdoctor.workload.datafiles import Sample
from sftdoctor.workload.datasets import is_dataset
from sftdoctor.workload.places import Places
from sftdoctor.workload.plain import keyword_node, said, said_list
from sftdoctor.workload.row_facts import row_facts


def data_facts(places: Places, machine: Machine, trainer: Obj, text_field: Any) -> Iterator[Fact]:
    """What the trainer gets besides the model and its arguments.

    Args:
        places: Where nodes stand.
        machine: The machine.
        trainer: The trainer.
        text_field: dataset_text_field of its arguments: a name, "unset" or "unknown".

    Returns:
        The facts of its data sets, its formatting function, its collator and its tokenizer.
    """
    yield from _dataset(places, machine, trainer, text_field)
    for name in ("eval_dataset", "compute_metrics", "formatting_func", "ref_model", "tools"):
        yield Fact(f"{name}_passed", _passed(machine, trainer, name), places.of(keyword_node(trainer.node, name)))
    evaluated = _given(machine, trainer, "eval_dataset")
    if not (isinstance(evaluated, Obj) and evaluated.kind == "dict"):  # of several, each has its name before the metric
        yield from _metrics(places, _given(machine, trainer, "compute_metrics"))
    formatting = _given(machine, trainer, "formatting_func")
    where = places.of(keyword_node(trainer.node, "formatting_func"))
    kind = "none" if formatting is None else "unknown"
    if isinstance(formatting, Function):
        kind, where = functions.returned_kind(formatting.node), places.of(formatting.node)
        kind = "unused" if _is_object(_given(machine, trainer, "train_dataset")) else kind
    yield Fact("formatting_func", kind, where)
    for column in functions.columns_of_example(formatting.node) if isinstance(formatting, Function) else ():
        yield Fact("formatting_reads", column, where)
    collator = _given(machine, trainer, "data_collator")
    yield from _collator(places, machine, trainer, collator)
    if isinstance(formatting, Function):
        yield from _template_in_text(machine, collator, formatting)
    yield from _tokenizer(places, machine, trainer, collator)


def _metrics(places: Places, compute: Value) -> Iterator[Fact]:
    """The keys of the dictionary that compute_metrics returns, where they all stand in its text."""
    for name in (functions.returned_keys(compute.node) or ()) if isinstance(compute, Function) else ():
        for key in (name, f"eval_{name}"):
            yield Fact("metric", key, places.of(compute.node))


def _is_object(dataset: Value) -> bool:
    """Whether a data set is of a class of its own (ConstantLengthDataset, torch's): trainers take it as it is."""
    return isinstance(dataset, Obj) and not is_dataset(dataset) and dataset.kind not in ("list", "dict")


def _given(machine: Machine, trainer: Obj, name: str) -> Value:
    return machine.heap.get(trainer, name, UNKNOWN if machine.heap.record(trainer).open else None)


def _passed(machine: Machine, trainer: Obj, name: str) -> Any:
    """Whether an argument is given; one whose value is not known is."""
    there = machine.heap.has(trainer, name)
    return "unknown" if there is None else there and machine.heap.get(trainer, name) is not None


def _dataset(places: Places, machine: Machine, trainer: Obj, text_field: Any) -> Iterator[Fact]:
    dataset = _given(machine, trainer, "train_dataset")
    where = places.of(keyword_node(trainer.node, "train_dataset"))
    if not is_dataset(dataset):
        # one that cannot be followed says nothing, and keeps no rule waiting: it may come from anywhere
        if dataset is None or (isinstance(dataset, Obj) and dataset.kind == "list"):
            yield Fact("train_dataset", "none" if dataset is None else "list", where)
        return
    kind = machine.heap.get(dataset, "^kind")
    if isinstance(kind, str):
        yield Fact("train_dataset", kind, where)
    path = machine.heap.get(dataset, "^path", None)
    if isinstance(path, str):
        yield Fact("dataset_loader", "script" if path.endswith(".py") else "name", places.of(dataset.node))
    yield Fact("dataset_transform", said(machine.heap.get(dataset, "^transform")), where)
    yield Fact("dataset_columns_complete", said(machine.heap.get(dataset, "^complete")), where)
    columns = machine.heap.get(dataset, "^columns")
    for name in columns if isinstance(columns, tuple) else ():
        yield Fact("dataset_column", said(name), where)
    prompt = machine.heap.get(dataset, "^prompt")
    if isinstance(prompt, str):
        yield Fact("prompt_form", prompt, where)
    sample = machine.heap.get(dataset, "^sample", None)
    if isinstance(sample, Sample):
        yield from row_facts(sample, text_field, places.of(dataset.node))


def _collator(places: Places, machine: Machine, trainer: Obj, collator: Value) -> Iterator[Fact]:
    where = places.of(keyword_node(trainer.node, "data_collator"))
    if isinstance(collator, Function):
        yield Fact("data_collator", "function", where)
        for name in functions.read_columns(collator.node):
            yield Fact("collator_reads", name, places.of(collator.node))
        return
    class_ = machine.heap.get(collator, "^class", None) if isinstance(collator, Obj) else None
    if not isinstance(collator, Obj) or not isinstance(class_, Ref):
        yield Fact("data_collator", "none" if collator is None else "unknown", where)
        return
    where = places.of(collator.node)
    yield Fact("data_collator", class_.last, where)
    yield Fact("collator_library", class_.name.partition(".")[0], where)
    unset: Value = UNKNOWN if machine.heap.record(collator).open else "unset"
    positional = machine.heap.get(collator, "^positional", ())
    second = class_.name.startswith("transformers.") and isinstance(positional, tuple) and len(positional) > 1
    mlm = positional[1] if second else unset  # (tokenizer, mlm, …)
    yield Fact("collator_mlm", said(machine.heap.get(collator, "mlm", mlm)), where)
    for name, value in (
        ("response_template", _response_template(machine, collator, unset)),
        ("instruction_template", machine.heap.get(collator, "instruction_template", unset)),
    ):
        yield Fact(name, _template(machine, value), places.of(keyword_node(collator.node, name)))


def _response_template(machine: Machine, collator: Obj, unset: Value) -> Value:
    positional = machine.heap.get(collator, "^positional", ())
    first = positional[0] if isinstance(positional, tuple) and positional else unset
    return machine.heap.get(collator, "response_template", first)


def _template(machine: Machine, value: Value) -> Any:
    """A text as it is, "ids" for a list of tokens."""
    listed = said_list(machine, value)
    return "ids" if isinstance(listed, tuple) else listed


def _template_in_text(machine: Machine, collator: Value, formatting: Function) -> Iterator[Fact]:
    """Whether the response template occurs in the constant texts of the formatting function."""
    if not isinstance(collator, Obj):
        return
    template = _response_template(machine, collator, None)
    texts = functions.literal_texts(formatting.node)
    if not isinstance(template, str) or not template.strip() or texts is None:
        return
    named: list[str] = []
    for name in functions.loaded_names(formatting.node):
        value = machine.heap.get(formatting.scope, name, None) if isinstance(formatting.scope, Obj) else UNKNOWN
        if isinstance(value, str):
            named.append(value)
        elif value is not None:
            return  # it fills in something that is not known
    found = any(template.strip() in text for text in (*texts, *named))
    yield Fact("response_template_in_text", found)


def _tokenizer(places: Places, machine: Machine, trainer: Obj, collator: Value) -> Iterator[Fact]:
    """The tokenizer that the trainer uses: its own, else its collator's."""
    passed = [_given(machine, trainer, name) for name in ("processing_class", "tokenizer")]
    tokenizer = next((value for value in passed if value is not None), None)
    yield Fact("tokenizer_passed", "unknown" if tokenizer is UNKNOWN else tokenizer is not None)
    if tokenizer is None and isinstance(collator, Obj):
        slots = [*machine.heap.get(collator, "^positional", ()), machine.heap.get(collator, "tokenizer", None)]
        tokenizer = next((value for value in slots if tokenizers.is_tokenizer(value)), None)
    if not tokenizers.is_tokenizer(tokenizer):
        unknown = "unset" if tokenizer is None else "unknown"
        for name in ("tokenizer_pad_token", "tokenizer_chat_template", "tokens_added"):
            yield Fact(name, unknown)
        return
    where = places.of(tokenizer.node)
    yield Fact("tokenizer_pad_token", said(tokenizers.pad_token(machine, tokenizer)), where)
    template = machine.heap.has(tokenizer, "chat_template")
    yield Fact("tokenizer_chat_template", {True: "set", False: "unset"}.get(template, "unknown"), where)  # type: ignore[arg-type]
    yield Fact("tokens_added", said(machine.heap.get(tokenizer, "^added", "none")), where)
    yield Fact("template_setter", said(machine.heap.get(tokenizer, "^set_up", "none")), where)
    yield Fact("tokenizer_path", said(machine.heap.get(tokenizer, "^path", None)), where)
    for name in ("model_max_length", "padding_side", "eos_token"):
        yield Fact(f"tokenizer_{name}", said(machine.heap.get(tokenizer, name, "unset")), where)
