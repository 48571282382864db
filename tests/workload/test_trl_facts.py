"""What scripts say to trl's other trainers: reference models, rounds of generations, formatting functions."""

from __future__ import annotations

import pytest

from tests.workload.test_script_facts import said


@pytest.mark.parametrize(
    ("arguments", "batch"),
    [
        ("", 8),
        ("per_device_train_batch_size=4", 4),
        ("per_device_train_batch_size=4, gradient_accumulation_steps=3", 12),
        ("per_device_train_batch_size=4, gradient_accumulation_steps=3, steps_per_generation=2", 8),
        ("per_device_train_batch_size=4, steps_per_generation=None", 4),
        ("per_device_train_batch_size=4, generation_batch_size=32", 32),
        ("per_device_train_batch_size=flag", "unknown"),
        ("per_device_train_batch_size='4'", "unknown"),
        ("per_device_train_batch_size=flag, generation_batch_size=32", 32),
        ("**flag", "unknown"),
    ],
)
@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_completions_of_a_round(arguments: str, batch: object, kind: str) -> None:
    text = f"from elsewhere import flag, reward\nfrom trl import {kind}Config, {kind}Trainer\n"
    facts = said(f"{text}{kind}Trainer('m', reward, {kind}Config(output_dir='o', {arguments})).train()")
    assert facts["generated_batch"] == batch


def test_rounds_are_of_trainers_that_generate() -> None:
    text = "from trl import DPOConfig, DPOTrainer\nDPOTrainer('m', None, DPOConfig('o')).train()"
    assert "generated_batch" not in said(text)


@pytest.mark.parametrize(
    ("call", "reference", "args"),
    [
        ("DPOTrainer(model, ref, args)", True, "DPOConfig"),
        ("DPOTrainer(model, None, args)", False, "DPOConfig"),
        ("DPOTrainer(model, args=args)", False, "DPOConfig"),
        ("DPOTrainer(model, ref_model=ref, args=args)", True, "DPOConfig"),
        ("DPOTrainer(model, ref)", True, "none"),
        ("Own(model, ref, args)", True, "DPOConfig"),
        ("DPOTrainer(model, args=args, **more)", "unknown", "DPOConfig"),
        ("CPOTrainer(model, args)", False, "DPOConfig"),
        ("OnlineDPOTrainer(model, ref, reward, args=args)", True, "DPOConfig"),
    ],
)
def test_reference_models(call: str, reference: object, args: str) -> None:
    text = f"""
from elsewhere import more, ref, reward
from trl import CPOTrainer, DPOConfig, DPOTrainer, OnlineDPOTrainer
class Own(DPOTrainer): pass
model = AutoModelForCausalLM.from_pretrained("m")
args = DPOConfig("o")
{call}.train()
"""
    facts = said(text)
    assert (facts["ref_model_passed"], facts["trainer_args_class"]) == (reference, args)


@pytest.mark.parametrize(
    ("function", "column"),
    [
        ("def fmt(example):\n    return [f\"{example['q'][0]} {example['a']}\"]", "q"),
        ("fmt = lambda e: [e['text']]", "text"),
        ("def fmt(example):\n    other = {'x': 1}\n    example['new'] = other['x']\n    return [example[0]]", "unset"),
        ("def fmt():\n    return []", "unset"),
    ],
)
def test_columns_that_a_formatting_function_reads(function: str, column: str) -> None:
    text = f"{function}\nfrom trl import SFTConfig, SFTTrainer\n"
    facts = said(f"{text}SFTTrainer('m', SFTConfig('o'), formatting_func=fmt).train()")
    assert facts.get("formatting_reads", "unset") == column
