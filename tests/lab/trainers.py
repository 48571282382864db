"""Real trainers with one fault each, healthy ones, and what preflight says of them. Runs in the stack's interpreter.

    python trainers.py FOLDER NAME...     one JSON line a name

Each builder takes a fresh folder and gives a trainer; `trained` ones are judged by the callback within train().
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import sys
import time
import traceback
import warnings
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the same everywhere
warnings.simplefilter("ignore")

import numpy as np
import torch
from datasets import Dataset, IterableDataset
from peft import (
    IA3Config,
    LoraConfig,
    PeftModel,
    PromptTuningConfig,
    get_peft_model,
    prepare_model_for_kbit_training,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
    TrainingArguments,
)
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

import sftdoctor
from sftdoctor.live import measure

WORDS = [f"w{number}" for number in range(50)]
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }} {% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] }} </s>{% endgeneration %}{% else %}{{ m['content'] }}{% endif %} {% endfor %}"
)
SIZE = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
LORA = {"r": 4, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
RANK = os.environ.get("RANK", "0")
BUILDERS = {}
TRAINED = set()


def trainer_case(function):
    BUILDERS[function.__name__] = function
    return function


def trained(function):
    TRAINED.add(function.__name__)
    return trainer_case(function)


# -- parts ---------------------------------------------------------------------------------------------------------


def tokenizer(pad="<pad>", start=False):
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    vocabulary = {word: index for index, word in enumerate([*special, "user", "assistant", *WORDS])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if start:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=pad, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    made.chat_template = TEMPLATE
    return made


def llama(folder=None, layers=2, **options):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, num_hidden_layers=layers, pad_token_id=0, bos_token_id=1, eos_token_id=2, **SIZE, **options
    )
    model = LlamaForCausalLM(config)
    if folder is not None:
        model.save_pretrained(folder / "model")
    return model


def quantized(folder, bits=4):
    llama(folder)
    config = (
        BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
        if bits == 4
        else BitsAndBytesConfig(load_in_8bit=True)
    )
    return AutoModelForCausalLM.from_pretrained(
        folder / "model", quantization_config=config, device_map={"": "cpu"}, dtype=torch.float32
    )


def words(number, seed=0):
    return " ".join(random.Random(seed).choices(WORDS, k=number))


def texts(number=40, longest=24):
    return Dataset.from_dict({"text": [words(4 + index % (longest - 4), index) for index in range(number)]})


def answers(number=40):
    rows = [
        {"prompt": words(5, index), "completion": " " + words(8 + index % 5, index + 100)} for index in range(number)
    ]
    return Dataset.from_list(rows)


def chats(number=20):
    return Dataset.from_list(
        [
            {
                "messages": [
                    {"role": "user", "content": words(5, index)},
                    {"role": "assistant", "content": words(9, index + 50)},
                ]
            }
            for index in range(number)
        ]
    )


def pairs(number=16):
    return Dataset.from_list(
        [
            {"prompt": words(5, i), "chosen": " " + words(6, i + 1), "rejected": " " + words(7, i + 2)}
            for i in range(number)
        ]
    )


def ids(rows, labels=None, mask=True):
    table = {"input_ids": rows, "labels": labels or [list(row) for row in rows]}
    if mask:
        table["attention_mask"] = [[1] * len(row) for row in rows]
    return Dataset.from_dict(table)


def random_rows(number=20, length=16, end=True):
    chosen = random.Random(0)
    return [[chosen.randrange(4, 56) for _ in range(length - end)] + [2] * end for _ in range(number)]


COMMON = {
    "per_device_train_batch_size": 4,
    "max_steps": 4,
    "logging_steps": 1,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
    "use_cpu": True,
    "bf16": False,
    "learning_rate": 1e-2,
    "seed": 3,
    "dataloader_pin_memory": False,
}


def sft(folder, model, data=None, lora=LORA, maker=SFTTrainer, processing_class=None, **options):
    collator = options.pop("data_collator", None)
    extra = {name: options.pop(name) for name in ("optimizers", "callbacks") if name in options}
    settings = {**COMMON, "max_length": 64, "gradient_checkpointing": False, **options}
    return maker(
        model=model,
        args=SFTConfig(output_dir=str(folder / "out"), **settings),
        train_dataset=data if data is not None else texts(),
        processing_class=processing_class or tokenizer(),
        peft_config=LoraConfig(**lora) if lora else None,
        data_collator=collator,
        **extra,
    )


def plain(folder, model, data, collator=None, maker=Trainer, **options):
    extra = {name: options.pop(name) for name in ("optimizers", "callbacks", "processing_class") if name in options}
    extra.setdefault("processing_class", tokenizer())
    args = TrainingArguments(output_dir=str(folder / "out"), **{**COMMON, **options})
    return maker(model=model, args=args, train_dataset=data, data_collator=collator, **extra)


# -- healthy -------------------------------------------------------------------------------------------------------


@trainer_case
def healthy_sft_lora_4bit(folder):
    return sft(folder, quantized(folder), gradient_checkpointing=True)


@trainer_case
def healthy_sft_lora_8bit(folder):
    return sft(folder, quantized(folder, 8), gradient_checkpointing=True)


@trained
def healthy_sft_lora_4bit_trained(folder):
    return sft(folder, quantized(folder), gradient_checkpointing=True)


@trainer_case
def healthy_kbit_prepared(folder):
    model = get_peft_model(prepare_model_for_kbit_training(quantized(folder)), LoraConfig(**LORA))
    return sft(folder, model, lora=None, gradient_checkpointing=True)


@trainer_case
def healthy_sft_full(folder):
    return sft(folder, llama(), lora=None, gradient_checkpointing=True)


@trainer_case
def healthy_sft_bf16(folder):
    return sft(folder, llama(), bf16=True)


@trainer_case
def healthy_sft_packing(folder):
    return sft(folder, llama(attn_implementation="eager"), packing=True, max_length=32)


@trainer_case
def healthy_sft_prompts(folder):
    return sft(folder, llama(), answers())


@trainer_case
def healthy_sft_assistant_only(folder):
    return sft(folder, llama(), chats(), assistant_only_loss=True)


@trainer_case
def healthy_sft_streaming(folder):
    return sft(folder, llama(), IterableDataset.from_generator(lambda: iter(texts())))


@trainer_case
def healthy_sft_modules_to_save(folder):
    return sft(folder, llama(), lora={**LORA, "modules_to_save": ["lm_head"]}, gradient_checkpointing=True)


@trainer_case
def healthy_sft_dora_all_linear(folder):
    return sft(folder, llama(), lora={**LORA, "target_modules": "all-linear", "use_dora": True})


@trainer_case
def healthy_dpo(folder):
    args = DPOConfig(output_dir=str(folder / "out"), max_length=64, gradient_checkpointing=True, **COMMON)
    return DPOTrainer(
        model=llama(), args=args, train_dataset=pairs(), processing_class=tokenizer(), peft_config=LoraConfig(**LORA)
    )


@trained
def healthy_dpo_full_trained(folder):
    args = DPOConfig(output_dir=str(folder / "out"), max_length=64, **COMMON)
    llama(folder)
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    return DPOTrainer(model=model, args=args, train_dataset=pairs(), processing_class=tokenizer())


@trainer_case
def healthy_grpo(folder):
    args = GRPOConfig(output_dir=str(folder / "out"), num_generations=2, max_completion_length=8, **COMMON)
    return GRPOTrainer(
        model=llama(),
        args=args,
        train_dataset=answers().select_columns(["prompt"]),
        processing_class=tokenizer(),
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        peft_config=LoraConfig(**LORA),
    )


@trainer_case
def healthy_head_alone(folder):
    """A head on frozen layers: nothing is to be recomputed, and nothing is wrong."""
    model = llama()
    model.requires_grad_(False)
    model.lm_head.requires_grad_(True)
    return plain(folder, model, ids(random_rows()), gradient_checkpointing=True)


@trainer_case
def healthy_reward(folder):
    config = LlamaConfig(vocab_size=64, num_hidden_layers=2, pad_token_id=0, eos_token_id=2, num_labels=1, **SIZE)
    args = RewardConfig(output_dir=str(folder / "out"), max_length=64, **COMMON)
    return RewardTrainer(
        model=LlamaForSequenceClassification(config), args=args, train_dataset=pairs(), processing_class=tokenizer()
    )


@trainer_case
def healthy_plain(folder):
    return plain(folder, llama(), ids(random_rows()))


@trained
def healthy_plain_trained(folder):
    return plain(folder, llama(), ids(random_rows()), gradient_checkpointing=True)


@trainer_case
def healthy_pretraining(folder):
    """Blocks of equal length, no ends: nothing is missing there."""
    data = ids(random_rows(end=False))
    return plain(folder, llama(), data, DataCollatorForLanguageModeling(tokenizer(), mlm=False))


@trainer_case
def healthy_gpt2(folder):
    made = tokenizer()
    config = GPT2Config(vocab_size=64, n_embd=64, n_layer=2, n_head=4, n_positions=64, eos_token_id=2)
    return plain(
        folder,
        GPT2LMHeadModel(config),
        Dataset.from_dict({"input_ids": [row[: 8 + i % 8] for i, row in enumerate(random_rows(end=False))]}),
        DataCollatorForLanguageModeling(made, mlm=False),
    )


@trainer_case
def healthy_two_adapters(folder):
    """A frozen second adapter, as DPO keeps for its reference."""
    model = get_peft_model(llama(), LoraConfig(**LORA))
    model.add_adapter("reference", LoraConfig(**LORA))
    model.set_adapter("default")
    return sft(folder, model, lora=None)


@trainer_case
def healthy_moe(folder):
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=64, num_hidden_layers=2, num_local_experts=4, pad_token_id=0, eos_token_id=2, **SIZE
    )
    return sft(folder, MixtralForCausalLM(config))


@trainer_case
def healthy_reentrant(folder):
    return sft(folder, llama(), **REENTRANT)


@trainer_case
def healthy_neftune(folder):
    return sft(folder, llama(), neftune_noise_alpha=5.0)


@trainer_case
def healthy_prompt_tuning(folder):
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    return plain(folder, get_peft_model(llama(), config), ids(random_rows()), gradient_checkpointing=True)


@trainer_case
def healthy_ia3(folder):
    config = IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"])
    return plain(folder, get_peft_model(llama(), config), ids(random_rows()))


@trainer_case
def healthy_new_tokens(folder):
    """Tokens that were added, with rows for them that are trained beside the adapter."""
    made = tokenizer()
    made.add_tokens(["<tool>", "</tool>"])
    made.add_tokens([f"<extra{number}>" for number in range(10)])
    model = llama()
    model.resize_token_embeddings(len(made))
    added = list(range(len(made) - 12, len(made)))
    data = Dataset.from_dict({"text": [f"<tool> {text} </tool>" for text in texts()["text"]]})
    return sft(folder, model, data, lora={**LORA, "trainable_token_indices": added}, processing_class=made)


@trainer_case
def healthy_embedding_lora(folder):
    return sft(folder, llama(), lora={**LORA, "target_modules": ["embed_tokens", "q_proj"]})


@trainer_case
def healthy_bias(folder):
    return sft(folder, llama(attention_bias=True), lora={**LORA, "bias": "all"})


class ShiftedLoss(Trainer):
    """A loss of one's own, over labels that are shifted already."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        logits = model(**inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1)
        return (loss, logits) if return_outputs else loss


