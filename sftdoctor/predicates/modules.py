"""The names of an adapter config against the modules of the model folder: `modules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, fails, predicate, unknown
from sftdoctor.predicates.facts import UNREADABLE, UNSET


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
    transformers may load under other names than their files have.
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
    missing = tuple(str(name) for name in names if not _matches(str(name), folder.modules))
    everything = len(missing) == len(names)
    if not missing or everything is not (arguments["unmatched"] == "all"):
        return HOLDS
    return fails(Match({"names": missing, "there": _leaves(folder.modules)}, location=said[0].location))


def _matches(name: str, there: tuple[str, ...]) -> bool:
    """As peft matches the names of a list: the whole name of a module, or its end behind a dot."""
    # a module that holds modules is in no weight's name by itself: "self_attn" of "self_attn.q_proj"
    return any(module == name or module.endswith(f".{name}") or f".{name}." in f".{module}." for module in there)


def _leaves(there: tuple[str, ...]) -> tuple[str, ...]:
    """The last parts of the modules' names, as target_modules takes them; at most twelve."""
    return tuple(dict.fromkeys(module.rpartition(".")[2] for module in there if not module[-1:].isdigit()))[:12]
