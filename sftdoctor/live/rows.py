"""Rows of the training data, and batches of them as the trainer's own collator makes them; no loader is touched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

MOST_ROWS = 64
"""Rows that are looked at, spread over the whole data."""
MOST_SECONDS = 0.5
"""After this long no further batch is made; the first always is."""
GROUP = 8
"""Rows of one batch that is only looked at."""


@dataclass(frozen=True)
class Group:
    """Some rows, and the batch that the collator made of them."""

    rows: tuple[Any, ...]
    batch: Any


@dataclass(frozen=True)
class Rows:
    """What could be had of the data."""

    groups: tuple[Group, ...] = ()
    total: int | None = None
    """Number of all rows, where it is known."""
    error: str = ""
    """What the collator raised."""
    reason: str = ""
    """Why there are no rows to look at."""


def read_rows(trainer: Any) -> Rows:
    """Collate rows from all over the training data.

    Args:
        trainer: The trainer; its dataset and collator are used, its data loader is not.

    Returns:
        The rows and their batches; a reason where the data cannot be read without using it up.
    """
    dataset = getattr(trainer, "train_dataset", None)
    if dataset is None:
        return Rows(reason="the trainer has no training data")
    rows = _rows(_as_loaded(trainer, dataset))
    if rows is None:
        return Rows(reason="the training data is a stream that may be readable only once")
    groups: list[Group] = []
    until = time.perf_counter() + MOST_SECONDS
    total = len(dataset) if hasattr(dataset, "__len__") else None
    while chunk := tuple(islice(rows, GROUP)):
        try:
            groups.append(Group(chunk, collate(trainer, chunk)))
        except Exception as error:
            return Rows(tuple(groups), total, said(error))
        if time.perf_counter() > until:
            break
    return Rows(tuple(groups), total, reason="" if groups else "the training data has no rows")


def collate(trainer: Any, rows: Sequence[Any]) -> Any:
    """A batch of those rows as the trainer would make it."""
    dataset, collator = trainer.train_dataset, trainer.data_collator
    if not _is_table(dataset) and hasattr(trainer, "_get_collator_with_removed_columns"):
        collator = trainer._get_collator_with_removed_columns(collator, description="training")
    return collator([dict(row) if isinstance(row, dict) else row for row in rows])


def said(error: BaseException) -> str:
    """One line about an exception."""
    text = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _as_loaded(trainer: Any, dataset: Any) -> Any:
    """The dataset as the trainer's loader sees it: without the columns that the model does not take."""
    if _is_table(dataset) and hasattr(trainer, "_remove_unused_columns"):
        return trainer._remove_unused_columns(dataset, description="training")
    return dataset


def _is_table(dataset: Any) -> bool:
    """Whether it is a datasets.Dataset, which the trainer treats differently."""
    return any(
        f"{kind.__module__}.{kind.__name__}" == "datasets.arrow_dataset.Dataset" for kind in type(dataset).__mro__
    )


def _rows(dataset: Any) -> Iterator[Any] | None:
    """Rows from all over a dataset; None where reading them would use them up."""
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        number = len(dataset)
        wanted = min(number, MOST_ROWS)
        return (dataset[index * number // wanted] for index in range(wanted))
    if type(dataset).__module__.startswith("datasets."):  # an IterableDataset of datasets begins anew each time
        return islice(iter(dataset), MOST_ROWS // 4)
    return None


@dataclass(frozen=True)
class TokenRow:
    """One sequence of a batch."""

    row: int | None
    """Index of its row in the group; None where rows cannot be told apart."""
    ids: torch.Tensor
    """Token ids, (length,), int64."""
    real: torch.Tensor
    """Whether each is no padding, (length,), bool."""
    labels: torch.Tensor | None
    """Label of each position, (length,), -100 where it does not count; None where the batch has no such labels."""


def sequences(group: Group) -> Iterator[TokenRow]:
    """The sequences of a batch.

    Args:
        group: Rows and their batch; "…input_ids" with "…labels", "…attention_mask" or "completion_mask" are understood.

    Returns:
        Each sequence, on the CPU.
    """
    batch = group.batch
    for key in [key for key in batch if str(key).endswith("input_ids")] if hasattr(batch, "keys") else ():
        ids = batch[key]
        if not (isinstance(ids, torch.Tensor) and ids.ndim == 2 and not ids.is_floating_point()):
            continue
        prefix = str(key).removesuffix("input_ids")
        mask = _like(batch.get(f"{prefix}attention_mask"), ids)
        labels = _labels(batch, prefix, ids)
        rows = len(group.rows) if len(ids) % len(group.rows) == 0 else 0
        for index in range(len(ids)):
            real = mask[index].bool().cpu() if mask is not None else torch.ones(ids.shape[1], dtype=torch.bool)
            own = labels[index].cpu() if labels is not None else None
            yield TokenRow(index % rows if rows else None, ids[index].cpu().long(), real, own)


def _labels(batch: Any, prefix: str, ids: torch.Tensor) -> torch.Tensor | None:
    labels = _like(batch.get(f"{prefix}labels"), ids)
    completion = _like(batch.get(f"{prefix}completion_mask"), ids)
    if labels is None and completion is not None:
        labels = ids.masked_fill(~completion.bool(), -100)
    return labels


def _like(value: Any, ids: torch.Tensor) -> torch.Tensor | None:
    return value if isinstance(value, torch.Tensor) and value.shape == ids.shape else None
