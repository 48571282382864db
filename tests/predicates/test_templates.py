"""What a script does with what apply_chat_template gives."""

from __future__ import annotations

import pytest

from sftdoctor.predicates.templates import _found

CALL = "ids = tokenizer.apply_chat_template(m)\n"
TENSOR = "ids = tokenizer.apply_chat_template(m, return_tensors='pt')\n"
USES = {
    "a shape": (TENSOR + "n = ids.shape[1]", "raises"),
    "moved to a device": (TENSOR + "ids = ids.to(device)\nmodel.generate(ids)", "raises"),
    "generate by name": (TENSOR + "model.generate(input_ids=ids)", "raises"),
    "the call of the model": (TENSOR + "model(input_ids=ids)", "raises"),
    "joined": (CALL + "ids = ids + [1]", ""),
    "joined under another name": (CALL + "both = ids + [1]", "raises"),
    "to a tensor": ("x = torch.tensor(tokenizer.apply_chat_template(m))", "raises"),
    "concatenated": (TENSOR + "torch.cat([ids, other], dim=1)", "raises"),
    "a column": ("row['labels'] = tokenizer.apply_chat_template(m)", "raises"),
    "a column of another name": ("row['text'] = tokenizer.apply_chat_template(m)", ""),
    "an item of a tensor": (TENSOR + "x = ids[:, 3:]", "raises"),
    "a slice": (CALL + "x = ids[-5:]", "silent"),
    "the first": ("x = tokenizer.apply_chat_template(m, return_tensors='pt')[0]", "silent"),
    "a loop": (CALL + "for one in ids:\n    pass", "silent"),
    "counted": (CALL + "mask = [-100] * len(ids)", "silent"),
    "what raises goes first": (CALL + "mask = [-100] * len(ids)\nx = ids + [1]", "raises"),
    "counted to be shown": (CALL + "logger.info('%d', len(ids))", ""),
    "decoded": (CALL + "text = tokenizer.decode(ids)", ""),
    "handed on": (CALL + "collect(ids)", ""),
    "returned": ("def f(m):\n    return tokenizer.apply_chat_template(m)", ""),
    "a key": (CALL + "x = ids['input_ids']", "mapping"),
    "an attribute": (CALL + "x = ids.input_ids", "mapping"),
    "unpacked": (TENSOR + "model.generate(**ids)", "mapping"),
    "unpacked into a dictionary": (CALL + "x = {**ids}", "mapping"),
    "a key, and counted": (CALL + "x = ids['input_ids']\ny = len(ids)", "mapping"),
    "asked for": (CALL + "if isinstance(ids, dict):\n    ids2 = ids['input_ids']\nx = ids + [1]", ""),
    "a method of neither": (CALL + "ids.frobnicate()\nx = len(ids) * 2", ""),
    "bound twice": (CALL + "if c:\n    ids = ids['input_ids']\nx = ids + [1]", ""),
    "in another scope": (CALL + "def f(ids):\n    return ids + [1]", ""),
    "another receiver": ("ids = processor.apply_chat_template(m, tokenize=True)\nx = ids + [1]", ""),
    "of an object": ("x = self.tokenizer.apply_chat_template(m) + [1]", "raises"),
    "the script says it": ("x = len(tokenizer.apply_chat_template(m, return_dict=True)) * 2", ""),
    "text": ("x = tokenizer.apply_chat_template(m, tokenize=False) + 'a'", ""),
    "who knows": ("x = tokenizer.apply_chat_template(m, tokenize=flag) + y", ""),
    "keywords from elsewhere": ("x = tokenizer.apply_chat_template(m, **more) + y", ""),
    "unsloth's pair": (
        "model, tokenizer = FastVisionModel.from_pretrained('m')\nx = tokenizer.apply_chat_template(m) + [1]",
        "",
    ),
}


@pytest.mark.parametrize(("source", "wanted"), USES.values(), ids=USES)
def test_uses(source: str, wanted: str) -> None:
    assert [how for how in ("raises", "silent", "mapping") if list(_found(source, how))] == ([wanted] if wanted else [])
