"""Does `check` say what configs refuse? Random arguments, given to the installed classes for real and to `check`.

    python -m tests.bench.refusals --python ENV/bin/python [--seed N] [--rounds N] [--only CLASS] [--words]

Every call is a script of its own; what it raises is compared with the errors that `check` finds on its line. One that
runs and has an error is a false alarm; one that raises and has none is missed. What a class takes, and which fields its
constructors look at, is read in the environment. With --words they are the words of a command line, which
HfArgumentParser reads.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLASSES = {
    "peft": ["LoraConfig", "AdaLoraConfig", "IA3Config", "VeraConfig", "LoHaConfig", "LoKrConfig", "BOFTConfig"],
    "peft.tuners": ["OFTConfig", "HRAConfig", "FourierFTConfig", "PrefixTuningConfig", "PromptTuningConfig"],
    "transformers": ["TrainingArguments", "Seq2SeqTrainingArguments", "BitsAndBytesConfig", "GPTQConfig", "AwqConfig"],
    "transformers.utils.quantization_config": ["HqqConfig", "QuantoConfig", "TorchAoConfig"],
    "trl": ["SFTConfig", "DPOConfig", "GRPOConfig", "RewardConfig", "KTOConfig", "RLOOConfig", "ModelConfig"],
}
ASK = """
import dataclasses, importlib, inspect, json, re, sys, warnings
warnings.simplefilter("ignore")
found = {}
for package, names in json.loads(sys.argv[1]).items():
    module = importlib.import_module(package)
    for name in names:
        cls = getattr(module, name, None)
        if cls is None:
            continue
        own = [base for base in cls.__mro__ if base.__module__.startswith(("peft", "trl", "transformers"))]
        asked = set(re.findall(r"self\\.(\\w+)", "".join(map(inspect.getsource, own))))
        if dataclasses.is_dataclass(cls):
            known = [one for one in dataclasses.fields(cls) if one.init]
            fields = [(one.name, str(one.type), (one.metadata or {}).get("choices")) for one in known]
        else:
            known = [one for one in inspect.signature(cls.__init__).parameters.values() if one.name != "self"]
            known = [one for one in known if one.kind.name != "VAR_KEYWORD"]
            fields = [(one.name, f"{one.annotation} {one.default!r}", None) for one in known]
        found[name] = [
            (name, type_, [str(getattr(one, "value", one)) for one in choices or []], name in asked)
            for name, type_, choices in fields
        ]
print(json.dumps(found))
"""
"""Prints the fields of each class: name, type, choices, and whether its code reads them."""
RUN = """
import json, re, sys, warnings, logging, os
warnings.simplefilter("ignore")
logging.disable(logging.ERROR)
import importlib
said, home = [], json.loads(sys.argv[1])
for line in json.loads(sys.stdin.read()):
    name = re.search(r"(\\w+)[()]", line.removeprefix("HfArgumentParser("))[1]
    cls = getattr(importlib.import_module(home[name]), name)
    try:
        others = {other: getattr(importlib.import_module(module), other, None)
                  for module, names in json.loads(sys.argv[2]).items() for other in names if other in line}
        eval(line, {name: cls, **others})
        said.append("")
    except BaseException as error:
        said.append(f"{type(error).__name__}: {error}")
print("\\n" + json.dumps(said))
"""
ENUMERATIONS = {
    "task_type": "TaskType.CAUSAL_LM",
    "peft_type": "PeftType.LORA",
    "eval_strategy": "IntervalStrategy.STEPS",
    "logging_strategy": "IntervalStrategy.EPOCH",
    "save_strategy": "SaveStrategy.EPOCH",
    "lr_scheduler_type": "SchedulerType.COSINE",
    "optim": "OptimizerNames.ADAMW_TORCH",
    "hub_strategy": "HubStrategy.END",
}
"""Field → a member that people write for it."""
HOMES = {
    "peft": ["TaskType", "PeftType"],
    "transformers.trainer_utils": ["IntervalStrategy", "SaveStrategy", "SchedulerType", "HubStrategy"],
    "transformers.training_args": ["OptimizerNames"],
    "transformers": ["HfArgumentParser"],
}
TEXTS = ["steps", "no", "epoch", "all-linear", "q_proj", "auto", "eva", "CAUSAL_LM", "nf4", "gaussian", "float16"]


class Member(str):
    """Source of a member of an enumeration."""

    def __repr__(self) -> str:
        return str.__str__(self)


def main() -> None:
    """Try and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--lines", type=int, default=120)
    parser.add_argument("--only")
    parser.add_argument("--words", action="store_true")
    given = parser.parse_args()
    fields = json.loads(_ran([given.python, "-c", ASK, json.dumps(CLASSES)], "").splitlines()[-1])
    chosen = random.Random(given.seed)
    count: Counter[str] = Counter()
    for _ in range(given.rounds):
        names = [name for name in fields if not given.only or name == given.only]
        form = _as_words if given.words else _call
        calls = [form(*_given(chosen, *_picked(chosen, names, fields))) for _ in range(given.lines)]
        count.update(_compared(given.python, calls))
    print(dict(count))


