"""What the rows of a data file say about a training on them: facts that hold whatever the tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low
from typing import Any

from sftdoctor.model import Fact, Location
from sftdoctor.workload.datafiles import Sample

_LETTER = re.compile(r"\w")
TURNS = ("messages", "conversations")
"""Columns that hold conversations."""
_OTHER_FORMATS = (*TURNS, "prompt", "input_ids", "image", "images")


def row_facts(sample: Sample, text_field: Any, where: Location | None) -> Iterator[Fact]:
    """The facts of a file's rows.

    Args:
        sample: The rows.
        text_field: dataset_text_field of the arguments: a name, "unset" or "unknown".
        where: The call that loads the file.

    Returns:
        Facts of VOCABULARY; the value of a "row_…" is the number of the first such row, counted from 1.
    """
    yield Fact("data_file", sample.path, where)
    if sample.error:
        yield Fact("data_error", sample.error, where)
        return
    rows = sample.rows
    found = {
        **_turn_flaws(rows, sample.columns),
        **_text_flaws(rows, sample.columns, "text" if text_field == "unset" else text_field),
        **_pair_flaws(rows, sample.columns),
    }
    yield from (Fact(name, number, where) for name, number in found.items())
    words = [_words_before_answer(row) for row in rows]
    known = [count for count in words if count is not None]
    if rows and len(known) == len(rows):
        yield Fact("prompt_words_median", median_low(known), where)
        if sample.whole:
            yield Fact("prompt_words_least", min(known), where)


def _first(rows: Sequence[Mapping[str, Any]], flaws: Iterator[bool]) -> int | None:
    return next((number for number, flaw in enumerate(flaws, 1) if flaw), None)


def _turn_flaws(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, int]:
    """Conversations that are none. trl looks at the first row alone to tell what kind of data it is."""
    column = next((name for name in TURNS if name in columns), None)
    if column is None or not rows:
        return {}
    found: dict[str, int] = {}
    turns = [row.get(column) for row in rows]
    empty = _first(rows, (isinstance(value, list) and not value for value in turns))
    if empty is not None:
        found["row_empty_conversation"] = empty
    first = turns[0]
    named = first[0] if isinstance(first, list) and first and isinstance(first[0], dict) else None
    if column == "messages" and first not in (None, []):
        if named is not None and "role" not in named and {"from", "value"} <= set(named):
            found["row_from_value"] = 1
        elif named is None or "role" not in named:
            found["row_no_conversation"] = 1
    silent = _first(rows, (isinstance(value, list) and _without_assistant(value) for value in turns))
    if silent is not None:
        found["row_without_assistant"] = silent
    return found


def _without_assistant(turns: Sequence[Any]) -> bool:
    """Whether the roles are the usual ones, and nobody answers."""
    roles = [turn.get("role") for turn in turns if isinstance(turn, dict)]
    return bool(roles) and len(roles) == len(turns) and all(role in ("system", "user") for role in roles)


def _text_flaws(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], column: Any) -> dict[str, int]:
    """Texts that are none, where texts are what is trained on."""
    if column not in columns or any(name in columns for name in _OTHER_FORMATS):
        return {}
    number = _first(rows, (not isinstance(row.get(column), str) for row in rows))
    return {} if number is None else {"row_no_text": number}


def _pair_flaws(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, int]:
    """Prompts and completions that are missing, or one a text and the other a conversation."""
    if not {"prompt", "completion"} <= set(columns) or any(name in columns for name in TURNS):
        return {}
    pairs = [(row.get("prompt"), row.get("completion")) for row in rows]
    missing = _first(rows, (None in pair for pair in pairs))
    mixed = _first(rows, ({type(value) for value in pair} == {str, list} for pair in pairs))
    found = {"row_without_answer": missing, "row_mixed_pair": mixed}
    return {name: number for name, number in found.items() if number is not None}


def _words_before_answer(row: Mapping[str, Any]) -> int | None:
    """Words before the first that is learned, of prompts with completions, or of conversations; None where neither.

    A token does not reach from one word into the next in the tokenizers of the usual models, so that there are at
    least as many tokens.
    """
    prompt = row.get("prompt")
    if prompt is not None and row.get("completion") is not None:
        return _words(prompt)
    turns = next((row[name] for name in TURNS if isinstance(row.get(name), list)), None)
    if turns is None or not all(isinstance(turn, dict) for turn in turns):
        return None
    answer = next((place for place, turn in enumerate(turns) if turn.get("role") == "assistant"), None)
    return None if answer is None else _words(turns[:answer])


def _words(value: Any) -> int:
    if isinstance(value, str):
        return sum(1 for word in value.split() if _LETTER.search(word))
    if isinstance(value, list):
        return sum(_words(turn.get("content")) for turn in value if isinstance(turn, dict))
    return 0
