"""The proof itself: a real, tiny LoRA SFT run, checked. Runs in the target's interpreter as one file.

It imports nothing of sftdoctor, keeps to Python 3.8 and asks the installed libraries for their signatures, so that a
failure is theirs and not a spelling of this file. Started by proof.runner with one JSON argument:

    {"events": FD, "lifeline": FD, "folder": DIR, "device": "cpu"|"cuda"|null, "quantizations": ["nf4", …]|null}

Every event is one JSON line on the file descriptor `events`; whatever the libraries print goes elsewhere. When the
descriptor `lifeline` closes the parent has died, and this process ends.
"""

import contextlib
import faulthandler
import gc
import importlib
import inspect
import json
import math
import os
import re
import signal
import statistics
import sys
import threading
import time
import traceback
from pathlib import Path

STEPS = 30
"""Enough for the adapter to memorise four short sentences at LEARNING_RATE, few enough for a second or two."""
LEARNING_RATE = 1e-2
LOSS_MUST_FALL_TO = 0.5
"""Share of the first loss that the last one may have at most. Measured: 0.002 to 0.05."""
TOLERANCE = {"cpu": 0.05, "cuda": 0.1}
"""Largest difference of logits after the adapter was reloaded, relative to the largest logit. The weights must be the
same to the bit; the logits differ a little, since some trl train the adapter in bfloat16, peft reloads it in float32,
and int8 rounds what it is given. Measured: 0.005 to 0.02 on a CPU, where the adapter itself changes them by 1."""
QUANTIZATION_ERROR = 0.5
"""Largest error of a quantised layer, relative to its largest output. Measured: 0.01 in int8, 0.19 in nf4."""
SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "a small test shows what a large run would do",
    "four sentences are enough for an adapter to learn",
    "nothing is downloaded and nothing leaves this folder",
)
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
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
MEANING = {
    "quantized_layers_compute": "quantised layers do not compute what their weights say",
    "base_is_quantized": "not every linear layer was loaded in the wanted number of bits",
    "only_lora_trains": "what trains is not exactly the LoRA parameters",
    "loss_finite": "the loss is not finite",
    "lora_gradients": "LoRA parameters got no gradient",
    "lora_moved": "LoRA parameters did not move",
    "base_untouched": "weights of the frozen base changed",
    "base_still_quantized": "after the training not every linear layer is in the wanted number of bits",
    "gradient_checkpointing_on": "gradient checkpointing was asked for and does not recompute anything",
    "optimizer_holds_lora_alone": "the optimizer does not hold exactly the LoRA parameters",
    "loss_falls": "the loss does not fall on a batch that the adapter could memorise",
    "adapter_saved": "the adapter's files are not there",
    "adapter_reloads": "the reloaded adapter does not give the logits of the trained one",
}
"""Every check, and what it means that it did not hold."""
NO_GPU = re.compile(
    r"\bGPU\b|CUDA|\bcuda|available_devices|device_count|cquantize|cdequantize|get_device_properties|NVIDIA"
    r"|libbitsandbytes_cpu|\.cuda\(|CPU or disk offload|on a different device than the one",
)

WANTS_GPU = re.compile(
    r"No GPU found|GPU is (?:needed|required)|CUDA is required|[Rr]equires? (?:a |an NVIDIA )?(?:GPU|CUDA)"
    r"|not compiled with CUDA|Found no NVIDIA driver|CPU or disk offload|on a different device than the one",
)


class NotPossibleError(Exception):
    """This device cannot do what was asked, whatever the state of the stack."""


class CheckError(Exception):
    """The libraries raised nothing, but a check of ours did not hold."""


