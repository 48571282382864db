"""How the words of the model show themselves: as text when they are printed, as HTML in a notebook.

The model knows no report, so the doors that hand its words out register this with it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from sftdoctor.model import Explanation, FixResult, Proof, Report, Shown

if TYPE_CHECKING:
    from rich.console import Console


def _drawn(draw: Callable[[Console], None]) -> str:
    from sftdoctor.report.style import rendered

    return rendered(io.StringIO(), draw, plain=True).rstrip("\n")


def _report(report: Report) -> str:
    from sftdoctor.report.text import render

    return _drawn(lambda console: render(report, console))


def _report_html(report: Report) -> str:
    from sftdoctor.report.html import fragment

    return fragment(report)


def _explanation(explanation: Explanation) -> str:
    from sftdoctor.report.explanation_text import render

    return _drawn(lambda console: render(explanation, console))


def _fix(result: FixResult) -> str:
    from sftdoctor.report.repair_text import render_fix

    return _drawn(lambda console: render_fix(result, console))


def _proof(proof: Proof) -> str:
    from sftdoctor.report.proof_text import render

    return _drawn(lambda console: render(proof, console))


def register() -> None:
    """Tell the words how to show themselves."""
    Shown.as_text.update({Report: _report, Explanation: _explanation, FixResult: _fix, Proof: _proof})
    Shown.as_html.update({Report: _report_html})
