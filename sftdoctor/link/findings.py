"""Turns what broke into Findings that a user understands."""

from __future__ import annotations

import ast
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from sftdoctor.link.releases import remark
from sftdoctor.link.state import CERTAIN, LIKELY, POSSIBLE, Event, Site
from sftdoctor.model import COMMAND_LINE, Cause, Confidence, Environment, Finding, Location, Place, Severity

KINDS: dict[str, tuple[str, str]] = {
    "missing-name": ("API001", "{caller} imports a name that {callee} does not have"),
    "unexpected-keyword": ("API002", "{caller} passes an argument that {callee} does not take"),
    "missing-module": ("API003", "{caller} imports a module that is not there"),
    "missing-distribution": ("API014", "{caller} asks for the version of {name}, which is not installed"),
    "missing-attribute": ("API005", "{caller} uses an attribute that {callee} does not have"),
    "import-order": ("API012", "{caller} is imported before what gives {callee} the name that it needs"),
    "abstract-method": ("API011", "{caller} makes an object of a class that lacks a method which {callee} demands"),
    "unknown-option": ("API013", "--{name} is no option that {callee} knows"),
    "unknown-key": ("API071", "{name} is no key that {callee} knows"),
    "ignored-key": ("API072", "{name} is a key that {callee} does not read"),
    "wrong-value": ("CFG101", "{callee} does not take this value of {name}"),
    "number-as-text": ("CFG420", "{name} is a text where {callee} computes with a number"),
    "truth-as-text": ("CFG421", "{name} is a text, and so it is true whatever it says"),
    "repeated-key": ("CFG102", "{name} stands twice in the config"),
    "clashing-field": ("API073", "{name} is a field of the script's and of {callee}'s dataclass"),
    "copied-field": ("API090", "{name} is a field of the script's own arguments that {callee} does not take"),
    "missing-argument": ("API006", "{caller} leaves out an argument that {callee} requires"),
    "too-many-positionals": ("API007", "{caller} passes more arguments than {callee} takes"),
    "override-mismatch": ("API008", "{caller} calls a method in a way that its override in {callee} does not take"),
    "refused-arguments": ("API015", "{name} refuses what {caller} gives it"),
    "version-gate": ("API009", "{caller} refuses to work with what is installed"),
    "unbound-name": ("API010", "{caller} uses a name that was never bound"),
    "numpy-binary-interface": ("ENV010", "a compiled module was built for another numpy"),
    "extension-cannot-load": ("ENV011", "a compiled module was built for another Python"),
}
SILENT = ("ignored-key", "repeated-key", "truth-as-text")
"""What stops no run."""
CONFIDENCE = {CERTAIN: Confidence.CERTAIN, LIKELY: Confidence.LIKELY, POSSIBLE: Confidence.POSSIBLE}


def finding(event: Event, environment: Environment, scripts: dict[str, str]) -> Finding:
    """The Finding that an Event becomes.

    Args:
        event: What broke.
        environment: For the versions of both sides.
        scripts: Module name → path of the user's scripts.
    """
    identifier, title = KINDS[event.kind]
    caller = _place(event.caller, environment)
    callee = _callee(event, environment)
    path = scripts.get(event.caller.module)
    overridden = scripts.get(event.callee.module) if event.callee else None
    if overridden and callee:
        callee = replace(callee, distribution=overridden, version=None, module="", symbol=None)
    told = replace(callee, distribution=_brief(overridden)) if overridden and callee else callee
    names = {"name": event.name, "caller": _name(caller, path), "callee": _called(told) or event.name}
    return Finding(
        id=identifier,
        rule=event.kind,
        severity=_severity(event, path),
        confidence=CONFIDENCE[event.doubt],
        title=title.format(**names),
        message=message(event, caller, told, path),
        symptom=f"{event.exception}: {event.message}" if event.exception and event.kind != "number-as-text" else "",
        cause=Cause(caller if not path else None, callee, event.name, event.expression, event.value),
        location=_location(event, path) or _handed(event, scripts) or _override(event, overridden),
    )


def _severity(event: Event, path: str | None) -> Severity:
    if event.kind in SILENT:
        return Severity.WARNING
    return Severity.ERROR if event.doubt < POSSIBLE else Severity.WARNING if path else Severity.INFO


