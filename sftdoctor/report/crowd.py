"""Many environments side by side: what they do not all share, what most of them have, and who is the odd one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sftdoctor.model import SCHEMA, Environment
from sftdoctor.report.environment import ASKED_FOR, NOTHING, facts_of

KINDS = ("machine", "variables", "stack", "other packages")
Facts = Mapping[tuple[str, str], str]
"""(kind, what) → value."""


@dataclass(frozen=True)
class Split:
    """One fact that not all share."""

    kind: str
    """machine, variables, stack or other packages."""
    what: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """Each value with those that have it, the most common first."""

    @property
    def has_majority(self) -> bool:
        """Whether one value is more common than every other."""
        return len(self.groups[0][1]) > len(self.groups[1][1])


@dataclass(frozen=True)
class Crowd:
    """What was compared."""

    names: tuple[str, ...]
    splits: tuple[Split, ...]
    odd: tuple[tuple[str, int], ...]
    """Those that differ from most, with the number of facts in which they do, the oddest first."""


def compare(members: Iterable[tuple[str, Environment, Mapping[str, str]]]) -> Crowd:
    """Compare many environments.

    Args:
        members: Of each its name, its environment, and further facts of its machine (variables with a "$").

    Returns:
        What differs; what kind comes first as in KINDS.
    """
    facts = [(name, _facts(environment, machine)) for name, environment, machine in members]
    splits = []
    for key in sorted({key for _, known in facts for key in known}, key=_order):
        groups: dict[str, list[str]] = {}
        for name, known in facts:
            groups.setdefault(known.get(key, NOTHING), []).append(name)
        if len(groups) > 1:
            ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
            splits.append(Split(*key, tuple((value, tuple(names)) for value, names in ordered)))
    odd = Counter(name for split in splits if split.has_majority for _, names in split.groups[1:] for name in names)
    return Crowd(tuple(name for name, _ in facts), tuple(splits), tuple(odd.most_common()))


def _facts(environment: Environment, machine: Mapping[str, str]) -> Facts:
    found = {("machine", name): value for name, value in facts_of(environment).items() if name != "target"}
    for name, value in machine.items():
        found["variables" if name.startswith("$") else "machine", name] = value
    for name, one in environment.distributions.items():
        found["stack" if name in ASKED_FOR else "other packages", name] = one.version
    return found


def _order(key: tuple[str, str]) -> tuple[int, int, str]:
    kind, what = key
    return KINDS.index(kind), ASKED_FOR.index(what) if what in ASKED_FOR else len(ASKED_FOR), what


def crowd_to_dict(crowd: Crowd) -> dict[str, Any]:
    """What `diff A B C … --format json` and `fleet --format json` print."""
    return {
        "schema": SCHEMA,
        "members": list(crowd.names),
        "differences": [
            {
                "what": split.what,
                "kind": split.kind,
                "values": [{"value": value, "members": list(names)} for value, names in split.groups],
            }
            for split in crowd.splits
        ],
        "odd": [{"member": name, "differences": number} for name, number in crowd.odd],
    }