class Events:
    """Writes events, one JSON line each, to a descriptor that nobody else knows."""

    def __init__(self, descriptor):
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self.quantization = None

    def __call__(self, event, **values):
        values.update(event=event, quantization=self.quantization)
        line = (json.dumps(values, default=str) + "\n").encode("utf-8", "replace")
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def failure(self, stage, error):
        """Reports an exception with its whole traceback and the chain of its causes."""
        self(
            "failure",
            stage=stage,
            exception=type(error).__name__,
            message=str(error)[:4000],
            traceback="".join(traceback.format_exception(type(error), error, error.__traceback__))[-60000:],
            causes=[{"exception": type(cause).__name__, "message": str(cause)[:2000]} for cause in chain(error)[1:]],
        )


def chain(error):
    """An exception and what caused it, outermost first."""
    found = []
    while error is not None and error not in found and len(found) < 10:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def short(error):
    """One line that names an exception."""
    text = " ".join(str(error).split())[:600]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
        self.device = "cuda:0" if self.cuda else "cpu"
        self.dtype = self.torch.float32
        if self.cuda:
            native = cuda.get_device_capability(0) >= (8, 0) or bool(getattr(self.torch.version, "hip", None))
            self.dtype = self.torch.bfloat16 if native and cuda.is_bf16_supported() else self.torch.float16
        self.dtype_name = str(self.dtype).replace("torch.", "")

    def _report(self, emit):
        names = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
        emit(
            "stack",
            device=self.device,
            device_name=self.torch.cuda.get_device_name(0) if self.cuda else None,
            devices=self.torch.cuda.device_count() if self.cuda else 0,
            compute_dtype=self.dtype_name,
            versions={name: str(getattr(getattr(self, name, None), "__version__", None)) for name in names},
        )


def require_backend(stack, quantization):
    """Tries one layer of that quantisation alone, forward and backward.

    Raises:
        NotPossibleError: bitsandbytes is not there, or has no backend for this machine's processor.
    """
    if stack.lacks_bitsandbytes():
        raise NotPossibleError(stack.lacks_bitsandbytes())
    try:
        try_layer(stack, quantization)
    except Exception as error:
        if stack.cuda:
            raise  # a GPU is there and a lone layer fails on it: the stack is broken
        raise NotPossibleError(
            f"bitsandbytes {getattr(stack.bitsandbytes, '__version__', '')} has no {quantization} backend for this CPU "
            f"({short(error)}), and torch sees no GPU"
        ) from error


def try_layer(stack, quantization):
    """Quantises one linear layer on the device, runs it forward and backward."""
    torch = stack.torch
    if quantization == "int8":
        layer = stack.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False)
        stored = torch.int8
    else:
        layer = stack.Linear4bit(64, 64, bias=False, compute_dtype=stack.dtype, quant_type=quantization)
        stored = torch.uint8
    layer = layer.to(stack.device)
    inputs = torch.ones(2, 64, dtype=stack.dtype, device=stack.device, requires_grad=True)
    layer(inputs).sum().backward()
    if layer.weight.dtype != stored:
        raise RuntimeError(f"the layer's weight stays {layer.weight.dtype}, it is not quantised")
    if inputs.grad is None or not bool(torch.isfinite(inputs.grad).all()):
        raise RuntimeError("no finite gradient comes back through the layer")


