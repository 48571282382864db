"""A workload as a whole: entry points, scripts, several roots, and what cannot be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link import machine as machines
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.link.program import driver
from sftdoctor.model import NotJudged, Scenario, Script, Workload
from tests.link.worlds import World, link_program, told

LIB = World({"lib": "def f(x): pass", "one": "from lib import a", "two": "import gone", "three": "x = 1"})


def run(tmp_path: Path, workload: Workload, row: World = LIB) -> tuple[str, ...]:
    environment = row.environment(tmp_path)
    return told(link(Library(environment), environment, workload))


def test_entry_points_as_a_program() -> None:
    assert driver(("trl:SFTTrainer", "bitsandbytes")) == "from trl import SFTTrainer\nimport bitsandbytes\n"


def test_every_entry_point_is_followed(tmp_path: Path) -> None:
    scenario = Scenario("a run", "a run", ("one", "two", "three:x"))
    assert run(tmp_path, Workload(scenario)) == ("API001 a certain", "API003 gone certain")


def test_an_entry_point_that_is_not_there_is_no_break(tmp_path: Path) -> None:
    assert run(tmp_path, Workload(Scenario("a run", "a run", ("three:gone", "nowhere", "three.deep")))) == ()


def test_scripts_are_followed_each_for_itself(tmp_path: Path) -> None:
    scripts = (Script("a.py", "from lib import f\nf(1, y=1)"), Script("b.py", "from lib import f\nf(1, z=1)"))
    environment = LIB.environment(tmp_path)
    result = link(Library(environment), environment, Workload(Scenario("a run", "a run", ()), scripts))
    assert [(f.location.path, f.location.line) for f in result.findings if f.location] == [("a.py", 2), ("b.py", 2)]


def test_a_script_goes_on_behind_a_break(tmp_path: Path) -> None:
    script = "import gone\nfrom lib import f, a\nf(1, y=1)\ngone.x\na.x\nf(2, z=1)\n"
    workload = Workload(Scenario("a run", "a run", ()), (Script("a.py", script),))
    wanted = ("API003 gone certain", "API001 a certain", "API002 y certain", "API002 z certain")
    assert run(tmp_path, workload) == wanted


def test_what_both_say_is_said_once(tmp_path: Path) -> None:
    workload = Workload(
        Scenario("a run", "a run", ("one",)), (Script("a.py", "import one"), Script("b.py", "import one"))
    )
    assert run(tmp_path, workload) == ("API001 a certain",)


def test_a_script_that_cannot_be_parsed(tmp_path: Path) -> None:
    result = link_program(LIB.environment(tmp_path), "x = = 1", script=True)
    assert result.findings == ()
    assert result.not_judged == (NotJudged("train.py", "it cannot be parsed: line 1: invalid syntax"),)


def test_a_budget_that_is_spent_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "STEPS", 200)
    calls = "\n".join(f"x = {n} + {n}" for n in range(200))
    result = link_program(LIB.environment(tmp_path), f"from lib import f\nf(1, y=2)\n{calls}\nimport gone", script=True)
    assert told(result) == ("API002 y certain",)
    assert result.not_judged == (NotJudged("the rest of train.py", "following it took too many steps"),)
    result = link_program(LIB.environment(tmp_path / "again"), calls)
    assert result.not_judged == (NotJudged("the rest of the run", "following it took too many steps"),)


def test_modules_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    row = World({"user": "import bad", "bad": "x = ="})
    assert [item.what for item in row.link(tmp_path).not_judged] == ["module bad"]


MANY = World(
    {
        "trl": "from transformers import Trainer\nclass SFTTrainer(Trainer):\n    def __init__(self, args): pass",
        "transformers": "class Trainer: pass\nclass Config:\n    names = {}",
        "peft": "from transformers import Trainer\ndef wrap(model): pass",
    }
)
ENTRY = Scenario("a run", "a run", ("trl:SFTTrainer", "peft:wrap"))
SCRIPTS = (
    "from trl import SFTTrainer\nSFTTrainer(args=1, old=2)",
    "import transformers as t\nt.Config.added = 1\nt.Trainer = None\nfrom trl import SFTTrainer\nSFTTrainer(1)",
    "import transformers\ntransformers.Trainer\ntransformers.Config.added",
    "from peft import gone",
    "x = = 1",
    "import nowhere",
)


def test_many_scripts_give_what_each_gives_alone(tmp_path: Path) -> None:
    environment = MANY.environment(tmp_path / "target")
    scripts = tuple(Script(str(tmp_path / f"{number}.py"), text) for number, text in enumerate(SCRIPTS))
    together = link(Library(environment), environment, Workload(ENTRY, scripts))
    alone = [link(Library(environment), environment, Workload(ENTRY, (script,))) for script in scripts]
    assert sorted(map(str, together.findings)) == sorted(str(item) for one in alone for item in one.findings)
    assert set(together.not_judged) == {item for one in alone for item in one.not_judged}
    assert len(told(together)) == 4


def test_many_scripts_beside_a_module_of_an_imported_name(tmp_path: Path) -> None:
    environment = MANY.environment(tmp_path / "target")
    (tmp_path / "peft.py").write_text("def wrap(model, more): pass")
    text = "from peft import wrap\nwrap(1, 2)"
    scripts = tuple(Script(str(tmp_path / f"{number}.py"), f"{text}\n# {number}") for number in range(4))
    assert link(Library(environment), environment, Workload(ENTRY, scripts)).findings == ()


def test_many_scripts_are_kept(tmp_path: Path) -> None:
    environment = MANY.environment(tmp_path / "target")
    scripts = tuple(Script(str(tmp_path / "own" / f"{number}.py"), text) for number, text in enumerate(SCRIPTS))
    first = link(Library(environment, tmp_path / "cache"), environment, Workload(ENTRY, scripts))
    library = Library(environment, tmp_path / "cache")
    assert link(library, environment, Workload(ENTRY, scripts)) == first
    assert library.trees.parsed == 0
    (tmp_path / "target" / "site-packages" / "peft" / "__init__.py").write_text("gone = 1\ndef wrap(model): pass")
    assert len(told(link(Library(environment, tmp_path / "cache"), environment, Workload(ENTRY, scripts)))) == 3


def test_many_scripts_over_libraries_that_break(tmp_path: Path) -> None:
    broken = World({**MANY.sources, "peft": "from transformers import Gone\ndef wrap(model): pass"})
    environment = broken.environment(tmp_path / "target")
    texts = (
        "import trl",
        "import peft",
        "from trl import SFTTrainer\nSFTTrainer(args=1, old=2)",
        "import peft\nimport no",
    )
    scripts = tuple(Script(str(tmp_path / f"{number}.py"), text) for number, text in enumerate(texts))
    together = link(Library(environment), environment, Workload(Scenario("a", "a", ENTRY.entry_points), scripts))
    assert sorted(told(together)) == ["API001 Gone certain", "API002 old certain", "API003 no certain"]
