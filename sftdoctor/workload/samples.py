"""Which local data file a call of the datasets library reads, and what the file begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sftdoctor.flow import Arguments, Machine, Obj, Value
from sftdoctor.workload.datafiles import BUILDERS, Sample, read_sample

_PLAIN = frozenset(
    {"path", "split", "data_files", "path_or_paths", "streaming", "cache_dir", "keep_in_memory", "num_proc", "token"}
)
"""Arguments that leave the rows as the file has them."""
_SPLIT = re.compile(r"(\w+)(\[[^\]]*\])?")
_REMOTE_OR_PATTERN = re.compile(r"://|[*?\[\]]")

Splits = tuple[tuple[str, Sample], ...]


class DataFiles:
    """Reads the data files that a script names, each once.

    Args:
        folder: The script's; a relative name is looked for where the command runs, then there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[str, str], Sample | None] = {}

    def splits(self, machine: Machine, builder: Value, files: Value, given: Arguments) -> Splits:
        """The splits that a call loads from local files.

        Args:
            machine: The machine.
            builder: What the call names as format.
            files: What it names as files.
            given: All that it is given.

        Returns:
            Each split with its file's beginning; nothing where one of them cannot be told.
        """
        if given.open or builder not in BUILDERS or set(given.keywords) - _PLAIN:
            return ()
        named = self._named(machine, files)
        samples = [(split, self._sample(builder, name)) for split, name in named.items()]
        found = tuple((split, sample) for split, sample in samples if sample is not None)
        return found if len(found) == len(samples) else ()

    def _named(self, machine: Machine, files: Value) -> Mapping[str, str]:
        if isinstance(files, Obj) and files.kind == "dict":
            record = machine.heap.record(files)
            named = {split: _single(machine, name) for split, name in machine.heap.items(files)}
            known = {split: name for split, name in named.items() if isinstance(split, str) and name}
            return known if not record.open and len(known) == len(record.slots) else {}
        name = _single(machine, files)
        return {"train": name} if name else {}

    def _sample(self, builder: str, name: str) -> Sample | None:
        if _REMOTE_OR_PATTERN.search(name) or not name.endswith(BUILDERS[builder]):
            return None
        if (builder, name) not in self._read:
            here = next((path for path in (Path(name), self.folder / name) if path.is_file()), None)
            self._read[builder, name] = read_sample(here, builder, name) if here is not None else None
        return self._read[builder, name]


def _single(machine: Machine, files: Value) -> str:
    """The one file that is named, by itself or in a list; empty where it is not known, or there are several."""
    items = (files,) if isinstance(files, str) else machine.items_of(files)
    return items[0] if items is not None and len(items) == 1 and isinstance(items[0], str) else ""


def of_split(splits: Splits, split: Value) -> Sample | None:
    """What a split begins with: "train", or a part of it ("train[:10%]"), of which no row is known."""
    part = _SPLIT.fullmatch(split) if isinstance(split, str) else None
    sample = dict(splits).get(part[1]) if part else None
    return replace(sample, rows=(), whole=False) if sample is not None and part is not None and part[2] else sample