@trainer_case
def healthy_loss_of_its_own(folder):
    rows = random_rows()
    return plain(folder, llama(), ids(rows, [[*row[1:], -1] for row in rows]), maker=ShiftedLoss)


@trainer_case
def healthy_seq2seq(folder):
    config = T5Config(
        vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, eos_token_id=2, decoder_start_token_id=0
    )
    rows = random_rows()
    return plain(folder, T5ForConditionalGeneration(config), ids(rows, [row[8:] for row in rows]))


@trainer_case
def healthy_classifier(folder):
    config = LlamaConfig(vocab_size=64, num_hidden_layers=2, pad_token_id=0, eos_token_id=2, num_labels=3, **SIZE)
    rows = [row[: 6 + index % 9] for index, row in enumerate(random_rows())]
    data = Dataset.from_dict({"input_ids": rows, "labels": [index % 3 for index in range(len(rows))]})
    collator = DataCollatorWithPadding(tokenizer())
    return plain(folder, LlamaForSequenceClassification(config), data, collator)


@trainer_case
def healthy_kto(folder):
    data = Dataset.from_list(
        [{"prompt": words(5, i), "completion": " " + words(6, i), "label": i % 2 == 0} for i in range(16)]
    )
    args = KTOConfig(output_dir=str(folder / "out"), max_length=64, **COMMON)
    return KTOTrainer(
        model=llama(), args=args, train_dataset=data, processing_class=tokenizer(), peft_config=LoraConfig(**LORA)
    )


