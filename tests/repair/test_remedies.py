"""The remedies of the rules about scripts, carried out: what they mend links clean, by the cases that they carry."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.engine import judge
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Case, Environment, Report, Rule, Safety, Workload
from sftdoctor.repair import compare
from sftdoctor.repair.mend import Mender
from sftdoctor.repair.oracle import JudgeOracle
from sftdoctor.repair.plan import silent
from sftdoctor.ruleset import load_rules
from sftdoctor.testing import build_environment, build_workload

RULES = load_rules(pages=True)
EDITED = [rule for rule in RULES if rule.id.startswith("API") and any(fix.kind == "edit" for fix in rule.fixes)]
MENDED = {
    "API030": 'args = TrainingArguments(output_dir="out", eval_strategy="no")',
    "API031": 'args = TrainingArguments(output_dir="out")',
    "API032": 'args = TrainingArguments(output_dir="out", warmup_steps=0.03)',
    "API033": 'args = TrainingArguments(output_dir="out", train_sampling_strategy="group_by_length")',
    "API034": 'args = TrainingArguments(output_dir="out", accelerator_config=dict(dispatch_batches=False))',
    "API035": 'args = TrainingArguments(output_dir="out")',
    "API036": 'SFTTrainer(model="m", processing_class=None)',
    "API037": 'SFTTrainer(model="m", args=SFTConfig(output_dir="tmp_trainer", dataset_text_field="text", '
    "max_seq_length=512))",
    "API038": "SFTConfig(max_length=512)",
    "API039": "SFTConfig()",
    "API042": "def get_kbit_device_map():",
    "API043": "from trl import ScriptArguments, TrlParser",
    "API044": "from trl import ScriptArguments\nprint(ScriptArguments)",
    "API045": "from trl.experimental.orpo import ORPOTrainer",
    "API046": "from peft import prepare_model_for_kbit_training",
    "API047": "from torch.optim import AdamW\nAdamW([], lr=1e-4, weight_decay=0.0, eps=1e-06)",
    "API048": "from transformers import AutoModelForImageTextToText",
    "API049": "from transformers.integrations import deepspeed",
    "API050": "def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):",
    "API051": "def log(self, logs, start_time=None):",
    "API052": "Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=False))",
    "API053": 'from_pretrained("m", quantization_config=BitsAndBytesConfig(load_in_4bit=True))',
    "API054": 'from_pretrained("m", token=True)',
    "API055": 'from_pretrained("m", attn_implementation="flash_attention_2")',
    "API056": 'from_pretrained("m", torch_dtype="bfloat16")',
    "API057": 'tokenizer("a")',
    "API058": "print(ModelConfig().dtype)",
    "API061": "def strtobool(value):",
    "API070": "print(ScriptArguments().dataset_train_split)",
    "API074": 'args.model_init_kwargs = {**(args.model_init_kwargs or {}), "quantization_config": None}',
    "API090": 'SFTTrainer(model="m", args=sft_config)',
    "API092": 'SFTTrainer(model="m", args=sft_config)',
    "API093": 'DPOTrainer(model="m", args=dpo_config)',
    "API091": "parser = TrlParser((SFTScriptArguments, SFTConfig))\nparser.set_defaults(",
    "API120": "def on_save(self, args, state, control, model=None, **kwargs): ...",
    "API123": "def mine(completions, **kwargs):",
    "API068": 'DPOTrainer(model="m", args=DPOConfig(output_dir="tmp_trainer", beta=0.2))',
}
"""What stands in the script of the first failing case of a rule afterwards."""
BY_HAND = {"API001", "API024", "API040", "API041", "API059", "API067", "API069", "API071"}
"""Their failing cases show what is not edited unasked, or has no object to go to; test_edits has the operations, and
the tests of launch scripts and configs those of files that are no Python."""


def mended(rule: Rule, case: Case, folder: Path) -> tuple[str, Report]:
    """The script of a case after its rule's edits, and what is wrong then."""
    environment = build_environment(case, folder)
    if "torch" not in case.distributions:  # what an edit imports from it is there in life
        torch = folder / "site-packages" / "torch"
        (torch / "optim").mkdir(parents=True)
        (torch / "__init__.py").write_text("")
        (torch / "optim" / "__init__.py").write_text("class AdamW:\n    def __init__(self, *args, **kwargs): ...\n")
    workload = build_workload(case, folder)

    def check(environment: Environment, workload: Workload) -> Report:
        library = Library(environment, None)
        return judge(environment, workload, (rule,), link(library, environment, workload), library)

    report = check(environment, workload)
    assert [one.id for one in report.findings if compare.is_error(one)], "the case is meant to fail"
    mender = Mender(report, JudgeOracle(report, check), False, silent)
    mender.mend()
    return next(iter(mender.sources.values()), b"").decode(), mender.now


@pytest.mark.parametrize("rule", [rule for rule in EDITED if rule.id not in BY_HAND], ids=lambda rule: rule.id)
def test_what_a_rule_mends_links(rule: Rule, tmp_path: Path) -> None:
    case = next(case for case in rule.cases if case.expect == "fail")
    text, after = mended(rule, case, tmp_path)
    assert MENDED[rule.id] in text
    assert not [one.message for one in after.findings if compare.is_error(one) and one.id == rule.id]


def test_a_name_that_is_imported_for_nothing_goes(tmp_path: Path) -> None:
    rule = next(rule for rule in EDITED if rule.id == "API001")
    text, after = mended(rule, rule.cases[-1], tmp_path)
    assert text.startswith("from transformers import Cache\n") and not after.findings


def test_no_rule_about_scripts_goes_unseen() -> None:
    assert {rule.id for rule in EDITED} == MENDED.keys() | BY_HAND


def test_what_is_trained_is_never_changed_unasked() -> None:
    """A safe edit of a rule sets none of the values that training depends on."""
    hyper = {"learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps"}
    hyper |= {"weight_decay", "max_grad_norm", "seed", "fp16", "bf16", "lora_alpha", "r", "lora_dropout"}
    for rule in EDITED:
        for fix in rule.fixes:
            if fix.safety is Safety.SAFE and fix.operation in ("set_keyword", "remove_keyword"):
                assert fix.arguments["name"] not in hyper, rule.id