def _picked(chosen: random.Random, names: list[str], fields: dict[str, Any]) -> tuple[str, list[Any]]:
    name = chosen.choice(names)
    return name, fields[name]


def _given(chosen: random.Random, name: str, fields: list[Any]) -> tuple[str, dict[str, Any]]:
    looked_at = [field for field in fields if field[3]] or fields
    some = chosen.sample(looked_at, min(len(looked_at), chosen.randint(1, 4)))
    given = {field[0]: _value(chosen, field) for field in some}
    by_name = {field[0] for field in fields}
    if "use_cpu" in by_name:
        given.update(output_dir="o", use_cpu=True, report_to="none")
    return name, given


def _call(name: str, given: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"


def _as_words(name: str, given: dict[str, Any]) -> str:
    words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    return f"HfArgumentParser({name}).parse_args_into_dataclasses(args={words!r})"


def _value(chosen: random.Random, field: list[Any]) -> Any:
    name, type_, choices, _ = field
    if name in ENUMERATIONS and chosen.random() < 0.3:
        return Member(ENUMERATIONS[name])
    pool: list[Any] = list(choices)
    lowered = type_.lower()
    for word, values in (
        ("bool", [True, False]),
        ("int", [0, 1, 2, 3, 8, -1]),
        ("float", [0.0, 0.1, 0.5, 1.0, 1.5, -1.0]),
        ("str", TEXTS),
        ("list", [["q_proj"], [], [1, 2]]),
        ("dict", [{}, {"a": 1}]),
        ("none", [None]),
    ):
        if word in lowered:
            pool += [chosen.choice(values)]
    return chosen.choice(pool or [None, True, 1, "a"])


def _compared(python: str, calls: list[str]) -> Counter[str]:
    home = {name: package for package, names in CLASSES.items() for name in names}
    said = json.loads(
        _ran([python, "-c", RUN, json.dumps(home), json.dumps(HOMES)], json.dumps(calls)).splitlines()[-1]
    )
    with tempfile.TemporaryDirectory() as folder:
        for number, call in enumerate(calls):
            name = next(name for name in home if re.search(rf"\b{name}\b", call))
            others = [(module, one) for module, several in HOMES.items() for one in several if one in call]
            imports = "; ".join(f"from {module} import {one}" for module, one in [*others, (home[name], name)])
            Path(folder, f"c{number:03}.py").write_text(f"{imports}\n{call}\n")
        command = [sys.executable, "-m", "sftdoctor", "check", folder, "--python", python, "--format", "json"]
        report = json.loads(_ran(command, ""))
    found: dict[str, list[Any]] = {}
    for one in report["findings"]:
        place = one.get("location") or {}
        if one["severity"] == "error" and place.get("line") == 2:
            found.setdefault(Path(place["path"]).stem, []).append(one)
    count: Counter[str] = Counter()
    for number, (call, real) in enumerate(zip(calls, said, strict=True)):
        count.update(_judged(call, real, found.get(f"c{number:03}", [])))
    return count


def _judged(call: str, real: str, mine: list[Any]) -> Iterator[str]:
    said = [f"{one['id']} {one['symptom'][:150]}" for one in mine]
    if real and mine:
        yield "right"
        if not any(_same(one, real) for one in mine):
            yield "in other words"
            print("other ", call, "|", real[:100], "|", said)
    elif real:
        yield "missed"
        print("missed", call, "|", real.splitlines()[0][:150])
    elif mine:
        yield "FALSE"
        print("FALSE ", call, "|", said)
    else:
        yield "quiet"


def _same(one: dict[str, Any], real: str) -> bool:
    """Whether a finding's symptom begins as the exception does, as far as it is known."""
    start = " ".join(one["symptom"].split()).partition("…")[0][:60]
    return " ".join(real.split()).startswith(start)


def _ran(command: list[str], text: str) -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
