"""What a log says, as a stranger reads it: at every width, with nothing of the log's own reaching the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sftdoctor.explanation import explain
from sftdoctor.model import Cause, Confidence, Explanation, Location, Origin, Place
from sftdoctor.report import explanation_text
from sftdoctor.ruleset import load_rules
from tests.report import samples

RULES = load_rules()
NO_GRAD = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn\n"
MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB.\n"
FRAMES = 'Traceback (most recent call last):\n  File "/e/lib/site-packages/trl/x.py", line 3, in f\n    g()\n'


def drawn(found: Explanation, width: int = 80, **options: bool) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    explanation_text.render(found, console, given=("--python", ".venv"), **options)
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("log", [NO_GRAD, MEMORY, FRAMES + "FooError: x\n", "nothing\n", FRAMES])
def test_it_fits_every_width(log: str, width: int) -> None:
    text = drawn(explain(log.splitlines(), RULES), width)
    wide = [line for line in text.splitlines() if len(line) > width and "sftdoctor " not in line]
    assert not wide
    assert "Next:" in text


def test_one_cause_is_told_in_full_and_several_in_brief() -> None:
    one, several = (drawn(explain([log], RULES)) for log in (MEMORY, NO_GRAD))
    assert "What happens" in one
    assert "per_device_train_batch_size" in one
    assert "known causes:" in several
    assert "What happens" not in several
    assert "What happens" in drawn(explain([NO_GRAD], RULES), verbose=True)


def test_a_cause_that_was_looked_for_and_not_found_is_no_certain_one() -> None:
    found = explain([MEMORY], RULES)
    doubted = replace(found.findings[0], confidence=Confidence.POSSIBLE)
    assert "error, possible" in drawn(replace(found, findings=(doubted,)))
    assert "error, possible" not in drawn(found)


def test_what_stands_above_as_the_error_is_not_said_again() -> None:
    text = drawn(explain([MEMORY], RULES))
    assert text.count("896.00 MiB") == 1


def test_a_cause_that_was_found_there_is_shown_with_both_its_sides() -> None:
    found = explain([MEMORY], RULES)
    cause = Cause(Place("trl", "0.24.0", path="trl/x.py", line=3), Place("peft", "0.5.0", path="peft/y.py"), "name")
    there = replace(found.findings[0], cause=cause, location=Location("train.py", 7))
    text = drawn(replace(found, findings=(there,), notes=("Found in .venv.",)))
    assert "trl 0.24.0" in text
    assert "peft 0.5.0" in text
    assert "Found in .venv." in text
    assert "sftdoctor fix train.py --python .venv" in text


def test_an_unknown_error_has_its_frames_and_the_environment() -> None:
    found = explain([*FRAMES.splitlines(), "FooError: x"], RULES)
    text = drawn(replace(found, environment=samples.environment()))
    assert "Not known" in text
    assert "trl/x.py:3 in f" in text
    assert "- torch: " in text


def test_nothing_of_the_log_reaches_the_terminal_unescaped() -> None:
    hostile = "ValueError: \x1b[31mred\x1b]0;t\x07 [bold]b[/bold] \u202e\x9b2J\n"
    text = drawn(explain([FRAMES + hostile], RULES))
    assert "[bold]b[/bold]" in text
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


def test_what_else_the_log_shows_is_told() -> None:
    log = [MEMORY, "", "FooError: first", "", "FooError: y", "", "BarError: last"]
    text = drawn(explain(log, RULES))
    assert "Also in the log:" in text
    assert "GPU201" in text
    assert "Other errors in it:" in text
    assert "FooError: first" in text


def test_the_releases_that_have_a_name_are_told() -> None:
    text = drawn(explain(["ImportError: cannot import name 'PeftSavingCallback' from 'trl.trainer.utils'"], RULES))
    assert "why            trl had it from 0.4.5 to 0.7.4." in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_an_unknown_error_is_told_in_the_words_of_its_librarys_source(width: int) -> None:
    tracker = "https://github.com/huggingface/trl/issues?q=is%3Aissue+FooError"
    origin = Origin("trl", "1.0", "trl/x.py", 3, "Trainer.f", ("args.a", "not args.b"), tracker)
    text = drawn(replace(explain((FRAMES + "FooError: x\n").splitlines(), RULES), origin=origin), width)
    assert "Not known" in text
    assert "trl 1.0 raises this itself: Trainer.f" in text
    assert [line.split() for line in text.splitlines() if "args." in line] == [
        ["when", "args.a"],
        ["and", "not", "args.b"],
    ]
    assert f"  {tracker}\n" in text  # in one line, to be copied
