"""Reports in every format. Sees the model alone: what is printed, and where, is the command line's business.

Each part is imported on first use, so that JSON costs no rich and text no XML.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sftdoctor.report import (
        environment,
        environment_text,
        explanation_text,
        github,
        gitlab,
        html,
        json_report,
        junit,
        markdown,
        proof_text,
        repair_text,
        rules_markdown,
        rules_text,
        sarif,
        text,
        views,
        words,
    )

__all__ = [
    "environment",
    "environment_text",
    "explanation_text",
    "github",
    "gitlab",
    "html",
    "json_report",
    "junit",
    "markdown",
    "proof_text",
    "repair_text",
    "rules_markdown",
    "rules_text",
    "sarif",
    "text",
    "views",
    "words",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