class Stream(torch.utils.data.IterableDataset):
    """A stream of which nobody knows whether it can be read twice."""

    def __iter__(self):
        return iter([{"input_ids": row, "labels": list(row)} for row in random_rows(40)])


@trainer_case
def healthy_stream(folder):
    return plain(folder, llama(), Stream())


# -- the model -----------------------------------------------------------------------------------------------------


@trainer_case
def MDL101_inference_adapter(folder):
    get_peft_model(llama(), LoraConfig(**LORA)).save_pretrained(folder / "adapter")
    return sft(folder, PeftModel.from_pretrained(llama(), folder / "adapter"), lora=None)


@trainer_case
def MDL101_kbit_after_wrap(folder):
    model = get_peft_model(quantized(folder), LoraConfig(**LORA))
    return plain(folder, prepare_model_for_kbit_training(model), ids(random_rows()), gradient_checkpointing=True)


@trainer_case
def MDL102_head_alone(folder):
    get_peft_model(llama(), LoraConfig(**LORA)).save_pretrained(folder / "adapter")
    model = PeftModel.from_pretrained(llama(), folder / "adapter")
    model.base_model.model.lm_head.weight.requires_grad_(True)
    return sft(folder, model, lora=None)


@trainer_case
def MDL103_norm_unfrozen(folder):
    trainer = sft(folder, llama())
    trainer.model.base_model.model.model.norm.weight.requires_grad_(True)
    return trainer


