"""The text report on every kind of stream: what it says, how wide it is, and what it never lets through."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sftdoctor.model import (
    Action,
    Environment,
    Fix,
    FixResult,
    LeftOut,
    Location,
    NotJudged,
    Plan,
    Report,
    Safety,
    Script,
    Target,
    TargetKind,
    Verdict,
)
from sftdoctor.report import environment, environment_text, proof_text, repair_text, rules_text, text
from sftdoctor.report.plain import clean, spell
from sftdoctor.report.style import rendered
from sftdoctor.report.words import next_steps
from sftdoctor.ruleset import load_rules
from tests.report import samples

ESCAPE = "\x1b"
DRAWINGS: dict[str, Callable[[Console], None]] = {
    "broken": lambda console: text.render(samples.BROKEN, console, given=("train.py", "--python", ".venv")),
    "broken, verbose": lambda console: text.render(samples.BROKEN, console, verbose=True),
    "healthy": lambda console: text.render(samples.HEALTHY, console),
    "planned": lambda console: repair_text.render_fix(samples.PLANNED, console),
    "applied": lambda console: repair_text.render_fix(samples.APPLIED, console),
    "undone": lambda console: repair_text.render_fix(samples.UNDONE, console),
    "proof": lambda console: proof_text.render(samples.PROOF, console),
    "no proof": lambda console: proof_text.render(samples.IMPOSSIBLE, console),
    "rules": lambda console: rules_text.render_list(load_rules(), console),
    "page": lambda console: rules_text.render_page(load_rules()[0], console),
    "undo": lambda console: repair_text.render_undo("abc", ("peft 0.17.1 → 0.5.0",), "", (), console),
}


class Stream(io.StringIO):
    """A stream that says which encoding it has and whether it is a terminal."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def drawn(draw: Callable[[Console], None], encoding: str = "utf-8", terminal: bool = False) -> str:
    return rendered(Stream(encoding, terminal), draw)


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_fits_the_width_and_ends_no_line_in_blanks(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = drawn(DRAWINGS[name]).splitlines()
    assert lines
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_pipe_gets_no_escapes_and_no_boxes(name: str) -> None:
    said = drawn(DRAWINGS[name])
    assert ESCAPE not in said
    assert not re.search("[\u2500-\u257f]", said)


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk", "nonsense"])
def test_every_encoding_can_carry_it(name: str, encoding: str) -> None:
    said = drawn(DRAWINGS[name], encoding)
    said.encode("ascii" if encoding == "nonsense" else encoding)
    assert "?" not in said.replace("? ", "") or name == "no proof"


@pytest.mark.parametrize(("variable", "colour"), [(None, True), ("NO_COLOR", False)])
def test_a_terminal_gets_colour_unless_it_says_no(
    variable: str | None, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    if variable:
        monkeypatch.setenv(variable, "1")
    said = drawn(DRAWINGS["broken"], terminal=True)
    assert bool(re.search(r"\x1b\[[\d;]*3\dm", said)) is colour


@pytest.mark.parametrize(
    ("surroundings", "escapes", "colours"),
    [
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, False, False),
        ({"CI": "true", "TERM": "dumb"}, False, False),
    ],
)
def test_a_pipe_gets_colour_only_where_it_is_forced(
    surroundings: dict[str, str], escapes: bool, colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TERM": "xterm-256color", **surroundings}.items():
        monkeypatch.setenv(name, value)
    said = drawn(DRAWINGS["broken"])
    assert (ESCAPE in said, bool(re.search(r"\x1b\[[\d;]*3\dm", said))) == (escapes, colours)
    assert ESCAPE not in rendered(Stream(), DRAWINGS["broken"], plain=True)


def test_a_broken_one_says_what_breaks_where_why_and_what_to_type() -> None:
    said = " ".join(drawn(DRAWINGS["broken"]).split())
    for words in (
        "trl 0.24.0 · transformers 4.57.3 · peft 0.5.0",
        "✗ This run will break: 2 errors, 1 warning, 1 not judged 0.41 s",
        "✗ API021 trl passes an argument that peft does not take",
        "trl 0.24.0 trl/models/utils.py:538 prepare_model_for_kbit_training(…, gradient_checkpointing_kwargs=…)",
        "peft 0.5.0 peft/utils/other.py:81 prepare_model_for_kbit_training",
        "you would see TypeError: prepare_model_for_kbit_training() got an unexpected keyword argument",
        "fix install peft>=0.8.0 (safe)",
        "✗ API004 train.py:31 SFTConfig(max_seq_length=2048)",
        "! ENV003",
        "Not judged (1): GPU001: no GPU here",
        "sftdoctor fix train.py --python .venv show the plan: versions that cure 1 finding, 1 edit",
        "sftdoctor fix train.py --python .venv --apply",
        "sftdoctor rules API021",
    ):
        assert words in said


def test_a_repair_that_leaves_an_error_does_not_call_itself_one() -> None:
    """What was done, what is left and who does it: in the first line, in a list, and in what to type next."""
    left = replace(samples.SCRIPT, fixes=(Fix("config", Safety.MANUAL, "say max_length yourself"),))
    after = replace(samples.BROKEN, findings=(left,))
    for result, first in (
        (replace(samples.APPLIED, after=after), "! Repaired in part: 1 package, 1 edit; left: 1 error (API004)"),
        (replace(samples.APPLIED, after=samples.HEALTHY), "✓ Repaired: 1 package, 1 edit"),
        (
            replace(samples.PLANNED, plan=replace(samples.PLAN, foreseen=(left,))),
            "→ The plan: 1 package, 1 edit; left: 1 error (API004); nothing has been changed yet",
        ),
    ):
        assert f" {first} What" in " ".join(drawn(partial(repair_text.render_fix, result)).split())
    said = " ".join(drawn(partial(repair_text.render_fix, replace(samples.APPLIED, after=after))).split())
    assert "✗ API004 train.py:31 SFTConfig(max_seq_length=2048)" in said
    assert "fix: say max_length yourself" in said
    assert said.index("sftdoctor rules API004") < said.index("sftdoctor undo")


def test_what_was_left_out_for_one_reason_is_told_once() -> None:
    names = ("peft", *(f"nvidia-{number}" for number in range(40)))
    out = tuple(
        LeftOut(Action("package", name, None, "1.0", Safety.SAFE, "why", along=name != "peft"), "--unsafe takes it")
        for name in reversed(names)
    )
    result = replace(samples.PLANNED, outcome="nothing-to-do", plan=Plan(left_out=out))
    said = " ".join(drawn(partial(repair_text.render_fix, result)).split())
    assert "! Nothing safe can be done; --unsafe has a repair" in said
    assert said.endswith("Next: sftdoctor fix --unsafe show the plan that is not safe")
    assert "Left out (41): peft → 1.0, nvidia-39 → 1.0, nvidia-38 → 1.0, nvidia-37 → 1.0 and 37 more: --unsafe" in said


def test_what_check_promises_is_what_fix_takes_up() -> None:
    """A link between packages is searched for, safe or not; of warnings beside it nothing is promised."""
    risky = Fix("package", Safety.UNSAFE, "install hub", ("hub>=2",))
    link = replace(samples.LINK, fixes=(risky,))
    warning = replace(samples.WARNING, fixes=(replace(risky, require=("x",)),))
    for findings, unsafe, said in (
        ((link, warning, warning), (), "versions that cure 1 finding"),
        ((link, warning, warning), ("--unsafe",), "versions that cure 1 finding"),
        ((warning, warning), ("--unsafe",), "versions that cure 2 findings"),
        ((samples.SCRIPT,), (), "1 edit"),
    ):
        steps = next_steps(replace(samples.BROKEN, findings=findings), unsafe)
        assert steps[0] == (" ".join(("sftdoctor fix", *unsafe)), f"show the plan: {said}")
    steps = next_steps(replace(samples.BROKEN, findings=(warning,)))
    assert steps[0] == ("sftdoctor fix --unsafe", "show the plan: versions that cure 1 finding")
    assert not any("--apply" in command for command, _ in steps)


def test_a_healthy_one_is_three_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    said = drawn(DRAWINGS["healthy"]).splitlines()
    assert len(said) == 3
    assert said[1].startswith("✓ This run will start")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.BREAKS, "✗ This run will break"),
        (Verdict.AT_RISK, "! This run may go wrong"),
        (Verdict.CLEAN, "✓ This run will start"),
        (Verdict.UNKNOWN, "? Whether this run starts could not be judged"),
    ],
)
def test_every_verdict_has_its_words(verdict: Verdict, words: str) -> None:
    report = replace(samples.BROKEN, verdict=verdict, not_judged=())
    assert words in drawn(lambda console: text.render(report, console))