def make_model(stack, folder):
    """Saves a tiny Llama and a tokenizer to a folder; nothing is downloaded."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted(set(" ".join(SENTENCES).split()))
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = stack.transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=128,
    )
    stack.torch.manual_seed(0)
    config = stack.transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.15,  # with the usual 0.02 a frozen lm_head this narrow can tell no word from another
    )
    stack.transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Run:
    """One training run with one quantisation: load, train, save, reload, and every check on the way."""

    def __init__(self, stack, emit, quantization, model_folder, work_folder, marked=False):
        self.stack, self.emit, self.quantization, self.marked = stack, emit, quantization, marked
        self.model_folder, self.work_folder = model_folder, work_folder
        self.torch = stack.torch
        self.gradients, self.grad_finite = {}, {}
        self.calls = {"model": 0, "block": 0}
        self.step_seconds = []
        self.failed = {}

    def check(self, name, passed, value=None):
        """Reports a check; the run goes on, so that all that is wrong is shown."""
        if not passed:
            self.failed.setdefault(self.stage, []).append(name)
        self.emit("check", name=name, passed=bool(passed), value=value)

    def run(self):
        """Does every stage in turn, and reports the first that fails.

        A stage that raises is the last one. A check that does not hold lets the run go on to the end of the training:
        what the libraries then say of it tells the user more.

        Returns:
            Whether it was possible at all on this device.
        """
        for stage in (self.load, self.config, self.trainer_, self.train, self.save, self.reload):
            name = self.stage = stage.__name__.rstrip("_")
            self.emit("stage", stage=name)
            try:
                stage()
            except NotPossibleError as error:
                self.emit("not_possible", stage=name, reason=str(error))
                return False
            except (Exception, SystemExit) as error:
                reason = refusal(self.stack, self.quantization, name, error)
                if reason:
                    self.emit("not_possible", stage=name, reason=reason)
                    return False
                self.emit.failure(name, error)
                return True
            if self.failed and name not in ("load", "config", "trainer"):
                first = next(iter(self.failed))
                names = [check for checks in self.failed.values() for check in checks]
                self.emit.failure(first, CheckError("; ".join(MEANING[check] for check in names)))
                return True
        self.emit("passed")
        return True

    # -- load ----------------------------------------------------------------------------------------------------

    def load(self):
        if self.quantization != "none":
            require_backend(self.stack, self.quantization)
            self.check_computing()
        reset_peak(self.stack)
        self.model = self.load_base()
        self.tokenizer = self.stack.transformers.AutoTokenizer.from_pretrained(self.model_folder)
        linear = [name for name, module in self.model.named_modules() if name.rsplit(".", 1)[-1] in LINEAR]
        self.linear_count = len(linear)
        self.check_storage("base_is_quantized", self.model)
        self.loaded = {} if self.quantization == "none" else self.stored_weights(self.model)

    def check_computing(self):
        """Compares every quantised layer of a freshly loaded base with the weights that it was made of.

        transformers 4.53 with bitsandbytes 0.46 loads int8 layers onto a CPU without their scales: nothing is raised,
        and the gradients are noise.
        """
        torch = self.torch
        whole = self.stack.transformers.AutoModelForCausalLM.from_pretrained(self.model_folder)
        weights = {name: p.detach().float().cpu() for name, p in whole.named_parameters()}
        worst = 0.0
        # on a copy: bitsandbytes may repack the weights of a layer that runs without gradients
        for name, layer in self.quantized_layers(self.load_base()).items():
            weight = weights[name + ".weight"]
            inputs = torch.linspace(-1, 1, 4 * weight.shape[1]).reshape(4, -1)
            with torch.no_grad():
                given = layer(inputs.to(self.stack.device, self.stack.dtype)).float().cpu()
            wanted = inputs @ weight.t()
            error = float((given - wanted).abs().max() / wanted.abs().max())
            worst = max(worst, error if math.isfinite(error) else math.inf)
        if worst > QUANTIZATION_ERROR and not self.stack.cuda:
            raise NotPossibleError(
                f"{self.quantization} layers compute wrongly on this CPU, by a factor of {worst:.2g}, with "
                f"transformers {self.stack.transformers.__version__} and "
                f"bitsandbytes {self.stack.bitsandbytes.__version__}; "
                "on a GPU they are loaded another way"
            )
        self.check("quantized_layers_compute", worst <= QUANTIZATION_ERROR, f"off by {worst:.2g} at most")

    def load_base(self):
        """The base model, quantised, on the device."""
        transformers = self.stack.transformers
        options = {"dtype" if version(transformers) >= (4, 56) else "torch_dtype": self.stack.dtype}
        if self.quantization != "none":
            options["quantization_config"] = self.quantization_config()
            options["device_map"] = {"": 0 if self.stack.cuda else "cpu"}
        model = transformers.AutoModelForCausalLM.from_pretrained(self.model_folder, **options)
        return model.to(self.stack.device) if self.quantization == "none" else model

    def quantization_config(self):
        config = self.stack.transformers.BitsAndBytesConfig
        if self.quantization == "int8":
            return config(load_in_8bit=True)
        return config(
            load_in_4bit=True,
            bnb_4bit_quant_type=self.quantization,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=self.stack.dtype,
        )

    def quantized_layers(self, model):
        if self.quantization == "none":
            return {}
        kind = self.stack.Linear8bitLt if self.quantization == "int8" else self.stack.Linear4bit
        return {plain_name(name): module for name, module in model.named_modules() if isinstance(module, kind)}

    def stored_weights(self, model):
        """Copies of the weights as they lie in memory, quantised layers only."""
        layers = self.quantized_layers(model)
        return {name: layer.weight.detach().cpu().clone() for name, layer in layers.items()}

    def check_storage(self, name, model):
        """Every linear layer of the blocks is stored in the wanted number of bits, none was left as it was."""
        if self.quantization == "none":
            return
        layers = self.quantized_layers(model)
        wrong = [key for key, layer in layers.items() if not self.is_stored_right(layer)]
        right = len(layers) - len(wrong)
        self.check(name, right == self.linear_count > 0, f"{right} of {self.linear_count} linear layers")

    def is_stored_right(self, layer):
        if self.quantization == "int8":
            return layer.weight.dtype == self.torch.int8
        state = getattr(layer.weight, "quant_state", None) or getattr(layer, "quant_state", None)
        if layer.weight.dtype != self.torch.uint8 or state is None:
            return False
        if isinstance(state, (list, tuple)):  # bitsandbytes < 0.42: absmax, shape, dtype, blocksize, nested, type, …
            return self.quantization in state and state[4] is not None
        return state.quant_type == self.quantization and bool(getattr(state, "nested", True))

    # -- config --------------------------------------------------------------------------------------------------

    def config(self):
        trl, transformers = self.stack.trl, self.stack.transformers
        config = getattr(trl, "SFTConfig", None) or transformers.TrainingArguments
        accepted = parameters(config.__init__)
        wanted = self.arguments()
        self.trainer_arguments = {}
        trainer_accepts = parameters(trl.SFTTrainer.__init__)
        for names, value in (
            (("max_length", "max_seq_length"), 32),
            (("dataset_text_field",), "text"),
            (("packing",), False),
        ):
            place(names, value, (accepted, wanted), (trainer_accepts, self.trainer_arguments))
        self.args = config(**{name: value for name, value in wanted.items() if name in accepted})
        self.lora = self.stack.peft.LoraConfig(
            r=8, lora_alpha=16, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", target_modules=list(LINEAR)
        )
        key = "processing_class" if "processing_class" in trainer_accepts else "tokenizer"
        self.trainer_arguments.update({key: self.tokenizer, "args": self.args, "peft_config": self.lora})
        self.trainer_arguments["train_dataset"] = self.stack.datasets.Dataset.from_dict({"text": list(SENTENCES)})

    def arguments(self):
        """Training arguments under every name that some version knows; the caller keeps what this one takes."""
        half = self.stack.dtype_name
        return {
            "output_dir": str(self.work_folder / "out"),
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
            "bf16": half == "bfloat16",
            "fp16": half == "float16",
            "use_cpu": not self.stack.cuda,
            "no_cuda": not self.stack.cuda,
            "dataloader_pin_memory": self.stack.cuda,
            "seed": 0,
        }

    # -- trainer -------------------------------------------------------------------------------------------------

    def trainer_(self):
        called = set()
        if self.marked:
            self.model.is_loaded_in_4bit = True
        sys.setprofile(lambda frame, event, _: called.add(frame.f_code.co_name) if event == "call" else None)
        try:
            self.trainer = self.stack.trl.SFTTrainer(model=self.model, **self.trainer_arguments)
        finally:
            sys.setprofile(None)
        if self.marked:
            # prepared by now; transformers would from here on count bitsandbytes' storage, which is not there
            for module in self.trainer.model.modules():
                module.__dict__.pop("is_loaded_in_4bit", None)
            self.emit("figure", name="marked_as_4bit", value=True)
        self.emit("figure", name="kbit_preparation", value="prepare_model_for_kbit_training" in called)
        self.trainer.add_callback(self.observer())
        self.lora_before = {name: p.detach().clone() for name, p in self.lora_parameters().items()}
        trainable = {name for name, p in self.trainer.model.named_parameters() if p.requires_grad}
        expected = set(self.lora_parameters())
        odd = sorted(trainable ^ expected)
        self.check("only_lora_trains", expected and not odd, some(odd) or f"{len(expected)} parameters")

    def lora_parameters(self, model=None):
        return {name: p for name, p in (model or self.trainer.model).named_parameters() if "lora_" in name}

    def frozen_parameters(self):
        return {name: p for name, p in self.trainer.model.named_parameters() if "lora_" not in name}

    def observer(self):
        """A callback that watches the steps from inside."""
        run = self

        class Observer(self.stack.transformers.TrainerCallback):
            def on_train_begin(self, args, state, control, **kwargs):
                run.watch(kwargs.get("optimizer"))

            def on_step_begin(self, args, state, control, **kwargs):
                run.step_started = time.perf_counter()

            def on_step_end(self, args, state, control, **kwargs):
                if run.stack.cuda:
                    run.torch.cuda.synchronize()
                run.step_seconds.append(time.perf_counter() - run.step_started)

            def on_log(self, args, state, control, logs=None, **kwargs):
                if logs and "loss" in logs and state.global_step % 10 in (0, 1):
                    run.emit("step", step=state.global_step, steps=STEPS, loss=number(logs["loss"]))

        return Observer()

    def watch(self, optimizer):
        """Looks at the optimizer and hooks the model, when training is about to begin."""
        held = {id(p) for group in optimizer.param_groups for p in group["params"]} if optimizer else set()
        lora = {id(p) for p in self.lora_parameters().values()}
        value = f"{len(lora & held)} of {len(lora)} parameters and {len(held - lora)} others"
        self.optimizer_holds = (lora == held and bool(lora), value)
        self.frozen_before = {name: p.detach().cpu().clone() for name, p in self.frozen_parameters().items()}
        for name, parameter in self.lora_parameters().items():
            if parameter.requires_grad:
                parameter.register_hook(lambda gradient, name=name: self.saw_gradient(name, gradient))
        for name, module in self.trainer.model.named_modules():
            if re.search(r"\.layers\.0\.self_attn\.q_proj$", name):
                module.register_forward_pre_hook(lambda *_: self.saw_call("block"))
        embeddings = self.trainer.model.get_input_embeddings()
        embeddings.register_forward_pre_hook(lambda *_: self.saw_call("model"))

    def saw_gradient(self, name, gradient):
        finite = bool(self.torch.isfinite(gradient).all())
        self.grad_finite[name] = finite
        if finite:
            self.gradients[name] = max(self.gradients.get(name, 0.0), float(gradient.detach().abs().max()))

    def saw_call(self, what):
        if self.trainer.model.training:
            self.calls[what] += 1

    # -- train ---------------------------------------------------------------------------------------------------

    def train(self):
        self.trainer.train()
        losses = [entry["loss"] for entry in self.trainer.state.log_history if "loss" in entry]
        losses = losses or [math.nan]
        self.check("loss_finite", all(map(math.isfinite, losses)), number(losses[0]))
        self.check_adapter()
        self.check_base()
        model, block = self.calls["model"], self.calls["block"]
        # recomputed in the backward pass: each block is then called twice for every pass of the model
        ran = f"a block ran {block} times in {model} passes"
        self.check("gradient_checkpointing_on", model > 0 and block >= 2 * model, ran)
        self.check("optimizer_holds_lora_alone", *self.optimizer_holds)
        fell = len(losses) == STEPS and losses[-1] <= LOSS_MUST_FALL_TO * losses[0] != 0
        self.check("loss_falls", fell, [number(losses[0]), number(losses[-1])])
        self.emit("figure", name="seconds_per_step", value=statistics.median(self.step_seconds[1:]))
        self.emit("figure", name="peak_memory_bytes", value=peak_memory(self.stack))

    def check_adapter(self):
        lora = self.lora_parameters()
        without = [name for name in lora if not (self.gradients.get(name, 0.0) > 0.0 and self.grad_finite[name])]
        self.check("lora_gradients", lora and not without, some(without) or f"{len(lora)} parameters")
        still = [name for name, p in lora.items() if self.torch.equal(p.detach(), self.lora_before[name])]
        self.check("lora_moved", lora and not still, some(still) or f"{len(lora)} parameters")

    def check_base(self):
        equal = self.torch.equal
        frozen = self.frozen_parameters()
        changed = [name for name, p in frozen.items() if not equal(p.detach().cpu(), self.frozen_before[name])]
        now = self.stored_weights(self.trainer.model)
        changed += [name for name, old in self.loaded.items() if name not in now or not equal(now[name], old)]
        self.check("base_untouched", frozen and not changed, some(changed) or f"{len(frozen)} tensors")
        self.check_storage("base_still_quantized", self.trainer.model)

    # -- save and reload -----------------------------------------------------------------------------------------

    def save(self):
        self.saved = str(self.work_folder / "adapter")
        self.trainer.save_model(self.saved)
        files = sorted(path.name for path in Path(self.saved).iterdir())
        weights = [name for name in files if name.startswith("adapter_model.")]
        self.check("adapter_saved", "adapter_config.json" in files and weights, ", ".join(weights))

    def reload(self):
        trained = self.logits(self.trainer.model)
        adapter = {name: p.detach().float().cpu() for name, p in self.lora_parameters(self.trainer.model).items()}
        del self.trainer, self.model, self.trainer_arguments
        gc.collect()
        base = self.load_base()
        bare = self.logits(base)
        reloaded = self.stack.peft.PeftModel.from_pretrained(base, self.saved)
        again = self.logits(reloaded)
        back = self.lora_parameters(reloaded)
        equal = self.torch.equal
        lost = [
            name for name, p in adapter.items() if name not in back or not equal(back[name].detach().float().cpu(), p)
        ]
        scale = float(trained.abs().max())
        difference = float((trained - again).abs().max()) / scale
        effect = float((trained - bare).abs().max()) / scale
        tolerance = TOLERANCE["cuda" if self.stack.cuda else "cpu"]
        value = f"logits differ by {difference:.2g}, allowed {tolerance:g}; the adapter changes them by {effect:.2g}"
        right = not lost and difference <= tolerance and effect > 4 * tolerance
        self.check("adapter_reloads", right, some(lost) or value)

    def logits(self, model):
        """Logits of the first sentence, float32 on the CPU, shape (1, tokens, vocabulary)."""
        model.eval()
        batch = self.tokenizer(SENTENCES[0], return_tensors="pt")
        half = self.torch.autocast("cuda", self.stack.dtype) if self.stack.cuda else contextlib.nullcontext()
        with self.torch.no_grad(), half:
            out = model(input_ids=batch["input_ids"].to(self.stack.device))
        return out.logits.detach().float().cpu()


def refusal(stack, quantization, stage, error):
    """Why a failure says no more than that a machine without a GPU cannot do this; empty where it says more."""
    if quantization == "none" or stack.cuda or stage not in ("load", "trainer", "train"):
        return ""
    text = " | ".join(str(cause) for cause in chain(error))
    frames = " ".join(frame.name for cause in chain(error) for frame in traceback.extract_tb(cause.__traceback__))
    # transformers 4.46 to 4.5x looks for a backend in functions that stumble over themselves where there is but a CPU
    looking = "validate_bnb" in frames or ("validate_environment" in frames and NO_GPU.search(text))
    if looking or WANTS_GPU.search(text):
        return "the stack wants a GPU for it: " + short(error)
    # transformers before 4.43 says "please install bitsandbytes" where there is no GPU
    available = getattr(getattr(stack.transformers, "utils", None), "is_bitsandbytes_available", None)
    source = inspect.getsource(getattr(available, "__wrapped__", available)) if available else ""
    if isinstance(error, ImportError) and "cuda.is_available" in source and not available():
        return f"transformers {stack.transformers.__version__} uses bitsandbytes only where torch sees a GPU"
    return ""


def place(names, value, *choices):
    """Puts a value under the first name that the first willing callable takes."""
    for accepted, arguments in choices:
        for name in names:
            if name in accepted:
                arguments[name] = value
                return


def plain_name(name):
    """Name of a module in the base model, without what peft puts around it."""
    return name.replace("base_model.model.", "", 1).replace(".base_layer", "")


def some(names):
    """A few of the names, for a message; empty for none."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def number(value):
    """A float that JSON can say; None for NaN and infinities."""
    value = float(value)
    return value if math.isfinite(value) else None