REENTRANT = {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}}


def no_input_grads(model):
    """What transformers before 5 does not do for a plain model: nothing makes the embeddings' output require grad."""
    model.enable_input_require_grads = lambda: None
    return model


@trainer_case
def MDL104_reentrant(folder):
    model = get_peft_model(no_input_grads(llama()), LoraConfig(**LORA))
    return plain(folder, model, ids(random_rows()), **REENTRANT)


@trainer_case
def MDL104_detached_loss(folder):
    trainer = plain(folder, llama(), ids(random_rows()))
    trainer.compute_loss_func = lambda outputs, labels, num_items_in_batch=None: outputs.logits.detach().sum()
    return trainer


@trainer_case
def MDL105_reentrant_with_head(folder):
    lora = LoraConfig(**LORA, modules_to_save=["lm_head"])
    return plain(folder, get_peft_model(no_input_grads(llama()), lora), ids(random_rows()), **REENTRANT)


@trainer_case
def MDL106_detached_layer(folder):
    trainer = plain(folder, llama(), ids(random_rows()))
    trainer.model.model.layers[1].mlp.register_forward_hook(lambda module, given, out: out.detach())
    return trainer


@trainer_case
def MDL107_zero_adapter(folder):
    trainer = sft(folder, llama())
    with torch.no_grad():
        for name, tensor in trainer.model.named_parameters():
            if "lora_" in name:
                tensor.zero_()
    return trainer


@trainer_case
def MDL108_nan_weight(folder):
    model = llama()
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    return sft(folder, model)