def test_many_findings_are_cut_and_counted_but_verbose_shows_all() -> None:
    findings = tuple(replace(samples.LINK, id=f"API{number:03}") for number in range(100, 150))
    report = samples.report(*findings)
    short = drawn(lambda console: text.render(report, console))
    assert short.count("you would see") == text.IN_FULL
    assert f"{50 - text.IN_FULL - text.IN_BRIEF} errors more" in short
    long = drawn(lambda console: text.render(report, console, verbose=True))
    assert long.count("you would see") == 50


def test_a_place_in_a_notebook_is_told_by_its_cell() -> None:
    script = Script("train.ipynb", "", cells=((0, 1), (2, 4)))
    finding = replace(samples.LINK, location=Location("train.ipynb", 5, 1))
    report = samples.report(finding)
    report = replace(report, workload=replace(report.workload, scripts=(script,)))
    assert "train.ipynb cell 3, line 2" in drawn(lambda console: text.render(report, console))
    assert "train.ipynb:5" in drawn(lambda console: text.render(samples.report(finding), console))


def test_findings_in_brief_say_how_to_see_more() -> None:
    findings = tuple(replace(samples.LINK, id=f"API{number:03}") for number in range(100, 108))
    assert "add --verbose to see why" in drawn(lambda console: text.render(samples.report(*findings), console))
    assert "--verbose" not in drawn(lambda console: text.render(samples.report(*findings[:6]), console))


