"""Environments in words: the block for a bug report, and what differs between two."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sftdoctor import __version__
from sftdoctor.folders import home_folder
from sftdoctor.model import SCHEMA, Accelerator, Environment
from sftdoctor.report.plain import clean
from sftdoctor.report.redact import redact

ASKED_FOR = (
    *("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets", "tokenizers"),
    *("huggingface-hub", "safetensors", "numpy", "triton", "flash-attn", "deepspeed", "unsloth", "vllm"),
    *("liger-kernel", "kernels", "xformers", "torchao", "diffusers", "pip"),
)
"""Distributions that the issue templates of the stack ask for: what `transformers env`, `trl env`, `accelerate env` and
`python -m bitsandbytes` print (transformers 5.23, trl 1.16, accelerate 1.15, bitsandbytes 0.50), and what is often
behind a failure."""
ALWAYS = ASKED_FOR[:11]
"""Those whose absence is worth a line too."""
TO_FILL_IN = ("a GPU is used in the script", "distributed or parallel set-up in the script")
"""What transformers asks besides, and nobody but the user knows."""
NOTHING = "–"


@dataclass(frozen=True)
class Difference:
    """One fact that two environments do not share."""

    what: str
    a: str
    b: str
    kind: str = "other packages"
    """machine, stack or other packages."""


def env_block(
    environment: Environment,
    pip: str | None = None,
    listed: Mapping[str, str] | None = None,
    machine: Mapping[str, str] | None = None,
) -> str:
    """The facts that a bug report needs, without tokens, users' names and private addresses.

    Args:
        environment: The target.
        pip: Version of the pip that was asked too; None where none was.
        listed: What it lists, name → version.
        machine: What target.machine read; empty where the target was recorded elsewhere.

    Returns:
        Lines "- name: value".
    """
    machine = machine or {}
    facts = {"sftdoctor": __version__, **facts_of(environment)}
    facts |= {name: clean(value) for name, value in machine.items() if not name.startswith("$")}
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    for name in ASKED_FOR:
        found = environment.distributions.get(name)
        if found or name in ALWAYS:
            editable = " (editable)" if found and found.editable else ""
            lines.append(f"- {name}: {clean(found.version) if found else 'not installed'}{editable}")
    if pip is not None:
        differing = [f"{one.what} {one.a} here, {one.b} there" for one in against_pip(environment, listed or {})]
        lines.append(f"- listed by pip {clean(pip)}: {'; '.join(differing) or 'the same distributions'}")
    for problem in environment.problems:
        lines.append(f"- problem: {clean(problem.kind)} {clean(problem.name)} {tidy(problem.path)}".rstrip())
    lines += [f"- not known: {clean(gap.what)}: {clean(gap.reason)}" for gap in environment.not_judged]
    lines += [f"- {clean(name, 80)}: {clean(value)}" for name, value in machine.items() if name.startswith("$")]
    lines += [f"- {question}: <fill in>" for question in TO_FILL_IN]
    return redact("\n".join(lines)) + "\n"


def env_markdown(block: str) -> str:
    """The same, folded up, as an issue on GitHub or GitLab shows it; whatever stands in it stays text.

    Args:
        block: What env_block gives.

    Returns:
        Markdown with one block of code.
    """
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block)), default=0))
    return f"<details>\n<summary>Environment</summary>\n\n{fence}text\n{block}{fence}\n\n</details>\n"


def against_pip(environment: Environment, listed: Mapping[str, str]) -> tuple[Difference, ...]:
    """What pip and sftdoctor read differently.

    Args:
        environment: As sftdoctor read it.
        listed: What pip lists, canonical name → version.

    Returns:
        The distributions that only one of them has, or in another version.
    """
    ours = {name: one.version for name, one in environment.distributions.items()}
    return tuple(
        Difference(clean(name), clean(ours.get(name, NOTHING)), clean(listed.get(name, NOTHING)))
        for name in sorted({*ours, *listed})
        if not _same(ours.get(name), listed.get(name))
    )


def _same(one: str | None, other: str | None) -> bool:
    """Whether two spellings are the same version."""
    if one is None or other is None or one == other:
        return one is not None and one == other
    from packaging.version import InvalidVersion, Version  # most of what prints needs none

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


def facts_of(environment: Environment) -> dict[str, str]:
    """Python, platform, target, devices, driver and torch's build in words, by name."""
    markers = environment.markers
    machine = " ".join(markers[name] for name in ("sys_platform", "platform_machine") if markers.get(name))
    build = environment.torch_build
    built = [f"CUDA {build.cuda}"] if build and build.cuda else []
    built += [f"ROCm {build.hip}"] if build and build.hip else []
    built += [" ".join(build.architectures)] if build and build.architectures else []
    return {
        "Python": clean(environment.python),
        "platform": clean(machine) or "not known",
        "target": f"{environment.target.kind.value} {tidy(environment.target.prefix or environment.target.path)}",
        "devices": devices(environment),
        "driver": clean(environment.driver or NOTHING),
        "CUDA of the driver": clean(environment.driver_cuda or NOTHING),
        "torch built for": clean(", ".join(built) or ("CPU" if build else NOTHING)),
    }


def tidy(path: str) -> str:
    """A path without the name of the user's home folder."""
    home = str(home_folder())
    tidy = "~" + path[len(home) :] if path == home or path.startswith(home + "/") else path
    return clean(tidy, 200)


def differences(a: Environment, b: Environment) -> tuple[Difference, ...]:
    """What differs between two environments: Python, platform, devices, driver, distributions; paths do not count.

    Args:
        a: One.
        b: The other.

    Returns:
        The facts that are not the same, those of the machine first, then the stack, then other distributions by name.
    """
    ours, theirs = facts_of(a), facts_of(b)
    found = [
        Difference(name, ours[name], theirs[name], "machine")
        for name in ours
        if name != "target" and ours[name] != theirs[name]
    ]
    for name in sorted({*a.distributions, *b.distributions}, key=_stack_first):
        left, right = a.version(name) or NOTHING, b.version(name) or NOTHING
        if left != right:
            found.append(Difference(name, left, right, "stack" if name in ASKED_FOR else "other packages"))
    return tuple(found)


def alike(a: Environment, b: Environment) -> int:
    """Number of distributions that two environments have in the same version."""
    return sum(b.version(name) == one.version for name, one in a.distributions.items())


def _stack_first(name: str) -> tuple[int, str]:
    return (ASKED_FOR.index(name) if name in ASKED_FOR else len(ASKED_FOR), name)


def differences_to_dict(a: tuple[str, Environment], b: tuple[str, Environment]) -> dict[str, Any]:
    """What differs, as `diff --format json` prints it."""
    found = [{"what": one.what, "a": one.a, "b": one.b} for one in differences(a[1], b[1])]
    return {"schema": SCHEMA, "a": a[0], "b": b[0], "differences": found}


def devices(environment: Environment) -> str:
    """ "2 × NVIDIA A100", "no GPU" or "hardware not known"."""
    if environment.accelerators is None:
        return "hardware not known"
    names = Counter(_device(accelerator) for accelerator in environment.accelerators)
    return ", ".join(f"{n} × {name}" if n > 1 else name for name, n in names.items()) or "no GPU"


def _device(accelerator: Accelerator) -> str:
    memory = f" {accelerator.memory / 2**30:.0f} GiB" if accelerator.memory else ""
    return clean(accelerator.name, 60) + memory
