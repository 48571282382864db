"""The data sets of a script: what kind they are and which columns they are known to have."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TypeGuard

from sftdoctor.flow import UNKNOWN, Arguments, Function, Machine, Method, Obj, RaisedError, Ref, Value
from sftdoctor.workload.datafiles import Sample
from sftdoctor.workload.functions import returned_form, returned_keys
from sftdoctor.workload.samples import DataFiles, Splits, of_split

_KEEP = frozenset(["shuffle", "flatten_indices", "sort", "with_format", "repeat"])
_FEWER = frozenset(["filter", "select", "take", "skip", "shard"])
"""Methods after which rows that were seen may be gone."""
_STREAMED: Mapping[str, str] = {"Dataset": "IterableDataset", "DatasetDict": "IterableDatasetDict"}
_SINGLE: Mapping[str, str] = {"DatasetDict": "Dataset", "IterableDatasetDict": "IterableDataset"}


def is_dataset(value: Value) -> TypeGuard[Obj]:
    """Whether a value is a data set of the script."""
    return isinstance(value, Obj) and value.kind == "dataset"


def make(
    machine: Machine, node: ast.AST | None, kind: Value, columns: tuple[str, ...] = (), *, complete: bool = False
) -> Obj:
    """A data set.

    Args:
        machine: The machine.
        node: The call that makes it.
        kind: "Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict" or UNKNOWN.
        columns: Columns that it is known to have.
        complete: Whether it has no others.

    Returns:
        The data set.
    """
    slots = {"^kind": kind, "^columns": columns, "^complete": complete, "^transform": False}
    slots |= {"^sample": None, "^splits": (), "^prompt": UNKNOWN}
    return machine.heap.add(Obj("dataset", node), slots)


def call_loader(machine: Machine, function: Ref, given: Arguments, node: ast.AST, files: DataFiles) -> Value | None:
    """Calls of the datasets library that make a data set; None for every other call."""
    owner, _, last = function.name.rpartition(".")
    if not function.name.startswith("datasets."):
        return None
    if last == "load_dataset":
        return _load(machine, given, node, files)
    if owner.rpartition(".")[2] == "Dataset":
        if last == "from_dict":
            columns, complete = _keys(machine, given.get(0, "mapping"))
            return make(machine, node, "Dataset", columns, complete=complete)
        if last == "from_list":
            items = machine.items_of(given.get(0, "mapping"))
            columns, complete = _keys(machine, items[0]) if items else ((), False)
            return make(machine, node, "Dataset", columns, complete=complete)
        if last.startswith("from_"):
            splits = files.splits(machine, last.removeprefix("from_"), given.get(0, "path_or_paths"), given)
            return _with_sample(machine, make(machine, node, "Dataset"), of_split(splits, "train"))
    if last in ("concatenate_datasets", "interleave_datasets"):
        first = machine.items_of(given.get(0, "dsets" if last.startswith("con") else "datasets"))
        return first[0] if first and all(is_dataset(item) for item in first) and len(set(first)) == 1 else UNKNOWN
    return None


def _keys(machine: Machine, mapping: Value) -> tuple[tuple[str, ...], bool]:
    """The keys of a dictionary, and whether these are all."""
    if not isinstance(mapping, Obj) or mapping.kind != "dict":
        return (), False
    keys = tuple(key for key, _ in machine.heap.items(mapping) if isinstance(key, str))
    return keys, not machine.heap.record(mapping).open and len(keys) == len(machine.heap.record(mapping).slots)


def _load(machine: Machine, given: Arguments, node: ast.AST, files: DataFiles) -> Obj:
    split, streaming = given.get(4, "split"), given.get(None, "streaming", False)
    kind: Value = UNKNOWN
    # a list of splits gives a list, and what is not known may be one
    if not given.open and (split is None or isinstance(split, str)) and isinstance(streaming, bool):
        kind = "DatasetDict" if split is None else "Dataset"
        kind = _STREAMED[kind] if streaming else kind
    made = make(machine, node, kind)
    path = given.get(0, "path")
    machine.heap.set(made, "^path", path)
    splits = files.splits(machine, path, given.get(3, "data_files"), given)
    if split is None:
        _with_splits(machine, made, splits)
    return _with_sample(machine, made, of_split(splits, split))


def _with_sample(machine: Machine, dataset: Obj, sample: Value) -> Obj:
    """Put down what the data set's file begins with. A column that comes later is empty in the rows before it."""
    if isinstance(sample, Sample):
        machine.heap.set(dataset, "^sample", sample)
        machine.heap.set(dataset, "^columns", sample.columns)
        machine.heap.set(dataset, "^complete", not sample.error)
        machine.heap.set(dataset, "^prompt", _prompt_form(sample))
    return dataset


def _prompt_form(sample: Sample) -> Value:
    """Whether the prompts of a file are texts or conversations."""
    prompts = [row.get("prompt") for row in sample.rows]
    for kind, form in ((str, "text"), (list, "messages")):
        if prompts and all(isinstance(prompt, kind) for prompt in prompts):
            return form
    return UNKNOWN


def _with_splits(machine: Machine, dataset: Obj, splits: Splits) -> None:
    """Put down what each split begins with; the columns count where all splits have the same."""
    machine.heap.set(dataset, "^splits", splits)
    columns = {sample.columns for _, sample in splits}
    if len(columns) == 1 and not any(sample.error for _, sample in splits):
        machine.heap.set(dataset, "^columns", columns.pop())
        machine.heap.set(dataset, "^complete", True)