@trainer_case
def MDL109_square_root(folder):
    trainer = plain(folder, llama(), ids(random_rows()))
    trainer.compute_loss_func = lambda outputs, labels, num_items_in_batch=None: (outputs.logits * 0).sqrt().sum()
    return trainer


@trained
def MDL110_switched_off(folder):
    model = llama()
    name = "activation_checkpointing_enable"  # since transformers 5.23
    name = name if hasattr(model, name) else "gradient_checkpointing_enable"
    enable = getattr(model, name)

    def enabled(*args, **kwargs):
        enable(*args, **kwargs)
        for layer in model.model.layers:
            layer.gradient_checkpointing = False

    setattr(model, name, enabled)
    return sft(folder, model, lora=None, gradient_checkpointing=True)


def dequantize(folder, which):
    """A 4-bit model of which some layers are plain again."""
    model, whole = quantized(folder), llama()
    for index in which:
        model.model.layers[index] = whole.model.layers[index]
    return get_peft_model(model, LoraConfig(**LORA))


@trainer_case
def MDL111_dequantized(folder):
    return sft(folder, dequantize(folder, [0, 1]), lora=None)


@trainer_case
def MDL112_half(folder):
    return sft(folder, dequantize(folder, [1]), lora=None)


def mixed_precision(trainer, name):
    """A CPU refuses fp16; what preflight reads is what accelerate was told."""
    trainer.accelerator.state._mixed_precision = name
    return trainer


@trainer_case
def MDL113_float16(folder):
    return mixed_precision(plain(folder, llama().half(), ids(random_rows())), "fp16")


@trainer_case
def MDL114_bfloat16(folder):
    return mixed_precision(plain(folder, llama().bfloat16(), ids(random_rows())), "fp16")


@trained
def MDL115_stale_optimizer(folder):
    model = llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    return sft(folder, get_peft_model(model, LoraConfig(**LORA)), lora=None, optimizers=(optimizer, None))


@trained
def MDL116_half_an_optimizer(folder):
    model = llama()
    optimizer = torch.optim.AdamW(model.model.layers[0].parameters(), lr=1e-2)
    return plain(folder, model, ids(random_rows()), optimizers=(optimizer, None))


@trainer_case
def MDL117_meta(folder):
    trainer = sft(folder, llama(), lora=None)
    trainer.model.model.layers[1].to("meta")
    return trainer


@trainer_case
def MDL118_wrong_shape(folder):
    trainer = plain(folder, llama(), ids(random_rows()))
    trainer.model.lm_head = torch.nn.Linear(32, 64)
    return trainer


# -- the data ------------------------------------------------------------------------------------------------------


@trainer_case
def DAT101_all_masked(folder):
    rows = random_rows()
    return plain(folder, llama(), ids(rows, [[-100] * len(row) for row in rows]))


@trainer_case
def DAT102_some_masked(folder):
    rows = random_rows()
    return plain(folder, llama(), ids(rows, [[-100] * len(r) if i % 4 == 0 else list(r) for i, r in enumerate(rows)]))


@trainer_case
def DAT103_padding_learned(folder):
    rows = [row[: 6 + index % 10] for index, row in enumerate(random_rows())]
    padded = [row + [0] * (16 - len(row)) for row in rows]
    data = Dataset.from_dict(
        {
            "input_ids": padded,
            "labels": [list(row) for row in padded],
            "attention_mask": [[1] * len(row) + [0] * (16 - len(row)) for row in rows],
        }
    )
    return plain(folder, llama(), data)


@trainer_case
def DAT104_pad_is_end(folder):
    made = tokenizer(pad="</s>")
    rows = [[*row[: 6 + i % 9], 2] for i, row in enumerate(random_rows(end=False))]
    data = Dataset.from_dict({"input_ids": rows})
    return plain(folder, llama(), data, DataCollatorForLanguageModeling(made, mlm=False), processing_class=made)


@trainer_case
def DAT105_no_end(folder):
    rows = random_rows(end=False)
    return plain(folder, llama(), ids(rows, [[-100] * 6 + row[6:] for row in rows]))


