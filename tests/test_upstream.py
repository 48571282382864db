"""What the source of a library says of an error that no rule knows, and where to ask about it."""

from __future__ import annotations

from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.model import Distribution, Environment, Frame, Origin, Raised, Target, TargetKind
from sftdoctor.upstream import LONGEST_FILE, origin_of

SOURCE = """
class SFTTrainer:
    def __init__(self, args):
        if args.packing:
            if not args.known:
                raise ValueError(f"no such way of packing: {args.packing}, take another")
"""
METADATA = """Metadata-Version: 2.1
Name: trl
Version: 1.0
Home-page: https://docs.example.org/trl
Project-URL: Documentation, https://github.com/huggingface/docs
Project-URL: Source Code, https://github.com/huggingface/trl.git
"""
MESSAGE = "no such way of packing: /home/me/rows, take another"
SITE = "/opt/conda/lib/python3.9/site-packages"
SEARCH = "https://github.com/huggingface/trl/issues?q=is%3Aissue+ValueError"
FRAME = Frame(f"{SITE}/trl/trainer.py", 99, "__init__", "raise ValueError(")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An import root that holds one distribution."""
    (tmp_path / "trl").mkdir()
    (tmp_path / "trl" / "trainer.py").write_text(SOURCE)
    (tmp_path / "outside.py").write_text(SOURCE)
    (tmp_path / "trl-1.0.dist-info").mkdir()
    (tmp_path / "trl-1.0.dist-info" / "METADATA").write_text(METADATA)
    return tmp_path


def environment(root: Path) -> Environment:
    info = str(root / "trl-1.0.dist-info")
    trl = Distribution("trl", "1.0", root=str(root), metadata=info, top_level=("trl",))
    return Environment(Target(TargetKind.INTERPRETER, "python", "3.11.7"), "3.11.7", distributions={"trl": trl})


def origin(root: Path, frame: Frame = FRAME, message: str = MESSAGE) -> Origin | None:
    user = Frame("/home/me/train.py", 3, "<module>", "SFTTrainer(args)")
    return origin_of(Raised("ValueError", message, (user, frame)), environment(root))


def test_the_place_the_condition_and_the_tracker(root: Path) -> None:
    assert origin(root) == Origin(
        distribution="trl",
        version="1.0",
        path="trl/trainer.py",
        line=6,
        function="SFTTrainer.__init__",
        conditions=("args.packing", "not args.known"),
        tracker=f"{SEARCH}+such+way+packing+take+another",
    )


def test_a_path_of_windows(root: Path) -> None:
    frame = Frame(r"C:\venv\Lib\site-packages\trl\trainer.py", 99, "__init__", "")
    found = origin(root, frame)
    assert found is not None
    assert found.line == 6


def test_an_error_that_the_source_does_not_raise_itself_has_its_tracker_alone(root: Path) -> None:
    found = origin(root, message="something else went wrong in /home/me/rows")
    assert found == Origin("trl", "1.0", tracker=f"{SEARCH}+something+else+went+wrong")


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/trl/../outside.py",
        f"{SITE}/../site-packages/trl/../../outside.py",
        f"{SITE}/trl/nothing.py",
        f"{SITE}/trl/trainer.so",
        f"{SITE}/trl",
    ],
)
def test_files_outside_and_files_that_are_not_there_are_not_read(path: str, root: Path) -> None:
    found = origin(root, Frame(path, 6, "__init__", ""))
    assert found is None or (found.path, found.line, found.conditions) == ("", None, ())


@pytest.mark.parametrize("path", ["/home/me/trl/trainer.py", f"{SITE}/other/trainer.py", "<string>", ""])
def test_files_of_no_distribution_have_no_origin(path: str, root: Path) -> None:
    assert origin(root, Frame(path, 6, "__init__", "")) is None


@pytest.mark.parametrize(
    "source",
    [
        b"def broken(:\n",
        b"\xff\xfe\x00",
        b"# coding: no-such-thing\n",
        b"x = " + b"(" * 5000 + b")" * 5000,
        b"if a:\n  pass\n" + b"elif a:\n  pass\n" * 20_000,
        b"#" * (LONGEST_FILE + 1),
    ],
    ids=["syntax", "no text", "coding", "deep", "elif", "huge"],
)
def test_what_cannot_be_read_says_nothing(source: bytes, root: Path) -> None:
    (root / "trl" / "trainer.py").write_bytes(source)
    found = origin(root)
    assert found is not None
    assert (found.path, found.function, found.conditions) == ("", "", ())


@pytest.mark.parametrize(
    "urls",
    [
        "",
        "Project-URL: Source, https://gitlab.example/x\n",
        "Project-URL: Source, javascript:alert(1)//https://github.com/a/b\n",
        "Project-URL: Source, https://github.com.evil.example/a/b\n",
        "Project-URL: Source, https://github.com/a\n",
        "Home-page: https://github.com/a b/c\n",
    ],
)
def test_only_an_address_of_github_is_a_tracker(urls: str, root: Path) -> None:
    (root / "trl-1.0.dist-info" / "METADATA").write_text(f"Name: trl\nVersion: 1.0\n{urls}")
    found = origin(root)
    assert found is not None
    assert found.tracker == ""


def test_the_tracker_goes_before_the_source_and_both_before_the_home_page(root: Path) -> None:
    labels = ("Homepage, https://github.com/a/home", "Repository, https://github.com/a/code")
    lines = [f"Project-URL: {one}\n" for one in (*labels, "Bug Tracker, https://github.com/a/bugs/issues")]
    metadata = root / "trl-1.0.dist-info" / "METADATA"
    for expected in ("bugs", "code", "home"):
        metadata.write_text(f"Name: trl\nVersion: 1.0\n{''.join(lines)}")
        found = origin(root)
        assert found is not None
        assert found.tracker.startswith(f"https://github.com/a/{expected}/issues?q=is%3Aissue+ValueError")
        lines.pop()


def test_explain_says_it_of_an_unknown_error_alone(healthy: Path) -> None:
    log = f'  File "{SITE}/trl/__init__.py", line 1, in <module>\n    go()\nValueError: a thing that no rule knows\n'
    found = sftdoctor.explain(log, python=healthy)
    assert found.findings == ()
    assert found.origin is not None
    assert (found.origin.distribution, found.origin.path) == ("trl", "")
    log = log.replace("a thing that no rule knows", "No slot '4' specified on host 'x'")
    known = sftdoctor.explain(log, python=healthy)
    assert known.findings
    assert known.origin is None
