"""What scripts say: tables of source and the facts that must come of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftdoctor.flow.source import Source
from sftdoctor.model import Scenario
from sftdoctor.workload import VOCABULARY, read_workload
from sftdoctor.workload.script import read_script
from sftdoctor.workload.world import ScriptWorld
from tests.predicates.training_scripts import HEAD, facts_of

SCENARIO = Scenario("a run", "a run", ())
LOAD = 'model = AutoModelForCausalLM.from_pretrained("m")'
ARGS = 'args = TrainingArguments(output_dir="o", gradient_checkpointing=True)'
TRAIN = "Trainer(model=model, args=args).train()"


def said(text: str, *arguments: str) -> dict[str, Any]:
    facts = facts_of("\n".join(HEAD) + "\n" + text + "\n", arguments)
    assert {fact.name for fact in facts} <= set(VOCABULARY)
    return {fact.name: fact.value for fact in reversed(facts)}


@pytest.mark.parametrize(
    ("arguments", "checkpointing", "reentrant"),
    [
        ("", "unset", "unset"),
        ("gradient_checkpointing=True", True, "unset"),
        ("gradient_checkpointing=not True", False, "unset"),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs={'use_reentrant': False}", True, False),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs=dict(use_reentrant=True)", True, True),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs={}", True, "unset"),
        ("gradient_checkpointing=True, gradient_checkpointing_kwargs=other", True, "unknown"),
        ("gradient_checkpointing=flag", "unknown", "unset"),
        ("**{'gradient_checkpointing': True, **{'gradient_checkpointing_kwargs': KW}}", True, False),
        ("activation_checkpointing=True", True, "unset"),
    ],
)
def test_trainer_arguments(arguments: str, checkpointing: object, reentrant: object) -> None:
    text = f"from elsewhere import flag, other\nKW = {{'use_reentrant': False}}\n{LOAD}\n"
    facts = said(f"{text}args = TrainingArguments('o'{', ' + arguments if arguments else ''})\n{TRAIN}")
    assert (facts["gradient_checkpointing"], facts["use_reentrant"]) == (checkpointing, reentrant)


@pytest.mark.parametrize(
    ("arguments", "stage"),
    [
        ("", "unset"),
        ("deepspeed=None", "unset"),
        ("deepspeed={'zero_optimization': {'stage': 3}}", 3),
        ("deepspeed={'fp16': {}}", 0),
        ("deepspeed={'zero_optimization': {'stage': flag}}", "unknown"),
        ("deepspeed=flag", "unknown"),
        ("deepspeed='nowhere/ds.json'", "unknown"),
        ("deepspeed=str(FOLDER) + '/ds3.json'", 3),
        ("deepspeed=str(FOLDER) + '/list.json'", "unknown"),
        ("deepspeed=str(FOLDER) + '/text.json'", "unknown"),
    ],
)
def test_the_stage_of_zero(arguments: str, stage: object, tmp_path: Path) -> None:
    for name, text in {"ds3": '{"zero_optimization": {"stage": 3}}', "list": "[3]", "text": "stage 3"}.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    text = f"from elsewhere import flag\nFOLDER = {str(tmp_path)!r}\n{LOAD}\n"
    facts = said(f"{text}args = TrainingArguments('o'{', ' + arguments if arguments else ''})\n{TRAIN}")
    assert facts["zero_stage"] == stage


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ("", "unset"),
        (", fsdp_config=None", "unset"),
        (", fsdp_config={}", "unset"),
        (", fsdp_config={'version': 1}", 1),
        (", fsdp_config={'fsdp_version': 2}", 2),
        (", fsdp_config={'version': flag}", "unknown"),
        (", fsdp_config=flag", "unknown"),
        (", fsdp_config='fsdp.json'", "unknown"),
    ],
)
def test_the_version_of_fsdp(config: str, version: object) -> None:
    text = f"from elsewhere import flag\n{LOAD}\nargs = TrainingArguments('o', fsdp='full_shard'{config})\n{TRAIN}"
    assert said(text)["fsdp_version"] == version


@pytest.mark.parametrize(
    ("config", "storage"),
    [
        ("BitsAndBytesConfig(load_in_4bit=True)", "unset"),
        ("BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_storage=torch.bfloat16)", "bfloat16"),
        ("BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_storage='uint8')", "uint8"),
    ],
)
def test_quant_storage_and_rank(config: str, storage: str) -> None:
    text = f"import torch\n{LOAD[:-1]}, quantization_config={config})\n{ARGS}\n"
    facts = said(f"{text}SFTTrainer(model, args=args, peft_config=LoraConfig(r=64)).train()")
    assert (facts["bnb_4bit_quant_storage"], facts["lora_r"]) == (storage, 64)


@pytest.mark.parametrize(
    ("source", "quantization"),
    [
        ("", "none"),
        ("load_in_8bit=True", "int8"),
        ("quantization_config=None", "none"),
        ("quantization_config=BitsAndBytesConfig(load_in_4bit=True)", "fp4"),
        ("quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4')", "nf4"),
        ("quantization_config=BitsAndBytesConfig(load_in_8bit=True)", "int8"),
        ("quantization_config=GPTQConfig(bits=4)", "gptq"),
        ("quantization_config=BitsAndBytesConfig(load_in_4bit=flag)", "unknown"),
        ("quantization_config=BitsAndBytesConfig(load_in_4bit=input(), load_in_8bit=True)", "unknown"),
        ("quantization_config=BitsAndBytesConfig(load_in_4bit=input())", "unknown"),
        ("load_in_4bit=input()", "unknown"),
        ("load_in_8bit=input()", "unknown"),
        ("quantization_config=config", "unknown"),
    ],
)
def test_quantization(source: str, quantization: str) -> None:
    text = "from elsewhere import flag, config\nfrom transformers import GPTQConfig\n"
    load = f"model = AutoModelForCausalLM.from_pretrained('m'{', ' + source if source else ''})"
    assert said(f"{text}{load}\n{ARGS}\n{TRAIN}")["quantization"] == quantization


WRAP = "model = get_peft_model(model, LoraConfig(r=8))"


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        ([WRAP], {"wraps_model": "get_peft_model", "model_passed": "wrapped", "prepare_kbit": "never"}),
        (["model = prepare_model_for_kbit_training(model)", WRAP], {"prepare_kbit": "before wrap"}),
        ([WRAP, "model = prepare_model_for_kbit_training(model)"], {"prepare_kbit": "after wrap"}),
        ([WRAP, "model.enable_input_require_grads()"], {"enable_input_require_grads": "after wrap"}),
        (["model.gradient_checkpointing_enable()", WRAP], {"gc_enable": "before wrap"}),
        (["for p in model.parameters():\n    p.requires_grad = False", WRAP], {"freezes": "before wrap"}),
        (["if flag:\n    model.enable_input_require_grads()", WRAP], {"enable_input_require_grads": "unknown"}),
        (["if flag:\n    " + WRAP], {"wraps_model": "unknown", "model_passed": "unknown"}),
        (["peft_model = get_peft_model(model, LoraConfig())"], {"model_passed": "plain"}),
        (["model = PeftModel.from_pretrained(model, 'a')"], {"is_trainable": False, "adapter_kind": "saved"}),
        (["model = PeftModel.from_pretrained(model, 'a', is_trainable=True)"], {"is_trainable": True}),
        (["model = get_peft_model(model, LoraConfig(target_modules=['q', 'lm_head']))"], {"lm_head_trained": True}),
        (["model = get_peft_model(model, LoraConfig(modules_to_save=['embed_tokens']))"], {"embeddings_trained": True}),
        (["model.add_adapter(LoraConfig())"], {"wraps_model": "add_adapter", "model_passed": "plain"}),
        (
            ["with open('x') as f:\n    pass", "try:\n    " + WRAP + "\nexcept ImportError:\n    raise"],
            {"wraps_model": "get_peft_model"},
        ),
        (["helper(model)", WRAP], {"wraps_model": "get_peft_model"}),
        (["model = helper(model)"], {"model_loaded_by": "unknown"}),
    ],
)
def test_what_is_done_to_the_model(lines: list[str], facts: dict[str, object]) -> None:
    text = "\n".join(["from elsewhere import flag, helper", LOAD, *lines, ARGS, TRAIN])
    got = said(text)
    assert {name: got[name] for name in facts} == facts


@pytest.mark.parametrize(
    "text",
    [
        f"def main():\n    {LOAD}\n    {ARGS}\n    {TRAIN}\nif __name__ == '__main__':\n    main()",
        f"def main(lr=1e-4):\n    {LOAD}\n    {ARGS}\n    {TRAIN}\nimport fire\nfire.Fire(main)",
        f"def load():\n    {LOAD}\n    return model\nmodel = load()\n{ARGS}\n{TRAIN}",
        f"class My(Trainer):\n    def compute_loss(self, model, inputs): ...\n{LOAD}\n{ARGS}\nMy(model, args).train()",
        f"class Run:\n    def __init__(self):\n        {LOAD}\n        self.model = model\n"
        f"    def go(self):\n        {ARGS}\n"
        "        Trainer(model=self.model, args=args).train()\nRun().go()",
        f"{LOAD}\n{ARGS}\ntrainer = Trainer(model=model, args=args)\ntrainer.train()\n"
        "merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained('b'), 'o').merge_and_unload()",
        f"if flag:\n    {LOAD}\nelse:\n    {LOAD}\n{ARGS}\n{TRAIN}",
    ],
)
def test_shapes_of_scripts(text: str) -> None:
    facts = said("from elsewhere import flag\n" + text)
    wanted = {"trainer_class": "Trainer", "gradient_checkpointing": True, "model_loaded_by": "from_pretrained"}
    assert {name: facts[name] for name in wanted} == wanted
    assert facts["wraps_model"] == "none"


PARSER = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--gc", action="store_true")
parser.add_argument("--bits", type=int, default=4)
opts = parser.parse_args()
"""
DATACLASSES = """
from dataclasses import dataclass, field
from transformers import HfArgumentParser
@dataclass
class ModelArguments:
    load_in_4bit: bool = field(default=True)
parser = HfArgumentParser((ModelArguments, TrainingArguments))
model_args, args = parser.parse_args_into_dataclasses()
"""


