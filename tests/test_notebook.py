"""`%load_ext sftdoctor` in a real kernel: what is shown, why the last cell failed, when to restart."""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import sftdoctor
from sftdoctor import notebook
from sftdoctor.errors import UsageError
from sftdoctor.model import Distribution, Environment, Target, TargetKind
from tests.stacks import make_stack

ROOT = Path(__file__).parents[1]
Run = Callable[..., list[list[Any]]]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The venv of a kernel: a tiny stack that breaks, and ipykernel from the venv of these tests."""
    folder = make_stack(tmp_path_factory.mktemp("kernel") / "venv")
    (site_of(folder) / "kernel.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n", encoding="utf-8")
    return folder


def site_of(folder: Path) -> Path:
    return next(folder.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def run(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs cells in a kernel of the stack; gives the outputs of each."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("jupyter")
    spec = folder / "kernels" / "stack"
    spec.mkdir(parents=True)
    command = [str(stack / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": command, "display_name": "stack", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")

    def execute(*cells: str) -> list[list[Any]]:
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("JUPYTER_PATH", str(folder))
            patch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
            client.NotebookClient(
                made, kernel_name="stack", allow_errors=True, timeout=120, resources={"metadata": {"path": str(folder)}}
            ).execute()
        return [cell.outputs for cell in made.cells]

    return execute


def shown(outputs: Sequence[Any], kind: str = "text/plain") -> str:
    """All that a cell shows, as text or as another kind."""
    streams = [str(one.get("text", "")) for one in outputs if one["output_type"] == "stream"] if "plain" in kind else []
    return "\n".join([*streams, *(str(one.get("data", {}).get(kind, "")) for one in outputs)])


@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own parts
def test_a_session(run: Run, stack: Path) -> None:
    dist_info = site_of(stack) / "peft-0.5.0.dist-info"
    _, check, _, why, alone, table, healthy, bad, stale = run(
        "%load_ext sftdoctor",
        "%sftdoctor check",
        "prepare_model_for_kbit_training = None\n"
        'raise TypeError("prepare_model_for_kbit_training() got an unexpected keyword argument '
        "'gradient_checkpointing_kwargs'\")",
        "%sftdoctor why",
        "import sftdoctor\nreport = sftdoctor.check()\nprint(report.verdict.value, [f.id for f in report.findings])",
        "report",
        "%sftdoctor rules API021",
        "%sftdoctor check nowhere.py",
        "import peft, pathlib\npeft.__version__ = '0.5.0'\n"
        f"new = pathlib.Path({str(dist_info)!r}); new = new.rename(new.with_name('peft-0.17.1.dist-info'))\n"
        "_ = (new / 'METADATA').write_text('Metadata-Version: 2.1\\nName: peft\\nVersion: 0.17.1\\n')\n"
        "%sftdoctor check",
    )
    assert "API021" in shown(check, "text/html") and "This run will break" in shown(check, "text/html")
    assert "peft 0.5.0" in shown(check) and "Restart" not in shown(check)
    assert "API021" in shown(why) and "peft>=0.8.0" in shown(why) and "interactiveshell" not in shown(why)
    assert shown(alone).startswith("breaks ['API021'")
    assert "API021" in shown(table, "text/html") and "This run will break" in shown(table)
    assert "What happens" in shown(healthy)
    assert "nowhere.py cannot be read" in shown(bad)
    assert "Restart the kernel: peft 0.5.0 is loaded, and 0.17.1 is installed" in shown(stale)
    assert "<b>Restart the kernel:</b>" in shown(stale, "text/html")


@pytest.mark.filterwarnings("ignore")
def test_why_without_an_error_and_help(run: Run) -> None:
    _, why, usage, wrong = run("%load_ext sftdoctor", "%sftdoctor why", "%sftdoctor", '%sftdoctor "check')
    assert "nothing was raised in this kernel yet" in shown(why)
    assert "%sftdoctor why" in shown(usage) and "commands:" in shown(usage)
    assert "No closing quotation" in shown(wrong)


@pytest.mark.parametrize(
    ("words", "aimed"),
    [
        (["check"], ["check", "--python", sys.executable]),
        (["check", "a.py", "--", "--bf16"], ["check", "a.py", "--python", sys.executable, "--", "--bf16"]),
        (["check", "--pins=x.txt"], ["check", "--pins=x.txt"]),
        (["check", "--python", "venv"], ["check", "--python", "venv"]),
        (["rules", "API021"], ["rules", "API021"]),
        (["env"], ["env", "--python", sys.executable]),
    ],
)
def test_commands_are_about_the_kernel(words: list[str], aimed: list[str]) -> None:
    assert notebook.aimed(words) == aimed


def environment(prefix: str, **versions: str) -> Environment:
    target = Target(TargetKind.INTERPRETER, sys.executable, "3.11.7", prefix)
    found = {name: Distribution(name, version) for name, version in versions.items()}
    return Environment(target, "3.11.7", distributions=found)


@pytest.mark.parametrize(
    ("loaded", "installed", "expected"),
    [
        ("0.5.0", "0.17.1", "peft 0.5.0 is loaded, and 0.17.1 is installed"),
        ("0.5.0", "0.5", None),
        ("0.5.0", None, "peft 0.5.0 is loaded, and it is not installed any more"),
        ("git-1234", "0.5.0", None),
    ],
)
def test_stale(monkeypatch: pytest.MonkeyPatch, loaded: str, installed: str | None, expected: str | None) -> None:
    module = type(sys)("peft")
    module.__version__ = loaded  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "peft", module)
    versions = {"peft": installed} if installed else {}
    stale = [str(one) for one in notebook.stale_modules(environment(sys.prefix, **versions)) if one.name == "peft"]
    assert stale == ([expected] if expected else [])
    assert notebook.stale_modules(environment("/elsewhere", **versions)) == ()


def test_what_others_named_stays_text() -> None:
    said = notebook.Restart((notebook.Stale("peft", HOSTILE, "\x1b[31m1.0"),))
    assert HOSTILE not in said._repr_html_() and "\x1b" not in repr(said)


def test_why_needs_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "last_value", raising=False)
    with pytest.raises(UsageError, match="nothing was raised"):
        notebook.why()


def test_words_show_themselves(broken: Path) -> None:
    report = sftdoctor.check(python=broken)
    assert "✗ API021" in repr(report) and "API021" in str(report._repr_html_())
    explanation = sftdoctor.explain("TypeError: x() got an unexpected keyword argument 'y'")
    assert repr(explanation) and explanation._repr_html_() is None
