"""Everything before the first change: look, refuse, fetch what is new, keep what is old."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.model import Action, Environment, Plan
from sftdoctor.repair.backup import keep_files
from sftdoctor.repair.bounds import is_edited
from sftdoctor.repair.document import decode
from sftdoctor.repair.edits import edit_source, read_script, render_diff
from sftdoctor.repair.forbidden import refuse_forbidden
from sftdoctor.repair.installed import Installed, Place, find_installed, find_place, listing, same_version
from sftdoctor.repair.interrupts import put_off
from sftdoctor.repair.journal import Journal
from sftdoctor.repair.packages import Installer
from sftdoctor.repair.progress import Event, Listener
from sftdoctor.repair.records import Contents, PackageChange, Record, ScriptChange

CARRIED_OUT = frozenset({"package", "edit", "config"})


@dataclass(frozen=True)
class Work:
    """What apply knows before the first change."""

    place: Place | None
    prefix: Path
    packages: tuple[PackageChange, ...]
    there: tuple[Installed, ...]
    """Those of the packages that are installed inside the prefix."""
    scripts: tuple[tuple[Path, bytes, bytes], ...]
    """Real path, bytes before, bytes after."""

    @property
    def pins(self) -> dict[str, str]:
        return {one.name: one.new for one in self.packages if one.new is not None}

    @property
    def removals(self) -> list[str]:
        return [one.name for one in self.packages if one.new is None]


def survey(plan: Plan, environment: Environment, folder: Path) -> Work:
    """Look at everything that the plan will change and refuse what cannot be done, touching nothing."""
    other = next((action for action in plan.actions if action.kind not in CARRIED_OUT), None)
    if other is not None:
        raise RepairError(f"{other.name}: a change of kind {other.kind} is not carried out by itself", other.reason)
    packages = tuple(PackageChange(one.name, one.old, one.new) for one in plan.actions if one.kind == "package")
    scripts = _edited([action for action in plan.actions if action.kind in ("edit", "config")])
    if not packages:
        return Work(None, folder, (), (), scripts)
    place = find_place(environment)
    found = [find_installed(change.name, place) for change in packages]
    there = tuple(one for one in found if one is not None)
    refuse_forbidden(environment, place, {one.name: one.new for one in packages}, there)
    _refuse_drift(packages, found, environment, place)
    return Work(place, folder, packages, there, scripts)


def _refuse_drift(
    packages: tuple[PackageChange, ...], found: list[Installed | None], environment: Environment, place: Place
) -> None:
    for change, one in zip(packages, found, strict=True):
        listed = environment.distributions.get(change.name)
        outside = listed is not None and listed.root is not None and not place.holds(Path(listed.root, "x"))
        if listed is not None and outside:
            _refuse_shadowed(change, str(listed.root), environment, place)
        now = one.version if one else (listed.version if listed is not None and outside else None)
        if not same_version(now, change.old):
            raise RepairError(
                f"{change.name} is {now or 'absent'} now, the plan is for {change.old or 'its absence'}",
                "something else has changed the environment: make the plan again",
            )


def _refuse_shadowed(change: PackageChange, root: str, environment: Environment, place: Place) -> None:
    """What would be installed where nobody looks, because another folder comes first; a venv's own comes first."""
    order = [os.path.realpath(path) for path in environment.paths]
    if os.path.realpath(root) in order[order.index(str(place.roots[0])) :]:
        return
    on_path = {os.path.realpath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one}
    where = ["--target", root, "--upgrade"] if os.path.realpath(root) in on_path else ["--user"]
    wanted = ["install", *where, f"{change.name}=={change.new}"] if change.new else ["uninstall", change.name]
    raise RepairError(
        f"{change.name} is installed outside of {place.prefix}, in {root}, which is searched first",
        f"change it there: {shlex.join([environment.target.path, '-m', 'pip', *wanted])}",
    )


def _edited(actions: list[Action]) -> tuple[tuple[Path, bytes, bytes], ...]:
    """The new bytes of every script, in one step a finding; each diff must be the one that was shown."""
    texts: dict[Path, tuple[bytes, bytes]] = {}
    for action in actions:
        if action.edit is None and not action.content:
            raise RepairError(f"{action.name}: the plan does not say how to edit it")
        path = Path(os.path.realpath(action.name))
        if not is_edited(path):
            raise RepairError(
                f"{action.name} is edited by nobody but you: its name does not say that it is a script or a config",
                "rename it (train.py, config.yaml, run.sh), or make the change by hand",
            )
        old, now = texts.get(path) or (read_script(path),) * 2
        new = edit_source(now, action.edit) if action.edit else action.content
        shown = render_diff(decode(now, action.name)[0], decode(new, action.name)[0], action.name)
        if action.diff and shown != action.diff:
            raise RepairError(f"{action.name} was changed since the plan was made", "make the plan again")
        if not os.access(path, os.W_OK) or not path.stat().st_mode & 0o222:
            raise RepairError(f"{action.name} is read-only", f"chmod u+w {action.name}, or edit it by hand")
        texts[path] = (old, new)
    return tuple((path, old, new) for path, (old, new) in texts.items() if old != new)


