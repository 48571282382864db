"""A model folder as files: config, remote code, tokenizer, adapter, quantisation. Read only; never imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sftdoctor.errors import WorkloadError
from sftdoctor.flow.classes import CodeFiles, read_code
from sftdoctor.model import Fact, Location, ModelFolder
from sftdoctor.workload.tokenizerdir import read_template, tokenizer_facts
from sftdoctor.workload.weights import modules, weight_facts

JSON_LIMIT = 4 * 1024 * 1024
"""Bytes; a config that is larger is none."""
CODE_LIMIT = 2 * 1024 * 1024
FILES_LIMIT = 40
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.safetensors.index.json", "*.gguf")


def read_model_folder(path: Path) -> ModelFolder:
    """Read a model folder.

    Args:
        path: A folder with a config.json (or an adapter_config.json).

    Returns:
        Its config, its remote-code files and its facts.

    Raises:
        WorkloadError: It is no folder, no model, or its config is broken or names files outside it.
    """
    if not path.is_dir():
        raise WorkloadError(f"{path} is no folder", "--model takes a folder with a config.json.")
    config_path, adapter_path = path / "config.json", path / "adapter_config.json"
    if not config_path.is_file() and not adapter_path.is_file():
        raise WorkloadError(f"{path} is no model folder: it has no config.json", "Name the folder that has one.")
    config = _json(config_path) if config_path.is_file() else _json(adapter_path)
    folder = path.resolve()
    code = _code_files(folder, config)
    remote = read_code(code)
    facts = (*_folder_facts(folder, config), *weight_facts(folder), *_remote_facts(config, remote))
    return ModelFolder(str(path), config, tuple(str(file) for file in code), facts, modules(folder))


def _json(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(JSON_LIMIT + 1)
        if len(raw) > JSON_LIMIT:
            raise WorkloadError(f"{path} is larger than {JSON_LIMIT // 1024 // 1024} MB", "This is no config.")
        read = json.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path} is no valid JSON", "Download the model again.") from error
    if not isinstance(read, dict):
        raise WorkloadError(f"{path} is no model config: it holds no object", "Download the model again.")
    return read


def _code_files(folder: Path, config: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files that auto_map names, with what they import from beside them."""
    auto_map = config.get("auto_map")
    references = auto_map.values() if isinstance(auto_map, dict) else ()
    names = [text for value in references for text in (value if isinstance(value, list) else [value])]
    files: list[Path] = []
    for name in names:
        if isinstance(name, str) and "--" not in name:  # "other/repository--modeling_x.Class" lies elsewhere
            file = _inside(folder, name.rpartition(".")[0] or name)
            if file is not None and file not in files:
                files.append(file)
    for file in list(files):
        for other in sorted(folder.glob("*.py"))[:FILES_LIMIT]:
            if other not in files and f".{other.stem}" in _text(file):
                files.append(other)
    return tuple(files[:FILES_LIMIT])


def _inside(folder: Path, module: str) -> Path | None:
    """The file of a module that lies in the folder; None where it is not there.

    Raises:
        WorkloadError: The name leads out of the folder.
    """
    parts = PurePosixPath(module.replace("\\", "/")).parts
    if ".." in module or PurePosixPath(module).is_absolute() or len(parts) != 1 or ":" in module:
        raise WorkloadError(
            f"config.json of {folder} names code outside the folder: {module!r}", "Do not trust this model."
        )
    file = folder / f"{module.replace('.', '/')}.py"
    if not file.is_file():
        return None
    if _home(folder) not in file.resolve().parents or file.stat().st_size > CODE_LIMIT:
        raise WorkloadError(f"{file} leads out of the model folder, or is too large", "Do not trust this model.")
    return file


def _home(folder: Path) -> Path:
    """What the files of a model folder may lie in: in the Hugging Face cache they are links into the blobs beside."""
    return folder.parent.parent if folder.parent.name == "snapshots" else folder


