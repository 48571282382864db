"""What no environment, script or model shows: `log`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.predicates.core import HOLDS, Context, Judgement, predicate


@predicate("log", {})
def log(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Only a log shows it, by the rule's symptom: explain finds it, and judging an environment never does."""
    return HOLDS
