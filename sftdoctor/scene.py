"""Where an error happened: the environment and the script, asked for what exactly broke there.

An exception tells the symptom. Where its frames' files are on this machine, or the user names the environment, the same
judgement as check's says which of the possible causes is there, with both places, versions and fixes.
"""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sftdoctor.checker import Checker
from sftdoctor.errors import SftDoctorError
from sftdoctor.explanation import is_page, moves
from sftdoctor.logs.asked import Asked, asked_by, probe_script
from sftdoctor.logs.stack import package_of
from sftdoctor.model import OUTSIDE, Confidence, Environment, Explanation, Finding, Frame, Raised, Report, Rule
from sftdoctor.reading import Progress, read_target
from sftdoctor.settings import Settings
from sftdoctor.upstream import origin_of

NEWEST_FIRST = 40
"""Frames, from the innermost, whose files are looked for."""
STAND_IN = "the_failing_line.py"
LONGEST_FILE = 4_000_000
"""Bytes of a file that is compared with a frame."""


def confirm(explanation: Explanation, settings: Settings, rules: Sequence[Rule], progress: Progress) -> Explanation:
    """Make sure of an explanation where the error happened.

    Args:
        explanation: What the log says.
        settings: python, pins and snapshot name the environment; without them it is the one whose files the frames
            name, where those are on this machine. paths name the script that failed, where it is known.
        rules: All rules, with their pages.
        progress: Told what takes long.

    Returns:
        The explanation: causes that are really there first, with both their sides; those that are not there left out
        and counted in a note. An error that is not known, with what the library that raised it says of it itself.
        Where no environment can be looked at, as it was.
    """
    found = _made_sure(explanation, settings, rules, progress)
    if found.findings or found.environment is None or found.root is None:
        return found
    return replace(found, origin=origin_of(found.root, found.environment))


def _made_sure(explanation: Explanation, settings: Settings, rules: Sequence[Rule], progress: Progress) -> Explanation:
    named = bool(settings.python or settings.pins or settings.snapshot)
    if not named:
        prefix = _prefix(explanation)
        if prefix is not None:
            settings = replace(settings, python=str(prefix))
        elif not _scripts(explanation) or _active(settings, progress) is None:
            return explanation if explanation.findings else _with_environment(explanation, settings, progress)
    try:
        report = _judged(explanation, settings, progress)
    except SftDoctorError as error:
        if named:
            raise
        note = f"The environment that the frames name could not be read: {error.message}"
        return replace(explanation, notes=(*explanation.notes, note))
    return _confirmed(explanation, report, {rule.id: rule for rule in rules})


def _with_environment(explanation: Explanation, settings: Settings, progress: Progress) -> Explanation:
    """An unknown error, with the environment that is active here to paste upstream."""
    environment = _active(settings, progress)
    if environment is None:
        note = "No environment with torch is active here; --python ENV adds what to paste into a report upstream."
    else:
        note = "The log names no environment of this machine; what follows is the one that is active here."
    return replace(explanation, environment=environment, notes=(*explanation.notes, note))


def _active(settings: Settings, progress: Progress) -> Environment | None:
    """The active environment, where it is one that models are trained in."""
    try:
        environment = read_target(settings, progress)
    except SftDoctorError:
        return None
    return environment if environment.version("torch") and environment.version("transformers") else None


def _judged(explanation: Explanation, settings: Settings, progress: Progress) -> Report:
    """The report of check, for the user's script where it is known or at hand, else for the line that failed."""
    scripts = list(settings.paths) or _scripts(explanation)
    arguments = settings.arguments if settings.paths else ()
    with tempfile.TemporaryDirectory(prefix="sftdoctor-explain-") as folder:
        if not scripts and (source := _stand_in(explanation)):
            line = Path(folder, STAND_IN)
            line.write_text(source, encoding="utf-8")
            scripts = [str(line)]
        checker = Checker(replace(settings, paths=tuple(scripts), arguments=arguments), progress)
        checker.workload = replace(checker.workload, whole_scenario=True)
        return checker.check()


def _prefix(explanation: Explanation) -> Path | None:
    """The environment that holds the files of the frames, where they are on this machine and say what the log shows.

    The error's own frames are asked first, then those of others of the log, such as the launcher's.
    """
    for raised in (explanation.root, *explanation.chain, *explanation.others):
        if raised is not None and (prefix := _prefix_of(raised)):
            return prefix
    return None