def _override(event: Event, path: str | None) -> Location | None:
    """Where the user's own method stands that a library calls in vain."""
    return Location(path, event.callee.line or None) if path and event.callee else None


def _handed(event: Event, scripts: dict[str, str]) -> Location | None:
    """The user's call that a library was given the object by."""
    module, node = event.handed or ("", None)
    return _place_of(scripts[module], node, None) if node is not None and module in scripts else None


def _location(event: Event, path: str | None) -> Location | None:
    if path is None:
        return None
    if event.node is None:
        return Location(path, event.caller.line)
    return _place_of(path, event.node, event.caller.line or None)


def _place_of(path: str, node: ast.AST, line: int | None) -> Location:
    column, end_column = getattr(node, "col_offset", None), getattr(node, "end_col_offset", None)
    return Location(
        path,
        getattr(node, "lineno", line),
        None if column is None else column + 1,
        getattr(node, "end_lineno", None),
        None if end_column is None else end_column + 1,
    )


def _brief(path: str) -> str:
    """A file of the user's in a sentence, whose place says where it lies."""
    file = Path(path)
    return f"{file.parent.name}/{file.name}" if file.name == "__init__.py" else file.name


def _called(place: Place | None) -> str:
    return (place.distribution or place.module or "") if place else ""


def _name(place: Place, path: str | None) -> str:
    return (path and _brief(path)) or place.distribution or "the program"


def _place(site: Site, environment: Environment) -> Place:
    return Place(
        distribution=site.distribution,
        version=environment.version(site.distribution),
        module=site.module,
        line=site.line or None,
        symbol=f"{site.module}.{site.function}" if site.function else None,
        path=site.path,
    )


def _callee(event: Event, environment: Environment) -> Place | None:
    if event.callee is not None:
        place = _place(event.callee, environment)
        return Place(place.distribution, place.version, place.module, place.line, event.callee_symbol, place.path)
    if event.kind == "missing-module" and event.name.startswith("."):
        return None
    if event.kind == "missing-module":
        top = event.name.partition(".")[0]
        return Place(top.replace("_", "-").lower(), environment.version(top.replace("_", "-").lower()), event.name)
    if event.name and event.kind != "repeated-key":
        return Place(event.name.replace("_", "-").lower(), environment.version(event.name.replace("_", "-").lower()))
    return None


def message(event: Event, caller: Place, callee: Place | None, path: str | None) -> str:
    """What is wrong, in a sentence with both places."""
    who = (f"{_brief(path)}:{event.caller.line}" if event.caller.line else COMMAND_LINE) if path else _versioned(caller)
    where = "" if path else f" ({caller.path or caller.module}:{caller.line})"
    asked = f" `{event.expression}`" if event.expression else ""
    target = _versioned(callee) if callee else ""
    texts = {
        "missing-name": f"{who} does{asked}{where}; {target} has no such name.",
        "unexpected-keyword": f"{who} calls{asked}{where}; {target} has no argument `{event.name}` there.",
        "copied-field": f"{who} hands over an object of a class of the script's own; {target} makes one of its own"
        f"{_beside(callee)} of all its fields, which has no field `{event.name}`.",
        "missing-module": f"{who} does{asked}{where}; " + _absence(event, callee),
        "missing-distribution": f"{who} calls{asked}{where}; no installed distribution is named {event.name}.",
        "missing-attribute": f"{who} uses{asked}{where}; {target} has no `{event.name}` there.",
        "import-order": f"{who} does{asked}{where}; {target} has no such name by then.",
        "abstract-method": f"{who} does{asked}{where}; {target} declares `{event.name}` abstract there, and the class "
        "does not implement it.",
        "unknown-option": f"{who} gives `--{event.name}`, which {target} does not know{_beside(callee)}."
        if event.expression == event.name
        else f"{who} parses the command line{asked}; `--{event.name}` is no field of its dataclasses, "
        f"{target} included.",
        "unknown-key": f"{who} sets `{event.expression}`, which {target} does not have{_beside(callee)}.",
        "ignored-key": f"{who} sets `{event.expression}`, which {target} does not read{_beside(callee)}: it has no "
        "effect.",
        "wrong-value": f"{who} reads a command line that gives `--{event.name}` what {target} does not take there."
        if "(" in event.expression
        else f"{who} sets `{event.expression}` to what {target} does not take{_beside(callee)}.",
        "number-as-text": f"{who} gives {event.message}; {target} takes it as it is{_beside(callee)} and computes "
        "with it later.",
        "truth-as-text": f"{who} gives {event.message}; {target} takes it as it is{_beside(callee)}.",
        "repeated-key": f"{who} sets `{event.expression}`, which stands further down once more: the last one counts, "
        "without a word.",
        "clashing-field": f"{who} declares the field `{event.name}`, which {target} has too{_beside(callee)}: one "
        "parser of both has the option twice.",
        "missing-argument": f"{who} calls{asked}{where}; {target} requires the argument `{event.name}`.",
        "too-many-positionals": f"{who} calls{asked}{where} with more positional arguments than {target} takes.",
        "override-mismatch": f"{who} calls{asked}{where}; the override in {target} does not take `{event.name}`.",
        "refused-arguments": f"{who} {'calls' if '(' in event.expression else 'sets'}{asked}; {target} raises "
        f"{event.exception}{_raising(callee)}: {event.message}",
        "version-gate": f"{who} stops{where}: {event.message}",
        "unbound-name": f"{who} uses `{event.name}`{where}, which nothing has bound.",
        "numpy-binary-interface": f"{who} loads a compiled module{where} that does not fit the installed numpy.",
        "extension-cannot-load": f"{who} loads a compiled module{where} that this Python cannot load.",
    }
    text = texts.get(event.kind, f"{who}: {event.message}")
    since = remark(event, callee.distribution, callee.version) if callee else ""
    return " ".join(part for part in (text, since, event.detail) if part)


