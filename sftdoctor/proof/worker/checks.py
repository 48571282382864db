"""What is checked while and after the adapter trains, and what it means that it did not hold."""

import contextlib
import gc
from pathlib import Path

from . import sharding
from .events import some
from .subject import without_cache
from .tokenizer import SENTENCES

MEANING = {
    "quantized_layers_compute": "quantised layers do not compute what their weights say",
    "base_is_quantized": "not every linear layer was loaded in the wanted number of bits",
    "labels_there": "the rows have no labels, or not only those that were asked for",
    "only_lora_trains": "what trains is not exactly the LoRA parameters",
    "loss_finite": "the loss is not finite",
    "lora_gradients": "LoRA parameters got no gradient",
    "lora_moved": "LoRA parameters did not move",
    "base_untouched": "weights of the frozen base changed",
    "base_still_quantized": "after the training not every linear layer is in the wanted number of bits",
    "gradient_checkpointing_on": "gradient checkpointing was asked for and does not recompute anything",
    "settings_hold": "what was asked for is not what ran",
    "optimizer_holds_lora_alone": "the optimizer does not hold exactly the LoRA parameters",
    "loss_falls": "the loss does not fall on a batch that the adapter could memorise",
    "ranks_agree": "the processes did not train together, or came out with different weights",
    "sharded": "the processes do not hold a part each: all have the whole of some weights (of 4-bit ones, unless "
    "bnb_4bit_quant_storage is a floating type)",
    "adapter_saved": "the adapter's files are not there",
    "adapter_reloads": "the reloaded adapter does not give the logits of the trained one",
}
"""Every check, and what it means that it did not hold."""
LOSS_MUST_FALL_TO = {"own": 0.5, "other": 0.95}
"""Share of the first loss that the last one may have at most: of our own tiny model, and of any other one made small.
Measured: 0.002 to 0.05 for our own; 0.0 to 0.4 for most others, 0.9 where a scale of logits keeps them flat."""
TOLERANCE = {"whole": 0.05, "half": 0.1}
"""Largest difference of logits after the adapter was reloaded, relative to the largest logit. The weights must be the
same to the bit; the logits differ a little, since some trl train the adapter in bfloat16, peft reloads it in float32,
and int8 rounds what it is given. Measured: 0.005 to 0.02 on a CPU, where the adapter itself changes them by 1."""


