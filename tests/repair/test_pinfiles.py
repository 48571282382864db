"""Files that describe an environment, before and after: only the requirements change, all else stays byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.errors import RepairError
from sftdoctor.repair.pinfiles import Wanted, constraints, rewrite

WANTED = {"peft": Wanted("0.17.1"), "tokenizers": Wanted("0.21.0", add=False), "gone": Wanted(None)}

CASES: dict[str, tuple[str, str, str]] = {
    # name → file, before, after
    "pins with comments": (
        "requirements.txt",
        "# ours\ntrl==0.24.0\npeft==0.5.0  # old\n\ntokenizers>=0.19 ; python_version > '3.8'\n",
        "# ours\ntrl==0.24.0\npeft==0.17.1  # old\n\ntokenizers==0.21.0 ; python_version > '3.8'\n",
    ),
    "ranges, extras, another spelling, CRLF": (
        "requirements.txt",
        "PEFT[bnb] >=0.4,<0.6\r\ntrl\r\n",
        "PEFT[bnb]==0.17.1\r\ntrl\r\n",
    ),
    "not named yet, no line end": ("requirements.txt", "trl==0.24.0", "trl==0.24.0\npeft==0.17.1\n"),
    "what goes along is not added, what is removed goes": (
        "dev.in",
        "gone==1\npeft\n",
        "peft==0.17.1\n",
    ),
    "hashes": (
        "requirements.txt",
        "peft==0.5.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\ntrl==1 \\\n    --hash=sha256:22\n",
        "peft==0.17.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\ntrl==1 \\\n    --hash=sha256:22\n",
    ),
    "options and addresses": (
        "requirements.txt",
        "--index-url https://peft.example/simple\n-e ./peft\npeft @ https://x/peft-0.5.0-py3-none-any.whl\n",
        "--index-url https://peft.example/simple\n-e ./peft\npeft @ https://x/peft-0.5.0-py3-none-any.whl\n"
        "peft==0.17.1\n",
    ),
    "a project": (
        "pyproject.toml",
        '[project]\nname = "x"\ndependencies = [\n  "trl", # first\n  "peft>=0.5,<0.6", # second\n]\n',
        '[project]\nname = "x"\ndependencies = [\n  "trl", # first\n  "peft==0.17.1", # second\n]\n',
    ),
    "a project on one line, with extras and groups": (
        "pyproject.toml",
        "[project]\ndependencies = ['torch']\n[project.optional-dependencies]\n"
        "t = ['peft[x]<1; os_name == \"posix\"']\n"
        "[dependency-groups]\ng = ['Tokenizers', {include-group = 'h'}]\nh = []\n",
        "[project]\ndependencies = ['torch']\n[project.optional-dependencies]\n"
        "t = ['peft[x]==0.17.1; os_name == \"posix\"']\n"
        "[dependency-groups]\ng = ['Tokenizers==0.21.0', {include-group = 'h'}]\nh = []\n",
    ),
    "a project that does not name it": (
        "pyproject.toml",
        '[project]\ndependencies = [\n    "trl",  # "quoted"\n    "torch"\n]  # end\n',
        '[project]\ndependencies = [\n    "trl",  # "quoted"\n    "torch",\n    "peft==0.17.1"\n]  # end\n',
    ),
    "a project without any": (
        "pyproject.toml",
        "[project]\ndependencies = []\n",
        '[project]\ndependencies = ["peft==0.17.1"]\n',
    ),
    "poetry": (
        "pyproject.toml",
        '[tool.poetry.dependencies]\npython = "^3.10"\npeft = {version = "^0.5", extras = ["x"]}  # why\n'
        'tokenizers = "*"\n',
        '[tool.poetry.dependencies]\npython = "^3.10"\npeft = {version = "0.17.1", extras = ["x"]}  # why\n'
        'tokenizers = "0.21.0"\n',
    ),
    "conda": (
        "environment.yml",
        "name: t\ndependencies:\n  - python=3.11  # fixed\n  - conda-forge::tokenizers=0.15\n  - pip:\n"
        "      - trl==0.24.0\n"
        "      - peft==0.5.0 # old\n  - numpy\n",
        "name: t\ndependencies:\n  - python=3.11  # fixed\n  - conda-forge::tokenizers=0.21.0\n  - pip:\n"
        "      - trl==0.24.0\n      - peft==0.17.1 # old\n  - numpy\n",
    ),
    "conda that does not name it": (
        "env.yaml",
        "dependencies:\n- python\n- pip:\n  - trl\n  # more\n",
        "dependencies:\n- python\n- pip:\n  - trl\n  - peft==0.17.1\n  # more\n",
    ),
}


def hashes(name: str, version: str) -> tuple[str, ...]:
    return {("peft", "0.17.1"): ("aa", "bb")}.get((name, version), ())


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str) -> None:
    name, before, after = CASES[case]
    once = rewrite(Path(name), before.encode(), WANTED, hashes).decode()
    assert once == after
    if "@" not in before:
        assert rewrite(Path(name), once.encode(), WANTED, hashes).decode() == once


REFUSED = {
    "another format": ("uv.lock", "", "format that is not written"),
    "no TOML": ("pyproject.toml", "[project\n", "no valid TOML"),
    "nowhere to add": ("pyproject.toml", "[tool.x]\n", r"no \[project\] dependencies"),
    "no YAML": ("environment.yml", "a: [\n  - pip:\n    - peft\n", "no valid YAML"),
    "no pip section": ("environment.yml", "dependencies:\n  - python\n", "no pip section"),
    "no hashes": ("requirements.txt", "tokenizers==1 --hash=sha256:00\n", "gives no hashes"),
    "no text": ("requirements.txt", "\udcff", "no UTF-8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    name, text, message = REFUSED[case]
    with pytest.raises(RepairError, match=message):
        rewrite(Path(name), text.encode("utf-8", "surrogateescape"), WANTED, hashes)


def test_what_an_included_file_pins_is_not_pinned_twice(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("peft==0.5.0\n")
    with pytest.raises(RepairError, match=r"takes peft from .*base\.txt") as caught:
        rewrite(tmp_path / "all.txt", b"-r base.txt\ntrl\n", WANTED, hashes)
    assert "--write" in caught.value.hint


LINES = st.lists(
    st.sampled_from(["trl==1", "# peft==0.5.0", "", "--no-binary :all:", "peftlike>=1", "numpy<2 # peft", "  ", "-e ."])
)


@given(LINES, LINES)
def test_what_is_not_the_package_stays(before: list[str], after: list[str]) -> None:
    text = "\n".join([*before, "peft==0.5.0", *after, ""])
    once = rewrite(Path("requirements.txt"), text.encode(), WANTED, hashes).decode()
    assert once == text.replace("\npeft==0.5.0\n", "\npeft==0.17.1\n") or once == text.replace(
        "peft==0.5.0", "peft==0.17.1", 1
    )
    assert once.count("peft==0.17.1") == 1


def test_constraints_leave_the_local_part_to_the_index() -> None:
    text = constraints({"torch": "2.13.0+cpu", "peft": "0.17.1"}, "two\nlines")
    assert text == "# two\n# lines\npeft==0.17.1\ntorch==2.13.0\n"