@pytest.mark.parametrize(
    ("text", "arguments", "facts"),
    [
        (
            f"{PARSER}{LOAD}\nargs = TrainingArguments('o', gradient_checkpointing=opts.gc)\n{TRAIN}",
            (),
            {"gradient_checkpointing": False},
        ),
        (
            f"{PARSER}{LOAD}\nargs = TrainingArguments('o', gradient_checkpointing=opts.gc)\n{TRAIN}",
            ("--gc",),
            {"gradient_checkpointing": True},
        ),
        (
            f"{DATACLASSES}{LOAD}\n{TRAIN}",
            (),
            {"gradient_checkpointing": "unset", "trainer_args_class": "TrainingArguments"},
        ),
        (f"{DATACLASSES}{LOAD}\n{TRAIN}", ("--gradient_checkpointing", "true"), {"gradient_checkpointing": True}),
        (
            f"{DATACLASSES}{LOAD}\n{TRAIN}",
            ("--gradient_checkpointing_kwargs", '{"use_reentrant": false}'),
            {"use_reentrant": False},
        ),
        (
            DATACLASSES + "config = BitsAndBytesConfig(load_in_4bit=model_args.load_in_4bit)\n"
            f"model = AutoModelForCausalLM.from_pretrained('m', quantization_config=config)\n{TRAIN}",
            ("--load_in_4bit", "False"),
            {"quantization": "none"},
        ),
    ],
)
def test_command_lines(text: str, arguments: tuple[str, ...], facts: dict[str, object]) -> None:
    got = said(text, *arguments)
    assert {name: got[name] for name in facts} == facts


