"""What a proof trains: a small model in a folder, its tokenizer beside it, and which of its layers get an adapter."""


class Subject:
    """A model that is small enough to be trained in seconds.

    Args:
        folder: Where it and its tokenizer lie.
        loader: The class whose from_pretrained loads it.
        targets: Names of the linear layers that get an adapter, as peft takes them: last parts or whole names.
        linear: Whole names of the linear layers that a quantisation must reach.
        source: What it was made of, for people.
        notes: What was done to make it, a sentence each.
        remote: Whether its own code, in its folder, may run.
    """

    def __init__(self, folder, loader, targets, linear, source="", notes=(), remote=False):
        self.folder, self.loader, self.source, self.remote = str(folder), loader, source, remote
        self.targets, self.linear = list(targets), set(linear)
        self.notes = list(notes)

    def options(self):
        """What every from_pretrained of it is given."""
        return {"trust_remote_code": True} if self.remote else {}


def taking_part(model, step):
    """The layers that run in a step of training and whose weights get a gradient by it.

    Not every layer does both: what picks the tokens to look at gets none, and some weights are used without their
    layer being run. An adapter on those could not learn.

    Args:
        model: The model.
        step: Called without arguments; runs it forward and backward.

    Returns:
        Whole name → module. The gradients are gone.
    """
    seen, hooks = set(), []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_hook(lambda *_, name=name: seen.add(name)))
    try:
        step()
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for name, module in model.named_modules():
        gradient = getattr(getattr(module, "weight", None), "grad", None)
        if name in seen and gradient is not None and bool((gradient != 0).any()):
            found[name] = module
    model.zero_grad(set_to_none=True)
    return found


def linear_layers(stack, model, modules):
    """Which of the modules bitsandbytes is to quantise: the linear ones, but the output's.

    Args:
        stack: The libraries.
        model: The model that they belong to, as it is before anything is quantised.
        modules: Whole name → module.

    Returns:
        Whole names, in their order. bitsandbytes takes plain linear layers alone (and leaves the gates of experts that
        are a class of their own); where a model has none of those, all its linear layers are named, since then
        nothing would be quantised.
    """
    plain = [stack.torch.nn.Linear]
    with_conv = getattr(getattr(stack.transformers, "pytorch_utils", None), "Conv1D", None)
    if with_conv is not None:
        plain.append(with_conv)  # GPT-2's linear layer, with its weight turned round
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    kept = tuple(getattr(model, "_keep_in_fp32_modules", None) or ())
    found = {
        name: module
        for name, module in modules.items()
        if module is not output and not any(part in kept for part in name.split("."))
    }
    exact = [name for name, module in found.items() if type(module) in plain]
    return exact or [name for name, module in found.items() if isinstance(module, stack.torch.nn.Linear)]


def without_cache(model):
    """Arguments that keep a model from filling a cache, which training does not either."""
    text = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    return {"use_cache": False} if hasattr(text, "use_cache") else {}


def adapter_targets(stack, model, linear):
    """The linear layers that get an adapter, as one would write them into a LoraConfig.

    Args:
        stack: The libraries.
        model: The model.
        linear: Whole names.

    Returns:
        Last parts of the names where they say the same, else the whole names; without what peft refuses.
    """
    refused = _refused(stack, model)
    wanted = [name for name in linear if name.rsplit(".", 1)[-1] not in refused]
    leaves = sorted({name.rsplit(".", 1)[-1] for name in wanted})
    reached = [name for name, _ in model.named_modules() if name.rsplit(".", 1)[-1] in leaves]
    return leaves if sorted(reached) == sorted(wanted) else wanted


def _refused(stack, model):
    """Last parts of the names that this peft takes for this model in no case; asked of peft itself."""
    tuners = getattr(getattr(stack.peft, "tuners", None), "tuners_utils", None)
    ask = getattr(tuners, "_check_lora_target_modules_mamba", None)
    if ask is None:
        return set()
    config = stack.peft.LoraConfig(task_type="CAUSAL_LM")
    refused = set()
    for name in {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}:
        try:
            ask(config, model, name)
        except ValueError:
            refused.add(name)
    return refused