def _beside(callee: Place | None) -> str:
    """Where the class or module stands that reads a config: " (ClusterConfig, accelerate/…/config_args.py:178)"."""
    if callee is None or not callee.path:
        return ""
    name = (callee.symbol or "").rpartition(".")[2]
    return f" ({name}, {callee.path}:{callee.line})" if callee.line else f" ({callee.path})"


def _raising(callee: Place | None) -> str:
    return f" ({callee.path}:{callee.line})" if callee else ""


def _absence(event: Event, callee: Place | None) -> str:
    if callee is not None and callee.version is not None:
        return f"{callee.distribution} {callee.version} has no module `{event.name}`."
    if event.name.startswith("."):
        return f"there is no module `{event.name.lstrip('.')}` there."
    return f"no installed package provides `{event.name}`."


def _versioned(place: Place) -> str:
    if place.version:
        return f"{place.distribution} {place.version}"
    return place.distribution or place.module or "the program"


def select(events: Sequence[Event], driver: str, own: Container[str] = ()) -> list[Event]:
    """The events worth a finding: roots before what follows from them, each once.

    Args:
        events: In the order in which they were met.
        driver: The program that stands for the run; a name that it alone asks for is no break.
        own: Modules of the user's: there each place is told, and what is only possible too.
    """
    chosen: list[Event] = []
    seen: set[tuple[object, ...]] = set()
    broken: set[str] = set()
    read: dict[tuple[str, str], list[Event]] = {}
    for event in sorted(events, key=lambda e: e.doubt):
        users = event.caller.module in own
        key = (event.kind, event.name, event.callee_symbol or event.callee_distribution, users and event.caller)
        if (event.doubt >= POSSIBLE and not users) or key in seen or event.caller.module == driver:
            continue
        if event.importing:
            if event.caller.distribution in broken:
                continue  # what a half-imported package does next follows from its first break
            broken.add(event.caller.distribution)
        seen.add(key)
        if event.kind == "missing-attribute" and event.message.startswith("'") and not users:
            lacking = read.setdefault((event.callee_symbol, event.caller.module), [])
            lacking.append(event)
            if len(lacking) > 1:
                continue  # an object of the wrong class: the first attribute ends the run, the others are no news
        chosen.append(event)
    for first, *others in read.values():
        if others:
            first.detail = f"Nor has it {', '.join(f'`{other.name}`' for other in others)}."
    return chosen