def test_reasons_for_not_judging_are_grouped_and_cut() -> None:
    gaps = tuple(NotJudged(f"GPU{n:03}", "no GPU here") for n in range(9))
    gaps += tuple(NotJudged(f"X{n}", f"reason {n}") for n in range(9))
    report = samples.report(verdict=Verdict.CLEAN, not_judged=gaps)
    said = drawn(lambda console: text.render(report, console))
    assert "Not judged (18):" in said
    assert "GPU000, GPU001, GPU002, GPU003 and 5 more: no GPU here" in said
    assert "6 reasons more: add --verbose" in said
    assert "Nothing that breaks this run was found; 18 not judged" in " ".join(said.split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"accelerators": None}, "hardware not known"),
        ({"accelerators": (samples.GPU,) * 2}, "2 × NVIDIA H200 141 GiB"),
        ({"distributions": {}}, "trl missing"),
        ({"target": Target(TargetKind.PINS, "requirements.txt", "3.11")}, "requirements.txt (pins, Python 3.11.7)"),
        ({"notes": ("completed by uv: 31 more packages",)}, "completed by uv: 31 more packages"),
    ],
)
def test_the_first_line_names_the_target(changes: dict[str, object], words: str) -> None:
    report = samples.report(environment=samples.environment(**changes))
    assert words in drawn(lambda console: text.render(report, console))


def test_pins_are_not_told_to_apply_or_prove() -> None:
    pins = samples.environment(target=Target(TargetKind.PINS, "requirements.txt", "3.11"))
    broken = next_steps(replace(samples.BROKEN, environment=pins), ("--pins", "requirements.txt"))
    assert [command for command, _ in broken] == ["sftdoctor fix --pins requirements.txt", "sftdoctor rules API021"]
    assert next_steps(replace(samples.HEALTHY, environment=pins)) == []


def test_advice_quotes_what_the_shell_would_split() -> None:
    command, _ = next_steps(samples.BROKEN, ("my train.py; rm -rf",))[0]
    assert command == "sftdoctor fix 'my train.py; rm -rf'"


@given(st.text())
def test_clean_leaves_nothing_that_a_terminal_obeys(words: str) -> None:
    line = clean(words)
    assert all(ord(char) >= 0x20 and not 0x7F <= ord(char) < 0xA0 for char in line)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u2028\ud800-\udfff]", line)
    assert len(line) <= 600


@given(st.text(), st.sampled_from(["ascii", "latin-1", "utf-8", "gbk", "nonsense"]))
def test_spell_always_gives_what_the_encoding_has(words: str, encoding: str) -> None:
    spell(clean(words), encoding).encode("ascii" if encoding == "nonsense" else encoding)


