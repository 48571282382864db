"""The small model that a proof trains: a tiny Llama, or one of the architecture that is named, made small."""

import copy
import difflib
import json
import shutil
from pathlib import Path

from .defaults import fill
from .errors import NotPossibleError, UnknownModelError
from .events import short
from .shrink import shrink
from .subject import Subject, adapter_targets, linear_layers, taking_part, without_cache
from .tokenizer import SENTENCES, VOCABULARY, fitting_tokenizer, make_tokenizer

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MOST_PARAMETERS = 60_000_000
"""Of a model that still counts as small: a quarter of a gigabyte, a second a step."""
RUNGS = (
    ("", {}),
    ("with two layers of every kind", {"of_a_kind": 2}),
    ("as wide as it was", {"of_a_kind": 2, "narrow": False}),
)
"""How small a model is made: as small as it gets, and where that does not run, less so."""


def make_model(stack, folder):
    """Saves a tiny Llama and a tokenizer to a folder; nothing is downloaded.

    Args:
        stack: The libraries.
        folder: Where to; made where it is not there.

    Returns:
        The Subject.
    """
    transformers = stack.transformers
    stack.torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
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
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(folder)
    make_tokenizer(stack).save_pretrained(folder)
    linear = [name for name, _ in model.named_modules() if name.rsplit(".", 1)[-1] in LINEAR]
    return Subject(folder, transformers.AutoModelForCausalLM, LINEAR, linear)


