"""The names of facts, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

ARGUMENT_FACTS = (
    "gradient_checkpointing",
    "bf16",
    "fp16",
    "packing",
    "max_length",
    "max_seq_length",
    "dataset_text_field",
    "completion_only_loss",
    "assistant_only_loss",
    "deepspeed",
    "fsdp",
    "remove_unused_columns",
    "per_device_train_batch_size",
    "optim",
)
"""Fields of the trainer's arguments that become facts of the same name."""

VOCABULARY: Mapping[str, str] = {
    "trainer_class": "class of the trainer that trains (SFTTrainer, Trainer, DPOTrainer, …; the library's base of an "
    'own subclass); "none" for a loop of the script\'s own; "unknown"',
    "trainer_call": 'the call that makes the trainer: "plain" or "own subclass"',
    "trainer_args_class": 'class of its arguments (SFTConfig, TrainingArguments, …), "none" or "unknown"',
    "trainer_args_call": "the call that makes its arguments",
    "gradient_checkpointing": 'gradient_checkpointing of the arguments: true, false, "unset" or "unknown"',
    "use_reentrant": 'use_reentrant of gradient_checkpointing_kwargs: true, false, "unset" or "unknown"',
    "bf16": "bf16 of the arguments",
    "fp16": "fp16 of the arguments",
    "packing": "packing of the arguments",
    "max_length": "max_length of the arguments",
    "max_seq_length": "max_seq_length of the arguments",
    "dataset_text_field": "dataset_text_field of the arguments",
    "completion_only_loss": "completion_only_loss of the arguments",
    "assistant_only_loss": "assistant_only_loss of the arguments",
    "deepspeed": "deepspeed of the arguments",
    "fsdp": "fsdp of the arguments",
    "remove_unused_columns": "remove_unused_columns of the arguments",
    "per_device_train_batch_size": "per_device_train_batch_size of the arguments",
    "optim": "optim of the arguments",
    "peft_config_passed": 'whether the trainer gets a peft_config: true, false or "unknown"',
    "peft_config_kind": "class of that config (LoraConfig, …)",
    "peft_config_trains_head": "whether it trains the output head (modules_to_save, target_modules)",
    "peft_config_trains_embeddings": "whether it trains the embeddings",
    "model_loaded_by": '"from_pretrained", "from_config", "constructor", "trainer" (it gets a name) or "unknown"',
    "model_load_call": "the call that loads it: its dotted name",
    "model_path": "the path or name that is loaded",
    "quantization": '"nf4", "fp4", "int8", "gptq", "awq", …, "none" or "unknown"',
    "model_device_map": "device_map of from_pretrained",
    "model_attn_implementation": "attn_implementation of from_pretrained",
    "model_torch_dtype": "torch_dtype of from_pretrained",
    "model_dtype": "dtype of from_pretrained",
    "model_trust_remote_code": "trust_remote_code of from_pretrained",
    "model_passed": 'the model that the trainer gets: "wrapped" (a PeftModel), "plain" or "unknown"',
    "wraps_model": '"get_peft_model", "PeftModel", "PeftModel.from_pretrained", "add_adapter", "load_adapter", "none" '
    'or "unknown" (on some paths alone)',
    "wrap_call": "the call that wraps the model; only where there is one",
    "adapter_kind": 'class of the adapter config of that call, "saved" or "unknown"',
    "is_trainable": "whether the adapter that it adds is trainable",
    "lm_head_trained": "whether that adapter trains the output head",
    "embeddings_trained": "whether it trains the embeddings",
    "prepare_kbit": "prepare_model_for_kbit_training: when",
    "enable_input_require_grads": "model.enable_input_require_grads(): when",
    "gc_enable": "model.gradient_checkpointing_enable(): when",
    "freezes": 'requires_grad = False: when. All four: "never", "before wrap", "after wrap", "without wrap", "unknown"',
    "input_grads_anchor": "the wrap, else the trainer's call; its value is the variable that holds the model there",
    "step": 'one for each thing done to the model, in order: a tuple of its name and its details, led by "maybe" where '
    "it happens on some paths alone. load(how) set(attribute, value) wrap(how, adapter, trainable, head, embeddings) "
    "unwrap(how) prepare_kbit(use_gradient_checkpointing, use_reentrant, kwargs given) input_grads() "
    "gc_enable(use_reentrant, kwargs given) gc_disable() freeze(which) unfreeze(which) hook() foreign(name) trainer()",
    "has_remote_code": "model folder: whether config.json names code of its own (auto_map)",
    "remote_class": "model folder: the class of that code that a causal language model is made of",
    "remote_gc_flag": 'model folder: supports_gradient_checkpointing of that class: true, false or "unset"',
    "remote_gc_attribute": "model folder: whether a module of that code has the attribute gradient_checkpointing",
    "remote_gc_override": 'model folder: parameters of its _set_gradient_checkpointing, or "none"',
    "remote_gc_reentrant": 'model folder: use_reentrant of that code\'s checkpoint calls: true, false, "unset", "none"',
    "model_quantization": "model folder: what its quantization_config says, in the words of quantization",
    "model_type": "model folder: model_type of its config",
    "has_tokenizer": "model folder: whether there is a tokenizer_config.json",
    "has_chat_template": "model folder: whether the tokenizer has a chat template",
    "is_adapter": "model folder: whether it is an adapter (adapter_config.json)",
    "has_weights": "model folder: whether there are weights",
}
"""Every fact by name. Values are str, int, float, bool, None or tuples of them."""
