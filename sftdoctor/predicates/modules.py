"""The names of an adapter config against the modules of the model folder: `modules`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, fails, predicate, unknown
from sftdoctor.predicates.facts import UNREADABLE, UNSET

_NEW_HEADS = frozenset(["score", "classifier", "classification_head", "qa_outputs", "v_head"])
"""Heads that a class for another task puts on a checkpoint whose file has none (transformers 5.23.0, trl 0.24.0)."""
_OTHER_TASK = re.compile(r"For(Sequence|Token)Classification|ForQuestionAnswering|ForMultipleChoice|WithValueHead")
_HEADS = frozenset(["lm_head", "embed_out", "output", "output_layer"])
"""The last part of a causal model's head, by architecture (Llama, GPT-NeoX, InternLM2, ChatGLM)."""
_CLASSIFYING_TRAINERS = ("RewardTrainer", "PRMTrainer")
"""Trainers that load a class for classification where they get a name."""


@predicate(
    "modules",
    {
        "fact": Argument("text", "fact with the names: lora_target_modules or lora_modules_to_save", required=True),
        "unmatched": Argument("text", "how many match no module", required=True, choices=("all", "some")),
    },
    values=("names", "there"),
)
def modules(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """All names of a list (or some, but not all) match no module of the model folder's weights.

    A single text is a pattern of regular expressions to peft, and is not judged here. Nor are models whose experts
    transformers may load under other names than their files have. A head that is tied to the embeddings, or that
    the script's class puts on the model, stands in no file and is there.
    """
    folder = context.workload.model
    said = context.facts.get(arguments["fact"], ())
    if folder is None or not said or said[0].value == UNSET:
        return HOLDS
    if said[0].value == UNREADABLE:
        return unknown(f"the value of {arguments['fact']} shows only when the script runs")
    names = said[0].value
    if not isinstance(names, tuple) or not names or any(".experts." in module for module in folder.modules):
        return HOLDS
    if not folder.modules:
        return unknown("the names of the model's modules cannot be read from its folder")
    there = (*folder.modules, *_unwritten(context, folder.modules))
    missing = tuple(str(name) for name in names if not _matches(str(name), there))
    everything = len(missing) == len(names)
    if not missing or everything is not (arguments["unmatched"] == "all"):
        return HOLDS
    return fails(Match({"names": missing, "there": _leaves(folder.modules)}, location=said[0].location))


def _unwritten(context: Context, written: tuple[str, ...]) -> tuple[str, ...]:
    """Modules that the model has and its files do not."""
    if _gets_new_head(context):
        return tuple(sorted(_NEW_HEADS))
    return () if any(module.rpartition(".")[2] in _HEADS for module in written) else ("lm_head",)


def _gets_new_head(context: Context) -> bool:
    """Whether the model is loaded by a class for classification, questions or values."""
    calls = {str(fact.value) for fact in context.facts.get("model_load_call", ())}
    by = {fact.value for fact in context.facts.get("model_loaded_by", ())}
    trainers = {fact.value for fact in context.facts.get("trainer_class", ())}
    return any(map(_OTHER_TASK.search, calls)) or (by == {"trainer"} and bool(trainers & {*_CLASSIFYING_TRAINERS}))


def _matches(name: str, there: tuple[str, ...]) -> bool:
    """As peft matches the names of a list: the whole name of a module, or its end behind a dot."""
    # a module that holds modules is in no weight's name by itself: "self_attn" of "self_attn.q_proj"
    return any(module == name or module.endswith(f".{name}") or f".{name}." in f".{module}." for module in there)


def _leaves(there: tuple[str, ...]) -> tuple[str, ...]:
    """The last parts of the modules' names, as target_modules takes them; at most twelve."""
    return tuple(dict.fromkeys(module.rpartition(".")[2] for module in there if not module[-1:].isdigit()))[:12]
