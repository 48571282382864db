"""Which architecture a model has of which nothing is here: told by its name, by what loads it, by the script."""

import contextlib
import re

from . import pictures
from .world import LOOKS

GENERIC = "llama"
"""Architecture of a model of which nothing tells anything."""
SEEING = "llava"
"""The same of one that sees."""
BY_CLASS = (GENERIC, "t5", "bert", "whisper", "vit", "wav2vec2")
"""Architectures of which one has nearly every kind of head, the first that has it being taken."""
AUTO = re.compile(r"\bAutoModelFor\w+")
BY_MODULES = {
    "q_attn": "gpt_bigcode",
    "c_attn": "gpt2",
    "query_key_value": "gpt_neox",
    "Wqkv": "mpt",
    "qkv_proj": "phi3",
    "gate_up_proj": "phi3",
    "fc_in": "gptj",
}
"""A module that a script names as text, as target_modules do → an architecture that has it (transformers 5.23)."""
CLASS = re.compile(r"\b([A-Z]\w+For(?:ConditionalGeneration|CausalLM))\b")


def kind_for(name, cls, world):
    """The model type of a repository that is not here.

    Args:
        name: Of the repository.
        cls: The class that is asked to load something of it.
        world: The run.

    Returns:
        (model type, words on how it was found, whether it only stands in: nothing told it).
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    known, seeing = list(CONFIG_MAPPING.keys()), list(pictures.seeing_kinds())
    wanted = _kinds_of(cls, seeing)
    told = kind_of(name, known)
    if wanted or world.pictures:
        told = kind_of(name, wanted or seeing) or ("" if wanted and LOOKS.search(name) else told)
    if told:
        return told, f"of the architecture that its name tells ({told})", False
    named = _named(world)
    if named in known:
        return named, f"of the architecture that the script names ({named})", False
    kind = wanted[0] if wanted and SEEING not in wanted else SEEING if wanted or LOOKS.search(name) else GENERIC
    kind = (_by_class(cls, world.source) or _by_modules(world.source)) if kind == GENERIC else kind
    kind = kind if kind in known else GENERIC
    return kind, f"of another architecture ({kind})", True


def _by_class(cls, source):
    """An architecture for the head that is asked for, or that the script names alone; "" where the generic one has it.

    Args:
        cls: The class that is asked to load something.
        source: The script.
    """
    import transformers

    named = [cls.__name__] if AUTO.fullmatch(cls.__name__) else dict.fromkeys(AUTO.findall(source))
    classes = [getattr(transformers, name, None) for name in named]
    tables = [getattr(getattr(one, "_model_mapping", None), "_model_mapping", None) for one in classes]
    tables = [table for table in tables if table]
    kind = next((kind for kind in BY_CLASS if all(kind in table for table in tables)), GENERIC)
    return "" if kind == GENERIC else kind


def _by_modules(source):
    """The architecture whose modules a script names; the generic one where it names that one's, or none."""
    named = [name for name in ("q_proj", *BY_MODULES) if re.search(rf"""["']{name}["']""", source)]
    return BY_MODULES.get(named[0], GENERIC) if named else GENERIC


def kind_of(name, kinds):
    """The model type that a repository's name tells: the longest that it contains, letters and digits alone.

    Args:
        name: Such as "Qwen/Qwen3-0.6B"; the owner counts only where the rest tells nothing.
        kinds: All that transformers registers.

    Returns:
        The type, or "".
    """
    for said in (name.rpartition("/")[2], name):
        plain = re.sub(r"[^a-z0-9]", "", said.lower())
        found = [kind for kind in kinds if re.sub(r"[^a-z0-9]", "", kind) in plain]
        if found:
            return max(found, key=len)
    return ""


def _kinds_of(cls, seeing):
    """The model types that a class is for, where it is one for models that see; else none."""
    if cls.__name__ in ("AutoModelForImageTextToText", "AutoModelForVision2Seq"):
        return seeing
    processors = pictures.table("processing_auto", "PROCESSOR_MAPPING_NAMES")
    return [kind for kind in seeing if processors.get(kind) == cls.__name__]


def _named(world):
    """The model type of the class of models that the script names; None where it names none, or several."""
    import transformers

    found = set()
    for name in CLASS.findall(world.source):
        with contextlib.suppress(ImportError):  # of a class whose module needs what is not installed
            kind = None if name.startswith("Auto") else getattr(transformers, name, None)
            found.add(getattr(getattr(kind, "config_class", None), "model_type", None))
    found.discard(None)
    return next(iter(found)) if len(found) == 1 else None
