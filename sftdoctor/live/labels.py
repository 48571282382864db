"""What the loss will see of the data: which tokens count, where rows end, what is padding, what is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sftdoctor.live.parameters import Values, percent
from sftdoctor.live.rows import Rows, TokenRow, sequences

IGNORED = -100
"""The label that torch's cross entropy leaves out; the stack uses it everywhere."""
ENOUGH = 8
"""Labels from which on something can be said of them."""
NEAR_END = 3
"""An end token stands among the last so many tokens: some templates write a line break after it."""
LEARNED_POSITIONS = ("gpt2", "gpt_neo")
"""Model types that look positions up in a table and count padding (others with a table count by the mask)."""
NOT_TEXT = ("pixel", "image", "video", "audio", "input_features")
"""A batch with such a key may hold ids that stand for no word, and that the model replaces."""


@dataclass(frozen=True)
class Tokens:
    """The tokens with a meaning, by id."""

    ends: frozenset[int] = frozenset()
    start: int | None = None
    unknown: int | None = None
    text: str = ""
    """The end tokens as text."""


@dataclass
class Tally:
    """What was counted."""

    sequences: int = 0
    tokens: int = 0
    supervised: int = 0
    """Labels that count, wherever they stand."""
    learned: int = 0
    """Those of them that stand on no padding."""
    on_padding: int = 0
    responses: int = 0
    """Sequences of which a part is masked and the end counts: prompt and response."""
    end_masked: int = 0
    end_missing: int = 0
    double_start: int = 0
    unknown: int = 0
    truncated: int = 0
    left_padded: int = 0
    largest: int = 0
    outside: int = 0
    labels_outside: int = 0
    ahead: int = 0
    aligned: int = 0
    labelled: dict[tuple[int, int], int] = field(default_factory=dict)
    """(group, row) → number of labels that count."""
    has_labels: bool = False


def measure(trainer: Any, rows: Rows) -> Values:
    """Look at batches.

    Args:
        trainer: The trainer.
        rows: Its rows, collated.

    Returns:
        The facts; those about labels only where the batches hold labels for tokens.
    """
    values: Values = {"collator_error": rows.error} if rows.error else {}
    if not rows.groups:
        return values
    tokens = read_tokens(trainer)
    limit = _limit(trainer)
    only_text = not any(word in str(key) for key in rows.groups[0].batch for word in NOT_TEXT)
    size = _embedding_rows(trainer.model) if only_text else None
    tally = Tally()
    for number, group in enumerate(rows.groups):
        for sequence in sequences(group):
            _count(tally, number, sequence, tokens, limit, size)
    if has_own_loss(trainer):
        tally.outside -= tally.labels_outside
    if not tally.sequences:
        return values
    values |= {
        "rows": sum(len(group.rows) for group in rows.groups),
        "largest_id": tally.largest,
        "ids_outside": tally.outside,
        "double_start_percent": percent(tally.double_start, tally.sequences),
        "unknown_percent": percent(tally.unknown, tally.tokens),
        "left_padded_percent": percent(tally.left_padded, tally.sequences),
        "learned_positions": "position_ids" not in rows.groups[0].batch
        and getattr(getattr(trainer.model, "config", None), "model_type", "") in LEARNED_POSITIONS,
    }
    if size is not None:
        values["embedding_rows"] = size
    if limit is not None:
        values |= {"truncated_percent": percent(tally.truncated, tally.sequences), "max_length": limit}
    return {**values, **_about_labels(trainer, tally, tokens)} if tally.has_labels else values


def _about_labels(trainer: Any, tally: Tally, tokens: Tokens) -> Values:
    empty = sum(count == 0 for count in tally.labelled.values())
    share = {"unlabelled_percent": percent(empty, len(tally.labelled))} if tally.labelled else {}
    if has_own_loss(trainer):  # which may read them in its own way
        return share
    is_ahead = tally.supervised >= ENOUGH and tally.ahead >= 0.95 * tally.supervised > 2 * tally.aligned
    values: Values = {
        "supervised_percent": percent(tally.learned, tally.tokens - tally.sequences),
        "padding_percent": percent(tally.on_padding, tally.supervised),
        "labels_ahead": is_ahead,
    }
    if tokens.ends and not is_ahead:
        values |= {
            "end_token": tokens.text,
            "end_masked_percent": percent(tally.end_masked, tally.sequences),
            "end_missing_percent": percent(tally.end_missing, tally.responses),
        }
    for asked in ("completion", "assistant"):
        if getattr(trainer.args, f"{asked}_only_loss", None) is True:
            values["mask_asked"] = asked
    return values | share


def has_own_loss(trainer: Any) -> bool:
    """Whether the loss is neither transformers' nor trl's."""
    return getattr(trainer, "compute_loss_func", None) is not None or is_own(trainer, "compute_loss")