@trainer_case
def DAT106_two_starts(folder):
    data = Dataset.from_dict({"text": ["<s> " + text for text in texts()["text"]]})
    return sft(folder, llama(), data, processing_class=tokenizer(start=True))


@trainer_case
def DAT107_cut(folder):
    return sft(folder, llama(), texts(longest=40), max_length=16)


@trainer_case
def DAT108_unknown(folder):
    return sft(folder, llama(), Dataset.from_dict({"text": [f"{words(6, i)} grüße aus wien" for i in range(20)]}))


@trainer_case
def DAT109_new_token(folder):
    """ids beyond the table: on a GPU a step with them would end the process."""
    rows = random_rows()
    rows[3][4] = 64
    return plain(folder, llama(), ids(rows))


@trainer_case
def DAT110_left(folder):
    made = tokenizer()
    made.padding_side = "left"
    config = GPT2Config(vocab_size=64, n_embd=64, n_layer=2, n_head=4, n_positions=64, eos_token_id=2)
    rows = [row[: 8 + i % 8] for i, row in enumerate(random_rows(end=False))]
    collator = DataCollatorForLanguageModeling(made, mlm=False)
    return plain(folder, GPT2LMHeadModel(config), Dataset.from_dict({"input_ids": rows}), collator)


@trainer_case
def DAT111_lengths(folder):
    from transformers import default_data_collator

    rows = [row[: 8 + i % 8] for i, row in enumerate(random_rows())]
    return plain(folder, llama(), ids(rows), default_data_collator)


@trainer_case
def DAT112_prompt_learned(folder):
    def collator(rows):
        table = [torch.tensor(row["input_ids"]) for row in rows]
        batch = torch.nn.utils.rnn.pad_sequence(table, batch_first=True)
        return {
            "input_ids": batch,
            "attention_mask": (batch != 0).long(),
            "labels": batch.masked_fill(batch == 0, -100),
        }

    return sft(folder, llama(), answers(), completion_only_loss=True, data_collator=collator)


@trainer_case
def DAT113_shifted(folder):
    rows = random_rows()
    return plain(folder, llama(), ids(rows, [[*row[1:], -100] for row in rows]))


# -- what is asked -------------------------------------------------------------------------------------------------


def judged(name, folder):
    """What preflight says of one trainer, and whether that trainer is as before."""
    trainer = BUILDERS[name](folder)
    if name in TRAINED:
        callback = sftdoctor.SFTDoctorCallback(on_error="return")
        trainer.add_callback(callback)
        trainer.train()
        report, changed = callback.report, []
    else:
        before = state_of(trainer)
        report = sftdoctor.preflight(trainer, on_error="return")
        changed = differing(before, state_of(trainer))
    return {
        "ids": [finding.id for finding in report.findings],
        "messages": [finding.message for finding in report.findings],
        "notes": report.environment.notes,
        "not_judged": [f"{gap.what}: {gap.reason}" for gap in report.not_judged],
        "verdict": report.verdict.value,
        "seconds": report.seconds,
        "changed": changed,
    }


def state_of(trainer):
    """Everything that preflight promises to leave alone, in a form that can be compared."""
    model = trainer.model
    modules = {
        name: {
            key: value for key, value in vars(module).items() if isinstance(value, (int, float, str, bool, type(None)))
        }
        for name, module in model.named_modules()
    }
    hooks = {
        name: {key: list(value) for key, value in vars(module).items() if key.endswith("_hooks") and value}
        for name, module in model.named_modules()
    }
    return {
        "python": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "modules": modules,
        "hooks": hooks,
        "gradients": [parameter.grad is None for parameter in model.parameters()],
        "needs": [parameter.requires_grad for parameter in model.parameters()],
        "values": [checksum(value) for value in [*model.parameters(), *model.buffers()]],
        "config": copy.deepcopy(model.config.to_dict()),
        "metrics": copy.deepcopy(getattr(trainer, "_metrics", None)),
        "tokens": getattr(trainer, "_total_train_tokens", None),
        "state": copy.deepcopy(vars(trainer.state)),
        "loaders": len(trainer.accelerator._dataloaders),
        "optimizer": trainer.optimizer is None,
    }