def test_locations_count_characters() -> None:
    facts = facts_of("\n".join(HEAD) + f"\ns = 'ééé'; {LOAD}\n{ARGS}\n{TRAIN}\n")
    where = {fact.name: fact.location for fact in facts}["model_load_call"]
    assert where is not None
    assert (where.line, where.column) == (4, 20)


def test_a_script_that_trains_nothing_has_no_facts() -> None:
    assert facts_of("print('hello')\n") == ()


@pytest.mark.parametrize(
    "text",
    ["def f():\n    f()\nf()", "while True:\n    pass", "x = [x for x in range(10**9)]\n" * 50, "a = 1\n" * 5000],
)
def test_no_script_hangs(text: str) -> None:
    assert facts_of(text) == ()


_NAMES = st.sampled_from(["model", "args", "trainer", "LoraConfig", "get_peft_model", "Trainer", "x"])
_LINES = st.lists(
    st.builds(lambda a, b, c: f"{a} = {b}({c})", _NAMES, _NAMES, _NAMES)
    | st.builds(lambda a, b: f"if {a}:\n    {b} = 1\nelse:\n    {a} = {b}", _NAMES, _NAMES)
    | st.builds(lambda a, b: f"for {a} in {b}.parameters():\n    {a}.requires_grad = False", _NAMES, _NAMES)
    | st.builds(lambda a: f"{a}.train()", _NAMES),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(_LINES)
def test_any_script_is_read(lines: list[str]) -> None:
    text = "\n".join([*HEAD, LOAD, *lines])
    ast.parse(text)
    assert all(fact.name in VOCABULARY for fact in facts_of(text))


def test_what_the_files_of_a_parser_say(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("bf16: true\nlearning_rate: 1e-5\nfp16: false\nenv: {A: 1}\n")
    made = f"{LOAD}\nargs, = P(TrainingArguments).{{}}\n{TRAIN}"
    head = "\n".join(HEAD) + "\nfrom trl import TrlParser as P\n"
    for call, arguments in (("parse_args_and_config()", ("--config", "c.yaml")), ("parse_yaml_file('c.yaml')", ())):
        path = tmp_path / "train.py"
        path.write_text(head + made.format(call))
        (script,) = read_workload([path], model=None, scenario=SCENARIO, arguments=arguments).scripts
        facts = {fact.name: fact.value for fact in script.facts}
        assert (facts["bf16"], facts["fp16"], facts["max_steps"]) == (True, False, "unset")
        assert facts["learning_rate"] == (1e-5 if arguments else "1e-5")
    (script,) = read_workload([path], model=None, scenario=SCENARIO, arguments=()).scripts
    path.write_text(head + made.format("parse_yaml_file('gone.yaml')"))
    (script,) = read_workload([path], model=None, scenario=SCENARIO).scripts
    assert {fact.name: fact.value for fact in script.facts}["bf16"] == "unknown"


def test_a_deepspeed_file_that_disagrees(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_text('{"bf16": {"enabled": true}, "gradient_accumulation_steps": 4, "x": [1]}')
    path = tmp_path / "train.py"
    for said_of_it, wanted in (
        ("bf16=True, gradient_accumulation_steps=4", []),
        ("bf16=True", ["gradient_accumulation_steps=4, gradient_accumulation_steps=1"]),
        ("gradient_accumulation_steps=4", ["bf16.enabled=True, bf16=False"]),
        ("bf16=flag, gradient_accumulation_steps=4", []),
    ):
        args = f"args = TrainingArguments('o', deepspeed='ds.json', {said_of_it})"
        path.write_text("\n".join(HEAD) + f"\nfrom elsewhere import flag\n{LOAD}\n{args}\n{TRAIN}")
        (script,) = read_workload([path], model=None, scenario=SCENARIO).scripts
        assert [fact.value for fact in script.facts if fact.name == "deepspeed_mismatch"] == wanted


@pytest.mark.parametrize(
    ("source", "strategy"),
    [("'no'", "no"), ("'steps' if input() else 'no'", "unknown"), ("'no' if input() else 'no'", "no")],
)
def test_either_of_two_texts_is_none_of_both(source: str, strategy: str) -> None:
    args = f"args = TrainingArguments(output_dir='o', eval_strategy={source})"
    assert said(f"{LOAD}\n{args}\n{TRAIN}")["eval_strategy"] == strategy


NF4 = "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4')"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (LOAD, {"quantization": "none", "model_path": "m"}),
        (f"{LOAD[:-1]}, quantization_config={NF4})", {"quantization": "nf4"}),
        (f"{LOAD[:-1]}, quantization_config={NF4})\n{LOAD}", {"quantization": "nf4"}),
        (f"{LOAD[:-1]}, **elsewhere)\n{LOAD}", {"quantization": "unknown"}),
        (f"{LOAD}\n{LOAD}", {"quantization": "none"}),
        (
            f"{LOAD}\nmodel = get_peft_model(model, LoraConfig(r=8))",
            {"adapter_config_class": "LoraConfig", "lora_r": 8},
        ),
    ],
)
def test_a_script_that_trains_nothing(text: str, wanted: dict[str, object]) -> None:
    facts = said(text)
    assert facts | wanted == facts
    assert not {"trainer_class", "wraps_model", "model_passed"} & set(facts)


def test_what_we_stumble_over_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(ScriptWorld, "call", stumble)
    monkeypatch.delenv("SFTDOCTOR_DEBUG", raising=False)
    text = "import os\nos.getcwd()\n"
    script, (left,) = read_script(Source(Path("train.py"), text), ())
    assert left.what == "train.py" and "a bug in sftdoctor" in left.reason
    assert [fact.value for fact in script.facts if fact.name == "imports"] == ["os"]


@pytest.mark.parametrize(
    ("call", "loaded"),
    [
        ("AutoProcessor.from_pretrained('m')", ["AutoProcessor"]),
        ("transformers.Qwen2VLProcessor.from_pretrained('m')", ["Qwen2VLProcessor"]),
        ("AutoImageProcessor.from_pretrained('m')", []),
        ("AutoTokenizer.from_pretrained('m')", []),
        ("AutoProcessor('m')", []),
    ],
)
def test_a_processor_that_is_loaded(call: str, loaded: list[str]) -> None:
    script, _ = read_script(Source(Path("train.py"), f"def f():\n    return {call}\n"), ())
    assert [fact.value for fact in script.facts if fact.name == "processor_loaded"] == loaded
