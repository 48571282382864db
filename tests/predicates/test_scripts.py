"""What a script says that neither the linker nor a fact shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sftdoctor.model import Cause, Location, Place
from sftdoctor.predicates import Outcome, evaluate

from .contexts import context, distribution, finding, script_of

PASSES = {
    "probe": "passes",
    "module": "transformers",
    "class": ["AutoModel*", "*For*"],
    "method": "from_pretrained",
    "keyword": ["load_in_4bit", "load_in_8bit"],
}


AUTO = "from transformers import AutoModel"


def asked(source: str, probe: dict[str, object], *links: object):  # type: ignore[no-untyped-def]
    made = context(distribution("transformers", "5.0.0"), facts={}, links=links)  # type: ignore[arg-type]
    return evaluate(replace(made, judged=script_of({}, source=source)), probe)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (f"{AUTO}ForCausalLM as A\nm = A.from_pretrained('x', load_in_4bit=True)", ["load_in_4bit"]),
        ("import transformers as t\nif x:\n    t.LlamaForCausalLM.from_pretrained(load_in_8bit=y)", ["load_in_8bit"]),
        (f"{AUTO}\nAutoModel.from_pretrained(load_in_4bit=1, load_in_8bit=0)", ["load_in_4bit", "load_in_8bit"]),
        ("from transformers import AutoTokenizer\nAutoTokenizer.from_pretrained(load_in_4bit=True)", []),
        ("from unsloth import AutoModel\nAutoModel.from_pretrained(load_in_4bit=True)", []),
        (f"{AUTO}\nAutoModel.from_config(load_in_4bit=True)", []),
        (f"{AUTO}\nAutoModel.from_pretrained(**{{'load_in_4bit': True}})", []),
        ("AutoModel.from_pretrained(load_in_4bit=True)", []),
        ("this is no Python", []),
    ],
)
def test_passes(source: str, names: list[str]) -> None:
    judgement = asked(source, PASSES)
    assert [match.values["name"] for match in judgement.matches] == names
    assert (judgement.outcome is Outcome.FAILS) == bool(names)


def test_a_call_is_told_with_its_place_and_symptom() -> None:
    source = "from transformers import AutoModel\nm = AutoModel.from_pretrained(\n    load_in_4bit=True,\n)\n"
    match = asked(source, PASSES).matches[0]
    assert match.location == Location("train.py", 2, 5, 4, 2)
    assert match.cause is not None and match.cause.callee is not None
    assert match.cause.callee.symbol == "transformers.AutoModel.from_pretrained"
    assert "keyword argument 'load_in_4bit'" in match.symptom


def test_what_the_linker_has_found_is_left_to_it() -> None:
    source = "from transformers import AutoModel\nAutoModel.from_pretrained(load_in_4bit=True)\n"
    found = replace(
        finding(), location=Location("train.py", 2), cause=Cause(None, Place("transformers", "5.0.0"), "load_in_4bit")
    )
    assert asked(source, PASSES, found).outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from a import b", True),
        ("from a import b as c", True),
        ("from a import b as c\nb()", True),
        ("from a import b\nb()", False),
        ("from a import b\nx = [b.c]", False),
        ("from a import b\n__all__ = ['b']", False),
        ("import b", False),
        ("x = 1", False),
    ],
)
def test_unused(source: str, expected: bool) -> None:
    assert (asked(source, {"probe": "unused", "name": "b"}).outcome is Outcome.FAILS) == expected


def test_without_a_script_nothing_is_said() -> None:
    made = context(distribution("transformers", "5.0.0"))
    assert evaluate(made, PASSES).outcome is evaluate(made, {"probe": "unused", "name": "b"}).outcome is Outcome.HOLDS


LOADS = {"probe": "loads-file", "name": "adapter_model.bin", "unless": ["adapter_model.safetensors"]}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import torch, os\np = os.path.join(d, 'adapter_model.bin')\nw = torch.load(p)", [2]),
        ("import torch\nw = torch.load(f'{d}/adapter_model.bin')", [2]),
        ("import torch\np = d + '/adapter_model.bin'\nw = torch.load(p)", [2]),
        ("import torch\np = d / 'adapter_model.bin'\nw = torch.load(p)\nq = d / 'adapter_model.bin'", [2]),
        ("import torch\ntorch.load(x)\nprint('adapter_model.bin')", []),
        ("import torch\ntorch.load(x)\n'adapter_model.bin'", []),
        ("import torch\ntorch.load(x)\nwarnings.warn('no adapter_model.bin here')", []),
        ("import torch\ntorch.save(w, d + '/adapter_model.bin')\ntorch.load(d + '/adapter_model.bin')", []),
        ("import torch\ntorch.load(hf_hub_download('a/b', 'adapter_model.bin'))", []),
        ("import torch\np = d + '/adapter_model.bin'\nq = d + '/adapter_model.safetensors'\ntorch.load(p)", []),
        ("p = d + '/adapter_model.bin'\nos.path.exists(p)", []),
        ("torch.load('adapter_model.bin' is no Python", []),
    ],
)
def test_loads_file(source: str, lines: list[int]) -> None:
    matches = asked(source, LOADS).matches
    assert [match.location.line for match in matches if match.location] == lines
