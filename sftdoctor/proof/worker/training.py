"""One training run: load, train, save, reload, and every check on the way."""

import math
import re
import statistics
import sys
import time

from .checks import MEANING, Checks
from .errors import CheckError, NotPossibleError
from .events import number, some
from .figures import peak_memory
from .loading import LINEAR, Loading
from .quantization import refusal
from .stack import parameters, place
from .tokenizer import SENTENCES

STEPS = 30
"""Enough for the adapter to memorise four short sentences at LEARNING_RATE, few enough for a second or two."""
LEARNING_RATE = 1e-2
LOSS_MUST_FALL_TO = 0.5
"""Share of the first loss that the last one may have at most. Measured: 0.002 to 0.05."""


class Run(Loading, Checks):
    """One training run with one quantisation."""

    def __init__(self, stack, emit, quantization, model_folder, work_folder, marked=False):
        self.stack, self.emit, self.quantization, self.marked = stack, emit, quantization, marked
        self.model_folder, self.work_folder = model_folder, work_folder
        self.torch = stack.torch
        self.gradients, self.grad_finite = {}, {}
        self.calls = {"model": 0, "block": 0}
        self.step_seconds = []
        self.failed = {}

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
