"""What of a scenario stands for scripts: not what they have nothing to do with, nor what only quantised models need."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Fact, Finding, Scenario, Script, Severity, Workload
from tests.link.worlds import World

SCENARIO = Scenario(
    "a run",
    "a run",
    ("trl:SFTTrainer", "transformers:Trainer", "bitsandbytes"),
    {"quantization": "nf4"},
    run="from transformers import quantize\nquantize()\nfrom transformers import train\ntrain()\n",
    plain_run="from transformers import train\ntrain()\n",
)
STACK = World(
    {
        "trl": "from transformers import Trainer, of_trl\nclass SFTTrainer(Trainer): pass",
        "transformers": """
            class Trainer: pass
            def quantize():
                from accelerate import of_bits
            def train():
                from accelerate.training import of_all
        """,
        "accelerate": "",
        "accelerate.training": "",
        "bitsandbytes": "import gone",
    }
)


def found(folder: Path, text: str, *facts: Fact) -> dict[str, Finding]:
    """What breaks for a script, by the name that is asked for."""
    environment = STACK.environment(folder / "target")
    workload = Workload(SCENARIO, (Script(str(folder / "train.py"), text, facts),))
    findings = link(Library(environment), environment, workload).findings
    return {finding.cause.name: finding for finding in findings if finding.cause}


NF4, NONE, UNREADABLE, GPTQ = (Fact("quantization", value) for value in ("nf4", "none", "unknown", "gptq"))
PLAIN = "from transformers import Trainer\n"
WITH_WORDS = "import sys\nfrom transformers import Trainer\nif len(sys.argv) > 1: kwargs = {'load_in_4bit': True}\n"


@pytest.mark.parametrize(
    ("text", "facts", "certain", "possible"),
    [
        ("import trl", [NF4], {"of_trl", "gone", "of_bits", "of_all"}, set()),
        (PLAIN, [NF4], {"gone", "of_bits", "of_all"}, set()),
        (PLAIN, [NONE], set(), set()),
        (PLAIN, [NONE, Fact("optim", "paged_adamw_8bit")], {"gone"}, set()),
        (PLAIN, [NONE, Fact("optim", "adamw_torch")], set(), set()),
        (PLAIN + "import bitsandbytes\n", [NONE], {"gone"}, set()),
        (PLAIN, [GPTQ], set(), set()),
        (PLAIN, [GPTQ, NF4], {"gone", "of_bits", "of_all"}, set()),
        (PLAIN, [UNREADABLE], {"of_all"}, set()),
        (WITH_WORDS, [UNREADABLE, GPTQ], {"of_all"}, {"gone", "of_bits"}),
        (PLAIN, [], {"of_all"}, set()),
        (WITH_WORDS, [UNREADABLE], {"of_all"}, {"gone", "of_bits"}),
        ("import subprocess", [NF4], {"of_trl", "gone", "of_bits", "of_all"}, set()),
    ],
)
def test_what_stands_for_a_script(
    text: str, facts: list[Fact], certain: set[str], possible: set[str], tmp_path: Path
) -> None:
    breaks = found(tmp_path, text, *facts)
    assert {name for name, finding in breaks.items() if finding.confidence.value == "certain"} == certain
    doubted = {name for name, finding in breaks.items() if finding.confidence.value == "possible"}
    assert doubted == possible == set(breaks) - certain
    assert all(breaks[name].severity is Severity.WARNING for name in doubted)
    assert all("Only a quantised model needs it" in breaks[name].message for name in doubted)


def test_words_of_a_module_beside_the_script(tmp_path: Path) -> None:
    (tmp_path / "loading.py").write_text("def load(args):\n    return {'load_in_4bit': args.four}\n", "utf-8")
    breaks = found(tmp_path, PLAIN + "import loading\n", UNREADABLE)
    assert breaks["of_bits"].confidence.value == "possible"


def test_packages_that_only_a_module_beside_imports(tmp_path: Path) -> None:
    (tmp_path / "loading.py").write_text("import trl\n", "utf-8")
    assert "of_trl" in found(tmp_path, PLAIN + "import loading\n", NONE)


def test_a_run_that_has_failed_is_judged_in_full(tmp_path: Path) -> None:
    environment = STACK.environment(tmp_path / "target")
    workload = Workload(SCENARIO, (Script("train.py", PLAIN),), whole_scenario=True)
    findings = link(Library(environment), environment, workload).findings
    assert {one.cause.name for one in findings if one.cause} == {"of_trl", "gone", "of_bits", "of_all"}
    assert {one.confidence.value for one in findings} == {"certain"}
