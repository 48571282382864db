"""What scripts say of their data, tokenizers, collators, adapters and arguments: tables of source and facts."""

from __future__ import annotations

import pytest

from tests.workload.test_script_facts import said

IMPORTS = (
    "from datasets import Dataset, load_dataset\n"
    "from elsewhere import change, something\n"
    "from transformers import AutoTokenizer, DataCollatorForLanguageModeling\n"
    "from trl import DataCollatorForCompletionOnlyLM, setup_chat_format\n"
    "import others\n"
    "import torch\n"
    "def make():\n"
    '    return load_dataset("x", split="train")\n'
)
TOKENIZER = 'tok = AutoTokenizer.from_pretrained("t")\n'


def trained(before: str, trainer: str, args: str = "") -> dict[str, object]:
    made = f'args = SFTConfig(output_dir="o"{", " + args if args else ""})\n'
    call = f'SFTTrainer(model="m", args=args{", " + trainer if trainer else ""})'
    return said(f"{IMPORTS}{before}{made}{call}.train()\n")


@pytest.mark.parametrize(
    ("data", "kind", "column"),
    [
        ('load_dataset("x")', "DatasetDict", None),
        ('load_dataset("x", split="train")', "Dataset", None),
        ('load_dataset("x")[something]', "Dataset", None),
        ('load_dataset("x", split="train", streaming=True)', "IterableDataset", None),
        ('load_dataset("x", split=something)', None, None),
        ('load_dataset("x", split="train").shuffle(seed=1).select(range(9))', "Dataset", None),
        ('load_dataset("x", split="train").train_test_split(0.1)', "DatasetDict", None),
        ('load_dataset("x", split="train").train_test_split(0.1)["test"]', "Dataset", None),
        ('Dataset.from_dict({"text": rows})', "Dataset", "text"),
        ('Dataset.from_list([{"messages": rows}])', "Dataset", "messages"),
        ('Dataset.from_dict({"a": rows}).rename_column("a", "text")', "Dataset", "text"),
        ('load_dataset("x", split="train").map(lambda row: {"text": row["a"]})', "Dataset", "text"),
        ('Dataset.from_dict({"a": rows}).map(change).remove_columns(["a"])', "Dataset", None),
        ('Dataset.from_dict({"a": rows}).to_iterable_dataset()', "IterableDataset", "a"),
        ('[{"text": "a"}]', "list", None),
        ("something", None, None),
        ("others.load_dataset(1)", None, None),
    ],
)
def test_data_sets(data: str, kind: str | None, column: str | None) -> None:
    facts = trained(f"data = {data}\n", "train_dataset=data")
    assert (facts.get("train_dataset"), facts.get("dataset_column")) == (kind, column)


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        ('Dataset.from_dict({"a": rows})', True),
        ("Dataset.from_dict({**something})", False),
        ('Dataset.from_dict({"a": rows}).map(lambda row: {"b": row["a"]})', True),
        ('Dataset.from_dict({"a": rows}).map(change)', False),
        ('load_dataset("x", split="train")', False),
        ('Dataset.from_dict({"a": r}).map(lambda row: {"b": 1}, remove_columns=something)', False),
        ("make().map(lambda row: {'b': 1}, remove_columns=make().column_names)", True),
        ('load_dataset("x", split="train").select_columns(["a"])', True),
    ],
)
def test_whether_all_columns_are_known(data: str, complete: bool) -> None:
    assert trained(f"data = {data}\n", "train_dataset=data")["dataset_columns_complete"] is complete


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ('def f(e):\n    return f"{e}"', "text"),
        ('def f(e):\n    text = "a" + e["b"]\n    return text', "text"),
        ('def f(e):\n    return "{}".format(e)', "text"),
        ('def f(e):\n    out = []\n    for x in e["a"]:\n        out.append(x)\n    return out', "list"),
        ('def f(e):\n    return [x for x in e["a"]]', "list"),
        ('def f(e):\n    return {"text": e}', "dict"),
        ('def f(e):\n    e["text"] = 1', "nothing"),
        ("def f(e):\n    return tok.apply_chat_template(e)", "ids"),
        ("def f(e):\n    return tok.apply_chat_template(e, tokenize=False)", "text"),
        ("def f(e):\n    return tok.apply_chat_template(e, **something)", "unknown"),
        ("def f(e):\n    return something(e)", "unknown"),
        ('def f(e):\n    if e:\n        return []\n    return "a"', "unknown"),
        ('def f(e):\n    yield "a"', "unknown"),
        ("def f(e):\n    def g():\n        return []\n    return g()", "unknown"),
        ('f = lambda e: ["a"]', "list"),
        ("f = something", "unknown"),
        ("f = None", "none"),
    ],
)
def test_what_formatting_functions_return(function: str, kind: str) -> None:
    assert trained(f"{TOKENIZER}{function}\n", "formatting_func=f")["formatting_func"] == kind


