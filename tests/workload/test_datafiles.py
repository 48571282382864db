"""What the first rows of data files say: tables of files and facts, and files that are meant to hurt."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.flow.source import Source
from sftdoctor.workload.datafiles import FIRST_BYTES, MOST_ROWS, read_sample
from sftdoctor.workload.reader import Reader
from sftdoctor.workload.script import read_script
from sftdoctor.workload.sources import read_sources

ROW = b'{"text": "the"}\n'


@pytest.mark.parametrize(
    ("content", "columns", "rows", "whole"),
    [
        (ROW * 3, ("text",), 3, True),
        (b"\xef\xbb\xbf" + ROW, ("text",), 1, True),
        (ROW + b"\n\n" + ROW.strip(), ("text",), 2, True),
        (ROW + b'{"other": 1}\r\n', ("text", "other"), 2, True),
        (b'[{"text": "the"},\n {"text": "fox"}]', ("text",), 2, True),
        (b'{"text": "the\tquick"}', ("text",), 1, True),
        (b'{"text": NaN}', ("text",), 1, True),
        (ROW * (MOST_ROWS + 1), ("text",), MOST_ROWS, False),
        (b'{"text": "' + b"a" * FIRST_BYTES + b'"}', None, 0, False),
        (ROW + b'{"text": "' + b"a" * FIRST_BYTES + b'"}\n', ("text",), 1, False),
        (b'[{"text": "the"}, {"text": "' + b"a" * FIRST_BYTES + b'"}]', ("text",), 1, False),
        (b'{\n"text": "the"\n}', None, 0, False),
        (ROW + b'{\n"text": "the"\n}\n', None, 0, False),
        (b'{"a": 1} {"a": 2}', None, 0, False),
        (b"[1, 2]", None, 0, False),
        (b"[]", None, 0, False),
        (b'"text"', None, 0, False),
        (b" \n", None, 0, False),
        (b"[" * 100_000, None, 0, False),
        (b'{"a":' * 100_000, None, 0, False),
        (b"\x1f\x8b\x08\x00", None, 0, False),
    ],
)
def test_json(content: bytes, columns: tuple[str, ...] | None, rows: int, whole: bool, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    sample = read_sample(path, "json", "train.jsonl")
    if columns is None:
        assert sample is None
    else:
        assert sample is not None
        assert (sample.columns, len(sample.rows), sample.whole, sample.error) == (columns, rows, whole, "")


@pytest.mark.parametrize(
    ("builder", "content", "error"),
    [
        ("json", ROW + b'{"text": "fo\n', "has no JSON in line 2"),
        ("json", ROW * 2 + b"\n{'text': 'fox'}\n" + ROW, "has no JSON in line 4"),
        ("json", b"{'text': 'fox'}\n", "has no JSON in line 1"),
        ("json", ROW + b"oops\n" + ROW * (FIRST_BYTES // len(ROW)), "has no JSON in line 2"),
        ("json", '{"text": "café"}\n'.encode("latin-1"), "is no UTF-8: byte 14 is 0xe9"),
        ("json", ROW.decode().encode("utf-16"), "is no UTF-8: byte 1 is 0xff"),
        ("json", b"", "is empty"),
        ("csv", "text\ncafé\n".encode("latin-1"), "is no UTF-8: byte 9 is 0xe9"),
        ("text", "café".encode("latin-1"), "is no UTF-8: byte 4 is 0xe9"),
    ],
)
def test_what_stops_datasets(builder: str, content: bytes, error: str, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    sample = read_sample(path, builder, "train.jsonl")
    assert sample is not None
    assert sample.error == error


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"text,label\nthe,1\n", ("text", "label")),
        (b'"a, b",c\n', ("a, b", "c")),
        (b"a,a\n", None),
        (b"a,,b\n", None),
        (b'"' + b"a" * 200_000, None),
    ],
)
def test_csv(content: bytes, columns: tuple[str, ...] | None, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    sample = read_sample(path, "csv", "train.csv")
    assert (sample.columns if sample else None) == columns


@given(st.one_of(st.binary(max_size=200), st.text('{}[]":,\n ae1', max_size=80).map(str.encode)))
def test_whatever_the_bytes_are_nothing_is_raised(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    for builder in ("json", "csv", "text"):
        sample = read_sample(path, builder, "any.jsonl")
        assert sample is None or not (sample.error and sample.rows)


def test_a_pipe_and_a_huge_file_do_not_hold_anything_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with (tmp_path / "huge.jsonl").open("wb") as file:
        file.write(ROW)
        file.truncate(5 * 10**9)
    begun = time.monotonic()
    assert read_sample(tmp_path / "pipe.jsonl", "json", "pipe.jsonl") is None
    huge = read_sample(tmp_path / "huge.jsonl", "json", "huge.jsonl")
    assert huge is not None and not huge.error and not huge.whole
    assert time.monotonic() - begun < 30
    assert read_sample(tmp_path, "json", ".") is None
    assert read_sample(tmp_path / "no.jsonl", "json", "no.jsonl") is None


def facts_of(folder: Path, data: str, args: str = "", arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    script = folder / "train.py"
    script.write_text(
        "import argparse, json\nfrom datasets import Dataset, load_dataset\nfrom trl import SFTConfig, SFTTrainer\n"
        'parser = argparse.ArgumentParser()\nparser.add_argument("--data", default="train.jsonl")\n'
        f"options = parser.parse_args()\ndata = {data}\nargs = SFTConfig({args})\n"
        'SFTTrainer(model="m", args=args, train_dataset=data).train()\n'
    )
    (source,) = read_sources([script], Reader()).sources
    assert isinstance(source, Source)
    return {fact.name: fact.value for fact in read_script(source, arguments)[0].facts}


def write_rows(path: Path, *rows: object) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


LOAD = 'load_dataset("json", data_files="train.jsonl", split="train")'


@pytest.mark.parametrize(
    ("data", "column", "read"),
    [
        (LOAD, "text", True),
        ('load_dataset("json", data_files="train.jsonl")["train"]', "text", True),
        ('load_dataset("json", data_files=["train.jsonl"], split="train")', "text", True),
        ('load_dataset("json", data_files={"train": "train.jsonl", "test": "test.jsonl"})["train"]', "text", True),
        ('load_dataset("json", data_files={"train": "train.jsonl", "test": "test.jsonl"})["test"]', "prompt", True),
        ('load_dataset("json", None, None, "train.jsonl", "train")', "text", True),
        ('load_dataset("json", data_files=options.data, split="train")', "text", True),
        ('Dataset.from_json("train.jsonl")', "text", True),
        (f"{LOAD}.shuffle(seed=1)", "text", True),
        (f"{LOAD}.filter(lambda row: row)", "text", False),
        (f"{LOAD}.select(range(3))", "text", False),
        (f'{LOAD}.rename_column("text", "body")', "body", False),
        (f"{LOAD}.map(json.loads)", "text", False),
        (f'{LOAD}.train_test_split(0.1)["train"]', "text", False),
        ('load_dataset("json", data_files="train.jsonl", split="test")', None, False),
        ('load_dataset("json", data_files="train.jsonl", field="data", split="train")', None, False),
        ('load_dataset("json", data_files="*.jsonl", split="train")', None, False),
        ('load_dataset("json", data_files="https://example.org/train.jsonl", split="train")', None, False),
        ('load_dataset("json", data_files="elsewhere.jsonl", split="train")', None, False),
        ('load_dataset("json", data_files=["train.jsonl", "test.jsonl"], split="train")', None, False),
        ('load_dataset("csv", data_files="train.jsonl", split="train")', None, False),
        ('load_dataset("json", **options)', None, False),
    ],
)
def test_which_file_a_script_loads(data: str, column: str | None, read: bool, tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", {"text": "the"})
    write_rows(tmp_path / "test.jsonl", {"prompt": "the"})
    facts = facts_of(tmp_path, data)
    assert (facts.get("dataset_column"), "data_file" in facts) == (column, read)


def test_the_command_line_names_the_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "mine.jsonl", {"prompt": "the"})
    facts = facts_of(tmp_path, LOAD.replace('"train.jsonl"', "options.data"), arguments=("--data", "mine.jsonl"))
    assert (facts["data_file"], facts["dataset_column"]) == ("mine.jsonl", "prompt")


def turns(*roles: str) -> dict[str, object]:
    return {"messages": [{"role": role, "content": "the quick"} for role in roles]}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([turns("user", "assistant")], {"prompt_words_least": 2}),
        ([turns("user", "assistant"), {"messages": []}], {"row_empty_conversation": 2}),
        ([turns("user")], {"row_without_assistant": 1}),
        ([turns("system", "user", "assistant"), turns("user", "assistant")], {"prompt_words_least": 2}),
        ([{"messages": "[]"}], {"row_no_conversation": 1}),
        ([{"messages": None}], {}),
        ([{"messages": [1]}], {"row_no_conversation": 1}),
        ([{"messages": [{"from": "human", "value": "the"}]}], {"row_from_value": 1}),
        ([{"conversations": [{"from": "human", "value": "the"}]}], {}),
        ([{"text": "the"}, {"text": 3}], {"row_no_text": 2}),
        ([{"text": None, "prompt": "the", "completion": "fox"}], {"prompt_words_least": 1}),
        ([{"prompt": "the", "completion": None}], {"row_without_answer": 1}),
        ([{"prompt": "the", "completion": [{"role": "assistant"}]}], {"row_mixed_pair": 1, "prompt_words_least": 1}),
        ([{"prompt": "a - b  c\nd", "completion": "e"}], {"prompt_words_least": 4}),
        ([{"prompt": [{"role": "user", "content": "a b"}], "completion": []}], {"prompt_words_least": 2}),
        ([{"prompt": 3, "completion": {}}], {"prompt_words_least": 0}),
    ],
)
def test_rows(rows: list[object], found: dict[str, int], tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", *rows)
    facts = facts_of(tmp_path, LOAD)
    told = {name: value for name, value in facts.items() if name.startswith(("row_", "prompt_words_least"))}
    assert told == found


def test_words_are_counted_in_linear_time(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", {"prompt": "-" * (FIRST_BYTES - 100), "completion": "fox"})
    begun = time.monotonic()
    assert facts_of(tmp_path, LOAD)["prompt_words_least"] == 0
    assert time.monotonic() - begun < 30


def test_a_broken_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": 1}\n{')
    facts = facts_of(tmp_path, LOAD)
    assert (facts["data_error"], facts["dataset_columns_complete"]) == ("has no JSON in line 2", False)
    assert "dataset_column" not in facts