def reset_peak(stack):
    """Begins to measure the peak memory anew."""
    gc.collect()
    if stack.cuda:
        stack.torch.cuda.empty_cache()
        stack.torch.cuda.reset_peak_memory_stats()
    else:
        with contextlib.suppress(OSError):  # not there or forbidden: the peak is then that of the whole process
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(stack):
    """Peak memory since reset_peak, in bytes: of the allocator on a GPU, of the process on a CPU."""
    if stack.cuda:
        return int(stack.torch.cuda.max_memory_allocated())
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()).group(1)) * 1024
    except (OSError, AttributeError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def prove(stack, emit, quantizations, folder, fallback):
    """Runs every quantisation in turn; one that fails does not hide the next.

    Args:
        stack: The libraries.
        emit: Where the events go.
        quantizations: What to run.
        folder: Where to work.
        fallback: Whether to run unquantised, marked as 4-bit, where no quantisation is possible on this machine.
    """
    emit("stage", stage="load")
    model_folder = Path(folder) / "model"
    if not (model_folder / "config.json").exists():
        make_model(stack, str(model_folder))
    possible = [run_one(stack, emit, name, model_folder) for name in quantizations]
    if fallback and not any(possible):
        # What this machine can still tell: everything but the 4-bit layers themselves.
        run_one(stack, emit, "none", model_folder, marked=True)


def run_one(stack, emit, quantization, model_folder, marked=False):
    """Runs one quantisation in a folder of its own; says whether it was possible."""
    work_folder = model_folder.parent / quantization
    work_folder.mkdir(exist_ok=True)
    emit.quantization = quantization
    emit("started")
    try:
        return Run(stack, emit, quantization, str(model_folder), work_folder, marked).run()
    finally:
        emit.quantization = None
        gc.collect()


def die_with_parent(lifeline):
    """Ends this process when the other end of the lifeline closes."""
    os.set_inheritable(lifeline, False)

    def wait():
        while os.read(lifeline, 1):
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()


def main(request):
    """Imports the stack and proves it.

    Args:
        request: The JSON argument, parsed.
    """
    own = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != own]
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    emit = Events(request["events"])
    die_with_parent(request["lifeline"])
    stack = Stack(request.get("device"))
    emit("stage", stage="import")
    try:
        stack.load(emit)
    except NotPossibleError as error:
        return emit("not_possible", stage="import", reason=str(error))
    except (Exception, SystemExit) as error:
        return emit.failure("import", error)
    quantizations = request.get("quantizations") or (["nf4"] if stack.cuda else ["nf4", "int8"])
    emit("plan", quantizations=quantizations)
    try:
        prove(stack, emit, quantizations, request["folder"], fallback=not request.get("quantizations"))
    except (Exception, SystemExit) as error:
        return emit.failure("load", error)
    return emit("finished")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the libraries' exit handlers have nothing to add, and some hang