class Checks:
    """The checks of a run; it brings trainer, torch, emit and what it noted."""

    failed = None
    """Stage → names of the checks that did not hold there."""

    def check(self, name, passed, value=None):
        """Reports a check; the run goes on, so that all that is wrong is shown."""
        if not passed:
            self.failed.setdefault(self.stage, []).append(name)
        self.emit("check", name=name, passed=bool(passed), value=value)

    def check_adapter(self):
        lora = self.lora_parameters()
        without = [name for name in lora if not (self.gradients.get(name, 0.0) > 0.0 and self.grad_finite[name])]
        self.check("lora_gradients", lora and not without, some(without) or f"{len(lora)} parameters")
        still = [
            name
            for name, p in lora.items()
            if self.torch.equal(sharding.whole(p).to(self.lora_before[name].device), self.lora_before[name])
        ]
        self.check("lora_moved", lora and not still, some(still) or f"{len(lora)} parameters")

    def check_labels(self):
        """Every row of a batch has labels; where some tokens are to be left out of the loss, some are."""
        batch = next(iter(self.trainer.get_train_dataloader()))
        labels = batch.get("labels")
        if labels is None:
            return
        there = labels != -100
        seen = batch["attention_mask"].bool() if "attention_mask" in batch else self.torch.ones_like(there)
        right = bool(there.any(dim=1).all()) and (not self.plan.masks() or bool((seen & ~there).any()))
        self.check("labels_there", right, f"{int(there.sum())} of {int(seen.sum())} tokens have one")

    def check_settings(self):
        """Whatever was asked for is in force; gradient checkpointing in any case, since it is always asked for."""
        wanted = self.plan.settings
        again = max(self.again.values(), default=0)
        checkpointing = wanted.get("gradient_checkpointing", True)
        ran = f"in {self.passes} passes a layer was computed {again} times more"
        if checkpointing:
            self.check("gradient_checkpointing_on", self.passes > 0 and again >= self.passes, ran)
        if wanted:
            wrong = [name for name in wanted if not self.holds(name, wanted[name])]
            self.check("settings_hold", not wrong, some(wrong) or f"{len(wanted)} asked for")

    def holds(self, name, value):
        """Whether a setting is in force, read off what ran; true where only the libraries know."""
        lora = self.lora_parameters()
        if name == "sharding":
            return sharding.ran(self.trainer) == value
        if name == "gradient_checkpointing":
            return bool(value) == bool(self.again)
        if name == "use_reentrant":
            return self.without_graph == value  # reentrant checkpointing runs a block first without a graph
        if name in ("bf16", "fp16"):
            return not value or {"bf16": "bfloat16", "fp16": "float16"}[name] in self.dtypes
        if name == "use_dora":
            return any("magnitude" in each for each in lora) == value
        if name == "use_rslora":
            found = [getattr(module, "scaling", None) for module in self.trainer.model.modules()]
            scales = {scale for each in found if isinstance(each, dict) for scale in each.values()}
            return scales == {16 / 8**0.5 if value else 16 / 8}
        if name == "modules_to_save":
            return all(any(f".{each}.modules_to_save." in found for found in lora) for each in value)
        if name == "target_modules" and not isinstance(value, str):
            return all(any(f".{each}.lora_" in found for found in lora) for each in value)
        if name == "attn_implementation":
            return getattr(self.trainer.model.config, "_attn_implementation", value) == value
        if name == "optim":
            return str(getattr(self.trainer.args.optim, "value", self.trainer.args.optim)) == value
        if name == "packing":
            return (len(self.trainer.train_dataset) < len(SENTENCES)) == value
        return True  # quantisation: base_is_quantized looks at it; the loss: labels_there

    def check_base(self):
        frozen = self.frozen_parameters()
        changed = [name for name, p in frozen.items() if not same(sharding.part(p).cpu(), self.frozen_before[name])]
        now = self.stored_weights(self.trainer.model)
        changed += [name for name, old in self.loaded.items() if name not in now or not same(now[name], old)]
        self.check("base_untouched", frozen and not changed, some(changed) or f"{len(frozen)} tensors")
        self.check_storage("base_still_quantized", self.trainer.model)

    def lora_parameters(self, model=None):
        """What trains: LoRA's own parameters, and copies of modules that are to be trained whole; by name."""
        return {name: p for name, p in (model or self.trainer.model).named_parameters() if is_adapter(name)}

    def frozen_parameters(self):
        return {name: p for name, p in self.trainer.model.named_parameters() if not is_adapter(name)}

    def save(self):
        self.saved = str(self.work_folder / "adapter")
        self.trainer.save_model(self.saved)
        if self.plan.sharding:
            self.trained = self.remember()
        if self.emit.rank:
            return
        files = sorted(path.name for path in Path(self.saved).glob("*"))
        weights = [name for name in files if name.startswith("adapter_model.")]
        self.check("adapter_saved", "adapter_config.json" in files and weights, ", ".join(weights))

    def remember(self):
        """What the trained model gives, and its adapter; where it is shared out, all ranks have a part in both."""
        logits = self.logits(self.trainer.model)
        return logits, {name: sharding.whole(p).float().cpu() for name, p in self.lora_parameters().items()}

    def reload(self):
        trained, adapter = self.trained or self.remember()
        del self.trainer, self.model, self.trainer_arguments
        gc.collect()
        with sharding.alone():
            bare = self.logits(self.load_base(alone=True))
            # on a fresh base: on a CPU bitsandbytes repacks the weights of one that has run
            reloaded = self.stack.peft.PeftModel.from_pretrained(self.load_base(alone=True), self.saved)
            again = self.logits(reloaded)
        back = self.lora_parameters(reloaded)
        equal = self.torch.equal
        lost = [
            name for name, p in adapter.items() if name not in back or not equal(back[name].detach().float().cpu(), p)
        ]
        scale = float(trained.abs().max())
        difference = float((trained - again).abs().max()) / scale
        effect = float((trained - bare).abs().max()) / scale
        tolerance = TOLERANCE["whole" if self.dtype == self.torch.float32 else "half"]
        value = f"logits differ by {difference:.2g}, allowed {tolerance:g}; the adapter changes them by {effect:.2g}"
        right = not lost and difference <= tolerance and effect > 4 * tolerance
        self.check("adapter_reloads", right, some(lost) or value)

    def logits(self, model):
        """Logits of the first sentence, float32 on the CPU, shape (1, tokens, vocabulary)."""
        for name, parameter in model.named_parameters():
            if ".modules_to_save." in name:  # some trl trains them in half precision, whatever the base is in
                parameter.data = parameter.data.to(self.dtype)
        model.eval()
        batch = self.tokenizer(SENTENCES[0], return_tensors="pt")
        whole = self.dtype == self.torch.float32
        half = contextlib.nullcontext() if whole else self.torch.autocast(self.stack.device.split(":")[0], self.dtype)
        with self.torch.no_grad(), half:
            out = model(input_ids=batch["input_ids"].to(self.stack.device), **without_cache(model))
        return out.logits.detach().float().cpu()


def is_adapter(name):
    """Whether a parameter of a PeftModel belongs to the adapter, by its name."""
    return "lora_" in name or ".modules_to_save." in name


def same(a, b):
    """Whether two tensors hold the same bytes: packed 4-bit weights, looked at as floats, are NaN here and there."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = a.contiguous(), b.contiguous()
    if hasattr(a, "view") and a.dim():
        import torch

        return torch.equal(a.view(torch.uint8), b.view(torch.uint8))
    return bool((a == b).all())