def _prefix_of(raised: Raised) -> Path | None:
    paths = [Path(frame.path) for frame in reversed(raised.frames[-NEWEST_FIRST:]) if _is_the_same(frame)]
    # ImportError says where the module lies that lacks the name
    paths += [Path(found) for found in _FILE.findall(raised.message) if Path(found).is_file()]
    for path in paths:
        if package_of(str(path)):
            folder = next(one for one in path.parents if one.name in ("site-packages", "dist-packages"))
            return next(filter(_is_environment, folder.parents), None)
    return None


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


_FILE = re.compile(r"\((/[^()\s]{1,400}\.py)\)")


def _scripts(explanation: Explanation) -> list[str]:
    """The user's script, where it is a file of this machine."""
    frame = _own_frame(explanation)
    return [frame.path] if frame is not None and _is_the_same(frame) else []


def _own_frame(explanation: Explanation) -> Frame | None:
    """The outermost frame in a file of the user's; that of the exception which the error led to, where it has none."""
    for raised in (explanation.root, *explanation.chain):
        for frame in raised.frames if raised else ():
            path = Path(frame.path)
            if path.suffix == ".py" and not package_of(frame.path) and "lib/python" not in path.as_posix():
                return frame
    return None


def _stand_in(explanation: Explanation) -> str:
    """The user's line that failed as a script of its own, where it is an import or the exception says enough of it."""
    asked = asked_by(explanation.root) if explanation.root else None
    if asked is not None and not asked.caller and (source := probe_script(asked)):
        return source
    frame = _own_frame(explanation)
    return f"{frame.code}\n" if frame is not None and _is_import(frame.code) else ""


def _is_import(code: str) -> bool:
    """Whether a frame's line is a whole import statement, which stands for the script as well as the script itself."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return False
    return len(body) == 1 and isinstance(body[0], (ast.Import, ast.ImportFrom))


def _is_the_same(frame: Frame) -> bool:
    """Whether a file of this machine has, at a frame's line, what the log shows there."""
    path = Path(frame.path)
    try:
        if not path.is_file() or path.stat().st_size > LONGEST_FILE or frame.line is None:
            return False
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    here = lines[frame.line - 1].strip() if frame.line <= len(lines) else None
    return here is not None and (not frame.code or here.startswith(frame.code) or frame.code.startswith(here))


def _confirmed(explanation: Explanation, report: Report, rules: dict[str, Rule]) -> Explanation:
    asked = asked_by(explanation.root) if explanation.root else None
    candidates = {finding.id for finding in explanation.findings}
    words = str(explanation.root).strip() if explanation.root else ""
    seen = words.splitlines()[0] if words else ""

    def is_it(finding: Finding) -> bool:
        if asked is not None and finding.cause is not None:
            return _is_cause(finding, asked) or _gives(finding, asked, explanation.root)
        if _is_missing(finding):
            return finding.cause is not None and re.search(rf"\b{re.escape(finding.cause.name)}\b", words) is not None
        return finding.id in candidates or _has_words(rules.get(finding.id), words)

    there = [finding for finding in report.findings if is_it(finding)]
    # what a library does goes before what only the line that stands for the script would do
    there = [finding for finding in there if not _of_stand_in(finding)] or there
    there.sort(key=lambda finding: not _at_frame(finding, explanation.root))
    there = [_placed(finding, explanation.root) for finding in there if finding.id in rules]
    there = [_answer(finding, seen, asked) for finding in there]
    there = _told_closer(there, explanation.findings, rules)
    alone = [finding for finding in explanation.findings if finding.id not in {one.id for one in there}]
    judged = [finding for finding in alone if rules[finding.id].fails.get("probe") != OUTSIDE]
    kept = [
        replace(finding, confidence=Confidence.POSSIBLE) if finding in judged else finding
        for finding in alone
        if not there or finding not in judged
    ]
    kept.sort(key=lambda finding: _is_of_other_hardware(rules[finding.id], report.environment))
    findings = (*there, *kept)
    scripts = _scripts(explanation)
    notes = (*explanation.notes, *_notes(report.environment, scripts, judged, bool(there)))
    return replace(
        explanation,
        findings=findings,
        pages=tuple(rules[finding.id] for finding in findings),
        environment=report.environment,
        notes=notes,
        scripts=tuple(scripts),
    )


def _is_of_other_hardware(rule: Rule, environment: Environment) -> bool:
    """Whether a rule is about a GPU where there is none, or about a machine without one where there is."""
    devices = environment.accelerators
    probes = rule.fails.get("of", ()) if rule.fails.get("probe") == "all" else (rule.fails,)
    wanted = [probe.get("present") is not False for probe in probes if probe.get("probe") == "gpu"]
    return devices is not None and any(present != bool(devices) for present in wanted)