@pytest.mark.parametrize(
    ("lines", "token"),
    [
        ("", "unset"),
        ("tok.pad_token = tok.eos_token", "eos"),
        ("tok.pad_token = tok.unk_token", "unk"),
        ("if tok.pad_token is None:\n    tok.pad_token = tok.eos_token", "maybe eos"),
        ('tok.pad_token = "<pad>"', "<pad>"),
        ('tok.add_special_tokens({"pad_token": "[PAD]"})', "[PAD]"),
        ("something(tok)", "unknown"),
    ],
)
def test_padding_tokens(lines: str, token: str) -> None:
    assert trained(f"{TOKENIZER}{lines}\n", "processing_class=tok")["tokenizer_pad_token"] == token


@pytest.mark.parametrize(
    ("lines", "added"),
    [
        ("", "none"),
        ('tok.add_tokens(["a"])', "yes"),
        ('tok.add_special_tokens({"pad_token": "[PAD]"})', "pad only"),
        ('tok.add_special_tokens({"additional_special_tokens": ["a"]})', "yes"),
        ("tok.add_special_tokens(something)", "unknown"),
        ("model, tok = setup_chat_format(something, tok)", "yes"),
    ],
)
def test_added_tokens(lines: str, added: str) -> None:
    assert trained(f"{TOKENIZER}{lines}\n", "tokenizer=tok")["tokens_added"] == added


@pytest.mark.parametrize(
    ("collator", "facts"),
    [
        ("DataCollatorForLanguageModeling(tok)", {"collator_mlm": "unset", "collator_library": "transformers"}),
        ("DataCollatorForLanguageModeling(tok, mlm=False)", {"collator_mlm": False}),
        ('DataCollatorForCompletionOnlyLM("### A:", tokenizer=tok)', {"response_template": "### A:"}),
        ("DataCollatorForCompletionOnlyLM([1, 2], tokenizer=tok)", {"response_template": "ids"}),
        ("lambda rows: [row['text'] for row in rows]", {"data_collator": "function", "collator_reads": "text"}),
        ("something", {"data_collator": "unknown"}),
        ("None", {"data_collator": "none"}),
    ],
)
def test_collators(collator: str, facts: dict[str, object]) -> None:
    got = trained(TOKENIZER, f"data_collator={collator}")
    assert {name: got[name] for name in facts} == facts


@pytest.mark.parametrize(
    ("function", "found"),
    [
        ('lambda e: f"{e} ### A: {e}"', True),
        ('lambda e: f"{e} ### B: {e}"', False),
        ("lambda e: TEXT.format(e)", True),
        ("lambda e: something(e)", None),
        ('lambda e: f"{something} {e}"', None),
    ],
)
def test_whether_the_response_template_is_written(function: str, found: bool | None) -> None:
    before = f'TEXT = "### A: {{}}"\n{TOKENIZER}collator = DataCollatorForCompletionOnlyLM(" ### A:", tokenizer=tok)\n'
    facts = trained(before, f"data_collator=collator, formatting_func={function}")
    assert facts.get("response_template_in_text") is found


