"""The libraries that this tool knows, as tracebacks name them: what tells their errors from a user's own."""

from __future__ import annotations

import re

STACK = frozenset(
    (
        *("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "tokenizers"),
        *("huggingface_hub", "safetensors", "triton", "flash_attn", "deepspeed", "xformers", "torchvision"),
        *("torchaudio", "torchao", "unsloth", "unsloth_zoo", "liger_kernel", "evaluate", "sentencepiece", "tyro"),
    )
)
"""Top-level modules of a fine-tuning stack."""
BUILT_IN = frozenset(
    ("NoneType", "str", "dict", "list", "tuple", "set", "int", "float", "bool", "bytes", "function", "method", "module")
)
OVERRIDDEN = frozenset(
    (
        *("compute_loss", "training_step", "prediction_step", "evaluate", "evaluation_loop", "log", "save_model"),
        *(
            "create_optimizer",
            "create_scheduler",
            "get_train_dataloader",
            "_save_checkpoint",
            "_save",
            "_inner_training_loop",
        ),
        *(
            "_set_gradient_checkpointing",
            "gradient_checkpointing_enable",
            "prepare_inputs_for_generation",
            "tie_weights",
        ),
        *("_maybe_log_save_evaluate", "_get_train_sampler", "on_step_end", "on_log", "on_save", "forward"),
    )
)
"""Methods that the libraries call on classes that a user, or a model's remote code, derives from theirs."""

_CLASS = re.compile(
    r"(?:\w{0,60}TrainingArguments|(?:SFT|DPO|ORPO|KTO|GRPO|PPO|CPO|RLOO|Reward|IterativeSFT|Online\w{0,10}|BCO|XPO|GKD)(?:v2)?"
    r"(?:Config|Trainer)|\w{1,20}(?:SFT|DPO|ORPO|KTO|GRPO)Trainer|(?:SFT|DPO|ORPO|KTO|GRPO)\w{1,20}Trainer|Trainer|Seq2SeqTrainer|(?:Lora|AdaLora|IA3|PromptTuning|PrefixTuning|LoHa|LoKr|VeRA|Peft)Config"
    r"|(?:Lora|AdaLora|IA3|LoHa|LoKr|Vera|Mixed|MultitaskPrompt)Model|Peft\w{0,60}|BitsAndBytesConfig|GPTQConfig|Accelerator|\w{0,20}DistributedDataParallelPlugin"
    r"|(?:FullyShardedDataParallel|DeepSpeed|GradientAccumulation)Plugin|Auto(?:Model|Tokenizer|Config|Processor)\w{0,60}"
    r"|DataCollator\w{0,60}|PreTrained\w{0,40}|\w{1,40}For(?:CausalLM|ConditionalGeneration|SequenceClassification"
    r"|TokenClassification|QuestionAnswering|MaskedLM)|\w{1,40}(?:Tokenizer|TokenizerFast)|GenerationConfig|DynamicCache|CallbackHandler"
    r"|HybridCache|StaticCache|EncoderDecoderCache|Linear4bit|Linear8bitLt|Params4bit|Int8Params|Dataset|DatasetDict"
    r"|FastLanguageModel|FastModel|HfArgumentParser|TrlParser|Adam8bit|PagedAdam\w{0,20}"
    r"|(?:Llama|Mi[sx]tral|Qwen\d|Gemma|Phi|Falcon|Olmo|Granite|Cohere|GPTNeoX|Bloom|Deepseek|GptOss|Glm)\w{0,20}"
    r"(?:Attention|FlashAttention2|DecoderLayer|RotaryEmbedding|RMSNorm|MLP|Experts|Model))"
)
_FUNCTIONS = frozenset(
    (
        *("prepare_model_for_kbit_training", "prepare_model_for_int8_training", "get_peft_model", "load_dataset"),
        *("gradient_checkpointing_enable", "apply_chat_template", "unwrap_model", "setup_chat_format"),
        *("get_peft_model_state_dict", "set_peft_model_state_dict", "hf_hub_download", "snapshot_download"),
        *("load_checkpoint_and_dispatch", "dispatch_model", "infer_auto_device_map", "from_pretrained"),
        *("scaled_dot_product_attention", "get_linear_schedule_with_warmup"),
    )
)
_SITE = re.compile(r"(?:^|/)(?:site|dist)-packages/(?:[^/]{1,120}\.egg/)?([A-Za-z_]\w{0,100})(?:/|\.py)")


_NAMED = re.compile(
    r"\b(?:transformers|trl|peft|bitsandbytes|deepspeed|unsloth\w{0,10}|flash[_-]attn|llama[_-]?factory|axolotl|qlora"
    r"|(?:SFT|DPO|GRPO|ORPO|KTO|PPO|RLOO|CPO)(?:v2)?(?:Trainer|Config)|LoraConfig|Auto(?:Model|Tokenizer)\w{0,30}|from_pretrained"
    r"|modell?ing_(?:llama|mistral|qwen\d?|gemma\d?|phi\d?))\b",
    re.IGNORECASE,
)


def names_stack(line: str) -> bool:
    """Whether a line speaks of the libraries, or of what only they have, by name."""
    return _NAMED.search(line) is not None


def package_of(path: str) -> str:
    """The top-level module of an installed file.

    Args:
        path: As a frame gives it.

    Returns:
        Its name; "" for a file that lies in no site-packages or dist-packages.
    """
    found = _SITE.search(path.replace("\\", "/"))
    return found[1] if found else ""


def is_known_class(name: str) -> bool:
    """Whether a class is one of the libraries', or named as only theirs are."""
    return _CLASS.fullmatch(name.rpartition(".")[2]) is not None


def is_known_callable(symbol: str) -> bool:
    """Whether a callable ("SFTConfig.__init__", "get_peft_model") is one of the libraries'."""
    owner, _, name = symbol.rpartition(".")
    return (name in _FUNCTIONS and not owner) or is_known_class(owner if owner else name)