def begin(work: Work, environment: Environment) -> Journal:
    scripts = tuple(ScriptChange(str(path), hashlib.sha256(new).hexdigest()) for path, _, new in work.scripts)
    freeze = {name: one.version for name, one in sorted(environment.distributions.items())}
    roots = tuple(str(root) for root in work.place.roots) if work.place else ()
    record = Record("", "planned", "", str(work.prefix), roots, environment.target.path, work.packages, scripts, freeze)
    return Journal.create(record)


def prepare(journal: Journal, work: Work, installer: Installer | None, lock: int, on_event: Listener) -> None:
    """Fetch what is new and keep what is old; when this returns, the way back is on the disk."""
    try:
        journal.enter("preparing")
        on_event(Event("preparing", "fetching what will be installed"))
        expected: set[Path] = set()
        if installer is not None and work.place is not None and work.pins:
            staging = installer.fetch(work.pins, journal.folder, lock, journal.log)
            expected = _expected(staging, work.place)
            _refuse_links_out(expected, work.place)
            expected |= {folder for path in expected for folder in _born(path, work.place)}
        old = {path for one in work.there for path in one.files}
        scripts = {path for path, _, _ in work.scripts}
        folders = {parent for path in old for parent in path.parents if work.place and _below(parent, work.place)}
        paths = folders | old | {path for path in expected if path.is_symlink() or path.is_file()} | scripts
        _refuse_no_space(paths, journal.folder, work)
        on_event(Event("preparing", f"keeping {len(paths)} files for the way back"))
        kept = keep_files(paths, journal.folder, lambda n, of: on_event(Event("preparing", "keeping files", n, of)))
        tree = listing(work.place, old) if work.place else frozenset()
        journal.save_contents(Contents(kept, tree, frozenset(str(path) for path in expected)))
        os.sync()  # one for all copies: an fsync each would take a minute for torch
        journal.save()
    except BaseException as error:
        with put_off():
            _abandon(journal, error)
        if isinstance(error, OSError):
            raise RepairError(
                f"the journal cannot be written to {journal.folder}: {error.strerror or error}; nothing was changed",
                "free some space, or set SFTDOCTOR_STATE to a folder with space",
            ) from error
        raise


def _abandon(journal: Journal, error: BaseException) -> None:
    # Where not even this can be written the journal stays "preparing", which says the same.
    with contextlib.suppress(OSError):
        for name in ("staging", "wheels", "files", "uv-cache"):
            shutil.rmtree(journal.folder / name, ignore_errors=True)
        journal.enter("undone", f"nothing had been changed: {type(error).__name__}: {error}"[:500])


def _below(folder: Path, place: Place) -> bool:
    return any(root in folder.parents for root in place.roots)


def _expected(staging: Path, place: Place) -> set[Path]:
    """Where in the target every file of the unpacked new versions will be."""
    metadata = min(staging.rglob("*.dist-info"), default=None)
    if metadata is None:
        raise RepairError(f"the installer unpacked nothing into {staging}")
    site = metadata.parent
    found = set()
    for base, _, names in os.walk(staging):
        for name in names:
            path = Path(base, name)
            if site in path.parents:
                found.add(place.roots[0] / path.relative_to(site))
            elif path.parent != staging:  # uv leaves its lock file there
                found.add(place.prefix / path.relative_to(staging))
    return found


def _born(path: Path, place: Place) -> list[Path]:
    """The folders of a new file that are not there yet."""
    return [parent for parent in path.parents if place.prefix in parent.parents and not parent.exists()]


def _refuse_links_out(expected: set[Path], place: Place) -> None:
    """An installer would write through a folder that is a link."""
    for path in sorted(expected):
        if not place.holds(path):
            raise RepairError(
                f"{path} would be written outside of {place.prefix}: one of its folders is a link to"
                f" {os.path.realpath(path.parent)}",
                "remove the link, or install by hand what belongs there",
            )


def _refuse_no_space(paths: set[Path], folder: Path, work: Work) -> None:
    size = sum(path.lstat().st_size for path in paths if not path.is_dir() and (path.is_symlink() or path.exists()))
    staged = sum(path.lstat().st_size for path in (folder / "staging").rglob("*") if not path.is_dir())
    for where, needed in ((folder, size), (work.prefix, staged)):
        free = shutil.disk_usage(where).free
        if free < needed + 16 * 2**20:
            raise RepairError(
                f"{where} has {free / 2**20:.0f} MiB free, the fix needs {needed / 2**20:.0f} MiB and some more",
                "free some space, or set SFTDOCTOR_STATE to a folder with space",
            )
