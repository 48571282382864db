"""Which columns a data set has after map and its kin, and what its prompts are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workload.test_script_facts import facts_of

HEAD = """
from datasets import Dataset
from transformers import AutoProcessor, AutoTokenizer
from trl import SFTConfig, SFTTrainer
tok = AutoTokenizer.from_pretrained("m")
pro = AutoProcessor.from_pretrained("m")
data = Dataset.from_dict({"text": [], "a": []})
"""


def columns(text: str) -> tuple[set[Any], Any]:
    facts = facts_of(f"{HEAD}{text}\nSFTTrainer('m', args=SFTConfig('o'), train_dataset=data).train()\n", ())
    found = {fact.value for fact in facts if fact.name == "dataset_column"}
    return found, next(fact.value for fact in facts if fact.name == "dataset_columns_complete")


ENCODED = {"input_ids", "attention_mask"}


@pytest.mark.parametrize(
    ("text", "found", "complete"),
    [
        ("data = data.map(lambda r: tok(r['text']), remove_columns=['text', 'a'])", ENCODED, True),
        ("data = data.map(lambda r: tok(r['text']))", {"text", "a", *ENCODED}, True),
        (
            "def f(r):\n    e = tok(r['text'])\n    e['labels'] = e['input_ids'][:]\n    return e\n"
            "data = data.map(f, remove_columns=data.column_names)",
            {"labels", *ENCODED},
            True,
        ),
        ("data = data.map(lambda r: tok(r['text'], text_target=r['a']))", {"text", "a", "labels", *ENCODED}, True),
        ("data = data.map(lambda r: tok(r['text'], return_length=True))", {"text", "a"}, False),
        ("data = data.map(lambda r: pro(r['text']))", {"text", "a"}, False),
        ("data = data.map(lambda r: tok(r['text'])['input_ids'])", {"text", "a"}, False),
        ("def f(r):\n    r['x'] = 1\n    return r\ndata = data.map(f)", {"text", "a"}, False),
        ("def f(r):\n    raise ValueError\ndata = data.map(f)", {"text", "a"}, False),
        (
            "def f(r):\n    out = {}\n    for k in r: out[k] = 1\n    out['y'] = 2\n    return out\ndata = data.map(f)",
            {"text", "a"},
            False,
        ),
        ("data = data.rename_columns({'text': 'b'})", {"b", "a"}, True),
        ("data = data.rename_columns(names)", set(), False),
    ],
)
def test_columns(text: str, found: set[str], complete: bool) -> None:
    assert columns(text) == (found, complete)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "text"),
        ("data = data.map(lambda r: {'more': 1})", "text"),
        ("data = data.map(lambda r: {'prompt': [{'role': 'user', 'content': r['prompt']}]})", "messages"),
        ("data = data.map(lambda r: {'prompt': f'Q: {r}'})", "text"),
        ("data = data.map(lambda r: {'prompt': make(r)})", None),
        ("data = data.map(elsewhere)", None),
        ("data = data.rename_column('solution', 'prompt')", None),
    ],
)
def test_the_form_of_prompts(text: str, form: str | None, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "solution": "b"}\n' * 3)
    load = (
        f"from datasets import load_dataset\ndata = load_dataset('json', data_files='{tmp_path}/rows.jsonl')['train']\n"
    )
    facts = facts_of(f"{HEAD}{load}{text}\nSFTTrainer('m', args=SFTConfig('o'), train_dataset=data).train()\n", ())
    assert next((fact.value for fact in facts if fact.name == "prompt_form"), None) == form