@pytest.mark.parametrize(
    ("config", "facts"),
    [
        ("r=8", {"lora_r": 8, "lora_target_modules": "unset", "lora_inference_mode": "unset"}),
        ('target_modules=["q", "lm_head"]', {"lora_target_modules": ("q", "lm_head")}),
        ('target_modules="all-linear"', {"lora_target_modules": "all-linear"}),
        ("target_modules=something", {"lora_target_modules": "unknown"}),
        ("inference_mode=True, use_dora=True", {"lora_inference_mode": True, "lora_use_dora": True}),
        ('trainable_token_indices={"e": [1]}', {"lora_trainable_token_indices": "given"}),
        ("**something", {"lora_r": "unknown"}),
    ],
)
def test_adapter_configs(config: str, facts: dict[str, object]) -> None:
    got = trained("", f"peft_config=LoraConfig({config})")
    assert {name: got[name] for name in facts} == facts


def test_the_config_of_a_wrap_counts_too() -> None:
    load = 'model = get_peft_model(AutoModelForCausalLM.from_pretrained("m"), LoraConfig(inference_mode=True))\n'
    assert said(f"{load}SFTTrainer(model=model, args=SFTConfig()).train()\n")["lora_inference_mode"] is True


@pytest.mark.parametrize(
    ("args", "facts"),
    [
        ("max_length=None", {"max_length": None}),
        ("evaluation_strategy='steps'", {"eval_strategy": "steps"}),
        ('dataset_kwargs={"skip_prepare_dataset": True}', {"skip_prepare_dataset": True}),
        ('dataset_kwargs={"add_special_tokens": False}', {"dataset_kwarg": "add_special_tokens"}),
        ("dataset_kwargs=something", {"skip_prepare_dataset": "unknown"}),
        ("model_init_kwargs={}", {"model_init_kwargs_passed": True}),
        ("", {"model_init_kwargs_passed": False, "packing": "unset"}),
        ("**something", {"packing": "unknown"}),
    ],
)
def test_arguments(args: str, facts: dict[str, object]) -> None:
    got = trained("", "", args)
    assert {name: got[name] for name in facts} == facts


@pytest.mark.parametrize(
    ("report_to", "named"),
    [
        ('"wandb"', "wandb"),
        ('["tensorboard"]', "tensorboard"),
        ('"none"', None),
        ('"all"', None),
        ("something", None),
        ("[something]", None),
    ],
)
def test_where_a_run_reports_to(report_to: str, named: str | None) -> None:
    assert trained("", "", f"report_to={report_to}").get("reports_to") == named


def test_older_trl_takes_them_itself() -> None:
    assert trained("", "packing=True")["packing"] is True
    assert said('SFTTrainer("m", packing=True).train()\n')["packing"] is True


def test_types_of_torch_and_quantisation() -> None:
    bnb = "bnb = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float16, slip=1)\n"
    load = 'model = AutoModelForCausalLM.from_pretrained("m", quantization_config=bnb, torch_dtype=torch.half)\n'
    facts = said(f"import torch\n{bnb}{load}SFTTrainer(model=model, args=SFTConfig()).train()\n")
    assert (facts["bnb_4bit_compute_dtype"], facts["model_torch_dtype"]) == ("float16", "float16")
    assert facts["bnb_load_in_8bit"] == "unset"


def test_what_the_trainer_loads_is_quantised_by_its_own_argument() -> None:
    bnb = 'quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")'
    facts = trained("", bnb)
    assert (facts["quantization"], facts["trainer_quantization_passed"]) == ("nf4", True)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("import unsloth\nimport trl", {"unsloth_import": "first"}),
        ("import trl\nfrom unsloth import FastLanguageModel", {"unsloth_import": "late"}),
        ('import os\nos.environ["A"] = "1"', {"sets_variable": "A"}),
        ('from os import environ\nenviron.setdefault("B", "1")', {"sets_variable": "B"}),
        ("text = tok.apply_chat_template(m, tokenize=False)", {"applies_chat_template": "text"}),
        ("ids = tok.apply_chat_template(m)", {"applies_chat_template": "ids"}),
        ("text = a + tok.eos_token", {"writes_eos": True}),
        ("tok.pad_token = tok.eos_token", {}),
    ],
)
def test_what_the_text_says_by_itself(text: str, facts: dict[str, object]) -> None:
    from tests.predicates.training_scripts import facts_of

    names = ("unsloth_import", "sets_variable", "applies_chat_template", "writes_eos")
    assert {fact.name: fact.value for fact in facts_of(text + "\n") if fact.name in names} == facts
