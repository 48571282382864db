"""Reports as text and as JSON. Sees the model alone: what is printed, and where, is the command line's business.

Each part is imported on first use, so that JSON costs no rich.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sftdoctor.report import (
        environment,
        environment_text,
        explanation_text,
        json_report,
        proof_text,
        repair_text,
        rules_text,
        text,
    )

__all__ = [
    "environment",
    "environment_text",
    "explanation_text",
    "json_report",
    "proof_text",
    "repair_text",
    "rules_text",
    "text",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
