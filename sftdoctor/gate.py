"""`sftdoctor init`: the configuration and the gates that it writes into a project; what is there stays as it is."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sftdoctor import __version__
from sftdoctor.errors import UsageError
from sftdoctor.model import Action, LeftOut, Plan, Safety
from sftdoctor.repair.durable import replace_file
from sftdoctor.repair.edits import render_diff
from sftdoctor.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover  (Python 3.10)
    import tomli as tomllib

GATES: Mapping[str, Mapping[str, str]] = {
    "github": {"github.yml": ".github/workflows/sftdoctor.yml"},
    "gitlab": {"gitlab.yml": ".gitlab/sftdoctor.yml", "gitlab-ci.yml": ".gitlab-ci.yml"},
    "pre-commit": {"pre-commit.yaml": ".pre-commit-config.yaml"},
    "docker": {"Dockerfile": ".sftdoctor/Dockerfile"},
    "slurm": {"slurm.sh": ".sftdoctor/slurm.sh"},
    "kubernetes": {"kubernetes.yaml": ".sftdoctor/kubernetes.yaml"},
}
"""Gate → template → the file that it becomes."""
FROM_PINS = ("github", "gitlab")
"""Gates that judge pinned versions, since nothing is installed where they run."""
PINS = ("uv.lock", "poetry.lock", "pylock.toml", "requirements.txt", "environment.yml")
"""Files with versions, the surest first."""
THERE = {
    ".gitlab-ci.yml": "is there already; add to it: include: [{local: .gitlab/sftdoctor.yml}]",
    ".pre-commit-config.yaml": "is there already; add the hook sftdoctor-check to it by hand",
}
"""What to do by hand where a file is the user's own."""
TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Draft:
    """What would be written."""

    plan: Plan
    """One action a file, with its diff; what is left out and why."""
    texts: Mapping[Path, tuple[bytes | None, bytes]]
    """File → its bytes before (None where there is none) and after."""


def draft(settings: Settings, gates: tuple[str, ...], folder: Path) -> Draft:
    """Find out what to write into a project.

    Args:
        settings: paths, pins, python_version, scenario, model and gpu are looked at.
        gates: Names in GATES; none for GitLab's where the project has a .gitlab-ci.yml, else GitHub's.
        folder: The project.

    Returns:
        The configuration and the files of the gates. Nothing is written.

    Raises:
        UsageError: There are no pinned versions for a gate that judges them, or a name cannot stand in the files.
    """
    gates = gates or (("gitlab",) if (folder / ".gitlab-ci.yml").exists() else ("github",))
    wanted = {folder / "pyproject.toml": _configuration(settings, folder)}
    for gate in gates:
        for template, name in GATES[gate].items():
            text = (TEMPLATES / template).read_text(encoding="utf-8")
            wanted[folder / name] = _filled(text, gate, settings, folder).encode()
    texts: dict[Path, tuple[bytes | None, bytes]] = {}
    actions, left_out = [], []
    for path, new in wanted.items():
        name = path.relative_to(folder).as_posix()
        old = path.read_bytes() if os.path.lexists(path) else None
        diff = render_diff((old or b"").decode("utf-8", "replace"), new.decode("utf-8", "replace"), name)
        action = Action("config", name, None, None, Safety.SAFE, "added to it" if old else "new", diff=diff)
        reason = _kept(name, old, new)
        if reason:
            left_out.append(LeftOut(action, reason))
        elif old != new:
            actions.append(action)
            texts[path] = (old, new)
    return Draft(Plan(tuple(actions), tuple(left_out)), texts)


def write(made: Draft) -> None:
    """Write what was drafted.

    Args:
        made: The draft.

    Raises:
        UsageError: A file has come or changed since; what was written before it stays.
        RepairError: A file cannot be written.
    """
    for path, (old, new) in made.texts.items():
        if old is not None:
            if path.read_bytes() != old:
                raise UsageError(f"{path} has changed in the meantime", "Run it again.")
            replace_file(path, new)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as stream:
                stream.write(new)
        except FileExistsError as error:
            raise UsageError(f"{path} has come in the meantime", "Run it again.") from error


def _kept(name: str, old: bytes | None, new: bytes) -> str:
    """Why a file is left as it is; "" where it may be written."""
    if old is None or old == new:
        return ""
    if name == "pyproject.toml":
        return _configured(old, new)
    return THERE.get(name, "is there already")


def _configured(old: bytes, new: bytes) -> str:
    """Why a pyproject.toml takes no table of ours; "" where it does."""
    try:
        if "sftdoctor" in tomllib.loads(old.decode()).get("tool", {}):
            return "[tool.sftdoctor] is there already"
        tomllib.loads(new.decode())
    except (ValueError, TypeError, RecursionError) as error:
        return f"the table cannot be added: {error}"
    return ""


def _configuration(settings: Settings, folder: Path) -> bytes:
    """pyproject.toml with [tool.sftdoctor] at its end."""
    path = folder / "pyproject.toml"
    old = path.read_bytes() if path.is_file() else b""
    lines = ["[tool.sftdoctor]", f"scenario = {_toml(settings.scenario)}"]
    lines += [f"model = {_toml(settings.model)}"] if settings.model else []
    lines += [f"gpu = {_toml(settings.gpu)}"] if settings.gpu else []
    lines += [f"fail-on = {_toml(settings.fail_on)}"]
    gap = b"" if not old else b"\n" if old.endswith(b"\n") else b"\n\n"
    return old + gap + "\n".join([*lines, ""]).encode()


def _toml(text: str) -> str:
    import json

    return json.dumps(_harmless(text), ensure_ascii=False)  # a JSON string without control characters is a TOML one


def _filled(text: str, gate: str, settings: Settings, folder: Path) -> str:
    words = list(settings.paths)
    if gate in FROM_PINS:
        words += ["--pins", _pins(settings, folder), "--python-version", settings.python_version or "3.11"]
    arguments = " ".join(shlex.quote(_harmless(word)) for word in words)
    text = text.replace("@REQUIREMENT@", f"sftdoctor=={__version__}")
    return text.replace("@ARGUMENTS@ ", f"{arguments} " if words else "").replace("@ARGUMENTS@", arguments)


def _pins(settings: Settings, folder: Path) -> str:
    found = settings.pins or next((name for name in PINS if (folder / name).is_file()), None)
    if found is None:
        raise UsageError(
            f"there are no pinned versions to judge: none of {', '.join(PINS)} is here",
            "Name a file with --pins; `pip freeze > requirements.txt` writes one.",
        )
    return found


def _harmless(word: str) -> str:
    """A word of the user's that can stand in YAML, shell and TOML."""
    if not word.isprintable() or "${{" in word:
        raise UsageError(f"{word!r} cannot be written into a workflow", "Rename it.")
    return word
