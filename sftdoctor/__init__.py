"""Will this fine-tuning run start, and if not, why, and what is the smallest change that makes it run?

The public door. Importing it costs nothing: each function imports what it needs when it is called.

    import sftdoctor

    report = sftdoctor.check("train.py")
    if report.verdict is sftdoctor.Verdict.BREAKS:
        print(sftdoctor.fix("train.py").plan)
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for true; importing typing for it would be most of the cost

if TYPE_CHECKING:
    from sftdoctor.api import check, explain, fix, prove, undo
    from sftdoctor.errors import SftDoctorError
    from sftdoctor.live.callback import SFTDoctorCallback
    from sftdoctor.live.look import PreflightError, SFTDoctorWarning, preflight
    from sftdoctor.model import (
        Action,
        Confidence,
        Environment,
        Explanation,
        Finding,
        Fix,
        FixResult,
        Plan,
        Proof,
        Report,
        Rule,
        Safety,
        Severity,
        Target,
        Verdict,
        Workload,
    )

__all__ = [
    "Action",
    "Confidence",
    "Environment",
    "Explanation",
    "Finding",
    "Fix",
    "FixResult",
    "Plan",
    "PreflightError",
    "Proof",
    "Report",
    "Rule",
    "SFTDoctorCallback",
    "SFTDoctorWarning",
    "Safety",
    "Severity",
    "SftDoctorError",
    "Target",
    "Verdict",
    "Workload",
    "__version__",
    "check",
    "explain",
    "fix",
    "preflight",
    "prove",
    "undo",
]

_HOMES = {
    **dict.fromkeys(("check", "explain", "fix", "prove", "undo"), "api"),
    "SftDoctorError": "errors",
    **dict.fromkeys(("PreflightError", "SFTDoctorWarning", "preflight"), "live.look"),
    "SFTDoctorCallback": "live.callback",
    "load_ipython_extension": "notebook",  # what %load_ext looks for
}
"""Modules of the names that are no words of the model."""


def __getattr__(name: str) -> object:
    if name not in __all__ and name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'model')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
