"""Journals that somebody forged, with seals that are sound: the way back leads nowhere but into the environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.repair.journal import journals_folder
from sftdoctor.repair.records import seal_of
from sftdoctor.repair.transaction import journals, undo

from .conftest import package, picture, script_edit, site_of
from .test_transaction import run, version

Body = dict[str, Any]


@dataclass
class Forged:
    """A committed fix of an environment and a script, whose journal can be rewritten."""

    venv: Path
    outside: Path
    folder: Path

    def rewrite(self, change: Callable[[Body, Body], None]) -> None:
        """Change record and contents, and seal them again."""
        record = json.loads((self.folder / "journal.json").read_text())["journal"]
        contents = json.loads((self.folder / "contents.json").read_text())
        change(record, contents)
        data = json.dumps(contents, sort_keys=True).encode()
        record["contents"] = hashlib.sha256(data).hexdigest()
        (self.folder / "contents.json").write_bytes(data)
        seal = seal_of(record)
        (self.folder / "journal.json").write_text(json.dumps({"seal": seal, "journal": record}))

    def kept(self, path: Path, text: str = "evil\n", **more: Any) -> Body:
        """An entry of the contents, with its copy."""
        copy = self.folder / "files" / "999999"
        copy.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        blank = {"path": str(path), "backup": "files/999999", "sha256": digest, "link": None, "folder": False}
        return {**blank, "mode": 0o644, "mtime_ns": 0, "uid": os.geteuid(), "gid": os.getegid(), **more}


@pytest.fixture
def forged(uv_venv: Path, tmp_path: Path) -> Forged:
    script = tmp_path / "train.py"
    script.write_text("f(a=1)\n")
    edit = Edit("rename_keyword", Location(str(script), 1, 1), {"old": "a", "new": "b"})
    result = run(uv_venv, package("alpha", "1.0", "2.0"), script_edit(script, edit))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine\n")
    return Forged(uv_venv, outside, journals_folder() / str(result.journal))


def elsewhere(forged: Forged, record: Body, contents: Body) -> None:
    contents["kept"].append(forged.kept(forged.outside / "mine.txt"))


def by_dots(forged: Forged, record: Body, contents: Body) -> None:
    contents["kept"].append(forged.kept(Path(f"{site_of(forged.venv)}/../../../../outside/mine.txt")))


def relative(forged: Forged, record: Body, contents: Body) -> None:
    contents["kept"].append(forged.kept(Path("mine.txt")))


def through_a_link_that_is_there(forged: Forged, record: Body, contents: Body) -> None:
    (site_of(forged.venv) / "way").symlink_to(forged.outside)
    contents["kept"].append(forged.kept(site_of(forged.venv) / "way" / "mine.txt"))


def another_prefix(forged: Forged, record: Body, contents: Body) -> None:
    record["prefix"] = str(forged.outside)


def the_whole_disk(forged: Forged, record: Body, contents: Body) -> None:
    record["prefix"] = "/"
    contents["kept"].append(forged.kept(forged.outside / "mine.txt"))


def other_roots(forged: Forged, record: Body, contents: Body) -> None:
    record["roots"] = [str(forged.outside)]


def roots_too_high(forged: Forged, record: Body, contents: Body) -> None:
    record["roots"] = [str(forged.venv)]


def no_roots(forged: Forged, record: Body, contents: Body) -> None:
    record["roots"] = []


def a_linked_prefix(forged: Forged, record: Body, contents: Body) -> None:
    link = forged.outside.parent / "link"
    link.symlink_to(forged.venv)
    record["prefix"] = str(link)


def a_shell_profile(forged: Forged, record: Body, contents: Body) -> None:
    profile = forged.outside / ".bashrc"
    profile.write_text("# mine\n")
    record["scripts"].append({"path": str(profile), "sha256": hashlib.sha256(b"# mine\n").hexdigest()})
    contents["kept"].append(forged.kept(profile))


def a_key_file(forged: Forged, record: Body, contents: Body) -> None:
    keys = forged.outside / "authorized_keys"
    keys.write_text("mine\n")
    record["scripts"].append({"path": str(keys), "sha256": hashlib.sha256(b"mine\n").hexdigest()})
    contents["kept"].append(forged.kept(keys))


def a_script_that_is_a_link(forged: Forged, record: Body, contents: Body) -> None:
    link = forged.outside / "linked.py"
    link.symlink_to("mine.txt")
    record["scripts"].append({"path": str(link), "sha256": hashlib.sha256(b"mine\n").hexdigest()})
    contents["kept"].append(forged.kept(link))


def a_script_that_becomes_a_link(forged: Forged, record: Body, contents: Body) -> None:
    (script,) = record["scripts"]
    contents["kept"] = [one for one in contents["kept"] if one["path"] != script["path"]]
    contents["kept"].append(forged.kept(Path(script["path"]), backup=None, sha256="", link="/etc/passwd"))


def a_copy_from_elsewhere(forged: Forged, record: Body, contents: Body) -> None:
    digest = hashlib.sha256(b"mine\n").hexdigest()
    entry = forged.kept(site_of(forged.venv) / "stolen.py", sha256=digest, backup="../../../outside/mine.txt")
    contents["kept"].append(entry)


def both_file_and_folder(forged: Forged, record: Body, contents: Body) -> None:
    contents["kept"].append(forged.kept(site_of(forged.venv) / "x", folder=True))


REFUSED = (
    *(elsewhere, by_dots, relative, through_a_link_that_is_there, another_prefix, the_whole_disk, other_roots),
    *(roots_too_high, no_roots, a_linked_prefix, a_shell_profile, a_key_file, a_script_that_is_a_link),
    *(a_script_that_becomes_a_link, a_copy_from_elsewhere, both_file_and_folder),
)


@pytest.mark.parametrize("forge", REFUSED, ids=lambda forge: forge.__name__)
def test_a_way_that_leads_out_is_refused_before_anything_is_written(
    forged: Forged, forge: Callable[[Forged, Body, Body], None]
) -> None:
    forged.rewrite(lambda record, contents: forge(forged, record, contents))
    before = picture(forged.venv), picture(forged.outside)
    for force in (False, True):
        with pytest.raises(RepairError):
            undo(forged.folder.name, force=force)
        assert (picture(forged.venv), picture(forged.outside)) == before


def test_a_link_that_is_put_back_leads_nothing_out(forged: Forged) -> None:
    """The journal first puts a link where it then writes below: the folder is looked at again before."""
    way = site_of(forged.venv) / "a"

    def forge(record: Body, contents: Body) -> None:
        link = forged.kept(way, backup=None, sha256="", link=str(forged.outside))
        contents["kept"] = [link, forged.kept(way / "mine.txt"), *contents["kept"]]

    forged.rewrite(forge)
    with pytest.raises(RepairError, match="leads out of the environment"):
        undo(forged.folder.name)
    assert (forged.outside / "mine.txt").read_text() == "mine\n"


def test_removing_stays_inside(forged: Forged) -> None:
    """What a fix is said to have brought is removed from the environment alone, whatever it is called."""
    (site_of(forged.venv) / "way").symlink_to(forged.outside)

    def forge(record: Body, contents: Body) -> None:
        contents["expected"] += [
            str(forged.outside / "mine.txt"),
            str(site_of(forged.venv) / "way" / "mine.txt"),
            f"{forged.venv}/../outside/mine.txt",
        ]

    forged.rewrite(forge)
    undo(forged.folder.name)
    assert (forged.outside / "mine.txt").read_text() == "mine\n"
    assert version(forged.venv, "alpha") == "1.0"


BROKEN: dict[str, Callable[[Body, Body], None]] = {
    "packages are a number": lambda record, contents: record.update(packages=5),
    "a package has other keys": lambda record, contents: record.update(packages=[{"name": "alpha"}]),
    "roots are null": lambda record, contents: record.update(roots=None),
    "a prefix that is a number": lambda record, contents: record.update(prefix=1),
    "a relative prefix": lambda record, contents: record.update(prefix="venv"),
    "an unknown state": lambda record, contents: record.update(state="fine"),
    "another id": lambda record, contents: record.update(id="20260101-000000-000000-beef"),
    "a version that is a list": lambda record, contents: record["packages"][0].update(new=["2.0"]),
    "no kept": lambda record, contents: contents.pop("kept"),
    "kept is a text": lambda record, contents: contents.update(kept=["x"]),
    "a kept path that is a number": lambda record, contents: contents["kept"][0].update(path=7),
    "a mode that is a text": lambda record, contents: contents["kept"][0].update(mode="rwx"),
    "a tree of numbers": lambda record, contents: contents.update(tree=[1]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_as_it_was_written_is_an_error_and_no_crash(forged: Forged, name: str) -> None:
    forged.rewrite(BROKEN[name])
    before = picture(forged.venv)
    with pytest.raises(RepairError):
        undo(forged.folder.name, force=True)
    assert picture(forged.venv) == before
    journals()


def test_a_damaged_journal_is_listed(forged: Forged) -> None:
    (forged.folder / "journal.json").write_text("{")
    (entry,) = journals()
    assert (entry.id, entry.state) == (forged.folder.name, "damaged") and "cannot be read" in entry.lost
    with pytest.raises(RepairError, match="no fix to take back") as caught:
        undo()
    assert "cannot be read" in caught.value.hint


def test_a_journal_folder_that_is_a_link_is_refused(forged: Forged) -> None:
    moved = forged.outside / "journal"
    forged.folder.rename(moved)
    forged.folder.symlink_to(moved)
    with pytest.raises(RepairError, match="not trusted"):
        undo(forged.folder.name)


def test_a_folder_in_the_way_of_a_file_is_set_aside(uv_venv: Path) -> None:
    """Somebody has put a folder of theirs where a file was: it is not lost."""
    run(uv_venv, package("beta", "1.0", "1.5"))
    module = site_of(uv_venv) / "beta.py"
    module.unlink()
    module.mkdir()
    (module / "precious.txt").write_text("mine\n")
    undo()
    assert version(uv_venv, "beta") == "1.0"
    (aside,) = site_of(uv_venv).glob("beta.py.before-undo-*")
    assert (aside / "precious.txt").read_text() == "mine\n"


def test_only_root_may_own_what_root_undoes(forged: Forged) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    subprocess.run(["chown", "65534", str(forged.folder)], check=True)
    with pytest.raises(RepairError, match="not trusted"):
        undo(forged.folder.name)