def checksum(tensor):
    return None if tensor.device.type == "meta" else tensor.detach().float().nan_to_num().sum().item()


def differing(before, after):
    return [key for key in before if str(before[key]) != str(after[key])]


def trajectory(name, folder, looking):
    """Losses and final weights of a run: "with" preflight before it and within it, "without", or "careless"."""
    trainer = BUILDERS[name](folder)
    if looking == "careless":  # what would come of it if nothing were put back
        measure.untouched = lambda trainer: contextlib.nullcontext()
    if looking != "without":
        sftdoctor.preflight(trainer, on_error="return")
        trainer.add_callback(sftdoctor.SFTDoctorCallback(on_error="return"))
    trainer.train()
    timed = ("runtime", "per_second", "time")
    logs = [{k: v for k, v in log.items() if not any(word in k for word in timed)} for log in trainer.state.log_history]
    state = {"python": random.random(), "numpy": float(np.random.rand()), "torch": float(torch.rand(1))}
    weights = [parameter.detach().flatten().tolist()[:50] for parameter in trainer.model.parameters()]
    return {"logs": logs, "weights": weights, "random": state}


def choices(folder):
    """What each way to be told does, for a trainer that breaks and one that may go wrong."""
    said = {}
    for name in ("MDL101_inference_adapter", "DAT106_two_starts", "healthy_plain"):
        trainer = BUILDERS[name](folder / name)
        for how in ("raise", "warn", "return"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", sftdoctor.SFTDoctorWarning)
                try:
                    report = sftdoctor.preflight(trainer, on_error=how)
                    raised = ""
                except sftdoctor.PreflightError as error:
                    report, raised = error.report, error.message
            warned = [str(w.message) for w in caught if w.category is sftdoctor.SFTDoctorWarning]
            said[f"{name} {how}"] = {"raised": raised, "warned": warned, "verdict": report.verdict.value}
    trainer = BUILDERS["MDL101_inference_adapter"](folder / "callback")
    trainer.add_callback(sftdoctor.SFTDoctorCallback)
    try:
        trainer.train()
        said["callback"] = "went on"
    except sftdoctor.PreflightError as error:
        said["callback"] = error.message.split()[0]
    ignored = sftdoctor.preflight(trainer, ignore=["MDL101"])
    return {"said": said, "ignored": [finding.id for finding in ignored.findings]}


def cost(folder):
    """Seconds of preflight and of one step, of a model and batch that take a while."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=8,
        num_attention_heads=8,
        pad_token_id=0,
        eos_token_id=2,
    )
    data = Dataset.from_dict({"text": [words(200 + index % 50, index) for index in range(200)]})
    settings = {"max_length": 256, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "max_steps": 2}
    trainer = sft(folder, LlamaForCausalLM(config), data, gradient_checkpointing=True, **settings)
    sftdoctor.preflight(trainer, on_error="return")  # the first reads the rules and warms torch up
    seconds = min(sftdoctor.preflight(trainer, on_error="return").seconds for _ in range(3))
    start = time.perf_counter()
    trainer.train()
    return {"preflight": seconds, "step": (time.perf_counter() - start) / 2}


def answer(request, folder):
    if request == "cost":
        return cost(folder)
    if request == "choices":
        return choices(folder)
    if request.startswith("trajectory:"):
        _, name, looking = request.split(":")
        return trajectory(name, folder, looking)
    return judged(request, folder)


def main(root, requests):
    torch.set_num_threads(1)
    for number, request in enumerate(requests):
        folder = Path(root, f"{number}.{RANK}")
        folder.mkdir()
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        try:
            said = answer(request, folder)
        except Exception:
            said = {"failed": traceback.format_exc()}
        if RANK == "0":
            print("ANSWER " + json.dumps({"request": request, **said}, default=str), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or list(BUILDERS))
