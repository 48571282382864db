"""Config files: their places, what is no config, bad input, and whose a config is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.configs import LIMIT, kind_of, might_be_config, parse_config, read_config
from sftdoctor.errors import WorkloadError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9999, 9999) | st.floats(-9e9, 9e9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


@given(data=st.dictionaries(WORDS, VALUES, max_size=4), flow=st.sampled_from([None, False, True]))
def test_yaml_means_what_safe_load_says_and_keys_stand_where_they_are_said_to(data: object, flow: bool | None) -> None:
    text = "# é\n" + yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True, width=60)
    read = parse_config("c.yaml", text.encode())
    assert read.root.plain() == yaml.safe_load(text)
    for _, key, _ in read.root.walk():
        assert str(yaml.safe_load(text[key.start : key.end])) == key.name
        place = read.location(key)
        assert place.line is not None and place.column is not None
        line = text.split("\n")[place.line - 1]
        assert line[place.column - 1 :].startswith(text[key.start : key.end].split("\n")[0])


@given(data=st.dictionaries(WORDS, VALUES, max_size=4), indent=st.sampled_from([None, 2]))
def test_json_likewise(data: object, indent: int | None) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    read = parse_config("c.json", text.encode())
    assert read.root.plain() == json.loads(text)
    assert all(json.loads(text[key.start : key.end]) == key.name for _, key, _ in read.root.walk())


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ", # one\n".join(map(toml, value)) + "\n]"
    return json.dumps(value, ensure_ascii=False)


TOML_VALUES = st.recursive(
    st.booleans() | st.integers(-9999, 9999) | st.floats(-9e9, 9e9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


@given(
    top=st.dictionaries(WORDS, TOML_VALUES, max_size=3),
    tables=st.dictionaries(WORDS, st.dictionaries(WORDS, TOML_VALUES, max_size=3), max_size=3),
    end=st.sampled_from(["\n", "\r\n", " # why\n\n"]),
)
def test_toml_likewise(top: dict[str, object], tables: dict[str, dict[str, object]], end: str) -> None:
    lines = [f"{toml(key)} = {toml(value)}" for key, value in top.items()]
    for name, table in tables.items():
        if name not in top:
            lines += [f"[{toml(name)}]", *(f" {toml(key)}={toml(one)}" for key, one in table.items())]
    text = end.join([*lines, ""])
    read = parse_config("c.toml", text.encode())
    assert read.root.plain() == tomllib.loads(text)
    assert all(json.loads(text[key.start : key.end]) == key.name for _, key, _ in read.root.walk())


TOML = """
title = 'a \\ b'  # a title
a.b . c = 1_000
when = 2026-11-26
long = \"\"\"
[no table]
\"\"\"
[x.y]
z = {p = 1, q.r = [2, 3]}
[[many]]
v = 1
[[many]]
v = 2
[many.inner]
w = +3.5e-2
"""


def test_the_shapes_of_toml() -> None:
    read = parse_config("c.toml", TOML.encode())
    assert read.root.plain() == {**tomllib.loads(TOML), "when": "2026-11-26"}
    place = next(read.location(key) for keys, key, _ in read.root.walk() if keys == ("x", "y", "z"))
    assert (place.line, place.column) == (9, 1)


@given(st.binary(max_size=200), st.sampled_from(["c.yaml", "c.json", "c.toml"]))
def test_any_bytes_are_read_or_refused(raw: bytes, name: str) -> None:
    try:
        kind_of(parse_config(name, raw).root)
    except WorkloadError as error:
        assert error.message.startswith(name)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 9)}], {new}: 1}}\n"
    for old, new in zip("abcdefg", "bcdefgh", strict=True)
)
BAD = {
    "a tag": ("c.yaml", "a: 1\nb: !!python/object/apply:os.system [ls]\n", "c.yaml:2: "),
    "a tag of a scalar": ("c.yaml", "a: !secret x", "c.yaml:1: "),
    "several documents": ("c.yaml", "a: 1\n---\nb: 2\n", "c.yaml:2: "),
    "a tab": ("c.yaml", "a:\n\tb: 1\n", "c.yaml:2: "),
    "no anchor": ("c.yaml", "a: *x\n", "c.yaml:1: "),
    "an anchor in itself": ("c.yaml", "a: &a [*a]\n", "c.yaml:1: "),
    "many anchors": ("c.yaml", BOMB, "its anchors come to more than"),
    "many merges": ("c.yaml", MERGES, "its anchors come to more than"),
    "a list as a key": ("c.yaml", "? [a]\n: 1\n", "c.yaml:1: "),
    "deep": ("c.yaml", "[" * 5000, "c.yaml"),
    "a long number": ("c.json", '{"a": 1' + "0" * 5000 + "}", "c.json"),
    "broken JSON": ("c.json", '{"a": 1,\n}', "c.json:2: "),
    "deep JSON": ("c.json", "[" * 100_000, "c.json"),
    "broken TOML": ("c.toml", "a = 1\na = 2\n", "c.toml: broken TOML"),
    "deep TOML": ("c.toml", "a = " + "[" * 5000, "c.toml"),
    "a control sign": ("c.yaml", "a: \x01", "c.yaml"),
}


@pytest.mark.parametrize(("name", "text", "says"), BAD.values(), ids=BAD)
def test_bad_input(name: str, text: str, says: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        parse_config(name, text.encode())
    assert says in refused.value.message and len(refused.value.message) < 400


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1\n" * LIMIT)
    with pytest.raises(WorkloadError, match="larger than 300 kB"):
        read_config(path)
    with pytest.raises(WorkloadError, match="not UTF-8"):
        parse_config("c.yaml", b"\xff\xfe")


def test_merges_and_repeated_keys() -> None:
    read = parse_config("c.yaml", b"base: &b {x: 1, y: 2}\nrun:\n  <<: *b\n  x: 3\nrun2: 1\nrun2: 2\n")
    assert read.root.plain() == {"base": {"x": 1, "y": 2}, "run": {"x": 3, "y": 2}, "run2": 2}
    assert [key.name for key, _ in read.root.pairs or ()] == ["base", "run", "run2", "run2"]


TRAINING = "output_dir: out\nlearning_rate: 1e-5\nbf16: true\n"
KINDS = {
    "trl": (TRAINING, "trl", "sft"),
    "dpo": (TRAINING + "beta: 0.1\n", "trl", "dpo"),
    "grpo": (TRAINING + "num_generations: 8\n", "trl", "grpo"),
    "a model": ("model_name_or_path: m\noutput_dir: out\ndataset_name: d\n", "trl", "sft"),
    "too little": ("output_dir: out\nseed: 1\n", "", ""),
    "accelerate": ("compute_environment: LOCAL_MACHINE\n", "accelerate", ""),
    "accelerate without its environment": ("distributed_type: FSDP\nnum_processes: 2\n", "accelerate", ""),
    "DeepSpeed": ('{"zero_optimization": {"stage": 2}}', "deepspeed", ""),
    "DeepSpeed without ZeRO": ('{"train_batch_size": 8, "fp16": {"enabled": true}}', "deepspeed", ""),
    "axolotl": (TRAINING + "base_model: x\nmicro_batch_size: 1\n", "", "an axolotl config"),
    "LLaMA-Factory": (TRAINING + "stage: sft\nfinetuning_type: lora\n", "", "a LLaMA-Factory config"),
    "torchtune": ("model:\n  _component_: torchtune.models.llama\noutput_dir: x\n", "", "a torchtune config"),
    "a model's": ('{"architectures": ["X"], "model_type": "x"}', "", "a model's config"),
    "a list": ("- a\n", "", "no mapping of keys"),
    "nothing": ("", "", "no mapping of keys"),
    "anything": ("a: 1\n", "", "a config that sftdoctor does not know"),
}


@pytest.mark.parametrize(("text", "name", "more"), KINDS.values(), ids=KINDS)
def test_whose_a_config_is(text: str, name: str, more: str) -> None:
    kind = kind_of(parse_config("c.json" if text.startswith("{") else "c.yaml", text.encode()).root)
    assert kind.name == name
    assert more in (kind.command if name else kind.told)
    assert might_be_config(text) or not name or "num_processes" in text