def _answer(finding: Finding, seen: str, asked: Asked | None) -> Finding:
    """A finding of check as the answer to an error: with its very words, and with what may be done in any case."""
    fixes = finding.fixes or (tuple(moves(asked)) if asked and finding.cause else ())
    return replace(finding, symptom=seen or finding.symptom, fixes=fixes)


def _told_closer(there: list[Finding], candidates: Sequence[Finding], rules: dict[str, Rule]) -> list[Finding]:
    """Broken links that only their kind's page tells, told by the rule that knows the exception's very words."""
    closer = [finding for finding in candidates if not is_page(rules[finding.id])]
    if not closer or any(finding.id == closer[0].id for finding in there):
        return there
    return [
        replace(closer[0], cause=finding.cause, location=finding.location) if is_page(rules[finding.id]) else finding
        for finding in there
    ]


def _notes(environment: Environment, scripts: list[str], judged: list[Finding], there: bool) -> tuple[str, ...]:
    """What was made sure of; judged are the causes that could have been found there and were not."""
    target = environment.target.prefix or environment.target.path
    with_script = f", with {', '.join(scripts)}," if scripts else ""
    elsewhere = "its data, or what it is started with" if scripts else "the script or its data"
    if there:
        ids = ", ".join(finding.id for finding in judged)
        same = f"; {ids}, known by the same words, {'is' if len(judged) == 1 else 'are'} not"
        return (f"Found in {target}{same if judged else ''}.",)
    if judged:
        return (
            f"{target}{with_script} was looked at, and does not show the cause by itself: it may lie in {elsewhere}.",
        )
    return ()


def _is_missing(finding: Finding) -> bool:
    """Whether a finding says that a package is not there at all, which nothing asks for in its source."""
    cause = finding.cause
    return cause is not None and cause.caller is None and cause.callee is not None and cause.callee.version is None


def _has_words(rule: Rule | None, words: str) -> bool:
    """Whether an exception has the words by which a rule is known; what is found there may be as vague as it likes."""
    return rule is not None and bool(rule.symptom) and re.search(rule.symptom.strip(), words) is not None


def _is_cause(finding: Finding, asked: Asked) -> bool:
    """Whether a finding of check is the link that the exception tells of."""
    cause = finding.cause
    if cause is None or not asked.name or _last(cause.name) != _last(asked.name):
        return False
    callee = cause.callee
    if callee is None or not asked.symbol:
        return True
    symbol = _last(asked.symbol.removesuffix(".__init__"))
    said = f"{callee.module}.{callee.symbol or ''}.{callee.distribution.replace('-', '_')}"
    return symbol in said.split(".") or asked.callee in said.split(".")


def _gives(finding: Finding, asked: Asked, root: Raised | None) -> bool:
    """Whether a finding is a call of the user's that gave the name which was refused further down the frames."""
    place, cause = finding.location, finding.cause
    if place is None or place.line is None or cause is None or root is None or cause.name != asked.name:
        return False
    lines = range(place.line, (place.end_line or place.line) + 1)
    return any(frame.line in lines and Path(frame.path) == Path(place.path).absolute() for frame in root.frames)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _at_frame(finding: Finding, root: Raised | None) -> bool:
    """Whether a finding's caller is a line that a frame stands at."""
    caller = finding.cause.caller if finding.cause else None
    if root is None or caller is None or caller.path is None:
        return False
    return any(
        frame.line == caller.line and frame.path.replace("\\", "/").endswith(caller.path) for frame in root.frames
    )


def _of_stand_in(finding: Finding) -> bool:
    return finding.location is not None and Path(finding.location.path).name == STAND_IN


def _placed(finding: Finding, root: Raised | None) -> Finding:
    """A finding in the file that only stood for the line that failed, told of the frame that the log shows."""
    location = finding.location
    if location is None or not _of_stand_in(finding):
        return finding
    frame = next((one for one in reversed(root.frames) if not package_of(one.path)), None) if root else None
    place = f"{frame.path}:{frame.line}" if frame and frame.line else "the script"

    def told(text: str) -> str:
        return text.replace(f"{STAND_IN}:{location.line}", place).replace(STAND_IN, "the script")

    # what the script does with the name that it imports the line alone does not show, and there is nothing to edit
    fixes = [fix for fix in finding.fixes if fix.edit is None or fix.edit.operation != "remove_import"]
    return replace(
        finding,
        location=None,
        title=told(finding.title),
        message=told(finding.message),
        fixes=tuple(replace(fix, edit=None) for fix in fixes),
    )
