"""What a script does to its model, step by step, in the order in which it runs."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One thing that is done to a model."""

    operation: tuple[Any, ...]
    """Its name and what belongs to it; see VOCABULARY["step"]."""
    node: ast.AST | None = None
    possible: bool = False
    """Whether it happens on some paths alone."""


@dataclass(frozen=True)
class Steps:
    """The steps of one model. After a branch, what both ways have in common is sure, the rest is possible."""

    items: tuple[Step, ...] = ()

    def add(self, *operation: Any, node: ast.AST | None = None) -> Steps:
        """These steps and one more."""
        return Steps((*self.items, Step(operation, node)))

    def joined(self, other: Steps) -> Steps:
        """The steps after two ways of which either may have been taken."""
        common = 0
        for mine, theirs in zip(self.items, other.items, strict=False):
            if mine.operation != theirs.operation or mine.possible != theirs.possible:
                break
            common += 1
        rest = (*self.items[common:], *other.items[common:])
        return Steps((*self.items[:common], *(Step(step.operation, step.node, True) for step in rest)))
