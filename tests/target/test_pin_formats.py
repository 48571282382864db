"""Files of pins, one line of a table each: what must be read, what must be refused."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sftdoctor.errors import SftDoctorError, TargetError
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats import PinFile, read_pin_file
from sftdoctor.target.pin_formats.requirements import read_requirements
from sftdoctor.target.platforms import marker_environment

MARKERS = marker_environment("3.11") | {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
}
SHA = "a" * 64


def read(folder: Path, text: str | bytes, name: str = "requirements.txt") -> PinFile:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return read_pin_file(path, MARKERS)


def shown(file: PinFile) -> list[str]:
    return [pin.requirement() for pin in file.pins]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("peft==0.5.0", ["peft==0.5.0"]),
        ("Peft_X.y ==0.5.0 # why", ["peft-x-y==0.5.0"]),
        ("peft===0.5.0", ["peft==0.5.0"]),
        ("peft==0.5.*", ["peft==0.5.*"]),
        ("peft>=0.5,<1", ["peft<1,>=0.5"]),
        ("peft", ["peft"]),
        ("trl[peft, quantization]==0.9", ["trl[peft,quantization]==0.9"]),
        ("torch==2.1.0+cu121", ["torch==2.1.0+cu121"]),
        ("# comment\n\n  \npeft==1\n#x", ["peft==1"]),
        ("peft \\\n  == \\\n 1", ["peft==1"]),
        ("peft==1 \\\n# comment \\\ntrl==2", ["peft==1", "trl==2"]),
        (f"peft==1 \\\n --hash=sha256:{SHA} \\\n --hash sha256:{SHA}", ["peft==1"]),
        ("peft==1 --config-settings a=b", ["peft==1"]),
        ("peft==1; python_version < '3.11'\ntrl==1; python_version >= '3.11'", ["trl==1"]),
        ("numpy==1; python_version < '3.9'\nnumpy==2; python_version >= '3.9'", ["numpy==2"]),
        ("peft==1; sys_platform == 'win32'", []),
        ("peft>=1\npeft<2\npeft==1.5", ["peft==1.5"]),
        ("peft==1.0\nPeft==1.0.0", ["peft==1.0"]),
        ("--pre\n--require-hashes\n--no-binary :all:\n-f https://x/\npeft==1", ["peft==1"]),
        ("peft @ https://host/peft-0.5.0-py3-none-any.whl", ["peft==0.5.0"]),
        ("https://host/peft-0.5.0-py3-none-any.whl#sha256=00", ["peft==0.5.0"]),
        ("torch @ file:///croot/torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl", ["torch==2.1.0+cpu"]),
        ("\ufeffpeft==1", ["peft==1"]),
        ("peft==${SFT_VERSION}", ["peft==0.7"]),
        ("peft (==1.0)", ["peft==1.0"]),
    ],
)
def test_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]) -> None:
    monkeypatch.setenv("SFT_VERSION", "0.7")
    file = read(tmp_path, text)
    assert shown(file) == expected
    assert file.blind == ()


@pytest.mark.parametrize(
    ("text", "blind"),
    [
        ("-e .", "."),
        ("-e git+https://github.com/x/y@abc#egg=My_Pkg", "my-pkg"),
        ("peft @ git+https://u:p@host/x.git@v1", "peft"),
        ("git+ssh://git@host/x.git#egg=peft", "peft"),
        ("numpy @ file:///croot/numpy_and_base_1/work", "numpy"),
        ("./local/folder", "./local/folder"),
        ("-r https://host/base.txt", "https://host/base.txt"),
        (
            "peft @ https://host/${TOKEN}/peft-1-py3-none-any.whl",
            "peft @ https://host/${TOKEN}/peft-1-py3-none-any.whl",
        ),
        ("${NAME}==1", "${NAME}==1"),
        ("--extra-index-url https://${TOKEN}@host/simple", "https://***@host/simple"),
        ("--index-url http://host/simple", "http://host/simple"),
    ],
)
def test_what_cannot_be_judged_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, blind: str) -> None:
    monkeypatch.setenv("TOKEN", "hidden")
    monkeypatch.setenv("NAME", "hidden")
    file = read(tmp_path, f"trl==1\n{text}\n")
    assert shown(file) == ["trl==1"]
    assert [one.what for one in file.blind] == [blind]
    assert "hidden" not in repr(file)
    assert "u:p" not in repr(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("peft==1\npeft==2", "pins peft to 1 and to 2"),
        ("peft=1", r"requirements\.txt:1 is no requirement"),
        ("trl==1\n\npeft >< 1", "txt:3 is no requirement"),
        ("<html>", "no requirement"),
        ("-r missing.txt", "is no file"),
        ("-r", "names no file"),
        (b"\x80\x81\x82", "no text"),
        (b"a\x00b", "no text"),
        ("------", "neither"),
    ],
)
def test_requirements_that_are_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        read(tmp_path, content)


def test_files_that_include_others(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/base.txt").write_text("torch==2\n-r ../requirements.txt\n-c held.txt\n")
    (tmp_path / "sub/held.txt").write_text("numpy<2\n")
    file = read(tmp_path, "--requirement=sub/base.txt\npeft==1\n-i https://host/simple/\n")
    assert shown(file) == ["torch==2", "peft==1"]
    assert [pin.requirement() for pin in file.constraints] == ["numpy<2"]
    assert file.indexes == ("https://host/simple",)
    assert [path.name for path in file.inputs] == ["base.txt", "held.txt"]


def test_utf_16_as_powershell_writes_it(tmp_path: Path) -> None:
    assert shown(read(tmp_path, "peft==0.5.0\r\ntrl==1\r\n".encode("utf-16"))) == ["peft==0.5.0", "trl==1"]


def test_hashes(tmp_path: Path) -> None:
    file = read(tmp_path, f"peft==1 --hash=sha256:{SHA} --hash=sha512:{SHA}\n")
    assert file.pins[0].hashes == {SHA}


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}([-_.][A-Za-z0-9]{1,5})?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|rc|\.post)[0-9])?(\+cu[0-9]{3})?", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VERSIONS), max_size=20, unique_by=lambda pin: canonical_name(pin[0])))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_freeze_reads_as_pip_reads_it(tmp_path: Path, pins: list[tuple[str, str]]) -> None:
    """pip-api is the oracle: it reads requirements files as pip does (for the running Python)."""
    import pip_api

    path = tmp_path / "freeze.txt"
    path.write_text("".join(f"{name}=={version}\n" for name, version in pins))
    theirs = pip_api.parse_requirements(path).values()
    ours = {pin.name: pin.version for pin in read_requirements(path, MARKERS).pins}
    assert ours == {canonical_name(one.name): str(one.specifier)[2:] for one in theirs}


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["-r x", "\\", "#", "==", "a", " ", ";", "@", "[", "${A}", "--hash="])).map("\n".join)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml", "uv.lock", "poetry.lock", "pylock.toml"])
def test_nonsense_is_refused_or_read_and_never_a_crash(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_pin_file(path, MARKERS)
    except SftDoctorError as error:
        assert "\x1b" not in str(error)


UV_LOCK = """
version = 1
requires-python = ">=3.10"
conflicts = [[{ package = "app", extra = "old" }, { package = "app", extra = "new" }]]