def is_own(trainer: Any, method: str) -> bool:
    """Whether a method is neither transformers' nor trl's."""
    owner = next((kind for kind in type(trainer).__mro__ if method in vars(kind)), None)
    return owner is not None and owner.__module__.partition(".")[0] not in ("transformers", "trl")


def _count(tally: Tally, group: int, one: TokenRow, tokens: Tokens, limit: int | None, size: int | None) -> None:
    length = int(one.real.sum())
    ids = one.ids[one.real]
    tally.sequences += 1
    tally.tokens += length
    tally.largest = max(tally.largest, int(one.ids.max()) if len(one.ids) else 0)
    if size is not None:
        tally.outside += int(((one.ids < 0) | (one.ids >= size)).sum())
    if tokens.start is not None and length > 1:
        tally.double_start += bool((ids[:2] == tokens.start).all())
    if tokens.unknown is not None:
        tally.unknown += int((ids == tokens.unknown).sum())
    tally.left_padded += bool(length) and not bool(one.real[0])
    is_cut = limit is not None and length >= limit
    tally.truncated += is_cut
    if one.labels is not None:
        _count_labels(tally, group, one, size)
        if not is_cut:
            _count_end(tally, ids, one.labels[one.real], tokens)


def _count_labels(tally: Tally, group: int, one: TokenRow, size: int | None) -> None:
    labels = one.labels
    assert labels is not None
    counts = labels != IGNORED
    tally.has_labels = True
    # the first label is never looked at: the model predicts each token from those before it
    supervised = int(counts[1:].sum())
    if one.row is not None:
        tally.labelled[group, one.row] = tally.labelled.get((group, one.row), 0) + supervised
    tally.supervised += supervised
    tally.learned += int((counts & one.real)[1:].sum())
    tally.on_padding += int((counts & ~one.real).sum())
    tally.aligned += int((counts & (labels == one.ids)).sum())
    tally.ahead += int((counts[:-1] & (labels[:-1] == one.ids[1:])).sum())
    if size is not None:
        outside = int((counts & ((labels < 0) | (labels >= size))).sum())
        tally.labels_outside += outside
        tally.outside += outside


def _count_end(tally: Tally, ids: torch.Tensor, labels: torch.Tensor, tokens: Tokens) -> None:
    """Whether a row's end is learned. ids and labels are those of its real tokens, (length,)."""
    counts = labels != IGNORED
    if not tokens.ends or not bool(counts.any()):
        return
    last = len(ids) - 1
    near = range(max(1, len(ids) - NEAR_END), len(ids))
    ends = [index for index in near if int(ids[index]) in tokens.ends]
    if ends and not bool(counts[ends[0]]) and bool(counts[ends[0] - 1]):
        tally.end_masked += 1
    final = int(counts.nonzero()[-1])
    if not bool(counts.all()) and final > last - NEAR_END:
        tally.responses += 1
        tail = labels[max(0, final + 1 - NEAR_END) : final + 1].tolist()
        tally.end_missing += not ends and not any(label in tokens.ends for label in tail)


def read_tokens(trainer: Any) -> Tokens:
    """The tokens with a meaning, as the tokenizer and the model's generation settings name them."""
    tokenizer = getattr(trainer, "processing_class", None)
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    if tokenizer is None:
        return Tokens()
    ids: list[Any] = [getattr(tokenizer, "eos_token_id", None)]
    said = getattr(getattr(trainer.model, "generation_config", None), "eos_token_id", None)
    ids += said if isinstance(said, (list, tuple)) else [said]
    ends = sorted({int(one) for one in ids if isinstance(one, int)})
    text = ", ".join(_text(tokenizer, one) for one in ends)
    start, unknown = (getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "unk"))
    return Tokens(frozenset(ends), start, unknown, text)


def _text(tokenizer: Any, token: int) -> str:
    try:
        return str(tokenizer.convert_ids_to_tokens(token))
    except Exception:  # a tokenizer of someone's own
        return str(token)


def _limit(trainer: Any) -> int | None:
    """Longest row that the arguments allow; None where there is none, or where rows are packed."""
    args = trainer.args
    if getattr(args, "packing", False) or getattr(args, "padding_free", False):
        return None
    said: Sequence[Any] = [getattr(args, name, None) for name in ("max_length", "max_seq_length")]
    return next((value for value in said if isinstance(value, int)), None)


def _embedding_rows(model: Any) -> int | None:
    """Rows of the embedding table; None where the model has none that can be asked."""
    try:
        table = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    weight = getattr(table, "weight", None)
    if not isinstance(weight, torch.Tensor) or not weight.is_floating_point() or weight.ndim != 2:
        return None  # a quantised table is packed, a divided one is a part
    return int(weight.shape[0]) or None
