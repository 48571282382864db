"""What leaves the script: nobody logs in, nothing is pushed, and what is saved is saved in the proof's own folder."""

import functools

PUSHERS = (
    ("transformers.utils.hub", "PushToHubMixin"),
    ("transformers.trainer", "Trainer"),
    ("datasets.arrow_dataset", "Dataset"),
    ("datasets.dataset_dict", "DatasetDict"),
)
LOGINS = ("login", "notebook_login", "interpreter_login")


def install(hooks, world):
    """Replaces logging in and pushing by nothing.

    Args:
        hooks: Where changes of modules are asked for.
        world: The run.
    """
    hooks.after("huggingface_hub._login", functools.partial(_no_login, world))
    for module, name in PUSHERS:
        hooks.after(module, functools.partial(_no_push, world, name))
    hooks.after("transformers.modeling_utils", functools.partial(_save_inside, world, "PreTrainedModel"))
    hooks.after(
        "transformers.tokenization_utils_base", functools.partial(_save_inside, world, "PreTrainedTokenizerBase")
    )
    hooks.after("transformers.trainer", functools.partial(_save_model_inside, world))
    # these write by themselves, behind the back of what watches Python's own files
    hooks.after("torch.serialization", functools.partial(_write_inside, world, ("save",), 1))
    hooks.after("safetensors.torch", functools.partial(_write_inside, world, ("save_file", "save_model"), 1))
    hooks.after("safetensors.numpy", functools.partial(_write_inside, world, ("save_file",), 1))
    hooks.after("peft.peft_model", functools.partial(_save_inside, world, "PeftModel"))


def _no_login(world, module):
    for name in LOGINS:
        if hasattr(module, name):
            original = getattr(module, name)
            setattr(module, name, functools.wraps(original)(_nothing(world, "logging in to the Hub by nothing")))


def _no_push(world, name, module):
    cls = getattr(module, name, None)
    if cls is not None and "push_to_hub" in vars(cls):
        original = cls.push_to_hub
        cls.push_to_hub = functools.wraps(original)(_nothing(world, "pushing to the Hub by nothing"))


def _nothing(world, what):
    def do_nothing(*args, **kwargs):
        world.replaced(what)

    return do_nothing


def _save_inside(world, name, module):
    """Lets save_pretrained write to a folder of the proof, where the script names one outside."""
    cls = getattr(module, name, None)
    if cls is None or "save_pretrained" not in vars(cls):
        return
    original = cls.save_pretrained

    @functools.wraps(original)
    def save_pretrained(self, save_directory, *args, **kwargs):
        if kwargs.pop("push_to_hub", False):
            world.replaced("pushing to the Hub by nothing")
        return original(self, world.inside(save_directory), *args, **kwargs)

    cls.save_pretrained = save_pretrained


def _save_model_inside(world, module):
    """The same for Trainer.save_model."""
    original = module.Trainer.save_model

    @functools.wraps(original)
    def save_model(self, output_dir=None, *args, **kwargs):
        return original(self, world.inside(output_dir), *args, **kwargs)

    module.Trainer.save_model = save_model


def _write_inside(world, names, position, module):
    """The same for functions that take the path of a file.

    Args:
        world: The run.
        names: The functions.
        position: Which of their arguments is the path.
        module: Where they are.
    """
    for name in names:
        original = getattr(module, name, None)
        if original is None:
            continue

        def write(*args, original=original, **kwargs):
            given = list(args)
            if len(given) > position:
                given[position] = world.inside(given[position])
            for key in ("f", "filename"):
                if key in kwargs:
                    kwargs[key] = world.inside(kwargs[key])
            return original(*given, **kwargs)

        setattr(module, name, functools.wraps(original)(write))