def _text(file: Path) -> str:
    try:
        return file.read_bytes()[:CODE_LIMIT].decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def _folder_facts(folder: Path, config: Mapping[str, Any]) -> Iterator[Fact]:
    where = Location(str(folder / "config.json"))
    yield Fact("model_quantization", _quantization(config.get("quantization_config")), where)
    model_type = config.get("model_type")
    yield Fact("model_type", model_type if isinstance(model_type, str) else "unknown", where)
    adapter = folder / "adapter_config.json"
    yield Fact("is_adapter", adapter.is_file())
    yield from _adapter_facts(adapter)
    yield from _config_facts(config, where)
    yield Fact("has_weights", any(next(folder.glob(pattern), None) is not None for pattern in _WEIGHTS))
    tokenizer = folder / "tokenizer_config.json"
    yield Fact("has_tokenizer", tokenizer.is_file())
    said = _lenient(tokenizer)
    yield Fact("has_chat_template", read_template(folder, said)[0] is not None)
    found = tuple(tokenizer_facts(folder, said))
    yield from found
    highest = next((fact.value for fact in found if fact.name == "highest_token"), None)
    rows = config.get("vocab_size")
    if isinstance(highest, int) and isinstance(rows, int):
        yield Fact("spare_rows", rows - highest - 1, where)


_CONFIG_FACTS: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "model_vocab_size": ("vocab_size", int),
    "model_positions": ("max_position_embeddings", int),
    "model_tied": ("tie_word_embeddings", bool),
    "model_rope_theta": ("rope_theta", (int, float)),
}


def _config_facts(config: Mapping[str, Any], where: Location) -> Iterator[Fact]:
    text = config.get("text_config")
    text = text if isinstance(text, dict) else config
    for name, (key, kind) in _CONFIG_FACTS.items():
        value = text.get(key, config.get(key))
        if isinstance(value, kind):
            yield Fact(name, value, where)
    dtype = config.get("dtype", config.get("torch_dtype", text.get("dtype", text.get("torch_dtype"))))
    if isinstance(dtype, str):
        yield Fact("checkpoint_dtype", dtype.removeprefix("torch."), where)
    rope = text.get("rope_parameters")
    theta = rope.get("rope_theta") if isinstance(rope, dict) else None
    if isinstance(theta, (int, float)):
        yield Fact("new_rope_theta", theta, where)
    architectures = config.get("architectures")
    if isinstance(architectures, list) and architectures and isinstance(architectures[0], str):
        yield Fact("architecture", architectures[0], where)


def _adapter_facts(path: Path) -> Iterator[Fact]:
    config = _lenient(path)
    where = Location(str(path))
    kind = config.get("peft_type")
    if isinstance(kind, str):
        yield Fact("adapter_type", kind, where)
    for key in config:
        yield Fact("adapter_keyword", key, where)


def _lenient(path: Path) -> Mapping[str, Any]:
    """A JSON file that may be missing or broken; empty then."""
    try:
        return _json(path) if path.is_file() else {}
    except WorkloadError:
        return {}


def _quantization(said: object) -> str:
    """In the words of the fact `quantization`."""
    if not isinstance(said, dict):
        return "none"
    method = said.get("quant_method", "bitsandbytes")
    if method == "bitsandbytes":
        kind = "int8" if said.get("load_in_8bit") else said.get("bnb_4bit_quant_type", "fp4")
        return kind if isinstance(kind, str) else "unknown"
    return method if isinstance(method, str) else "unknown"


def _remote_facts(config: Mapping[str, Any], remote: CodeFiles) -> Iterator[Fact]:
    auto_map = config.get("auto_map")
    yield Fact("has_remote_code", bool(auto_map) if isinstance(auto_map, dict) else False)
    language_model = remote.language_model(auto_map if isinstance(auto_map, dict) else {})
    if language_model is None:
        return
    yield Fact("remote_class", language_model.name, remote.location(language_model.node))
    flag = remote.class_attribute(language_model, "supports_gradient_checkpointing")
    yield Fact("remote_gc_flag", flag if isinstance(flag, bool) else "unset", remote.location(language_model.node))
    yield Fact("remote_gc_attribute", remote.sets_attribute("gradient_checkpointing"))
    override = remote.method(language_model, "_set_gradient_checkpointing")
    parameters = remote.parameters(override) if override is not None else "none"
    yield Fact("remote_gc_override", parameters, remote.location(override.node) if override is not None else None)
    yield Fact("remote_gc_reentrant", remote.checkpoint_reentrant())
