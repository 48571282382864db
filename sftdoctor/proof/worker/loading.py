"""How a run loads its base model, and what is checked of it: every layer in the wanted bits, computing rightly."""

import math

from . import sharding
from .errors import NotPossibleError
from .figures import reset_peak
from .quantization import plain_name, require_backend
from .stack import version

QUANTIZATION_ERROR = 0.5
"""Largest error of a quantised layer, relative to its largest output. Measured: 0.01 in int8, 0.19 in nf4."""


class Loading:
    """The first stage of a run; it brings stack, subject, plan, dtype and check."""

    def load(self):
        if self.quantization != "none":
            require_backend(self.stack, self.quantization, self.dtype)
            if not (self.plan.sharding and self.emit.rank):  # whose weights may come from the first rank, later
                self.check_computing()
        if self.plan.sharding:
            told = sharding.begin(self.stack, self.plan.sharding)
            self.emit("figure", name="cpus_told_to_shard", value=told)
            self.make_arguments()  # as in a script: from_pretrained asks them how the model is shared out
        reset_peak(self.stack)
        self.model = self.load_base()
        transformers = self.stack.transformers
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(self.subject.folder, **self.subject.options())
        self.check_storage("base_is_quantized", self.model)
        kept = self.quantization != "none" and not (self.plan.sharding and self.emit.rank)
        self.loaded = self.stored_weights(self.model) if kept else {}

    def check_computing(self):
        """Compares every quantised layer of a freshly loaded base with the layer that it was made of.

        transformers 4.53 with bitsandbytes 0.46 loads int8 layers onto a CPU without their scales: nothing is raised,
        and the gradients are noise.
        """
        torch, subject = self.torch, self.subject
        whole = subject.loader.from_pretrained(subject.folder, **subject.options()).float()
        modules = dict(whole.named_modules())
        worst = 0.0
        # on a copy: bitsandbytes may repack the weights of a layer that runs without gradients
        for name, layer in self.quantized_layers(self.load_base()).items():
            width = getattr(modules[name], "in_features", None) or modules[name].weight.shape[0]
            inputs = torch.linspace(-1, 1, 4 * width).reshape(4, -1)
            with torch.no_grad():
                given = layer(inputs.to(self.stack.device, self.dtype)).float().cpu()
                wanted = modules[name](inputs)
            error = float((given - wanted).abs().max() / (wanted.abs().max() or 1.0))  # a layer may be all zeros
            worst = max(worst, error if math.isfinite(error) else math.inf)
        if worst > QUANTIZATION_ERROR and not self.stack.cuda:
            raise NotPossibleError(
                f"{self.quantization} layers compute wrongly on this CPU, by a factor of {worst:.2g}, with "
                f"transformers {self.stack.transformers.__version__} and "
                f"bitsandbytes {self.stack.bitsandbytes.__version__}; "
                "on a GPU they are loaded another way"
            )
        self.check("quantized_layers_compute", worst <= QUANTIZATION_ERROR, f"off by {worst:.2g} at most")

    def load_base(self, alone=False):
        """The base model, quantised, on the device; where it is to be shared out, Trainer takes it there.

        Args:
            alone: Whether this process keeps all of it in any case.
        """
        options = {"dtype" if version(self.stack.transformers) >= (4, 56) else "torch_dtype": self.dtype}
        options.update(self.plan.load_options(self.stack), **self.subject.options())
        if self.quantization != "none":
            options["quantization_config"] = self.quantization_config()
            if not self.plan.sharding:  # from_pretrained then finds the device itself: ZeRO 3 refuses a device_map
                options["device_map"] = {"": self.stack.index}
        model = self.subject.loader.from_pretrained(self.subject.folder, **options)
        keeps = alone or not self.plan.sharding
        return model.to(self.stack.device) if self.quantization == "none" and keeps else model

    def quantization_config(self):
        return self.plan.quantization_config(self.stack)

    def quantized_layers(self, model):
        if self.quantization == "none":
            return {}
        kind = self.stack.Linear8bitLt if self.quantization == "int8" else self.stack.Linear4bit
        return {plain_name(name): module for name, module in model.named_modules() if isinstance(module, kind)}

    def stored_weights(self, model):
        """Copies of the weights as they lie in memory, quantised layers only."""
        layers = self.quantized_layers(model)
        return {name: sharding.whole(layer.weight).cpu() for name, layer in layers.items()}

    def check_storage(self, name, model):
        """Every linear layer that a text passes is stored in the wanted number of bits, none was left as it was."""
        if self.quantization == "none":
            return
        layers, wanted = self.quantized_layers(model), self.subject.linear
        right = {key for key, layer in layers.items() if self.is_stored_right(layer)}
        wrong = set(layers) - right
        held = wanted and wanted <= right and not wrong
        self.check(name, held, f"{len(right & wanted)} of {len(wanted)} linear layers")

    def is_stored_right(self, layer):
        torch, settings = self.torch, self.plan.settings
        if self.quantization == "int8":
            return layer.weight.dtype == torch.int8
        state = getattr(layer.weight, "quant_state", None) or getattr(layer, "quant_state", None)
        stored = getattr(torch, settings.get("bnb_4bit_quant_storage", "uint8"))
        double = settings.get("bnb_4bit_use_double_quant", True)
        if layer.weight.dtype != stored or state is None:
            return False
        if isinstance(state, (list, tuple)):  # bitsandbytes < 0.42: absmax, shape, dtype, blocksize, nested, type, …
            return self.quantization in state and (state[4] is not None) == double
        return state.quant_type == self.quantization and bool(getattr(state, "nested", True)) == double