def make_small(stack, asked, folder):
    """Saves a small model of an architecture, without its weights, and a tokenizer that fits.

    Args:
        stack: The libraries.
        asked: {"name": as the user said it, "path": its folder or config.json where it is on this machine, else null,
            "trust_remote_code": bool}.
        folder: Where to.

    Returns:
        The Subject.

    Raises:
        UnknownModelError: No file, no model type and no class of this name.
        NotPossibleError: Its code may not be run, or no small one of it runs.
    """
    config, loader, source, remote = read_config(stack, asked)
    transformers = stack.transformers
    own = Path(source) if source and Path(source).is_dir() else None
    tokenizer, notes = fitting_tokenizer(stack, own, remote)
    made = make_tokenizer(stack, own) if tokenizer is None else None
    notes += ["its weights are random: no weights are read"]
    if own is None and not source:
        notes.append(f"{type(config).__name__} with its default values: no config.json was given")
    model, note = build(stack, config, loader, None if made is None else VOCABULARY, fill_in=not source)
    notes += [note] if note else []
    if getattr(config, "quantization_config", None):
        notes.append("the folder's own quantization_config was left out")
    batch = batch_of(tokenizer or made)
    linear = linear_layers(stack, model, taking_part(model, lambda: train_once(stack, model, batch)))
    if not linear:
        raise NotPossibleError(f"{type(model).__name__} has no linear layer that a text passes and LoRA could train")
    if remote:
        for path in own.glob("*.py"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(str(path), str(folder))
    model.save_pretrained(folder)
    (tokenizer or made).save_pretrained(folder)
    if loader is transformers.AutoModelForCausalLM and not remote and not _is_known(transformers, model.config):
        loader = type(model)  # the text model of one that has more parts, say
    targets = adapter_targets(stack, model, linear)
    return Subject(folder, loader, targets, linear, type(model).__name__, notes, remote)


def read_config(stack, asked):
    """The config that a name or a path leads to, at its full size.

    Args:
        stack: The libraries.
        asked: As for make_small.

    Returns:
        (config, the class whose from_pretrained loads such a model, path or "" for a mere name, whether remote code
        is trusted and there is some).
    """
    transformers = stack.transformers
    path = asked.get("path")
    if not path:
        return (*_by_name(stack, asked["name"]), "", False)
    file = Path(path) / "config.json" if Path(path).is_dir() else Path(path)
    said = json.loads(file.read_text(encoding="utf-8"))
    remote = bool(said.get("auto_map"))
    if remote and not asked.get("trust_remote_code"):
        if said.get("model_type") not in _types(transformers):
            raise NotPossibleError(
                f"the code of {asked['name']} lies in its own folder (auto_map) and would be run; "
                "--trust-remote-code allows it"
            )
        remote = False
    if remote:
        config = transformers.AutoConfig.from_pretrained(str(file.parent), trust_remote_code=True)
        if "AutoModelForCausalLM" in said["auto_map"]:
            return config, transformers.AutoModelForCausalLM, str(path), True
    else:
        said.pop("auto_map", None)
        kind = said.get("model_type")
        if kind not in _types(transformers):
            raise UnknownModelError(*_unknown(stack, kind, f"{file} says model_type {kind!r}, which"))
        config = type(transformers.AutoConfig.for_model(kind)).from_dict(said)
    return config, _loader(transformers, config, said.get("architectures")), str(path), remote


def _by_name(stack, name):
    """(config of nothing but defaults, loader) for a model type or the name of a class."""
    transformers = stack.transformers
    if name in _types(transformers):
        config = transformers.AutoConfig.for_model(name)
        return config, _loader(transformers, config, None)
    kind = getattr(transformers, name, None) if name.isidentifier() else None
    if kind is not None and getattr(kind, "config_class", None) is not None:
        return kind.config_class(), kind
    raise UnknownModelError(*_unknown(stack, name, name))


def _unknown(stack, name, who):
    """(message, the nearest names) for a name that leads nowhere."""
    transformers = stack.transformers
    known = [*_types(transformers), *(each for each in dir(transformers) if each.endswith("ForCausalLM"))]
    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(str(name).lower(), lower, 5, 0.5)
    message = f"{who} is no folder, no model type and no class of transformers {transformers.__version__}"
    return message, [lower[each] for each in close]


def _types(transformers):
    mapping = getattr(getattr(transformers.models, "auto", None), "configuration_auto", None)
    return getattr(mapping, "CONFIG_MAPPING_NAMES", {})


def _loader(transformers, config, architectures):
    """The class that loads a model of this config: AutoModelForCausalLM where it knows it, else its own."""
    auto = transformers.AutoModelForCausalLM
    if _is_known(transformers, config):
        return auto
    for name in architectures or ():
        kind = getattr(transformers, str(name), None)
        if kind is not None and hasattr(kind, "from_pretrained"):
            return kind
    raise NotPossibleError(
        f"{type(config).__name__} belongs to no causal language model of transformers {transformers.__version__}, "
        "and names no architecture of it"
    )


def _is_known(transformers, config):
    return type(config) in list(transformers.AutoModelForCausalLM._model_mapping.keys())


def build(stack, config, loader, vocabulary, fill_in=False):
    """The smallest model of a config that takes a text and gives gradients.

    Args:
        stack: The libraries.
        config: At its full size.
        loader: AutoModelForCausalLM or the class of the model.
        vocabulary: As for shrink.
        fill_in: Whether to fill in what a config of mere defaults leaves open.

    Returns:
        (the model, a note on what was done, or "").

    Raises:
        NotPossibleError: No rung of the ladder runs, and not for one and the same reason.
        Exception: Every rung fails alike: the libraries' own error.
    """
    whole = config.to_dict()
    filled = fill(whole) if fill_in else []
    errors = []
    for note, options in RUNGS:
        try:
            small = type(config).from_dict(shrink(copy.deepcopy(whole), vocabulary, **options))
            small._name_or_path = config._name_or_path  # where from_config looks for code of its own
            model = instantiate(stack, small, loader)
            train_once(stack, model)
            model.zero_grad(set_to_none=True)
            notes = [f"filled in: {', '.join(filled)}"] if filled else []
            notes += [f"made less small than others, {note}"] if note else []
            return model, "; ".join(notes)
        except Exception as error:
            errors.append(error)
    if len({short(error) for error in errors}) == 1:
        raise errors[0]
    raise NotPossibleError(f"no small {type(config).__name__} runs: " + short(errors[0])) from errors[0]


def instantiate(stack, config, loader):
    """A model of this config with random weights.

    Raises:
        NotPossibleError: It would be too large.
    """
    torch = stack.torch

    def make():
        torch.manual_seed(0)
        if hasattr(loader, "from_config"):
            return loader.from_config(config, **({"trust_remote_code": True} if _is_remote(config) else {}))
        return loader(config)

    try:
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in make().parameters())
    except Exception:  # torch before 2.0, or a model that computes with its weights when it is made
        size = 0
    if size > MOST_PARAMETERS:
        raise NotPossibleError(f"the smallest {type(config).__name__} still has {size / 1e6:.0f} million parameters")
    return make().float()


def _is_remote(config):
    return not type(config).__module__.startswith("transformers.")


def batch_of(tokenizer):
    """The ids of SENTENCES, cut to the shortest: not every tokenizer can fill rows up."""
    rows = [tokenizer(sentence)["input_ids"] for sentence in SENTENCES]
    shortest = min(map(len, rows))
    return [row[:shortest] for row in rows]


def train_once(stack, model, batch=None):
    """Forward and backward, as a step of training would; leaves the gradients where they are.

    Args:
        stack: The libraries.
        model: The model.
        batch: Rows of ids, all of one length; None for a few.
    """
    torch = stack.torch
    ids = torch.tensor(batch or [list(range(4, 20))] * 2)
    model.train()
    model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids, **without_cache(model)).loss.backward()
