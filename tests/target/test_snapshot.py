from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sftdoctor.errors import TargetError
from sftdoctor.model import (
    Accelerator,
    Distribution,
    Environment,
    NotJudged,
    Problem,
    Target,
    TargetKind,
    TorchBuild,
)
from sftdoctor.target import load_snapshot, read_interpreter, save_snapshot, with_hardware
from sftdoctor.target.codec import BadValueError, from_dict, to_dict
from tests.target.layouts import make_venv, wheel_info, write

TEXT = st.text(max_size=8)
MAYBE = st.none() | TEXT
PATH = TEXT.map(lambda text: f"/{text}") | st.sampled_from([str(Path.home()), f"{Path.home()}/x", f"{Path.home()}er/x"])
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
DISTRIBUTION = st.builds(
    Distribution,
    name=TEXT,
    version=TEXT,
    root=st.none() | PATH,
    metadata=st.none() | PATH,
    requires=TEXTS,
    extras=TEXTS,
    requires_python=MAYBE,
    top_level=TEXTS,
    editable=st.booleans(),
    installer=MAYBE,
    numpy=MAYBE,
)
PAIR = st.tuples(st.integers(0, 20), st.integers(0, 9))
ACCELERATOR = st.builds(
    Accelerator, kind=TEXT, name=TEXT, memory=st.none() | st.integers(0, 2**40), capability=st.none() | PAIR
)
ENVIRONMENT = st.builds(
    Environment,
    target=st.builds(Target, st.sampled_from(TargetKind), PATH, TEXT, st.none() | PATH),
    python=TEXT,
    markers=st.dictionaries(TEXT, TEXT, max_size=3),
    distributions=st.lists(DISTRIBUTION, max_size=3).map(lambda several: {each.name: each for each in several}),
    paths=st.lists(PATH, max_size=3).map(tuple),
    modules=st.dictionaries(TEXT, PATH, max_size=2),
    owners=st.dictionaries(TEXT, st.just("") | PATH, max_size=2),
    notes=TEXTS,
    stdlib=st.none() | PATH,
    problems=st.lists(st.builds(Problem, TEXT, TEXT, PATH, TEXT), max_size=2).map(tuple),
    accelerators=st.none() | st.lists(ACCELERATOR, max_size=2).map(tuple),
    driver=MAYBE,
    driver_cuda=MAYBE,
    torch_build=st.none() | st.builds(TorchBuild, TEXT, MAYBE, MAYBE, TEXTS),
    complete=st.booleans(),
    not_judged=st.lists(st.builds(NotJudged, TEXT, TEXT), max_size=2).map(tuple),
)
PLACES = {"target", "distributions", "paths", "modules", "owners", "stdlib"}
"""What a snapshot may lose on another machine: where things lie."""
FULL = Environment(
    Target(TargetKind.INTERPRETER, "/x/bin/python", "3.11.7", "/x"),
    "3.11.7",
    distributions={"a": Distribution("a", "1", "/x", "/x/a-1.dist-info", ("b",))},
    accelerators=(Accelerator("cuda", "T4", 1, (7, 5)),),
    torch_build=TorchBuild("2", "12.4", None, ("sm_75",)),
)


@given(ENVIRONMENT)
def test_every_fact_comes_back(environment: Environment) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(environment)))) == environment


def test_no_fact_is_forgotten() -> None:
    """Every field of the model's classes is in the file, also one that was added yesterday."""
    said = to_dict(FULL)
    assert set(said) == {each.name for each in fields(Environment)}
    assert set(said["accelerators"][0]) == {each.name for each in fields(Accelerator)}
    assert set(said["torch_build"]) == {each.name for each in fields(TorchBuild)}
    assert set(said["target"]) == {each.name for each in fields(Target)}
    whole = Distribution("a", "1", "/", "/", ("b",), ("c",), ">=3", ("d",), True, "pip", "<2")
    row = to_dict(replace(FULL, distributions={"a": whole}))["distributions"][0]
    assert set(row) == {each.name for each in fields(Distribution)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENVIRONMENT)
def test_through_a_file_from_another_machine(tmp_path: Path, environment: Environment) -> None:
    path = tmp_path / "snapshot.json"
    save_snapshot(environment, path)
    loaded = load_snapshot(path)
    for each in fields(Environment):
        if each.name not in PLACES:
            assert getattr(loaded, each.name) == getattr(environment, each.name)
    facts = {name: replace(each, root=None, metadata=None) for name, each in environment.distributions.items()}
    assert loaded.distributions == facts
    assert (loaded.target.kind, loaded.target.path) == (TargetKind.SNAPSHOT, str(path))


def test_a_real_environment_on_its_own_machine(tmp_path: Path) -> None:
    site = write(make_venv(tmp_path / "venv"), wheel_info("a", "1", "Requires-Dist: b\n") | wheel_info("b", "2"))
    environment = with_hardware(read_interpreter(str(tmp_path / "venv")))
    path = tmp_path / "snapshot.json"
    save_snapshot(environment, path)
    assert replace(load_snapshot(path), target=environment.target) == replace(environment, paths=(str(site),))


