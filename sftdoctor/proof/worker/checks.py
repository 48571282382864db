"""What is checked while and after the adapter trains, and what it means that it did not hold."""

import contextlib
import gc
from pathlib import Path

from .events import some
from .tokenizer import SENTENCES

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
TOLERANCE = {"cpu": 0.05, "cuda": 0.1}
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

    def lora_parameters(self, model=None):
        return {name: p for name, p in (model or self.trainer.model).named_parameters() if "lora_" in name}

    def frozen_parameters(self):
        return {name: p for name, p in self.trainer.model.named_parameters() if "lora_" not in name}

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
