"""Words that try to be more than text: markup, escapes, HTML, commands of CI runners, direction marks."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from sftdoctor.model import (
    Action,
    Cause,
    Check,
    Explanation,
    Failure,
    Finding,
    Fix,
    FixResult,
    LeftOut,
    Location,
    NotJudged,
    Origin,
    Place,
    Plan,
    Proof,
    Report,
    Safety,
    Severity,
    Verdict,
)
from tests.report import samples

TRICKS = (
    *(
        "[bold red]",
        "[/]",
        "[link=http://evil]",
        "\x1b[31m",
        "\x1b]8;;http://evil\x07",
        "\x9b2J",
        "\x00",
        "\x7f",
        "\x08",
    ),
    *(
        "<script>ran=true</script>",
        "<img src=x onerror=ran=true>",
        "</style>",
        "<!--",
        "-->",
        "]]>",
        "&amp;",
        "&#64;",
        '"',
    ),
    *(
        "::error::",
        "::stop-commands::x",
        "##[error]",
        "##vso[task.setvariable]",
        "%0A::warning::",
        "%",
        ",",
        ":",
        "%25",
    ),
    *("\r", "\n", "\r\n", "\n::error file=a::b", "\t", "\u2028", "\u0085", "\v"),
    *("\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\ufffe", "\U0010ffff", "\U000e0041"),
    *(
        "](javascript:alert(1))",
        "[x](http://evil)",
        "![x](http://evil)",
        "`",
        "```",
        "~~~",
        "*",
        "__",
        "~~",
        "|",
        "\\",
        "#",
    ),
    *("@octocat", "http://evil", "www.evil.org", "$x$", "{0}", "{link.title}", "'", "trl", "文", "é", " "),
)
WORDS = st.lists(st.one_of(st.sampled_from(TRICKS), st.text(max_size=8)), max_size=8).map("".join)
PATHS = WORDS.map(lambda words: words or "train.py")


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """A Finding whose every word is another's."""
    place = Place(
        draw(WORDS), draw(st.none() | WORDS), draw(WORDS), 3, draw(st.none() | WORDS), draw(st.none() | PATHS)
    )
    return replace(
        draw(st.sampled_from([samples.LINK, samples.SCRIPT, samples.WARNING])),
        severity=draw(st.sampled_from(Severity)),
        title=draw(WORDS),
        message=draw(WORDS),
        symptom=draw(WORDS),
        cause=draw(st.none() | st.just(Cause(place, place, draw(WORDS), draw(WORDS)))),
        location=draw(
            st.none() | st.builds(Location, PATHS, st.none() | st.integers(-1, 9), st.none() | st.integers(0, 9))
        ),
        fixes=(Fix("package", Safety.SAFE, draw(WORDS), (draw(WORDS),), reason=draw(WORDS)),),
        evidence=(draw(WORDS),),
    )


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """A Report about a hostile environment."""
    return samples.report(
        *draw(st.lists(findings(), max_size=4)),
        verdict=draw(st.sampled_from(Verdict)),
        environment=samples.environment(python=draw(WORDS), notes=(draw(WORDS),)),
        not_judged=(NotJudged(draw(WORDS), draw(WORDS)),),
        unproved=tuple(draw(st.lists(WORDS, max_size=10))),
        prove_anew=draw(WORDS),
    )


@st.composite
def fixes(draw: st.DrawFn) -> FixResult:
    """A FixResult whose plan, proof and reasons are another's."""
    diff = "\n".join(draw(st.lists(WORDS, max_size=4)))
    action = Action("edit", draw(WORDS), None, None, Safety.SAFE, draw(WORDS), (draw(WORDS),), diff=diff)
    package = Action("package", draw(WORDS), draw(WORDS), draw(WORDS), Safety.UNSAFE, draw(WORDS))
    plan = Plan((package, action), (LeftOut(package, draw(WORDS)),))
    outcome = draw(st.sampled_from(["nothing-to-do", "planned", "applied", "undone", "refused"]))
    return FixResult(outcome, plan, draw(reports()), draw(reports()), draw(proofs()), draw(WORDS), draw(WORDS))


@st.composite
def proofs(draw: st.DrawFn) -> Proof:
    """A Proof that failed with another's words."""
    failure = Failure(
        draw(WORDS), draw(WORDS), draw(WORDS), "\n".join(draw(st.lists(WORDS, max_size=4))), (draw(findings()),)
    )
    checks = (Check(draw(WORDS), False, draw(WORDS)),)
    return Proof(
        "failed", draw(WORDS), draw(WORDS), checks, failure=failure, reason=draw(WORDS), not_settled=(draw(WORDS),)
    )


@st.composite
def explanations(draw: st.DrawFn) -> Explanation:
    """An Explanation of another's log."""
    frames, conditions = (tuple(draw(st.lists(WORDS, max_size=3))) for _ in range(2))
    origin = Origin(draw(WORDS), draw(WORDS), draw(WORDS), 3, draw(WORDS), conditions, draw(WORDS))
    return Explanation(exception=draw(WORDS), frames=frames, lines=3, origin=origin)
