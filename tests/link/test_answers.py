"""Answers are kept as long as the files under them stay as they are."""

from pathlib import Path

import pytest

from sftdoctor.link.answers import Answers
from sftdoctor.link.memory import Stamps
from sftdoctor.link.signatures import Parameter, Signature

SIGNATURE = Signature((Parameter("model", "positional_or_keyword"), Parameter("kwargs", "var_keyword", True)))


def never() -> None:
    raise AssertionError("it was asked again")


@pytest.mark.parametrize("answer", [True, False, None])
def test_what_a_module_offers_is_asked_once_over_runs(tmp_path: Path, answer: bool | None) -> None:
    first = Answers(tmp_path / "kept.json", Stamps())
    assert first.offers("trl:SFTTrainer", lambda: answer) is answer
    first.keep(lambda: [__file__])
    assert Answers(tmp_path / "kept.json", Stamps()).offers("trl:SFTTrainer", never) is answer


@pytest.mark.parametrize("answer", [SIGNATURE, Signature(()), None])
def test_signatures_come_back_as_they_were(tmp_path: Path, answer: Signature | None) -> None:
    first = Answers(tmp_path / "kept.json", Stamps())
    assert first.signature("trl:SFTTrainer", lambda: answer) == answer
    first.keep(lambda: [])
    assert Answers(tmp_path / "kept.json", Stamps()).signature("trl:SFTTrainer", never) == answer


def test_a_changed_file_drops_what_was_kept(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("def f(a): ...")
    first = Answers(tmp_path / "kept.json", Stamps())
    first.offers("module:f", lambda: True)
    first.keep(lambda: [str(source)])
    source.write_text("def g(a): ...  # another")
    assert Answers(tmp_path / "kept.json", Stamps()).offers("module:f", lambda: False) is False


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 1, "answers": {}}', '{"files": {}, "answers": 7}'])
def test_a_damaged_file_is_no_answer(tmp_path: Path, text: str) -> None:
    (tmp_path / "kept.json").write_text(text)
    assert Answers(tmp_path / "kept.json", Stamps()).offers("a:b", lambda: True) is True


def test_without_a_folder_nothing_is_kept() -> None:
    answers = Answers(None, Stamps())
    assert answers.offers("a:b", lambda: True) is True
    answers.keep(lambda: [])
    assert answers.offers("a:b", never) is True
