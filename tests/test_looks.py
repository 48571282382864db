"""What a run looks at is noticed, and told from what is there later."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sftdoctor import looks

pytestmark = pytest.mark.skipif(not looks.CAN_WATCH, reason="nothing is noticed with this Python")


def _rewritten(path: Path) -> None:
    path.write_text("other")


def _replaced(path: Path) -> None:
    beside = path.with_name("beside")
    beside.write_text(path.read_text())
    os.utime(beside, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    beside.replace(path)


def _gone(path: Path) -> None:
    path.unlink()


def _now_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [_rewritten, _replaced, _gone, _now_a_folder])
@pytest.mark.parametrize("kind", ["stat", "lstat"])
def test_a_look_at_a_file(tmp_path: Path, kind: str, change: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    before = looks.look(kind, str(path))
    assert looks.look(kind, str(path)) == before
    change(path)
    assert looks.look(kind, str(path)) != before


def test_a_look_at_what_is_not_there_a_folder_and_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "new", tmp_path / "link"
    link.symlink_to("new")
    listed, missing, linked = (
        looks.look(*at) for at in (("list", str(tmp_path)), ("stat", str(path)), ("lstat", str(link)))
    )
    time.sleep(0.01)  # folders take the time of the kernel's clock, which ticks every 4 ms
    path.write_text("")
    assert looks.look("list", str(tmp_path)) != listed
    assert looks.look("stat", str(path)) != missing
    assert looks.look("lstat", str(link)) == linked == "@new"
    assert looks.look("access1", str(path)) == "False"


def test_facts_of_the_system_are_compared_by_what_they_say() -> None:
    kernel = "/proc/sys/kernel/ostype"
    if not Path(kernel).exists():
        pytest.skip("no /proc")
    assert "Linux" in looks.look("stat", kernel)
    assert looks.look("list", "/proc/sys/kernel") == looks.look("list", "/proc/sys/kernel")


@pytest.mark.parametrize("event", ["os.fork", "subprocess.Popen", "socket.connect", "ctypes.dlopen"])
def test_a_watch_hears_what_asks_elsewhere(event: str) -> None:
    watch = looks.Watch("/cache")
    watch._heard(event, ())
    assert watch.elsewhere == event


def test_a_watch_hears_what_is_read_and_not_what_is_written(tmp_path: Path) -> None:
    watch = looks.Watch(str(tmp_path / "cache"))
    for path, mode, flags in ((tmp_path / "a", "r", os.O_RDONLY), (tmp_path / "b", "w", os.O_WRONLY | os.O_CREAT)):
        watch._heard("open", (str(path), mode, flags))
    watch._heard("open", (str(tmp_path / "cache/c"), "r", os.O_RDONLY))
    watch._heard("os.listdir", (str(tmp_path),))
    assert set(watch.seen) == {("stat", str(tmp_path / "a")), ("list", str(tmp_path))}


def sources() -> Iterator[Path]:
    package = Path(looks.__file__).parent
    return (path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in ("repair", "proof"))


def test_every_look_can_be_noticed() -> None:
    """What os.scandir gives looks at files by itself (DirEntry.stat); nothing that a check does may use that."""
    assert not [path for path in sources() if re.search(r"\bentry\.(stat|is_symlink|inode)\(", path.read_text("utf-8"))]


def test_a_part_has_all_that_it_looks_at_and_nothing_else(tmp_path: Path) -> None:
    watch = looks.Watch(str(tmp_path / "cache"))
    first, second, third = (str(tmp_path / name) for name in ("a", "b", "c"))
    watch.note("stat", first)
    with looks.Part(watch) as outer:
        watch.note("stat", first)
        with looks.Part(watch) as inner:
            watch.note("stat", second)
            watch._heard("sftdoctor.ask", ())
            watch._heard("sftdoctor.asked", (("nvidia-smi",), 5.0, ("out", 0)))
    watch.note("stat", third)
    asked = ("ask", looks.SEPARATOR.join(("5.0", "nvidia-smi")))
    assert set(inner.seen() or ()) == {("stat", second), asked}
    assert set(outer.seen() or ()) == {("stat", first), ("stat", second), asked}
    watch._heard("socket.connect", ())
    assert inner.seen() is None


def test_a_place_holds_until_it_changes_and_counts_for_the_run(tmp_path: Path) -> None:
    path = tmp_path / "a"
    was = looks.look("stat", str(path))
    run = looks.Watch(str(tmp_path / "cache"))
    assert run.holds(("stat", str(path)), was)
    assert run.seen == {("stat", str(path)): was}
    path.write_text("new")
    assert not looks.Watch("/cache").holds(("stat", str(path)), was)
