"""The libraries of the target, imported and asked for their signatures, and the device that they will run on."""

import importlib
import inspect
import os
import re

from .errors import NotPossibleError
from .ranks import require_gpus, world_size

IMPORTS = (
    ("trl", ("SFTTrainer",)),
    ("peft", ("LoraConfig", "PeftModel", "get_peft_model", "prepare_model_for_kbit_training")),
    (
        "transformers",
        (
            *("AutoModelForCausalLM", "AutoTokenizer", "BitsAndBytesConfig", "LlamaConfig", "LlamaForCausalLM"),
            *("PreTrainedTokenizerFast", "Trainer", "TrainerCallback", "TrainingArguments"),
        ),
    ),
    ("accelerate", ()),
    ("datasets", ("Dataset",)),
    ("torch", ()),
)

REPORTED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
"""Libraries whose versions a proof tells."""
NO_GPU = re.compile(
    r"\bGPU\b|CUDA|\bcuda|available_devices|device_count|cquantize|cdequantize|get_device_properties|NVIDIA"
    r"|libbitsandbytes_cpu|\.cuda\(|CPU or disk offload|on a different device than the one",
)


def parameters(callable_):
    """Names of the parameters that a callable takes; empty where it does not say."""
    try:
        return set(inspect.signature(callable_).parameters)
    except (TypeError, ValueError):
        return set()


def version(module):
    """The first two numbers of a module's version, (0, 0) where it has none."""
    numbers = re.findall(r"\d+", str(getattr(module, "__version__", "")))
    return (int(numbers[0]), int(numbers[1])) if len(numbers) > 1 else (0, 0)


class Stack:
    """The libraries of the target, imported, and the device that they will run on."""

    def __init__(self, device=None):
        self.device_wanted = device
        self.bitsandbytes_error = None

    def load(self, emit):
        """Imports everything that a run imports; raises the first failure, but only after all were tried."""
        first = None
        for name, attributes in IMPORTS:
            emit("progress", text="import " + name)
            try:
                module = importlib.import_module(name)
                for attribute in attributes:
                    getattr(module, attribute)
                setattr(self, name, module)
            except (Exception, SystemExit) as error:
                first = first or error
        self._load_bitsandbytes()
        if first is not None:
            raise first
        self._choose_device()
        if self.bitsandbytes_error is not None and not self.lacks_bitsandbytes():
            raise self.bitsandbytes_error
        self._report(emit)

    def _load_bitsandbytes(self):
        try:
            self.bitsandbytes = importlib.import_module("bitsandbytes")
            self.Linear4bit = self.bitsandbytes.nn.Linear4bit
            self.Linear8bitLt = self.bitsandbytes.nn.Linear8bitLt
        except (Exception, SystemExit) as error:
            self.bitsandbytes_error = error

    def lacks_bitsandbytes(self):
        """Why this machine cannot quantise at all, without anything being broken; empty where it may."""
        error = self.bitsandbytes_error
        if isinstance(error, ModuleNotFoundError) and error.name == "bitsandbytes":
            return "bitsandbytes is not installed"
        if error is not None and not self.cuda and NO_GPU.search(str(error)):
            return f"bitsandbytes cannot be imported without a GPU: {error}"
        return ""

    def _choose_device(self):
        cuda = self.torch.cuda
        self.cuda = self.device_wanted != "cpu" and cuda.is_available()
        if self.device_wanted == "cuda" and not self.cuda:
            raise NotPossibleError("torch sees no CUDA device")
        self.index = int(os.environ.get("LOCAL_RANK", "0")) if self.cuda else "cpu"
        if self.cuda:
            require_gpus(cuda.device_count())
        if not self.cuda and world_size() > 1:
            os.environ["ACCELERATE_USE_CPU"] = "true"  # else each process would train alone, whoever launched it
        self.device = f"cuda:{self.index}" if self.cuda else "cpu"
        if self.cuda:
            cuda.set_device(self.index)
        self.dtype = self.torch.float32
        if self.cuda:
            native = cuda.get_device_capability(self.index) >= (8, 0) or bool(getattr(self.torch.version, "hip", None))
            self.dtype = self.torch.bfloat16 if native and cuda.is_bf16_supported() else self.torch.float16
        self.dtype_name = str(self.dtype).replace("torch.", "")

    def _report(self, emit):
        emit(
            "stack",
            device=self.device,
            device_name=self.torch.cuda.get_device_name(self.index) if self.cuda else None,
            devices=self.torch.cuda.device_count() if self.cuda else 0,
            processes=world_size(),
            compute_dtype=self.dtype_name,
            versions={name: str(getattr(getattr(self, name, None), "__version__", None)) for name in REPORTED},
        )


def place(names, value, *choices):
    """Puts a value under the first name that the first willing callable takes."""
    for accepted, arguments in choices:
        for name in names:
            if name in accepted:
                arguments[name] = value
                return
