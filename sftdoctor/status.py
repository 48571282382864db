"""Exit statuses, the same for every command. A finding is never 2, a broken tool is never 1."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing for it would be most of the cost
if TYPE_CHECKING:
    from sftdoctor.model import Report

DONE, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130
"""Nothing found; findings, or a proof that failed; the job could not be done; Ctrl-C."""


def status(report: Report, fail_on: str) -> int:
    """The exit status of a Report.

    Args:
        report: What was found.
        fail_on: error, warning or never. An error that is only possible counts as a warning, as in the verdict.

    Returns:
        2 where the core could not be judged, 1 where something is at or above fail_on or a required proof does not
        hold, else 0.
    """
    from sftdoctor.model import Severity, Verdict

    if report.verdict is Verdict.BREAKS or report.unproved:
        return DONE if fail_on == "never" else FOUND
    if report.verdict is Verdict.UNKNOWN:
        return FAILED
    warned = any(finding.severity is not Severity.INFO for finding in report.findings)
    return FOUND if warned and fail_on == "warning" else DONE