def hostile_report() -> Report:
    finding = replace(
        samples.LINK,
        title=samples.HOSTILE,
        message=samples.HOSTILE * 100,
        symptom=samples.HOSTILE,
        fixes=(replace(samples.LINK.fixes[0], summary=samples.HOSTILE),),
        cause=replace(samples.LINK.cause, expression=samples.HOSTILE) if samples.LINK.cause else None,
    )
    environment = samples.environment(
        target=Target(TargetKind.INTERPRETER, samples.HOSTILE, "3.11", samples.HOSTILE), notes=(samples.HOSTILE,)
    )
    return samples.report(finding, environment=environment, not_judged=(NotJudged(samples.HOSTILE, samples.HOSTILE),))


def test_hostile_words_come_out_as_words() -> None:
    action = replace(samples.PLAN.actions[1], name=samples.HOSTILE, reason=samples.HOSTILE, diff=samples.HOSTILE)
    result = FixResult("planned", replace(samples.PLAN, actions=(action,)), hostile_report())
    for terminal in (False, True):
        said = drawn(lambda console: text.render(hostile_report(), console), terminal=terminal)
        said += drawn(lambda console: repair_text.render_fix(result, console), terminal=terminal)
        assert "[bold red]x[/]" in said
        assert "\u202e" not in said
        assert "\x1b[31m" not in said
        assert "\x1b]8" not in said
        assert not re.search(r"^::error::", said, flags=re.MULTILINE)


def test_env_block_names_what_is_asked_for_and_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    block = environment.env_block(samples.environment(accelerators=(samples.GPU,)))
    assert "- trl: 0.24.0\n" in block
    assert "- bitsandbytes: not installed\n" in block
    assert "- devices: NVIDIA H200 141 GiB\n" in block
    assert "- target: interpreter ~/.venv\n" in block
    assert "/somewhere" not in block


def test_env_block_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = {
        "platform": "Linux-6.8",
        "accelerate config": "hub_token: hf_abcdefghijklmnopqrst",
        "$HF_ENDPOINT": "https://bob:pw@hub.corp.example/x",
        "$LD_LIBRARY_PATH": f"/home/bob/lib {samples.HOSTILE}",
    }
    block = environment.env_block(samples.environment(), machine=machine)
    assert "- platform: Linux-6.8\n" in block and "- $HF_ENDPOINT: https://<hidden>\n" in block
    assert "- a GPU is used in the script: <fill in>\n" in block
    assert not any(word in block for word in ("hf_abc", "bob", "corp", "\x1b", "\u202e"))


def test_env_markdown_cannot_be_left() -> None:
    folded = environment.env_markdown("- x: ```` </details> @someone\n")
    assert folded.splitlines()[3] == "`````text" and folded.count("`````") == 2


def other() -> Environment:
    return samples.environment(python="3.12.1", accelerators=(samples.GPU,), distributions={})


def test_diff_shows_what_differs_side_by_side() -> None:
    both = ("works", samples.environment()), ("fails", other())
    said = drawn(lambda console: environment_text.render_differences(*both, console))
    rows = [line.split() for line in said.splitlines()]
    assert ["works", "fails"] in rows
    assert ["Python", "3.11.7", "3.12.1"] in rows
    assert ["peft", "0.5.0", "–"] in rows
    assert ["machine"] in rows and ["stack"] in rows
    assert said.endswith("6 differences; 0 packages alike\n")


def test_diff_of_the_same_is_empty() -> None:
    assert environment.differences(samples.environment(), samples.environment()) == ()


def test_a_launch_script_that_was_found_is_told() -> None:
    found = replace(samples.BROKEN, workload=replace(samples.BROKEN.workload, launched_by=("run\x1b[1m.sh",)))
    shown = drawn(lambda console: text.render(found, console))
    assert "as run" in shown and ".sh starts it, which was found beside it" in shown and ESCAPE not in shown
    assert "found beside" not in drawn(lambda console: text.render(samples.BROKEN, console))


def test_a_run_that_ended_before_its_model_was_seen_has_no_quantisation() -> None:
    proof = replace(samples.PROOF, quantization="unknown", settings={}, runs=())
    said = drawn(partial(proof_text.render, proof))
    assert " on cpu" not in said and "unknown" not in said
    assert re.search(r"^  \S cpu", said, re.MULTILINE)
