"""The weight files of a model folder: which there are, which are missing, and which modules they are for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sftdoctor.errors import WorkloadError
from sftdoctor.model import Fact, Location

INDEX_LIMIT = 32 * 1024 * 1024
"""Bytes; an index of shards (or the header of a safetensors file) that is larger is none."""
NAMES = 200_000
"""So many weights are looked at; the largest models have fewer."""
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLE = ("model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin")
_POINTER = b"version https://git-lfs.github.com/spec/"
_SHARDS = 1000


def weight_facts(folder: Path) -> Iterator[Fact]:
    """What lies in a model folder in the way of weights.

    Args:
        folder: The folder.

    Returns:
        One fact for each shard that the index names and that is not there, one for each file that is only a pointer of
        Git LFS, and the format of the weights.
    """
    index = _index(folder)
    for name in _missing(folder, index):
        yield Fact("missing_shard", name, Location(str(index)) if index is not None else None)
    for name in _files(folder):
        if _is_pointer(folder / name):
            yield Fact("pointer_file", name, Location(str(folder / name)))
    safe = any(folder.glob("*.safetensors"))
    pickled = any(folder.glob("pytorch_model*.bin")) or any(folder.glob("adapter_model.bin"))
    yield Fact("weight_format", "safetensors" if safe else ("pickle" if pickled else "none"))


def modules(folder: Path) -> tuple[str, ...]:
    """The modules that the weights of a folder are for.

    Args:
        folder: The folder.

    Returns:
        Dotted names, each once: "model.layers.0.self_attn.q_proj"; empty where they cannot be read.
    """
    index = _index(folder)
    names: tuple[str, ...] = ()
    if index is not None:
        names = tuple(_weight_map(index))
    elif (folder / "model.safetensors").is_file():
        names = tuple(name for name in _header(folder / "model.safetensors") if name != "__metadata__")
    found = dict.fromkeys(name.rpartition(".")[0] for name in names[:NAMES] if isinstance(name, str))
    return tuple(name for name in found if name)


def _index(folder: Path) -> Path | None:
    return next((folder / name for name in _INDEXES if (folder / name).is_file()), None)


def _weight_map(index: Path) -> Mapping[str, Any]:
    read = _json(index)
    found = read.get("weight_map") if isinstance(read, dict) else None
    return found if isinstance(found, dict) else {}


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > INDEX_LIMIT:
            raise WorkloadError(
                f"{path} is larger than {INDEX_LIMIT // 1024 // 1024} MB", "This is no index of shards."
            )
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        return None


def _missing(folder: Path, index: Path | None) -> tuple[str, ...]:
    """Shards that the index names and the folder has not; a name that leads out of the folder is one too."""
    if index is None or _is_pointer(index):
        return ()
    named = dict.fromkeys(name for name in _weight_map(index).values() if isinstance(name, str))
    return tuple(name for name in list(named)[:_SHARDS] if not _is_there(folder, name))


def _is_there(folder: Path, name: str) -> bool:
    return len(PurePosixPath(name).parts) == 1 and name not in ("..", ".") and (folder / name).is_file()


def _files(folder: Path) -> tuple[str, ...]:
    """Files that hold weights or a vocabulary, by name."""
    wanted = (*folder.glob("*.safetensors"), *folder.glob("*.bin"), *(folder / name for name in _OTHERS))
    return tuple(sorted(path.name for path in wanted if path.is_file()))[:_SHARDS]


_OTHERS = ("tokenizer.json", "tokenizer.model", "model.safetensors.index.json")


def _is_pointer(path: Path) -> bool:
    """Whether a file is what Git leaves where Git LFS is not installed: a few lines that name the real one."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size < 1024 and file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def _header(path: Path) -> Mapping[str, Any]:
    """The header of a safetensors file: eight bytes with its length (little-endian), then JSON."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            raw = file.read(length) if 0 < length <= INDEX_LIMIT else b""
    except OSError:
        return {}
    try:
        read = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
