"""One run as it was asked for: the quantisation, the settings, and what both mean to the libraries."""

from . import sharding
from .errors import NotPossibleError
from .stack import parameters
from .tokenizer import SENTENCES, TEMPLATE

STEPS = 30
"""Enough for the adapter to memorise four short sentences at LEARNING_RATE, few enough for a second or two."""
LEARNING_RATE = 1e-2
FOUR_BIT = ("nf4", "fp4")
TO_LORA = ("use_dora", "use_rslora", "modules_to_save")
"""Settings that LoraConfig takes by the same name."""
TO_CONFIG = (
    *("optim", "packing", "completion_only_loss", "assistant_only_loss"),
    *("gradient_checkpointing", "bf16", "fp16"),
)
"""Settings that SFTConfig takes by the same name."""


class Plan:
    """What one run is to do.

    Args:
        name: Of the run, which every event carries.
        quantization: nf4, fp4, int8 or none.
        settings: Name → value, as the libraries name them; only what was asked for.
    """

    def __init__(self, name, quantization, settings=None):
        self.name, self.quantization, self.settings = name, quantization, dict(settings or {})

    @property
    def sharding(self):
        """How the processes share the model out, as was asked for here or to the launcher; None where they do not."""
        return self.settings.get("sharding") or sharding.launched()

    def dtype(self, stack):
        """What the model is loaded and computes in: as asked for, else what this device is good at."""
        torch = stack.torch
        for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
            if self.settings.get(name):
                return dtype
        return torch.float32 if {"bf16", "fp16"} & set(self.settings) else stack.dtype

    # -- what each library is given ------------------------------------------------------------------------------

    def quantization_config(self, stack):
        """The BitsAndBytesConfig."""
        config = stack.transformers.BitsAndBytesConfig
        if self.quantization == "int8":
            return config(load_in_8bit=True)
        options = {
            "bnb_4bit_quant_type": self.quantization,
            "bnb_4bit_use_double_quant": self.settings.get("bnb_4bit_use_double_quant", True),
            "bnb_4bit_compute_dtype": self.dtype(stack),
        }
        storage = self.settings.get("bnb_4bit_quant_storage")
        if storage is not None:
            self._require(config.__init__, "bnb_4bit_quant_storage", stack.transformers, "BitsAndBytesConfig")
            options["bnb_4bit_quant_storage"] = storage
        return config(load_in_4bit=True, **options)

    def load_options(self, stack):
        """What from_pretrained gets beside the dtype and the quantisation."""
        wanted = self.settings.get("attn_implementation")
        return {} if wanted is None else {"attn_implementation": wanted}

    def lora_config(self, stack, targets):
        """The LoraConfig.

        Args:
            stack: The libraries.
            targets: What gets an adapter where nothing else was asked for.
        """
        kind = stack.peft.LoraConfig
        options = {name: self.settings[name] for name in TO_LORA if name in self.settings}
        for name in options:
            self._require(kind.__init__, name, stack.peft, "LoraConfig")
        wanted = self.settings.get("target_modules", targets)
        options["target_modules"] = wanted if isinstance(wanted, str) else list(wanted)
        return kind(r=8, lora_alpha=16, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", **options)

    def arguments(self, stack, folder):
        """Training arguments under every name that some version knows; the caller keeps what this one takes.

        Args:
            stack: The libraries.
            folder: Where the trainer writes.
        """
        half = self.dtype(stack)
        wanted = {
            "output_dir": str(folder),
            "max_steps": STEPS,
            "per_device_train_batch_size": len(SENTENCES),
            "learning_rate": LEARNING_RATE,
            "lr_scheduler_type": "constant",
            "gradient_checkpointing": True,
            "logging_steps": 1,
            "logging_nan_inf_filter": False,  # the default replaces a NaN loss by the last good one
            "report_to": "none",
            "save_strategy": "no",
            "disable_tqdm": True,
            "bf16": half == stack.torch.bfloat16,
            "fp16": half == stack.torch.float16,
            "use_cpu": not stack.cuda,
            "no_cuda": not stack.cuda,
            "dataloader_pin_memory": stack.cuda,
            "seed": 0,
        }
        wanted.update({name: self.settings[name] for name in TO_CONFIG if name in self.settings})
        if "sharding" in self.settings:
            wanted.update(sharding.arguments(self.sharding))
        if "use_reentrant" in self.settings:
            wanted["gradient_checkpointing_kwargs"] = {"use_reentrant": self.settings["use_reentrant"]}
        return wanted

    def require(self, stack, config, trainer):
        """Makes sure that what was asked for has somewhere to go.

        Args:
            stack: The libraries.
            config: What the class of the training arguments accepts.
            trainer: What the trainer accepts.

        Raises:
            NotPossibleError: This trl has no such argument.
        """
        names = [name for name in TO_CONFIG if name in self.settings]
        names += ["gradient_checkpointing_kwargs"] if "use_reentrant" in self.settings else []
        names += list(sharding.arguments(self.sharding)) if "sharding" in self.settings else []
        for name in names:
            if name not in config and name not in trainer:
                raise NotPossibleError(f"trl {stack.trl.__version__} has no {name}")

    @staticmethod
    def _require(callable_, name, library, where):
        if name not in parameters(callable_):
            raise NotPossibleError(f"{library.__name__} {library.__version__} has no {name} in {where}")

    # -- the data ------------------------------------------------------------------------------------------------

    def rows(self, tokenizer):
        """The data set as columns, in the form that the asked-for loss needs.

        Args:
            tokenizer: Gets a chat template where it has none and the rows are chats.
        """
        if self.settings.get("assistant_only_loss"):
            if not tokenizer.chat_template:
                tokenizer.chat_template = TEMPLATE
            return {"messages": [_chat(*_halves(sentence)) for sentence in SENTENCES]}
        if "completion_only_loss" in self.settings:
            halves = [_halves(sentence) for sentence in SENTENCES]
            return {"prompt": [first for first, _ in halves], "completion": [" " + second for _, second in halves]}
        return {"text": list(SENTENCES)}

    def masks(self):
        """Whether some tokens are to be left out of the loss."""
        return bool(self.settings.get("assistant_only_loss") or self.settings.get("completion_only_loss"))


def _halves(sentence):
    words = sentence.split()
    return " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])


def _chat(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
