"""What the jobs add to what they call."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor import jobs
from sftdoctor.errors import UsageError
from sftdoctor.model import Action, Plan, Safety
from sftdoctor.reading import read_keep, split_keep

PACKAGE = Action("package", "peft", "0.5.0", "0.17.1", Safety.SAFE, "why")
EDIT = Action("edit", "train.py", None, None, Safety.SAFE, "why")


@pytest.mark.parametrize(
    ("variable", "actions", "expected"),
    [
        ("JPY_PARENT_PID", (PACKAGE, EDIT), True),
        ("COLAB_RELEASE_TAG", (PACKAGE,), True),
        ("KAGGLE_KERNEL_RUN_TYPE", (PACKAGE,), True),
        ("JPY_PARENT_PID", (EDIT,), False),
        (None, (PACKAGE,), False),
    ],
)
def test_a_kernel_goes_on_with_what_it_has_loaded(
    variable: str | None, actions: tuple[Action, ...], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in jobs.KERNELS:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "1")
    assert any("Restart the kernel" in line for line in jobs._advice(Plan(actions))) is expected


def test_keep_takes_names_requirements_and_files(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("trl==0.24.0\nPEFT>=0.5,<1\nnumpy\n# torch==1\n")
    kept, files = split_keep(["torch", "Transformers==4.57.3", "peft", str(file)])
    assert (kept, files) == ({"torch": None, "transformers": "==4.57.3", "peft": None}, (file,))
    assert read_keep(kept, files, {}) == {**kept, "trl": "==0.24.0"}


@pytest.mark.parametrize("word", [">=2", "peft==", "there/is/none", "none.txt"])
def test_keep_refuses_what_makes_no_sense(word: str) -> None:
    with pytest.raises(UsageError, match="--keep"):
        split_keep([word])