def item(machine: Machine, dataset: Obj, key: Value) -> Value:
    """dataset[key]: a split of a dictionary of them; rows and columns are not known."""
    kind, splits = machine.heap.get(dataset, "^kind"), machine.heap.get(dataset, "^splits")
    if kind not in _SINGLE:
        return UNKNOWN
    single = _changed(machine, dataset, kind=_SINGLE[kind])
    return _with_sample(machine, single, of_split(splits, key) if isinstance(splits, tuple) else None)


def _changed(machine: Machine, dataset: Obj, node: ast.AST | None = None, **slots: Value) -> Obj:
    record = machine.heap.record(dataset)
    changes = {"^sample": None, "^splits": (), **{f"^{name}": value for name, value in slots.items()}}
    return machine.heap.add(Obj("dataset", node or dataset.node), {**record.slots, **changes}, open=record.open)


def call_method(machine: Machine, dataset: Obj, name: str, given: Arguments, node: ast.AST) -> Value:
    """dataset.name(…).

    Args:
        machine: The machine.
        dataset: The data set.
        name: The method.
        given: What is passed.
        node: The call.

    Returns:
        The data set that it gives back, or UNKNOWN.
    """
    columns, complete = machine.heap.get(dataset, "^columns"), machine.heap.get(dataset, "^complete")
    columns = columns if isinstance(columns, tuple) else ()
    if name in _KEEP:
        return dataset
    if name in _FEWER:
        return _changed(machine, dataset, node)
    if name == "train_test_split":
        return _changed(machine, dataset, node, kind="DatasetDict")
    if name == "to_iterable_dataset":
        return _changed(machine, dataset, node, kind="IterableDataset")
    if name in ("with_transform", "set_transform"):
        made = _changed(machine, dataset, node, transform=True)
        if name == "set_transform":
            machine.heap.set(dataset, "^transform", True)
        return made
    if name == "map":
        return _map(machine, dataset, columns, complete is True, given, node)
    if name in ("rename_column", "rename_columns", "remove_columns", "select_columns", "add_column"):
        return _columns(machine, dataset, name, columns, complete is True, given, node)
    return UNKNOWN


def _map(
    machine: Machine, dataset: Obj, columns: tuple[str, ...], complete: bool, given: Arguments, node: ast.AST
) -> Value:
    function = given.get(0, "function")
    added = _added(machine, function, node) if isinstance(function, Function) else None
    removes = given.get(None, "remove_columns")
    names = _names(machine, removes) if removes is not None else ()
    if names is None:
        # of remove_columns=dataset.column_names what the function returns is all that is left
        everything = isinstance(removes, Method) and removes.name.endswith("column_names")
        columns, complete = (), everything and is_dataset(removes.receiver)
    else:
        columns = tuple(name for name in columns if name not in names)
    known = tuple(dict.fromkeys((*columns, *(added or ()))))
    prompt = machine.heap.get(dataset, "^prompt") if added is not None and "prompt" not in added else UNKNOWN
    if isinstance(function, Function) and prompt is UNKNOWN:
        prompt = returned_form(function.node, "prompt") or UNKNOWN
    complete = complete and added is not None
    return _changed(machine, dataset, node, columns=known, complete=complete, prompt=prompt)


def _added(machine: Machine, function: Function, node: ast.AST) -> tuple[str, ...] | None:
    """The columns that a mapped function gives: as its text shows, else as it shows where it is followed."""
    keys = returned_keys(function.node)
    if keys is not None:
        return keys
    try:
        row = machine.call(function, Arguments([UNKNOWN], open=True), node)
    except RaisedError:
        return None
    found, complete = _keys(machine, row)
    return found if complete and found else None


def _columns(
    machine: Machine,
    dataset: Obj,
    method: str,
    columns: tuple[str, ...],
    complete: bool,
    given: Arguments,
    node: ast.AST,
) -> Value:
    first, second = given.get(0, "original_column_name"), given.get(1, "new_column_name")
    if method == "rename_column" and isinstance(first, str) and isinstance(second, str):
        renamed = (*(name for name in columns if name != first), second)
        return _changed(machine, dataset, node, columns=renamed, complete=complete, prompt=UNKNOWN)
    mapping = given.get(0, "column_mapping")
    if method == "rename_columns" and isinstance(mapping, Obj) and mapping.kind == "dict":
        names = dict(machine.heap.items(mapping))
        if not machine.heap.record(mapping).open and all(isinstance(name, str) for name in names.values()):
            renamed = tuple(str(names.get(name, name)) for name in columns)
            return _changed(machine, dataset, node, columns=renamed, complete=complete, prompt=UNKNOWN)
    named = _names(machine, given.get(0, "column_names"))
    if method == "remove_columns" and named is not None:
        return _changed(machine, dataset, node, columns=tuple(name for name in columns if name not in named))
    if method == "select_columns" and named is not None:
        return _changed(machine, dataset, node, columns=named, complete=True)
    if method == "add_column" and isinstance(given.get(0, "name"), str):
        return _changed(machine, dataset, node, columns=(*columns, given.get(0, "name")))
    return _changed(machine, dataset, node, columns=(), complete=False)


def _names(machine: Machine, value: Value) -> tuple[str, ...] | None:
    """A name or a list of names; None where they are not known."""
    if isinstance(value, str):
        return (value,)
    items = machine.items_of(value)
    return items if items is not None and all(isinstance(name, str) for name in items) else None