[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "trl" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "numpy", version = "1.26.4", marker = "python_full_version < '3.11'" },
    { name = "numpy", version = "2.3.0", marker = "python_full_version >= '3.11'" },
]
[package.optional-dependencies]
old = [{ name = "peft", version = "0.5.0" }]
new = [{ name = "peft", version = "0.17.0" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]

[[package]]
name = "trl"
version = "0.24.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "accelerate", extra = ["gpu"] }]

[[package]]
name = "accelerate"
version = "1.0"
source = { registry = "https://host/simple" }
[package.optional-dependencies]
gpu = [{ name = "helper" }]

[[package]]
name = "helper"
version = "3"
source = { git = "https://github.com/x/y?rev=1" }

[[package]]
name = "colorama"
version = "0.4"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://pypi.org/simple" }
resolution-markers = ["python_full_version < '3.11'"]

[[package]]
name = "numpy"
version = "2.3.0"
source = { registry = "https://pypi.org/simple" }
resolution-markers = ["python_full_version >= '3.11'"]

[[package]]
name = "peft"
version = "0.5.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "peft"
version = "0.17.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "pytest"
version = "9"
source = { registry = "https://pypi.org/simple" }
"""


def test_uv_lock(tmp_path: Path) -> None:
    file = read(tmp_path, UV_LOCK, "uv.lock")
    found = sorted(shown(file))
    assert found == ["accelerate[gpu]==1.0", "numpy==2.3.0", "peft==0.5.0", "pytest==9", "trl==0.24.0"]
    assert file.lock
    assert [one.what for one in file.blind] == ["helper"]
    assert file.indexes == ("https://host/simple",)
    assert file.notes == ("uv.lock: the extra new is left out, it brings another peft",)


POETRY_LOCK = """
[[package]]
name = "Trl"
version = "0.24.0"
optional = false
python-versions = ">=3.9"
groups = ["main"]
[package.dependencies]
accelerate = ">=1.4"
colorama = {version = "*", markers = "sys_platform == \\"win32\\""}
tomli = [{version = "1", markers = "python_version < \\"3.11\\""}, {version = "2", markers = "os_name == 'nt'"}]

[[package]]
name = "accelerate"
version = "1.10"
python-versions = "*"

[[package]]
name = "colorama"
version = "0.4"
python-versions = "*"

[[package]]
name = "tomli"
version = "2"
python-versions = ">=3.8"

[[package]]
name = "winonly"
version = "2"
python-versions = ">=3.8"
markers = "sys_platform == 'win32'"

[[package]]
name = "numpy"
version = "1.26"
python-versions = "<3.11"

[[package]]
name = "numpy"
version = "2.3"
python-versions = ">=3.11"

[[package]]
name = "mine"
version = "0"
python-versions = "*"
[package.source]
type = "git"
url = "https://host/x"

[metadata]
lock-version = "2.1"
"""


def test_poetry_lock(tmp_path: Path) -> None:
    file = read(tmp_path, POETRY_LOCK, "poetry.lock")
    assert shown(file) == ["trl==0.24.0", "accelerate==1.10", "numpy==2.3"]
    assert [one.what for one in file.blind] == ["mine"]


PYLOCK = f"""
lock-version = "1.0"
created-by = "tests"
requires-python = ">=3.10"
default-groups = ["train"]
[[packages]]
name = "peft"
version = "0.5.0"
wheels = [{{ name = "peft-0.5.0-py3-none-any.whl", url = "https://host/x", hashes = {{ sha256 = "{SHA}" }} }}]
[[packages]]
name = "tomli"
version = "2"
marker = "python_version < '3.11'"
[[packages]]
name = "trl"
version = "1"
marker = "'train' in dependency_groups"
[[packages]]
name = "extra-only"
version = "1"
marker = "'x' in extras or ('y' not in dependency_groups and os_name == 'nt')"
[[packages]]
name = "mine"
[packages.directory]
path = "."
"""


def test_pylock(tmp_path: Path) -> None:
    file = read(tmp_path, PYLOCK, "pylock.train.toml")
    assert shown(file) == ["peft==0.5.0", "trl==1"]
    assert file.pins[0].hashes == {SHA}
    assert [one.what for one in file.blind] == ["mine"]


CONDA = """
name: ft
channels: [pytorch, conda-forge]
dependencies:
  - python=3.10.12
  - pytorch::pytorch=2.1.2=py3.10_cuda12.1_0
  - pytorch-cuda=12.1
  - _libgcc_mutex=0.1=main
  - conda-forge::transformers==4.36.2
  - numpy=1.26
  - scipy 1.11.3 py310
  - pandas>=2,<3
  - accelerate=0.25.0
  - datasets
  - pip=23
  - pip:
      - peft==0.7.1
      - accelerate==0.26.0
      - -r more.txt
"""


def test_conda(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("trl==0.7.10\n")
    file = read(tmp_path, CONDA, "environment.yml")
    assert sorted(shown(file)) == [
        "accelerate==0.26.0",
        "datasets",
        "numpy==1.26.*",
        "pandas<3,>=2",
        "peft==0.7.1",
        "scipy==1.11.3",
        "torch==2.1.2",
        "transformers==4.36.2",
        "trl==0.7.10",
    ]
    assert file.notes == ("the file asks for Python 3.10; it is judged for 3.11",)
    assert file.inputs == ((tmp_path / "more.txt").resolve(),)


PYPROJECT = """
[project]
name = "mine"
requires-python = ">=3.12"
dependencies = [
    "torch==2.6.0", "transformers>=4.51,<4.52", "trl[peft]", 'old==1; python_version < "3.9"',
    "own @ git+https://example.com/own.git",
]
optional-dependencies = { dev = ["pytest"] }
[dependency-groups]
lint = ["ruff"]
"""


def test_pyproject(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").touch()
    file = read(tmp_path, PYPROJECT, "pyproject.toml")
    assert shown(file) == ["torch==2.6.0", "transformers<4.52,>=4.51", "trl[peft]"]
    assert (file.kind, file.lock, file.path) == ("pyproject.toml", False, tmp_path / "pyproject.toml")
    assert [one.what for one in file.blind] == ["own"]
    assert file.notes == (
        f"uv.lock lies beside it: --pins {tmp_path / 'uv.lock'} judges what is really installed",
        "the file asks for Python >=3.12; it is judged for 3.11",
        "the extras and groups of the file are left aside: dev, lint",
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("uv.lock", "version = 2\n", "version 1 is read"),
        ("uv.lock", "version = 1\n", "lists no packages"),
        ("uv.lock", "version = 1\n[[package]]\nname = '../x'\n", "no valid name"),
        ("uv.lock", "version = 1\npackage = [3]\n", "no valid name"),
        ("poetry.lock", "=", "no valid TOML"),
        ("poetry.lock", "a = " + "[" * 5000, "TOML|deeply"),
        ("pylock.toml", "lock-version = '2.0'\n", "1.x is read"),
        ("pylock.toml", "lock-version = '1.0'\nrequires-python = '<3.9'\n", "locked for Python <3.9"),
        ("environment.yml", "- a\n", "no list of dependencies"),
        ("environment.yml", "dependencies: 3\n", "no list of dependencies"),
        ("environment.yml", "dependencies: [\n", "no valid YAML, line"),
        ("environment.yml", "a: &a [x]\ndependencies: [*a, *a]\n", "aliases"),
        ("environment.yml", "dependencies: !!python/object/apply:os.system [x]\n", "no valid YAML"),
        ("Pipfile.lock", "{}", "format that is not read"),
        ("pyproject.toml", "", "no list of dependencies under"),
        ("pyproject.toml", "[project]\ndependencies = 'torch'\n", "no list of dependencies under"),
        ("pyproject.toml", "[project]\ndependencies = ['torch one']\n", "no requirement"),
        ("pyproject.toml", "[project\n", "no valid TOML"),
        ("Dockerfile", "FROM python\n", "no file of pins"),
        ("train.slurm", "#!/bin/bash\n", "no file of pins"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        read(tmp_path, text, name)
