"""What reaches into an environment from around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Distribution
from sftdoctor.target.beside import modules_beside
from sftdoctor.target.gpus import find_gpu, known_gpus
from sftdoctor.target.surroundings import (
    deciding,
    library_path_problems,
    python_path_problems,
    user_site_problems,
)


def distributions(root: Path, *names: str) -> dict[str, Distribution]:
    return {name: Distribution(name, "1", root=str(root)) for name in names}


@pytest.mark.parametrize(
    ("folder", "names", "detail"),
    [
        ("lib", ["peft", "trl"], ["peft, trl are taken from there."]),
        ("lib", ["a", "b", "c", "d", "e", "f"], ["a, b, c, d, e and 1 more are taken from there."]),
        ("empty", [], []),
        ("env/lib/python3.8/site-packages", [], ["It belongs to Python 3.8; this is 3.11."]),
        ("env/lib/python3.11/site-packages", [], []),
    ],
)
def test_python_path(folder: str, names: list[str], detail: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / folder)
    found = python_path_problems([path], "3.11.7", distributions(tmp_path / "lib", *names))
    assert [(one.kind, one.path, one.detail) for one in found] == [("python-path", path, text) for text in detail]


@pytest.mark.parametrize(("conda", "told"), [(True, 1), (False, 0)])
def test_user_site_matters_in_conda_environments(conda: bool, told: int, tmp_path: Path) -> None:
    if conda:
        (tmp_path / "env" / "conda-meta").mkdir(parents=True)
    own = distributions(tmp_path / "local", "transformers")
    assert len(list(user_site_problems(str(tmp_path / "local"), str(tmp_path / "env"), own))) == told
    assert not list(user_site_problems(None, str(tmp_path / "env"), own))
    assert not list(user_site_problems(str(tmp_path / "other"), str(tmp_path / "env"), own))


@pytest.mark.parametrize(
    ("there", "told"),
    [(["libnvJitLink.so.12"], 1), (["libnvJitLink.so.11"], 0), (["libfoo.so.12"], 0), ([], 0)],
)
def test_library_path(there: list[str], told: int, tmp_path: Path) -> None:
    wheel = tmp_path / "site" / "nvidia" / "nvjitlink" / "lib"
    cuda = tmp_path / "cuda"
    for folder, names in ((wheel, ["libnvJitLink.so.12"]), (cuda, there)):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
    own = distributions(tmp_path / "site", "nvidia-nvjitlink-cu12")
    variables = {"LD_LIBRARY_PATH": f"/nowhere:{cuda}:"}
    assert [one.path for one in library_path_problems(variables, own)] == [str(cuda)] * told
    assert not list(library_path_problems(variables, distributions(tmp_path / "site", "torch")))
    assert not list(library_path_problems({}, own))


def test_modules_beside_a_script(tmp_path: Path) -> None:
    for name in ("train.py", "datasets.py", "trl/__init__.py", "data/rows.json", "not-a-module.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = dict(modules_beside(str(tmp_path / "train.py")))
    assert sorted(found) == ["datasets", "train", "trl"]
    assert found["trl"] == str(tmp_path / "trl")
    assert not dict(modules_beside(str(tmp_path / "gone" / "train.py")))


@pytest.mark.parametrize(("name", "capability"), [("sm_75", (7, 5)), ("sm_120", (12, 0)), ("2x sm90", (9, 0))])
def test_a_gpu_by_its_architecture(name: str, capability: tuple[int, int]) -> None:
    assert find_gpu(name)[0].capability == capability


@pytest.mark.parametrize("name", ["T4", "V100", "A100", "L4", "3090", "4090", "5090", "H100", "H200", "B200", "MI300X"])
def test_the_usual_ones_are_known(name: str) -> None:
    (gpu,) = find_gpu(name)
    assert gpu.memory and (gpu.capability or gpu.kind == "rocm")


def test_every_gpu_is_found_by_its_own_name() -> None:
    assert [find_gpu(gpu.name) for gpu in known_gpus()] == [(gpu,) for gpu in known_gpus()]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"BNB_CUDA_VERSION": "124", "HF_TOKEN": "secret"}, {"BNB_CUDA_VERSION": "124"}),
        ({"USE_TF": ""}, {}),
        ({"USE_TF": "0" * 1000}, {"USE_TF": "0" * 40}),
    ],
)
def test_variables_that_decide_what_is_loaded(variables: dict[str, str], found: dict[str, str]) -> None:
    assert deciding(variables) == found
