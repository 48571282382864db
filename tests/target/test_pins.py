"""Pins → Environment over a small real index: whole, forced and partial sets; the second run; changed versions."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.errors import OfflineError, TargetError
from sftdoctor.model import Distribution, Environment, Target, TargetKind
from sftdoctor.target import read_pins, with_versions
from sftdoctor.target.index_settings import IndexSettings, read_index_settings
from sftdoctor.target.pin_formats import Pin
from sftdoctor.target.platforms import marker_environment
from sftdoctor.target.resolver import ResolverError, complete, find_uv
from tests.target.tiny_index import TinyIndex, wheel

CHAIN = {
    "trl": ("1.0", ("transformers>=4", "accelerate")),
    "transformers": ("4.5", ("tokenizers", "numpy", "requests; extra == 'http'")),
    "accelerate": ("0.9", ("numpy",)),
    "tokenizers": ("0.2", ()),
    "numpy": ("1.26", ()),
    "requests": ("2.0", ()),
    "lonely": ("1.0", ("numpy", "absent")),
}


@pytest.fixture
def published(only_tiny: TinyIndex) -> TinyIndex:
    """An index with a few packages that require one another."""
    for name, (version, requires) in CHAIN.items():
        only_tiny.add(name, version, requires=requires)
    only_tiny.add("transformers", "4.6", requires=("tokenizers>=1",))
    return only_tiny


def judge(
    folder: Path, text: str, python: str = "3.11", name: str = "requirements.txt", offline: bool = False
) -> Environment:
    path = folder / name
    path.write_text(text)
    return read_pins(path, python, cache=folder / "cache", offline=offline)


def freeze(*names: str) -> str:
    return "".join(f"{name}=={CHAIN[name][0]}\n" for name in names)


WHOLE = ("trl", "transformers", "accelerate", "tokenizers", "numpy")


def test_a_freeze_is_the_whole_environment(published: TinyIndex, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    path = tmp_path / "freeze.txt"
    path.write_text(freeze(*WHOLE))
    found = read_pins(path, "3.12", cache=tmp_path / "cache", progress=lambda *step: seen.append(step))
    assert found.complete
    assert list(found.distributions) == sorted(WHOLE)
    assert found.paths == tuple(one.root for one in found.distributions.values())
    assert found.target == Target(TargetKind.PINS, str(path), "3.12")
    assert found.markers["python_version"] == "3.12"
    assert (found.problems, found.not_judged, found.notes, found.stdlib) == ((), (), (), None)
    assert [step[:2] for step in seen] == [(number, 5) for number in range(1, 6)]


@pytest.mark.parametrize("offline", [False, True])
def test_a_second_run_asks_nobody(published: TinyIndex, tmp_path: Path, offline: bool) -> None:
    first = judge(tmp_path, freeze(*WHOLE))
    published.log.clear()
    assert judge(tmp_path, freeze(*WHOLE), offline=offline) == first
    assert published.log == []


def test_a_change_is_seen(published: TinyIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more.txt").write_text(freeze("numpy"))
    text = freeze(*WHOLE[:4]) + "-r more.txt\nrequests==${VERSION}\n"
    monkeypatch.setenv("VERSION", "2.0")
    assert judge(tmp_path, text).version("numpy") == "1.26"
    published.add("numpy", "2.0")
    published.add("requests", "3.0")
    (tmp_path / "more.txt").write_text("numpy==2.0\n")
    fresh = tmp_path / "cache" / "index"
    for page in fresh.iterdir():
        page.unlink()
    assert judge(tmp_path, text).version("numpy") == "2.0"
    monkeypatch.setenv("VERSION", "3.0")
    assert judge(tmp_path, text).version("requests") == "3.0"


def test_a_folder_that_was_removed_is_fetched_again(published: TinyIndex, tmp_path: Path) -> None:
    first = judge(tmp_path, freeze(*WHOLE))
    root = Path(first.distributions["trl"].root or "")
    root.rename(tmp_path / "gone")
    assert judge(tmp_path, freeze(*WHOLE)) == first
    assert root.is_dir()


def test_a_damaged_record_of_a_run_is_ignored(published: TinyIndex, tmp_path: Path) -> None:
    first = judge(tmp_path, freeze(*WHOLE))
    for content in ("{", "[]", '{"schema": 1}', '{"schema": 99}'):
        for kept in (tmp_path / "cache" / "pins").iterdir():
            kept.write_text(content)
        assert judge(tmp_path, freeze(*WHOLE)) == first


def test_the_network_is_off_and_the_cache_is_empty(published: TinyIndex, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r"5 of 5 packages are not in the cache.*accelerate 0.9, numpy 1.26"):
        judge(tmp_path, freeze(*WHOLE), offline=True)
    assert published.log == []


def test_a_dead_index(tmp_path: Path, only_tiny: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(OfflineError, match="does not answer") as caught:
        judge(tmp_path, freeze(*WHOLE))
    assert "http://127.0.0.1:9/simple" in caught.value.hint


def test_a_forced_environment_lacks_something_and_is_whole(published: TinyIndex, tmp_path: Path) -> None:
    found = judge(tmp_path, freeze(*WHOLE, "lonely"))
    assert found.complete
    assert "absent" not in found.distributions


def test_a_lock_is_whole_whatever_it_lacks(published: TinyIndex, tmp_path: Path) -> None:
    lock = 'lock-version = "1.0"\n[[packages]]\nname = "trl"\nversion = "1.0"\n'
    found = judge(tmp_path, lock, name="pylock.toml")
    assert found.complete
    assert list(found.distributions) == ["trl"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trl==1.0\ntransformers==4.5\n", {*WHOLE}),
        ("trl\ntransformers<4.6\n", {*WHOLE}),
        ("accelerate>=0.1\n", {"accelerate", "numpy"}),
        ("transformers[http]==4.5\n", {"transformers", "tokenizers", "numpy", "requests"}),
    ],
)
def test_a_partial_file_is_completed(published: TinyIndex, tmp_path: Path, text: str, expected: set[str]) -> None:
    found = judge(tmp_path, text)
    assert set(found.distributions) == expected
    assert found.complete
    assert "leaves packages open" in found.notes[0]
    published.log.clear()
    assert judge(tmp_path, text) == found
    assert published.log == []


def test_pins_that_contradict_each_other(published: TinyIndex, tmp_path: Path) -> None:
    found = judge(tmp_path, "transformers==4.6\ntokenizers<1\n")
    assert not found.complete
    assert [problem.kind for problem in found.problems] == ["unresolvable"]
    assert [one.what for one in found.not_judged] == ["requirements.txt"]
    assert set(found.distributions) == {"transformers"}


def test_what_does_not_fit_or_is_not_there_is_a_fact(published: TinyIndex, tmp_path: Path) -> None:
    published.add("bitsandbytes", "0.41", tags="cp310-cp310-manylinux_2_17_x86_64")
    published.add("peft", "0.5", b"no zip")
    found = judge(tmp_path, freeze(*WHOLE) + "bitsandbytes==0.41\ntorch==9\npeft==0.5\n")
    assert {(one.kind, one.name, one.path) for one in found.problems} == {
        ("incompatible", "bitsandbytes", "0.41"),
        ("unavailable", "torch", "9"),
    }
    assert {one.what for one in found.not_judged} == {"bitsandbytes 0.41", "torch 9", "peft 0.5"}
    assert all(found.distributions[name].root is None for name in ("bitsandbytes", "torch", "peft"))
    assert found.complete


def test_a_build_of_torch_that_the_index_lacks(published: TinyIndex, tmp_path: Path) -> None:
    published.add("torch", "2.6.0", requires=("nvidia-x==1",))
    found = judge(tmp_path, freeze(*WHOLE) + "torch==2.6.0+cu124\n")
    assert found.version("torch") == "2.6.0+cu124"
    assert found.notes == ("torch 2.6.0+cu124 is judged by the published 2.6.0",)
    assert found.complete


def test_a_package_from_elsewhere_ends_certainty(published: TinyIndex, tmp_path: Path) -> None:
    found = judge(tmp_path, freeze(*WHOLE) + "-e git+https://host/peft.git#egg=peft\n")
    assert not found.complete
    assert [one.what for one in found.not_judged] == ["peft"]


def test_a_wheel_beside_the_file(published: TinyIndex, tmp_path: Path) -> None:
    (tmp_path / "mine-1.0-py3-none-any.whl").write_bytes(wheel("mine", "1.0"))
    found = judge(tmp_path, freeze(*WHOLE) + "./mine-1.0-py3-none-any.whl\n")
    assert found.version("mine") == "1.0"
    assert found.not_judged == ()


def test_conda_names_that_the_index_does_not_have(published: TinyIndex, tmp_path: Path) -> None:
    text = "dependencies: [trl=1.0=py, 'transformers<4.6', strange-tool=3.1.4, 'other-tool>=2']"
    found = judge(tmp_path, text, name="environment.yml")
    assert {*WHOLE} <= set(found.distributions)
    assert {one.what for one in found.not_judged} == {"strange-tool 3.1.4", "other-tool"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "peft==1; sys_platform == 'win32'\n"])
def test_a_file_without_pins(only_tiny: TinyIndex, tmp_path: Path, text: str) -> None:
    with pytest.raises(TargetError, match="pins no package"):
        judge(tmp_path, text)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="is no file"):
        read_pins(tmp_path / "none.txt", "3.11", cache=tmp_path)


def test_other_versions_of_pins(published: TinyIndex, tmp_path: Path) -> None:
    before = judge(tmp_path, freeze(*WHOLE))
    after = with_versions(before, {"Transformers": "4.6", "requests": "2.0", "trl": None}, cache=tmp_path / "cache")
    assert (after.version("transformers"), after.version("requests"), after.version("trl")) == ("4.6", "2.0", None)
    assert before.distributions["transformers"].root not in after.paths
    assert before.distributions["trl"].root not in after.paths
    assert after.owners == {
        "transformers": after.distributions["transformers"].root,
        "requests": after.distributions["requests"].root,
        "trl": "",
    }
    with pytest.raises(TargetError):
        with_versions(before, {"trl": "9"}, cache=tmp_path / "cache")


def test_other_versions_of_an_installed_environment(published: TinyIndex, tmp_path: Path) -> None:
    site = str(tmp_path / "site-packages")
    old = Distribution("transformers", "4.1", root=site, top_level=("transformers", "old_helper", "shared"))
    other = Distribution("other", "1", root=site, top_level=("other", "shared"))
    before = Environment(
        Target(TargetKind.INTERPRETER, "python", "3.11.7"),
        "3.11.7",
        marker_environment("3.11.7"),
        {"transformers": old, "other": other},
        (site,),
    )
    after = with_versions(before, {"transformers": "4.5"}, cache=tmp_path / "cache")
    root = after.distributions["transformers"].root
    assert after.paths == (root, site)
    assert after.owners == {"transformers": root, "old_helper": root}
    again = with_versions(after, {"transformers": "4.6"}, cache=tmp_path / "cache")
    assert again.paths == (again.distributions["transformers"].root, site)
    assert root not in again.owners.values()


def test_uv_and_pip_agree(published: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_index_settings()
    markers = marker_environment(f"{sys.version_info[0]}.{sys.version_info[1]}")
    pins = [Pin("trl", version="1.0"), Pin("transformers", specifier="<4.6")]
    found = {}
    for tool in ("uv", "pip"):
        if tool == "pip":
            monkeypatch.setattr("sftdoctor.target.resolver.find_uv", lambda: None)
        elif not find_uv():
            pytest.skip("uv is not here")
        name, found[tool] = complete(pins, [Pin("numpy", specifier="<2")], markers, settings)
        assert name == tool
        with pytest.raises(ResolverError) as caught:
            complete([Pin("transformers", version="4.6"), Pin("tokenizers", specifier="<1")], [], markers, settings)
        assert caught.value.final
    assert found["uv"] == found["pip"] == {name: CHAIN[name][0] for name in WHOLE}


@pytest.mark.skipif(not find_uv(), reason="uv alone can be told what to prefer")
def test_what_is_there_stays_where_it_will_do(published: TinyIndex) -> None:
    published.add("numpy", "1.25")
    markers = marker_environment("3.11")
    for preferred, expected in (({}, "1.26"), ({"numpy": "1.25"}, "1.25"), ({"numpy": "0.1"}, "1.26")):
        found = complete([Pin("trl", version="1.0")], [], markers, read_index_settings(), preferred)[1]
        assert found["numpy"] == expected


@pytest.mark.parametrize(
    ("environ", "config", "expected"),
    [
        ({}, "", IndexSettings()),
        ({"PIP_INDEX_URL": "https://a/simple/"}, "", IndexSettings(("https://a/simple",))),
        ({"UV_DEFAULT_INDEX": "https://u", "PIP_INDEX_URL": "https://a"}, "", IndexSettings(("https://u",))),
        (
            {"UV_INDEX": "x=https://a https://b"},
            "",
            IndexSettings(("https://pypi.org/simple", "https://a", "https://b")),
        ),
        (
            {},
            "[global]\nindex-url = https://c\nextra-index-url =\n  https://d\n",
            IndexSettings(("https://c", "https://d")),
        ),
        ({"PIP_INDEX_URL": "https://a"}, "[install]\nindex_url = https://c\n", IndexSettings(("https://a",))),
        ({"PIP_EXTRA_INDEX_URL": "ssh://x nonsense"}, "no ini", IndexSettings()),
    ],
)
def test_which_indexes(tmp_path: Path, environ: dict[str, str], config: str, expected: IndexSettings) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(config)
    assert read_index_settings(environ, [tmp_path / "none", file]) == expected


@pytest.mark.lab
def test_a_real_stack_from_the_real_index(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("trl==0.24.0\npeft==0.5.0\ntransformers==4.57.3\ntorch==2.6.0\nbitsandbytes==0.49.2\n")
    found = read_pins(path, "3.11", cache=tmp_path / "cache")
    assert found.complete
    assert found.version("accelerate")
    assert (Path(found.distributions["torch"].root or "") / "torch/nn/modules/linear.py").is_file()
    assert "torch/lib/libtorch_python.so" in Path(found.distributions["torch"].metadata or "", "RECORD").read_text()
    assert found.distributions["pyarrow"].numpy
    assert read_pins(path, "3.11", cache=tmp_path / "cache", offline=True) == found
    swapped = with_versions(found, {"peft": "0.17.1"}, cache=tmp_path / "cache")
    assert swapped == replace(swapped, distributions={**found.distributions, "peft": swapped.distributions["peft"]})