def test_what_has_changed_since_is_no_longer_the_recorded_one(tmp_path: Path) -> None:
    site = write(make_venv(tmp_path / "venv"), wheel_info("a", "1") | wheel_info("b", "2"))
    environment = read_interpreter(str(tmp_path / "venv"))
    path = tmp_path / "snapshot.json"
    save_snapshot(environment, path)
    write(site, {"a-1.dist-info/METADATA": "Name: a\nVersion: 9\n"})
    loaded = load_snapshot(path)
    assert (loaded.distributions["a"].version, loaded.distributions["a"].root) == ("1", None)
    assert loaded.distributions["b"].root == str(site)


def test_the_home_folder_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "someone"))
    make_venv(tmp_path / "someone" / "venv")
    environment = read_interpreter(str(tmp_path / "someone" / "venv"))
    save_snapshot(environment, tmp_path / "snapshot.json")
    assert "someone" not in (tmp_path / "snapshot.json").read_text()


WRONG_VALUES: dict[str, Mapping[str, Any]] = {
    "distributions is a table": {"distributions": {}},
    "a distribution is a text": {"distributions": ["a"]},
    "a distribution without a version": {"distributions": [{"name": "a"}]},
    "a version is a number": {"distributions": [{"name": "a", "version": 1}]},
    "requires is a text": {"distributions": [{"name": "a", "version": "1", "requires": "b"}]},
    "requires holds a number": {"distributions": [{"name": "a", "version": "1", "requires": [1]}]},
    "editable is a number": {"distributions": [{"name": "a", "version": "1", "editable": 1}]},
    "markers is a list": {"markers": []},
    "a marker is a list": {"markers": {"a": []}},
    "paths holds null": {"paths": [None]},
    "a problem is too short": {"problems": [["a"]]},
    "python is missing": {"python": None},
    "target is missing": {"target": None},
    "target of an unknown kind": {"target": {"kind": "x", "path": "/", "python": "3"}},
    "memory is true": {"accelerators": [{"kind": "cuda", "name": "x", "memory": True}]},
    "memory is a fraction": {"accelerators": [{"kind": "cuda", "name": "x", "memory": 1.5}]},
    "capability is a triple": {"accelerators": [{"kind": "cuda", "name": "x", "capability": [1, 2, 3]}]},
    "capability is texts": {"accelerators": [{"kind": "cuda", "name": "x", "capability": ["7", "5"]}]},
    "accelerators is a text": {"accelerators": "none"},
    "torch_build is a list": {"torch_build": [1]},
    "complete is a text": {"complete": "yes"},
}


@pytest.mark.parametrize("wrong", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_wrong_value_is_refused(tmp_path: Path, wrong: Mapping[str, Any]) -> None:
    said = {"schema": 1, "kind": "sftdoctor-environment", "environment": to_dict(FULL) | wrong}
    (tmp_path / "snapshot.json").write_text(json.dumps(said))
    with pytest.raises(TargetError, match="damaged") as caught:
        load_snapshot(tmp_path / "snapshot.json")
    assert "sftdoctor snapshot" in caught.value.hint


NO_SNAPSHOTS = {
    "empty": (b"", "no JSON"),
    "no JSON": (b"{", "no JSON"),
    "no UTF-8": (b"\xff\xfe\xfa", "no JSON"),
    "too deep": (b"[" * 200_000, "no JSON"),
    "a number that is too long": (b"9" * 10_000 + b"x", "no JSON"),
    "another file": (b'{"schema": 1}', "no snapshot"),
    "a list": (b"[]", "no snapshot"),
    "newer": (b'{"schema": 2, "kind": "sftdoctor-environment"}', "schema 2"),
    "schema of a wrong type": (b'{"schema": {}, "kind": "sftdoctor-environment"}', "schema"),
    "hollow": (b'{"schema": 1, "kind": "sftdoctor-environment"}', "damaged"),
    "too large": (b" " * (17 << 20), "too large"),
}


@pytest.mark.parametrize(("content", "message"), NO_SNAPSHOTS.values(), ids=NO_SNAPSHOTS)
def test_what_is_no_snapshot(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "snapshot.json").write_bytes(content)
    with pytest.raises(TargetError, match=message) as caught:
        load_snapshot(tmp_path / "snapshot.json")
    assert caught.value.hint


def test_paths_that_are_traps(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(TargetError):
            load_snapshot(path)
    with pytest.raises(TargetError):
        save_snapshot(FULL, tmp_path / "missing" / "snapshot.json")
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(each.name for each in fields(Environment))), JSON, max_size=6))
def test_any_value_gives_an_environment_or_is_refused(wrong: dict[str, Any]) -> None:
    with contextlib.suppress(BadValueError):
        assert isinstance(from_dict(to_dict(FULL) | wrong), Environment)


SCHEMA = Path(__file__).parents[2] / "sftdoctor" / "report" / "schema" / "snapshot.json"


@given(ENVIRONMENT)
def test_what_is_saved_is_what_the_schema_says(environment: Environment) -> None:
    said = json.loads(json.dumps(to_dict(environment)))
    whole = {"schema": 1, "kind": "sftdoctor-environment", "environment": said}
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(whole)


def test_a_saved_file_is_what_the_schema_says(tmp_path: Path) -> None:
    make_venv(tmp_path / "venv")
    save_snapshot(with_hardware(read_interpreter(str(tmp_path / "venv"))), tmp_path / "s.json")
    saved = json.loads((tmp_path / "s.json").read_text("utf-8"))
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(saved)
