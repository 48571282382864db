"""What linking found, kept between runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor import folders
from sftdoctor.link import memory
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.link.memory import Stamps
from sftdoctor.link.program import LinkResult
from sftdoctor.model import Environment, Scenario, Script, Workload
from tests.link.worlds import World, told

SCRIPT = "from lib import f\nf(1, y=2)\n"
ROW = World({"lib": "def f(x): pass", "user": "import bad\nfrom lib import gone", "bad": "x = ="})


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return ROW.environment(tmp_path)


@pytest.fixture
def again(environment: Environment, tmp_path: Path) -> Callable[..., tuple[LinkResult, int]]:
    """Links once more with the same cache; the result and how many modules were parsed."""

    def run(changed: Environment = environment, script: str = SCRIPT) -> tuple[LinkResult, int]:
        library = Library(changed, tmp_path / "cache")
        workload = Workload(Scenario("a run", "a run", (), run="import user\n"), (Script("train.py", script),))
        return link(library, changed, workload), library.trees.parsed

    return run


Again = Callable[..., tuple[LinkResult, int]]


def test_a_second_run_parses_nothing_and_says_the_same(again: Again) -> None:
    (first, cold), (second, warm) = again(), again()
    assert told(first) == ("API001 gone certain", "API002 y certain")
    assert first == second
    assert first.not_judged and cold > 0 and warm == 0


def test_a_changed_file_is_seen(again: Again, tmp_path: Path) -> None:
    again()
    path = tmp_path / "site-packages" / "lib" / "__init__.py"
    path.write_text("def f(x, y): pass\ngone = 1\n")
    os.utime(path, ns=(5, 5))
    assert told(again()[0]) == ()


def test_a_changed_script_is_seen(again: Again) -> None:
    again()
    assert told(again(script="from lib import f\nf(1, z=2)\n")[0]) == ("API001 gone certain", "API002 z certain")


def test_a_module_that_comes_is_seen(again: Again, environment: Environment, tmp_path: Path) -> None:
    script = "import later\nlater.x\n"
    assert told(again(script=script)[0]) == ("API001 gone certain", "API003 later certain")
    site = tmp_path / "site-packages"
    (site / "later.py").write_text("x = 1")
    info = site / "later-1.0.dist-info"
    info.mkdir()
    distribution = replace(environment.distributions["lib"], name="later", metadata=str(info))
    changed = replace(environment, distributions={**environment.distributions, "later": distribution})
    assert told(again(changed, script)[0]) == ("API001 gone certain",)


@pytest.mark.parametrize(
    ("script", "comes", "after"),
    [
        ("import later\n", "later.py", ()),
        ("import later\n", "later/__init__.py", ()),
        ("from lib import below\n", "lib/below.py", ()),
        ("import lib.below.more\n", "lib/below/more.py", ()),
        (
            "try:\n    import later\nexcept ImportError:\n    pass\nelse:\n    later.x\n",
            "later.py",
            ("API005 x certain",),
        ),
    ],
)
def test_a_module_that_is_copied_there_is_seen(
    again: Again, tmp_path: Path, script: str, comes: str, after: tuple[str, ...]
) -> None:
    """What is copied into site-packages has no record, and neither the environment nor a file that was read changes."""
    before = told(again(script=script)[0])
    path = tmp_path / "site-packages" / comes
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    found = told(again(script=script)[0])
    assert found == ("API001 gone certain", *after) != before


def test_what_python_writes_beside_modules_changes_nothing(again: Again, tmp_path: Path) -> None:
    again()
    (tmp_path / "site-packages" / "__pycache__").mkdir()
    assert again()[1] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.12.1"},
        {"complete": False},
        {"paths": ()},
        {"owners": {"lib": ""}},
        {"modules": {"other": "/nowhere"}},
        {"markers": {"sys_platform": "win32"}},
    ],
)
def test_what_a_result_hangs_on(change: dict[str, object], environment: Environment) -> None:
    changed = replace(environment, **change)  # type: ignore[arg-type]
    same = memory.identity(environment, Stamps())
    assert memory.identity(changed, Stamps()) != same == memory.identity(replace(environment), Stamps())
    assert memory.key_of(same, "text") != memory.key_of(same, "other") != memory.key_of("another", "other")


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[]", b"null", b"\xff", b'{"findings": [{}], "not_judged": [], "files": {}}']
)
def test_damage_only_costs_time(damage: bytes, again: Again, tmp_path: Path) -> None:
    first, _ = again()
    for kept in (tmp_path / "cache" / "links").glob("*.json"):
        kept.write_bytes(damage)
    assert again()[0] == first


def test_a_cache_that_takes_nothing(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    library = Library(environment, tmp_path / "file")
    result = link(library, environment, Workload(Scenario("a run", "a run", (), run="import user\n")))
    assert told(result) == ("API001 gone certain",)


def test_the_folder_is_bounded(tmp_path: Path) -> None:
    for number in range(6):
        memory.keep(tmp_path, f"key{number}", LinkResult(), ())
        os.utime(tmp_path / f"key{number}.json", ns=(number, number))
    folders.prune(tmp_path, 3)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["key3", "key4", "key5"]
    assert memory.recall(tmp_path, "key5", Stamps()) == LinkResult()
    assert memory.recall(tmp_path, "key0", Stamps()) is None
